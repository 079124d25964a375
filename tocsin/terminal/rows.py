"""What the table knows: every alarm that is not quiet, and the changes that come. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from alarm_engine.model.path import is_below, natural_key, split
from tocsin.client.types import Alarm, Change, EventKind, Severity, Snapshot, State

KINDS = (Severity.UNDEFINED, Severity.INVALID, Severity.MAJOR, Severity.MINOR)
"""The four kinds of alarm, worst first."""

_NEVER = 2.0**62
_HIDDEN = (State.SHELVED, State.DISABLED)
_QUIET = (State.OK, State.UNKNOWN)


class View(StrEnum):
    """Which alarms are shown. The value is what is written above the table."""

    STANDING = "In alarm"
    """Unacknowledged ones first."""
    ACTIVE = "Unacknowledged"
    ACKNOWLEDGED = "Acknowledged"
    SHELVED = "Shelved"
    """Also out of service."""


_SHOWN: dict[View, frozenset[State]] = {
    View.STANDING: frozenset({State.ACTIVE, State.ACKNOWLEDGED}),
    View.ACTIVE: frozenset({State.ACTIVE}),
    View.ACKNOWLEDGED: frozenset({State.ACKNOWLEDGED}),
    View.SHELVED: frozenset(_HIDDEN),
}


class Order(StrEnum):
    """What the table is sorted by. The value is what is said of it."""

    SEVERITY = "worst first"
    SINCE = "newest first"
    PV = "by name"
    SYSTEM = "by system"


@dataclass(frozen=True, slots=True)
class Row:
    """An alarm with what it is found and sorted by."""

    alarm: Alarm
    text: str
    """What words are looked for in, in small letters."""
    level: int
    since: float
    """Seconds since the epoch; 0 where it is not known."""
    by_name: Any
    by_place: Any

    @property
    def path(self) -> str:
        """Path of the alarm."""
        return self.alarm.path

    @property
    def config(self) -> str:
        """Name of its configuration."""
        return split(self.alarm.path)[0]


def row(alarm: Alarm) -> Row:
    """The row of an alarm."""
    name = "shelved" if alarm.suppression is not None else str(alarm.severity).replace("_ACK", "")
    text = f"{alarm.path}\n{alarm.description}\n{alarm.message}\n{alarm.value}\n{name}".lower()
    place = tuple(natural_key(element) for element in split(alarm.path))
    return Row(alarm, text, alarm.severity.level, alarm.since.timestamp() if alarm.since else 0.0, natural_key(alarm.pv), place)


_KEYS: dict[Order, Callable[[Row], Any]] = {
    Order.SEVERITY: lambda one: (-one.level, -one.since, one.path),
    Order.SINCE: lambda one: (-one.since, one.path),
    Order.PV: lambda one: (one.by_name, one.path),
    Order.SYSTEM: lambda one: (one.by_place, one.path),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which rows are wanted, and in what order."""

    view: View = View.STANDING
    words: tuple[str, ...] = ()
    """All of them must be in path, description, message, value or name of the severity; in small letters."""
    severities: frozenset[Severity] = frozenset()
    """Not acknowledged forms; empty: any."""
    path: str | None = None
    """This alarm, or what is below this component."""
    order: Order = Order.SEVERITY
    reverse: bool = False

    @property
    def narrows(self) -> bool:
        """Some alarms of the view are left out."""
        return bool(self.words or self.severities or self.path)

    def searching(self, text: str) -> Wish:
        """The same with other words."""
        return replace(self, words=tuple(text.lower().split()))

    def passes(self, one: Row) -> bool:
        """True for a row that is wanted."""
        alarm = one.alarm
        if alarm.state not in _SHOWN[self.view]:
            return False
        if self.severities and unacknowledged(alarm.severity) not in self.severities:
            return False
        if self.path is not None and not is_below(alarm.path, self.path):
            return False
        return all(word in one.text for word in self.words)


def unacknowledged(severity: Severity) -> Severity:
    """The severity as it is before anybody takes notice."""
    return Severity(str(severity).removesuffix("_ACK"))


@dataclass(frozen=True, slots=True)
class Counts:
    """Alarms of the whole table, whatever is filtered."""

    active: Counter[Severity]
    acknowledged: Counter[Severity]
    """By the severity as it is before anybody takes notice."""
    shelved: int

    def of(self, view: View) -> int:
        """Number of alarms of a view."""
        active, acknowledged = self.active.total(), self.acknowledged.total()
        numbers = {View.STANDING: active + acknowledged, View.ACTIVE: active, View.ACKNOWLEDGED: acknowledged, View.SHELVED: self.shelved}
        return numbers[view]


@dataclass(slots=True)
class Rows:
    """Every alarm that is not quiet, by path."""

    rows: dict[str, Row] = field(default_factory=dict)
    as_of: dict[str, str] = field(default_factory=dict)
    """Newest event that is in here, by configuration."""

    def take_snapshot(self, config: str, snapshot: Snapshot) -> None:
        """Everything of a configuration, anew."""
        top = f"/{config}"
        kept = {path: one for path, one in self.rows.items() if not is_below(path, top)}
        self.rows = kept | {alarm.path: row(alarm) for alarm in snapshot.alarms if alarm.state not in _QUIET}
        self.known(config, snapshot.as_of)

    def take_change(self, config: str, change: Change) -> None:
        """One line of history."""
        event, alarm = change.event, change.alarm
        self.known(config, event.id)
        if alarm is not None and alarm.state not in _QUIET:
            self.rows[alarm.path] = row(alarm)
        elif event.kind is EventKind.REMOVED:
            for path in [path for path in self.rows if is_below(path, event.path)]:
                del self.rows[path]
        elif alarm is not None:
            self.rows.pop(alarm.path, None)

    def known(self, config: str, event: str | None) -> None:
        """Everything up to this event is in here."""
        if event:
            self.as_of[config] = event

    def wanted(self, wish: Wish) -> list[Row]:
        """The rows that pass, in order."""
        return ordered((one for one in self.rows.values() if wish.passes(one)), wish)

    def counts(self) -> Counts:
        """How many there are."""
        active: Counter[Severity] = Counter()
        acknowledged: Counter[Severity] = Counter()
        shelved = 0
        for one in self.rows.values():
            state, severity = one.alarm.state, unacknowledged(one.alarm.severity)
            if state in _HIDDEN:
                shelved += 1
            elif state == State.ACKNOWLEDGED:
                acknowledged[severity] += 1
            else:
                active[severity] += 1
        return Counts(active, acknowledged, shelved)


def ordered(rows: Iterable[Row], wish: Wish) -> list[Row]:
    """Sorted; where all are shown, those that nobody has taken notice of come first whatever the order."""
    found = sorted(rows, key=_KEYS[wish.order], reverse=wish.reverse)
    if wish.view is View.STANDING:
        found.sort(key=lambda one: one.alarm.state != State.ACTIVE)
    return found
