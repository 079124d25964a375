"""What an accumulator has to know of the past to go on: the state of each alarm, and the last event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from alarm_engine.model.times import Nanos
from backend.kpi.definitions import CHATTER_NS, STALE_NS
from backend.kpi.summary import Change, Level


class AlarmState:
    """One alarm while it is followed; owned by one accumulator. A time of 0 means: not so."""

    __slots__ = ("before_last", "last", "level", "level_since", "level_until", "number", "path", "rising", "standing", "unanswered")

    def __init__(self, path: str, number: int) -> None:
        self.path = path
        self.number = number
        """Index into the accumulator's list of alarms."""
        self.standing = 0
        """Since when the alarm is not OK."""
        self.unanswered = 0
        """The first annunciation that nobody acknowledged."""
        self.rising = 0
        """The first annunciation since the PV was OK."""
        self.last = 0
        """The last annunciation."""
        self.before_last = 0
        self.level = Level.NORMAL
        self.level_since = 0
        self.level_until: Nanos | None = None

    def as_change(self, time: Nanos) -> Change:
        """Its level, from a time on."""
        return Change(self.path, time, self.level, Nanos(self.level_since) if self.level_since else time, self.level_until)

    def as_stale(self) -> Change:
        """The change to stale of an alarm that stands that long."""
        return Change(self.path, Nanos(self.standing + STALE_NS), Level.STALE, Nanos(self.standing))

    def carry(self, now: Nanos) -> Carried | None:
        """What has to be kept at a time; None if the alarm is as one that was never heard of."""
        last, before_last = (time if now - time <= CHATTER_NS else 0 for time in (self.last, self.before_last))
        held = Carried(
            self.standing, self.unanswered, self.rising, last, before_last, int(self.level), self.level_since, self.level_until
        )  # fmt: skip
        return None if held == NOTHING else held

    def resume(self, carried: Carried) -> None:
        """Be as it was."""
        self.standing, self.unanswered, self.rising, self.last, self.before_last, level, self.level_since, until = carried
        self.level = Level(level)
        self.level_until = None if until is None else Nanos(until)


class Carried(NamedTuple):
    """An alarm between two summaries; the fields are those of `AlarmState`."""

    standing: int = 0
    unanswered: int = 0
    rising: int = 0
    last: int = 0
    before_last: int = 0
    level: int = 0
    level_since: int = 0
    level_until: int | None = None


NOTHING = Carried()


@dataclass(frozen=True, slots=True)
class CarriedState:
    """What is known at the end of a summary, so that the next one can be made without the events before."""

    config: str
    last: tuple[int, int]
    """Epoch and number of the last event that is in; go on with those after it."""
    time: Nanos
    """Its time, or what it was held at."""
    end: Nanos
    """End of the last summary: the next one begins here."""
    day: int
    """The UTC day of the last summary with an opening, in days since 1970; -1: there was none."""
    alarms: dict[str, Carried]
    """Alarms of which something has to be known; the others are OK and were not annunciated just before."""
    imported: bool = False
    """The last event was imported."""
