"""What is examined: the settings of a site with its trees, who is to run there, and how to ask Kafka."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

from alarm_engine.config.load import LoadResult, load_tree
from alarm_engine.errors import TocsinError
from alarm_engine.journal.kafka_cluster import Cluster
from tocsin.journals import kafka_settings
from tocsin.settings import Settings
from tocsin.settings_sections import ConfigurationSettings
from tocsin.trees import Configuration


class Role(StrEnum):
    """Whose rights and whose needs are looked at."""

    RUN = "run"
    """All parts, as one user."""
    ENGINE = "engine"
    HISTORY = "history"
    BACKEND = "backend"
    SYNC = "sync"

    def does(self, *roles: Role) -> bool:
        """It is one of them, or all of them."""
        return self is Role.RUN or self in roles


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody who examines a site can choose."""

    role: Role = Role.RUN
    pvs: tuple[str, ...] = ()
    """To be connected to; empty: some of each tree."""
    url: str = ""
    """Address of the web side; empty: as the settings say."""
    patience_s: float = 15.0
    """Longest wait for an answer."""


@dataclass(frozen=True, slots=True)
class SiteTree:
    """One configuration of the settings, with what its files gave."""

    settings: ConfigurationSettings
    result: LoadResult | None
    """None where the settings name no file."""

    @property
    def configuration(self) -> Configuration | None:
        """Its name and zone; None where neither settings nor files tell the name."""
        tree = self.result.tree if self.result is not None else None
        name = self.settings.name or (tree.name if tree is not None else None)
        if name is None:
            return None
        zone = self.settings.time_zone or (tree.time_zone if tree is not None else "UTC")
        return Configuration(name, ZoneInfo(zone), self.settings.owner == "phoebus")


@dataclass
class Site:
    """A site under examination."""

    file: Path
    settings: Settings
    wanted: Wanted = field(default_factory=Wanted)
    trees: Sequence[SiteTree] = ()
    _asking: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _answers: bool | None = None
    _cluster: Cluster | None = None

    @classmethod
    def of(cls, file: Path, settings: Settings, wanted: Wanted) -> Site:
        """With its trees read."""
        trees = [SiteTree(one, None if one.tree is None else load_tree(one.tree)) for one in settings.configurations]
        return cls(file, settings, wanted, trees)

    @property
    def configurations(self) -> list[Configuration]:
        """Those whose name is known, each once."""
        found = [one.configuration for one in self.trees]
        return list({one.name: one for one in found if one is not None}.values())

    @property
    def uses_kafka(self) -> bool:
        """The journal is there."""
        return self.settings.journal == "kafka"

    @property
    def cluster(self) -> Cluster:
        """For requests, from any thread; nothing is connected before the first."""
        with self._asking:
            if self._cluster is None:
                settings = kafka_settings(self.settings)
                patience_s = min(settings.request_timeout_s, self.wanted.patience_s / 2)
                self._cluster = Cluster(replace(settings, request_timeout_s=patience_s))
            return self._cluster

    @property
    def kafka_answers(self) -> bool:
        """It was asked once for all; whoever comes meanwhile waits for the answer."""
        with self._asking:
            if self._answers is None:
                try:
                    self.cluster.check()
                    self._answers = True
                except TocsinError:
                    self._answers = False
            return self._answers

    @property
    def web_address(self) -> str:
        """Where the web side is to be; empty where the settings leave that to chance."""
        if self.wanted.url:
            return self.wanted.url.rstrip("/")
        host, port = self.settings.backend.host, self.settings.backend.port
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return "" if port == 0 else f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def close(self) -> None:
        """Let nobody wait for Kafka any longer."""
        if self._cluster is not None:
            self._cluster.give_up()
