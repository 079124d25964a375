"""Who elects among themselves in Kafka, and about what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from alarm_engine.journal.kafka_settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class Electorate:
    """The members of one consumer group, each of which may be given a configuration."""

    group: str
    """Full name of the consumer group."""
    kind: str
    """What a member is, for sentences: `engine`."""
    where: str
    """Which ones, to follow `kind`: ` of cell 'main'`, or empty."""
    topics: Mapping[str, str]
    """The topic of each configuration whose one partition says whose it is. None is in it twice."""
    writes: bool
    """Whoever is elected becomes the one writer of the configuration in the journal.

    So it makes a missing topic, leaves a configuration alone that the writer of another cell has, and may keep in doubt what it has: the
    journal takes nothing from it if another was elected. Without this a member gives up whatever it cannot be sure of.
    """

    @property
    def one(self) -> str:
        """For sentences: `engine of cell 'main'`."""
        return f"{self.kind}{self.where}"

    @property
    def all(self) -> str:
        """For sentences: `engines of cell 'main'`."""
        return f"{self.kind}s{self.where}"

    def configs(self, topics: Iterable[str]) -> frozenset[str]:
        """The configurations that these topics stand for; others are left out."""
        wanted = set(topics)
        return frozenset(config for config, topic in self.topics.items() if topic in wanted)


def cell_group(settings: KafkaSettings, cell: str) -> str:
    """The consumer group in which the engines of a cell elect."""
    return settings.group(f"cell-{cell}")


def engines(settings: KafkaSettings, configs: Iterable[str]) -> Electorate:
    """Those of `settings.cell`, the same for all of them: a configuration is whose its own topic is."""
    topics = {config: config for config in configs}
    return Electorate(cell_group(settings, settings.cell), "engine", f" of cell {settings.cell!r}", topics, writes=True)
