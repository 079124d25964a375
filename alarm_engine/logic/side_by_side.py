"""Two alarm servers on the same alarms, compared: which of their differences have settled, and what was an operator's act.

Two that decide alike never decide at the same instant: one hears of a PV later, a delay ends a moment earlier. A difference counts as one
when it has stood without a break for longer than that can take.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from alarm_engine.logic.alarm_logic import DISABLED
from alarm_engine.model.severity import NAMES, Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic, Nanos


class Shown(NamedTuple):
    """What one server says of an alarm, as far as two of them can be compared: values and times are those of different samples."""

    severity: Severity
    message: str = ""
    """Empty for an alarm that is OK, where servers word it differently; `Disabled` stays."""
    current_severity: Severity = Severity.OK
    current_message: str = ""

    @classmethod
    def of(cls, alarm: tuple[Severity, str], current: tuple[Severity, str]) -> Shown:
        """From severity and message of both sides of a state."""
        return cls(alarm[0], _told(*alarm), current[0], _told(*current))

    def __str__(self) -> str:
        """For people: `MAJOR HIHI_ALARM (the PV: MINOR HIGH_ALARM)`; a component has no PV."""
        alarm = f"{NAMES[self.severity]} {self.message}".rstrip()
        current = f"{NAMES[self.current_severity]} {self.current_message}".rstrip()
        is_component = self.severity is not Severity.OK and not self.message
        return alarm if is_component or self[:2] == self[2:] or self[0] == self[2] == Severity.OK else f"{alarm} (the PV: {current})"


def _told(severity: Severity, message: str) -> str:
    return message if severity is not Severity.OK or message == DISABLED else ""


class Act(StrEnum):
    """What somebody did to an alarm, known from two states that follow each other."""

    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"


def act_between(before: Shown, after: Shown, latching: bool) -> Act | None:
    """The act that turned one published state into the next; None where the PV can have done it.

    Nothing but an acknowledgement turns an active alarm into an acknowledged one, nor a latched one into OK whose PV was OK already.
    Nothing but taking it back makes an acknowledged alarm active again while its PV is as it was.
    """
    if before.severity.is_active and after.severity.is_acknowledged:
        return Act.ACKNOWLEDGED
    was_over = before.current_severity is Severity.OK and after.current_severity is Severity.OK
    if latching and before.severity.is_active and was_over and after.severity is Severity.OK and after.message != DISABLED:
        return Act.ACKNOWLEDGED
    if before.severity.is_acknowledged and after.severity.is_active and before[2:] == after[2:]:
        return Act.UNACKNOWLEDGED
    return None


class Following(StrEnum):
    """What is to be done on our side about an act on theirs."""

    NOW = "do the same"
    LATER = "wait: we have not heard of the alarm yet, or not that it is over"
    NEVER = "we are there already, or theirs has gone on"


def follow(act: Act, ours: Shown, theirs: Shown) -> Following:
    """Whether an act is to be repeated on our side, where the same alarm may be a moment behind. `theirs`: as it is now."""
    if act is Act.UNACKNOWLEDGED:
        return Following.NOW if ours.severity.is_acknowledged and theirs.severity.is_active else Following.NEVER
    if ours.severity.is_acknowledged or theirs.severity.is_active:
        return Following.NEVER
    if not ours.severity.is_active or (theirs.severity is Severity.OK and ours.current_severity is not Severity.OK):
        return Following.LATER
    return Following.NOW


@dataclass(frozen=True, slots=True)
class Difference:
    """Two servers say different things of one alarm or component."""

    path: str
    ours: Shown | None
    """None: it is not in our tree."""
    theirs: Shown | None
    """None: nothing was published."""
    since: Nanos
    """When it began."""
    why: str
    """What we decided last there, by the name of the decision."""


@dataclass(slots=True)
class _Open:
    difference: Difference
    begun: Monotonic
    settled: bool = False


class Comparison:
    """Which differences there are now, and how many there were."""

    def __init__(self, settles_s: float) -> None:
        """`settles_s`: a difference that is over within so many seconds is none."""
        self._settles_ns = round(settles_s * NANOS_PER_SECOND)
        self._open: dict[str, _Open] = {}
        self.settled = 0
        """Differences that settled since the start, those that are over included."""
        self.blips = 0
        """Those that were over before they settled."""

    @property
    def paths(self) -> list[str]:
        """Where there is a difference, settled or not: to be looked at again, whatever happened."""
        return list(self._open)

    @property
    def standing(self) -> list[Difference]:
        """Settled differences that there are now, the oldest first."""
        return sorted((one.difference for one in self._open.values() if one.settled), key=lambda one: (one.since, one.path))

    def look(self, difference: Difference, now: Moment) -> Difference | None:
        """How things stand at a path. Returns a settled difference that is over with this."""
        open_ = self._open.get(difference.path)
        if difference.ours == difference.theirs:
            if open_ is None:
                return None
            del self._open[difference.path]
            self.blips += not open_.settled
            return open_.difference if open_.settled else None
        if open_ is None:
            self._open[difference.path] = _Open(difference, now.monotonic)
        elif not open_.settled:
            since = open_.difference.since
            open_.difference = Difference(difference.path, difference.ours, difference.theirs, since, difference.why)
        return None

    def settle(self, now: Moment) -> list[Difference]:
        """Differences that have stood long enough by now, and were not told before."""
        found = [one for one in self._open.values() if not one.settled and now.monotonic - one.begun >= self._settles_ns]
        for one in found:
            one.settled = True
        self.settled += len(found)
        return [one.difference for one in found]

    def begin_anew(self, now: Moment) -> None:
        """Nothing could be compared until now: what has not settled yet has as much time again."""
        for one in self._open.values():
            one.begun = one.begun if one.settled else now.monotonic
