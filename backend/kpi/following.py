"""Follows each alarm from event to event, and counts what `definitions` names."""

from __future__ import annotations

from collections.abc import Mapping

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from backend.kpi.carried import AlarmState, Carried
from backend.kpi.definitions import ACTIVE, ANNUNCIATES, BY_MAINTENANCE, CHATTER_NS, FLEETING_NS, PERIOD_NS, STALE_NS
from backend.kpi.open_period import OpenPeriod
from backend.kpi.quantiles import bin_of
from backend.kpi.summary import Change, Level

_OK = Severity.OK
_HIDES = {EventKind.SHELVED: Level.SHELVED, EventKind.DISABLED: Level.OUT_OF_SERVICE}
_SHOWS = frozenset({EventKind.UNSHELVED, EventKind.ENABLED, EventKind.REMOVED})
_Standing = tuple[Level, Nanos | None, Nanos]
"""Level, end of shelving, begin."""
_SHOWN: _Standing = (Level.NORMAL, None, Nanos(0))


class Follower:
    """All alarms of a configuration."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        """By alarm number."""
        self._alarms: dict[str, AlarmState] = {}
        self._stirred: dict[str, AlarmState] = {}
        """Those of which something may have to be kept: a few of all, and each hour they are looked at."""
        self._due: dict[int, dict[AlarmState, None]] = {}
        """Alarms by the period in which they become stale if they stand until then."""

    def carry(self, now: Nanos) -> dict[str, Carried]:
        """What has to be kept of the alarms, by path."""
        kept = {path: held for path, state in self._stirred.items() if (held := state.carry(now)) is not None}
        # Of the others nothing has to be kept at any later time, until something is said of them again.
        self._stirred = {path: self._stirred[path] for path in kept}
        return kept

    def resume(self, alarms: Mapping[str, Carried]) -> None:
        """Alarms as they were."""
        for path, held in alarms.items():
            state = self._stirred[path] = self._meet(path)
            state.resume(held)
            if state.standing and state.level is Level.NORMAL:
                self._expect_stale(state)

    def levels(self, now: Nanos) -> tuple[Change, ...]:
        """All that is not normal at a time after the last event, by path."""
        hidden = [state.as_change(now) for state in self._alarms.values() if state.level is not Level.NORMAL]
        return tuple(sorted([*hidden, *(state.as_stale()._replace(time=now) for state in self.becoming_stale(now))]))

    def becoming_stale(self, until: int) -> list[AlarmState]:
        """Alarms that are stale before `until` and are not said to be yet."""
        due = {state: None for number in sorted(self._due) if number * PERIOD_NS < until for state in self._due[number]}
        return [state for state in due if state.standing and state.level is Level.NORMAL and state.standing + STALE_NS < until]

    def forget_due(self, until: Nanos) -> None:
        """Drop what `becoming_stale` needs no more: periods that have ended."""
        for number in [number for number in self._due if (number + 1) * PERIOD_NS <= until]:
            del self._due[number]

    def take(self, event: Event, now: Nanos, period: OpenPeriod) -> None:
        """What an event says of its alarm."""
        state = self._alarms.get(event.path)
        if state is None:
            state = self._meet(event.path)
        self._stirred[event.path] = state
        severity, kind = event.to_severity, event.kind
        if severity < ACTIVE:
            _answered(state, event, now, period)
        elif kind in ANNUNCIATES:
            _annunciated(state, event, now, period)
        if state.standing and state.level is Level.NORMAL and now - state.standing >= STALE_NS:
            _to_level(state, (Level.STALE, None, Nanos(state.standing)), Nanos(state.standing + STALE_NS), period)
        if severity is _OK:
            state.standing = 0
            level = _hiding(state, event, now)
        else:
            if not state.standing:
                state.standing = now if event.from_severity is _OK else _stood_since(event, now)
                self._expect_stale(state)
            level = (Level.STALE, None, Nanos(state.standing)) if now - state.standing >= STALE_NS else _SHOWN
        if level[:2] != (state.level, state.level_until):
            _to_level(state, level, now, period)
        if state.rising:
            _maybe_fleeting(state, event, now, period)
        if kind is EventKind.REMOVED:
            state.last = state.before_last = 0

    def _meet(self, path: str) -> AlarmState:
        state = self._alarms[path] = AlarmState(path, len(self.paths))
        self.paths.append(path)
        return state

    def _expect_stale(self, state: AlarmState) -> None:
        self._due.setdefault((state.standing + STALE_NS) // PERIOD_NS, {})[state] = None


def _annunciated(state: AlarmState, event: Event, now: Nanos, period: OpenPeriod) -> None:
    period.rise(state.number, event.to_severity - ACTIVE, now)
    if not event.annunciated:
        period.not_spoken(state.number)
    if now - state.before_last <= CHATTER_NS:
        period.mark(period.chattering, state.number, now)
    state.before_last, state.last = state.last, now
    state.unanswered = state.unanswered or now
    state.rising = state.rising or now


def _answered(state: AlarmState, event: Event, now: Nanos, period: OpenPeriod) -> None:
    if state.unanswered and event.kind is EventKind.ACKNOWLEDGED and event.reason != BY_MAINTENANCE:
        period.acknowledge(state.number, bin_of(now - state.unanswered))
    state.unanswered = 0


def _stood_since(event: Event, now: Nanos) -> Nanos:
    """Of an alarm that stood before the first event that is known of it: since its severity is what it is."""
    return now if event.snapshot is None else min(event.snapshot.since, now)


def _to_level(state: AlarmState, level: _Standing, time: Nanos, period: OpenPeriod) -> None:
    state.level, state.level_until, state.level_since = level
    if period.counting:
        period.changes.append(state.as_change(time))


def _hiding(state: AlarmState, event: Event, now: Nanos) -> _Standing:
    """The level of an alarm that is OK, or looks so because it is hidden."""
    kind, snapshot = event.kind, event.snapshot
    if kind in _SHOWS:
        return _SHOWN
    if snapshot is not None:
        hidden = snapshot.suppression
        if hidden is None:
            return _SHOWN
        return (Level.OUT_OF_SERVICE if hidden.until is None else Level.SHELVED), hidden.until, Nanos(min(hidden.since, now))
    if kind in _HIDES:
        return _HIDES[kind], None, now
    return (state.level, state.level_until, Nanos(state.level_since)) if state.level >= Level.SHELVED else _SHOWN


def _maybe_fleeting(state: AlarmState, event: Event, now: Nanos, period: OpenPeriod) -> None:
    """Ends the wait for the PV to be OK again: it is, or nobody can see it any more."""
    if event.kind is EventKind.REMOVED or state.level >= Level.SHELVED:
        state.rising = 0
    elif (event.snapshot.current.severity if event.snapshot is not None else event.to_severity) is _OK:
        if now - state.rising < FLEETING_NS:
            period.mark(period.fleeting, state.number, now)
        state.rising = 0
