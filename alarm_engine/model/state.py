"""State of one alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos

_made = tuple.__new__


class EventId(NamedTuple):
    """Identity of an event, ordered within a configuration; written `config.epoch.n`."""

    config: str
    epoch: int
    """Grows with every engine that takes over (about the Unix seconds of that moment)."""
    n: int
    """Counts events within an epoch, from 1."""

    def __str__(self) -> str:
        return f"{self.config}.{self.epoch}.{self.n}"

    @classmethod
    def parse(cls, text: str) -> EventId:
        """The id that `str()` wrote; raises `ValueError` for anything else."""
        try:
            config, epoch, n = text.rsplit(".", 2)
            if not config:
                raise ValueError
            return _made(cls, (config, int(epoch), int(n)))  # of two ids an event, read by the million
        except ValueError:
            raise ValueError(f"{text!r} is not an event id (expected CONFIG.EPOCH.N)") from None


class Sample(NamedTuple):
    """What the PV says now, and what an alarm was raised by."""

    severity: Severity
    message: str
    value: str
    time: Nanos
    """Time stamp of the PV, or of the engine where the PV has none."""


class Alarm(NamedTuple):
    """The latched and acknowledged side: the alarm that an operator sees."""

    severity: Severity
    message: str
    value: str
    time: Nanos
    latch: bool = False
    """True on the record in which the alarm latched to a higher level."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who took notice, when, and why."""

    user: str
    host: str
    reason: str
    time: Nanos


@dataclass(frozen=True, slots=True)
class Suppression:
    """Who took an alarm out of sight: shelved (with an end) or out of service (without)."""

    user: str
    host: str
    reason: str
    since: Nanos
    until: Nanos | None
    """End of shelving; None: out of service until somebody enables it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The complete state of one alarm: what an event carries and what the live tree shows."""

    alarm: Alarm
    """While suppressed: OK / `Disabled`."""
    current: Sample
    """What the PV says now, also while the alarm is suppressed."""
    connected: bool
    since: Nanos
    """Engine time at which the alarm severity became what it is; acknowledging does not count."""
    rise: EventId | None = None
    """The event in which the alarm last rose (what `seen` is compared with)."""
    acknowledgement: Acknowledgement | None = None
    suppression: Suppression | None = None
    annunciating: bool = True
