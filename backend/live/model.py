"""What the live trees look like to those who ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from alarm_engine.model.event import Event
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId, Snapshot
from alarm_engine.model.status import EngineStatus


@dataclass(slots=True)
class LiveAlarm:
    """One alarm as it is now."""

    path: str
    pv: str
    system: str
    """Component directly below the root, `""` for alarms directly below it."""
    settings: AlarmSettings
    snapshot: Snapshot | None
    """None until an engine has said anything about it."""
    version: EventId | None = None
    """The event that the snapshot comes from."""

    @property
    def severity(self) -> Severity:
        """Alarm severity; OK while unknown."""
        return self.snapshot.alarm.severity if self.snapshot else Severity.OK


@dataclass(slots=True)
class Counts:
    """Alarms at and below a component by what they are; kept up to date with every change."""

    severities: list[int] = field(default_factory=lambda: [0] * len(Severity))
    """By ordinal of the alarm severity; suppressed and unknown alarms are left out."""
    unknown: int = 0
    """No engine has said anything about them, or their PVs were never heard of."""
    shelved: int = 0
    disabled: int = 0
    """Out of service."""
    disconnected: int = 0
    """Among those with a severity."""
    total: int = 0

    def add(self, other: Counts) -> None:
        """Count the alarms of another component too."""
        self.severities = [mine + more for mine, more in zip(self.severities, other.severities, strict=True)]
        self.unknown += other.unknown
        self.shelved += other.shelved
        self.disabled += other.disabled
        self.disconnected += other.disconnected
        self.total += other.total

    def highest(self) -> Severity:
        """The roll-up: the highest severity that is there, OK without alarms."""
        for ordinal in range(len(self.severities) - 1, 0, -1):
            if self.severities[ordinal]:
                return Severity(ordinal)
        return Severity.OK


@dataclass(slots=True)
class LiveNode:
    """A component."""

    path: str
    name: str
    settings: NodeSettings
    severity: Severity = Severity.OK
    """Rolled up: the highest below, alarms out of service or shelved left out."""
    nodes: dict[str, LiveNode] = field(default_factory=dict)
    """Components below, in natural order of their names."""
    alarms: dict[str, LiveAlarm] = field(default_factory=dict)
    """Alarms directly below, in natural order of their names."""
    counts: Counts = field(default_factory=Counts)
    """All alarms below, at any depth."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How much a live answer can be trusted."""

    as_of: EventId | None
    """The newest event that is in the answer."""
    age_s: float | None
    """Since the engine's last life sign, by our own monotonic clock; None: none was ever seen."""
    stale: bool
    """No life sign for 5 s (or ever), or the journal has not been read to its end."""
    status: EngineStatus | None
    maintenance: bool
    notify: bool
    foreign: str = ""
    """That somebody else writes states of the configuration too, in words; empty while nobody does."""


class LiveTree(Protocol):
    """One configuration as it is now. Read only; only valid on the event loop that keeps it up to date."""

    @property
    def config(self) -> str:
        """Name of the configuration."""
        ...

    @property
    def root(self) -> LiveNode:
        """Top of the tree."""
        ...

    @property
    def alarms(self) -> Mapping[str, LiveAlarm]:
        """All alarms by path."""
        ...

    @property
    def nodes(self) -> Mapping[str, LiveNode]:
        """All components by path, the root included."""
        ...

    @property
    def ids(self) -> Mapping[str, str]:
        """Lasting identities of components that have one, by path."""
        ...

    def freshness(self) -> Freshness:
        """How much of this can be trusted now."""
        ...

    def recent(self, after: EventId | None) -> list[Event] | None:
        """Events after that one which are still in memory, oldest first; None if the gap is larger than what is kept."""
        ...

    async def wait(self, after: EventId | None, timeout_s: float) -> bool:
        """Wait until there is an event after that one; False on time-out."""
        ...
