"""Answers about what was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tocsin.client.types.answer import Answer
from tocsin.client.types.live import Alarm, Node
from tocsin.client.types.names import Differs, Severity, State


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Moment(Answer):
    """What is to be known about an answer for a moment.

    >>> difference = client.difference("1h")
    >>> difference.before.complete, difference.before.remark
    (False, 'nothing was recorded by then')
    """

    at: datetime
    """The moment, with the events of that very time."""
    as_of: str | None
    """Newest event that is in the answer; None: nothing was recorded by then."""
    as_of_time: datetime | None
    complete: bool
    """Everything that happened until then is in the answer. False: do not read silence as calm."""
    remark: str
    """Why it is not; empty if it is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PastTree(Moment):
    """A part of the tree as it was.

    >>> then = client.at("now", "/Acc/RF")
    >>> then.root.severity, then.as_of_time < datetime.now(UTC)
    ('MINOR_ACK', True)
    """

    root: Node


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PastAlarms(Moment):
    """Alarms as they were, worst first.

    >>> then = client.alarms_at("now")
    >>> [alarm.pv for alarm in then.alarms], then.total
    (['GC1'], 1)
    """

    total: int
    """Alarms that pass the filters."""
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Then(Answer):
    """One alarm at one moment.

    >>> one = client.difference("1h", path="/Acc/Vacuum/GC1").changes[0]
    >>> one.before, one.after.severity, one.after.state
    (None, 'MAJOR', 'active')
    """

    severity: Severity
    """OK while suppressed."""
    state: State
    connected: bool
    event: str
    """What the state comes from."""
    time: datetime
    """Of that event."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DifferentAlarm(Answer):
    """One alarm that is not as it was.

    >>> one = client.difference("1h").changes[0]
    >>> one.pv, one.change
    ('GC1', 'appeared')
    """

    path: str
    pv: str
    system: str
    change: Differs
    before: Then | None
    """None: the alarm appeared."""
    after: Then | None
    """None: the alarm was removed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Difference(Answer):
    """What differs between two moments. What came and went between them is not in it.

    >>> difference = client.difference(timedelta(hours=1))
    >>> difference.total, difference.cut
    (5, False)
    """

    before: Moment
    after: Moment
    total: int
    """Alarms that differ."""
    cut: bool
    """There are more than are in the list."""
    changes: tuple[DifferentAlarm, ...]
    """What is worst afterwards comes first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Interval(Answer):
    """A span of time in which an alarm had one severity, cut to the range.

    >>> line = client.intervals("/Acc/Vacuum/GC1", start="1h").alarms[0]
    >>> [(interval.severity, interval.state) for interval in line.intervals]
    [(None, 'unknown'), ('MAJOR', 'active')]
    """

    start: datetime
    end: datetime
    seconds: float
    severity: Severity | None
    """None: nothing is known (before the first event, after the alarm was removed)."""
    state: State
    """What the alarm counted as; UNKNOWN where nothing is known."""
    suppressed: bool
    """SHELVED or DISABLED (out of service)."""
    connected: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Line(Answer):
    """One alarm over time, without gaps.

    >>> [line.pv for line in client.intervals("/Acc/Vacuum", start="1h").alarms]
    ['GC1', 'GC2', 'GC10']
    """

    path: str
    pv: str
    system: str
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Intervals(Answer):
    """Alarms over time.

    >>> found = client.intervals(["/Acc/Vacuum/GC1", "/Acc/INTERLOCK"], start="1h")
    >>> found.total, found.complete
    (2, False)
    """

    start: datetime
    end: datetime
    """Not after now: nobody knows the future."""
    complete: bool
    """Everything that happened in the range is in the answer. False: do not read silence as calm."""
    remark: str
    """Why it is not; empty if it is."""
    total: int
    """Alarms that were asked for."""
    cut: bool
    """There are more than are in the list."""
    alarms: tuple[Line, ...]
