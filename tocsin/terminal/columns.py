"""Columns of the table, as on the operator's page, and which of them fit. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from alarm_engine.model.path import split
from tocsin.cli.answering import current, word
from tocsin.cli.printing import plain, span
from tocsin.client.types import Alarm
from tocsin.terminal.rows import View

GAP = 1
"""Cells between two columns."""

_NARROW = 9
"""An age in fewer cells than this has only its first unit."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    key: str
    title: str
    least: int
    """Cells without which it is left out."""
    good: int
    """Cells that it gets before others get more than that."""
    most: int
    """Cells beyond which it gains nothing."""
    text: Callable[[Alarm, float, int], str]
    """What stands in it; takes the alarm, the time in seconds since the epoch and the width."""
    middle: bool = False
    """What is too long is shortened in its middle: the end tells names apart."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A column with its width."""

    column: Column
    width: int


def age(seconds: float, width: int) -> str:
    """How long, in so many cells."""
    text = span(seconds)
    return text if width >= _NARROW or len(text) <= width else " ".join(text.split(" ")[:2])


def _since(alarm: Alarm, now: float, width: int) -> str:
    return "" if alarm.since is None else age(now - alarm.since.timestamp(), width)


def _comes_back(alarm: Alarm, now: float, width: int) -> str:
    until = alarm.suppression.until if alarm.suppression else None
    return "when enabled" if until is None else f"in {age(until.timestamp() - now, width - 3)}"


def where(alarm: Alarm) -> str:
    """Components between the root and the alarm."""
    return " › ".join(split(alarm.path)[1:-1])


def _by(alarm: Alarm) -> str:
    return alarm.acknowledgement.user if alarm.acknowledgement else ""


def _suppressed_by(alarm: Alarm) -> str:
    return alarm.suppression.user if alarm.suppression else ""


def _why(alarm: Alarm) -> str:
    return alarm.suppression.reason if alarm.suppression else ""


def _plain(of: Callable[[Alarm], str]) -> Callable[[Alarm, float, int], str]:
    return lambda alarm, _now, _width: plain(of(alarm))


_SEVERITY = Column("severity", "Severity", 9, 9, 9, _plain(word))
_STANDING = Column("severity", "State", 14, 14, 14, _plain(word))
_PV = Column("pv", "PV", 12, 24, 48, _plain(lambda alarm: alarm.pv), middle=True)
_AGE = Column("since", "Since", 6, 11, 11, _since)
_MESSAGE = Column("message", "Message", 11, 12, 20, _plain(lambda alarm: alarm.message))
_VALUE = Column("value", "Value", 8, 10, 16, _plain(lambda alarm: alarm.value))
_DESCRIPTION = Column("description", "Description", 18, 24, 60, _plain(lambda alarm: alarm.description))
_CURRENT = Column("current", "PV now", 9, 12, 12, _plain(current))
_BY = Column("by", "Ack by", 8, 12, 16, _plain(_by))
_WHERE = Column("where", "System", 12, 20, 40, _plain(where))
_UNTIL = Column("until", "Comes back", 9, 14, 14, _comes_back)
_WHO = Column("who", "By", 6, 10, 16, _plain(_suppressed_by))
_WHY = Column("why", "Reason", 12, 24, 60, _plain(_why))

_ALARMS = (_SEVERITY, _PV, _DESCRIPTION, _MESSAGE, _VALUE, _CURRENT, _AGE, _BY, _WHERE)
_ALARMS_BY_WEIGHT = (_SEVERITY, _PV, _AGE, _MESSAGE, _VALUE, _DESCRIPTION, _CURRENT, _WHERE, _BY)
_SHELVED = (_STANDING, _PV, _DESCRIPTION, _CURRENT, _UNTIL, _WHO, _WHY, _WHERE)
_SHELVED_BY_WEIGHT = (_STANDING, _PV, _UNTIL, _WHY, _WHO, _DESCRIPTION, _CURRENT, _WHERE)


def shown(view: View) -> tuple[Column, ...]:
    """All columns of a view, from left to right."""
    return _SHELVED if view is View.SHELVED else _ALARMS


def fitting(view: View, width: int, longest: Mapping[str, int]) -> tuple[Placed, ...]:
    """The columns that fit in so many cells, from left to right. What matters most is there at any width.

    `longest`: cells of the longest text of each column; none gets more than it can use, and none less than its title needs.
    """
    by_weight = _SHELVED_BY_WEIGHT if view is View.SHELVED else _ALARMS_BY_WEIGHT
    widths: dict[str, int] = {}
    left = width + GAP
    for column in by_weight:
        if column.least + GAP > left:
            break
        widths[column.key] = column.least
        left -= column.least + GAP
    for aim in ("good", "most"):
        for column in by_weight:
            if column.key in widths:
                usable = max(longest.get(column.key, column.most), len(column.title))
                more = max(0, min(left, min(getattr(column, aim), usable) - widths[column.key]))
                widths[column.key] += more
                left -= more
    return tuple(Placed(column, widths[column.key]) for column in shown(view) if column.key in widths)


def fit(text: str, width: int, *, middle: bool = False) -> str:
    """The text in exactly so many cells."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    if not middle or width < 8:
        return set_cell_size(text, width - 1).rstrip() + "…" + " " * (width - 1 - cell_len(set_cell_size(text, width - 1).rstrip()))
    head = (width - 1) // 2
    tail = _tail(text, width - 1 - head)
    return set_cell_size(set_cell_size(text, head) + "…" + tail, width)


def _tail(text: str, width: int) -> str:
    for start in range(len(text)):
        if cell_len(text[start:]) <= width:
            return text[start:]
    return ""
