"""What an overlay is made of: settings, the names of the configurations, their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.settings import Settings


@dataclass(frozen=True, slots=True)
class SiteConfiguration:
    """One configuration of a site that is rendered."""

    name: str
    phoebus: bool
    """A Phoebus server owns it: its topics are that server's."""
    file: Path | None = None
    """The first file of its tree, where the settings name one."""
    files: tuple[Path, ...] = ()
    """All files of the tree."""


@dataclass(frozen=True, slots=True)
class ClusterSite:
    """A site whose overlay is wanted."""

    settings: Settings
    raw: Mapping[str, Any]
    """The settings as the file has them: what is not written there is not written into the cluster either."""
    configurations: Sequence[SiteConfiguration]
    manifests: str
    """Where `base` and `components` are: a path from the overlay, or an address that kustomize understands."""

    @property
    def ours(self) -> list[str]:
        """Configurations that our engines evaluate."""
        return [one.name for one in self.configurations if not one.phoebus]

    @property
    def foreign(self) -> list[str]:
        """Configurations that Phoebus servers evaluate."""
        return [one.name for one in self.configurations if one.phoebus]

    @property
    def is_guest(self) -> bool:
        """It uses the Kafka of another site in this cluster, made by the same operator."""
        return bool(self.settings.kubernetes.kafka_namespace)

    @property
    def copies(self) -> int:
        """Copies of each topic."""
        if self.settings.kafka.replication_factor is not None:
            return self.settings.kafka.replication_factor
        return 1 if self.settings.kubernetes.single_node else 3
