"""From changes of an alarm's condition to intervals that fill a range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from backend.history.port import Interval

_SEVERITY = 0x0F
_SUPPRESSED = 0x10
_CONNECTED = 0x20
_OUT_OF_SERVICE = 0x40
REMOVED = -1
"""State of an event after which nothing is known and that has no snapshot."""
REMOVED_WITH_SNAPSHOT = -2
"""The same with a snapshot."""


class Condition(NamedTuple):
    """What a timeline shows of an alarm."""

    severity: Severity | None
    suppressed: bool
    out_of_service: bool
    """Suppressed without an end."""
    connected: bool


UNKNOWN = Condition(None, suppressed=False, out_of_service=False, connected=False)
"""Before the first event, and after the alarm was removed from the tree."""


def condition(event: Event) -> Condition | None:
    """The condition from this event on; None for an event that says nothing about it."""
    if event.kind is EventKind.REMOVED:
        return UNKNOWN
    snapshot = event.snapshot
    if snapshot is None:
        return None
    hidden = snapshot.suppression
    return Condition(snapshot.alarm.severity, hidden is not None, hidden is not None and hidden.until is None, snapshot.connected)


def encode_state(event: Event) -> int | None:
    """Severity, suppressed, out of service and connected in one number."""
    what = condition(event)
    if what is None:
        return None
    if what.severity is None:
        return REMOVED if event.snapshot is None else REMOVED_WITH_SNAPSHOT
    bits = (what.suppressed, _SUPPRESSED), (what.out_of_service, _OUT_OF_SERVICE), (what.connected, _CONNECTED)
    return int(what.severity) | sum(bit for holds, bit in bits if holds)


def decode_state(state: int | None) -> Condition:
    """The condition that `encode_state` packed; `UNKNOWN` for nothing and for a removed alarm."""
    if state is None or state < 0:
        return UNKNOWN
    return Condition(Severity(state & _SEVERITY), bool(state & _SUPPRESSED), bool(state & _OUT_OF_SERVICE), bool(state & _CONNECTED))


def condition_of(interval: Interval) -> Condition:
    """The condition that an interval has."""
    return Condition(interval.severity, interval.suppressed, interval.out_of_service, interval.connected)


def fill(path: str, span: tuple[Nanos, Nanos], before: Condition, changes: Iterable[tuple[Nanos, Condition]]) -> list[Interval]:
    """Intervals from start to end of the span, equal neighbours merged; `changes` in order, none before the start."""
    start, end = span
    found: list[Interval] = []
    now = before
    for time, following in changes:
        if following != now:
            _close(found, path, (start, time), now)
            start, now = time, following
    _close(found, path, (start, end), now)
    return found


def _close(found: list[Interval], path: str, span: tuple[Nanos, Nanos], what: Condition) -> None:
    start, end = span
    if start >= end:
        return
    if found and condition_of(found[-1]) == what:
        start = found.pop().start  # what lay between lasted no time
    found.append(Interval(path, start, end, *what))
