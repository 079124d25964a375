"""The topics of a configuration and of a cell, and how each forgets."""

from __future__ import annotations

from dataclasses import dataclass

from alarm_engine.journal.port import Cleanup, TopicSpec

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Topics:
    """Topic names of one configuration."""

    config_name: str

    @property
    def config(self) -> str:
        """`config:` and `state:` records."""
        return self.config_name

    @property
    def command(self) -> str:
        """`command:` records of clients."""
        return f"{self.config_name}Command"

    @property
    def talk(self) -> str:
        """`talk:` records for annunciators."""
        return f"{self.config_name}Talk"

    @property
    def events(self) -> str:
        """Our events."""
        return f"{self.config_name}Events"

    @property
    def settings(self) -> str:
        """What files last wrote, and what an alarm has beyond the Phoebus fields."""
        return f"{self.config_name}Settings"

    @property
    def runtime(self) -> str:
        """What must survive a restart beyond the state records."""
        return f"{self.config_name}Runtime"

    def specs(self, events_keep_days: int = 30, events_keep_bytes: int | None = 4_000_000_000) -> tuple[TopicSpec, ...]:
        """All topics of the configuration with their retention."""
        return (
            TopicSpec(self.config, Cleanup.COMPACT),
            TopicSpec(self.command, Cleanup.DELETE, retention_s=600),
            TopicSpec(self.talk, Cleanup.DELETE, retention_s=20),
            TopicSpec(self.events, Cleanup.DELETE, retention_s=events_keep_days * _DAY_S, retention_bytes=events_keep_bytes),
            TopicSpec(self.settings, Cleanup.COMPACT),
            TopicSpec(self.runtime, Cleanup.COMPACT),
        )


def status_topic(cell: str) -> TopicSpec:
    """Where the engines of a cell give their life sign."""
    return TopicSpec(f"{cell}Status", Cleanup.DELETE, retention_s=3600)
