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
    connected: bool


UNKNOWN = Condition(None, suppressed=False, connected=False)
"""Before the first event, and after the alarm was removed from the tree."""


def condition(event: Event) -> Condition | None:
    """The condition from this event on; None for an event that says nothing about it."""
    if event.kind is EventKind.REMOVED:
        return UNKNOWN
    snapshot = event.snapshot
    if snapshot is None:
        return None
    return Condition(snapshot.alarm.severity, snapshot.suppression is not None, snapshot.connected)


def encode_state(event: Event) -> int | None:
    """Severity, suppressed, out of service and connected in one number."""
    what = condition(event)
    if what is None:
        return None
    if what.severity is None:
        return REMOVED if event.snapshot is None else REMOVED_WITH_SNAPSHOT
    suppression = event.snapshot.suppression if event.snapshot else None
    hidden = 0 if suppression is None else _SUPPRESSED if suppression.until is not None else _SUPPRESSED | _OUT_OF_SERVICE
    return int(what.severity) | hidden | (_CONNECTED if what.connected else 0)


def decode_state(state: int | None) -> Condition:
    """The condition that `encode_state` packed; `UNKNOWN` for nothing and for a removed alarm."""
    if state is None or state < 0:
        return UNKNOWN
    return Condition(Severity(state & _SEVERITY), bool(state & _SUPPRESSED), bool(state & _CONNECTED))


def is_out_of_service(state: int) -> bool:
    """Whether the condition that `encode_state` packed is suppressed without an end."""
    return bool(state & _OUT_OF_SERVICE)


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
    if found and (found[-1].severity, found[-1].suppressed, found[-1].connected) == what:
        start = found.pop().start  # what lay between lasted no time
    found.append(Interval(path, start, end, *what))
