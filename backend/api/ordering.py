"""Orders of alarms, and cursors into them. Pure.

A cursor holds the whole sort key of the last row. An alarm that has not changed between two pages keeps its key, so pages have no gaps for
it; one that has changed is told of by an event.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import orjson

from alarm_engine.model.path import natural_key, split
from alarm_engine.model.severity import Severity
from backend.live import LiveAlarm

Key = tuple[Any, ...]
_NEVER = 2**63
_DEEPEST = 4
"""No key is nested deeper."""
_BEYOND_TIMES = 2.0**62
"""More nanoseconds than any time stamp has until the year 2116."""


def _since(alarm: LiveAlarm) -> int:
    return alarm.snapshot.since if alarm.snapshot else 0


def _worst_first(alarm: LiveAlarm) -> Key:
    """One number to sort by, since lists of thousands are sorted for each answer; times are told apart to about 8 us."""
    return -(alarm.severity * _BEYOND_TIMES + _since(alarm)), alarm.path


def _current(alarm: LiveAlarm) -> int:
    return -(alarm.snapshot.current.severity if alarm.snapshot else Severity.OK)


def _until(alarm: LiveAlarm) -> int:
    suppression = alarm.snapshot.suppression if alarm.snapshot else None
    return _NEVER if suppression is None or suppression.until is None else suppression.until


def _by(alarm: LiveAlarm) -> str:
    acknowledgement = alarm.snapshot.acknowledgement if alarm.snapshot else None
    return acknowledgement.user.casefold() if acknowledgement else ""


ORDERS: dict[str, Callable[[LiveAlarm], Key]] = {
    "severity": _worst_first,
    "time": lambda alarm: (-_since(alarm), alarm.path),
    "since": lambda alarm: (-_since(alarm), alarm.path),
    "path": lambda alarm: (*(natural_key(element) for element in split(alarm.path)), alarm.path),
    "pv": lambda alarm: (natural_key(alarm.pv), alarm.path),
    "where": lambda alarm: (tuple(natural_key(element) for element in split(alarm.path)[1:-1]), alarm.path),
    "description": lambda alarm: (alarm.settings.description.casefold(), alarm.path),
    "message": lambda alarm: (alarm.snapshot.alarm.message.casefold() if alarm.snapshot else "", alarm.path),
    "value": lambda alarm: (natural_key(alarm.snapshot.alarm.value) if alarm.snapshot else (), alarm.path),
    "current": lambda alarm: (_current(alarm), alarm.path),
    "by": lambda alarm: (_by(alarm), alarm.path),
    "until": lambda alarm: (_until(alarm), alarm.path),
}
"""Sort keys by name: `severity` is worst first, then newest first; `time` and `since` newest first; ties go by path."""


def cursor(sort: str, key: Key) -> str:
    """The text of a cursor."""
    return base64.urlsafe_b64encode(orjson.dumps([sort, key])).decode().rstrip("=")


def read_cursor(text: str, sort: str) -> Key:
    """The key of a cursor; raises `ValueError` for one that is none, or of another order."""
    try:
        of, key = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, TypeError) as problem:
        raise ValueError("is no cursor that this server gave") from problem
    if of != sort or not isinstance(key, list):
        raise ValueError(f"is a cursor of the order {str(of)[:40]!r}, not of {sort!r}")
    return _tuples(key, _DEEPEST)


def _tuples(value: list[Any], depth: int) -> Key:
    if depth == 0:
        raise ValueError("is no cursor that this server gave")
    return tuple(_tuples(item, depth - 1) if isinstance(item, list) else item for item in value)
