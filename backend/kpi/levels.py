"""Stale, shelved and out of service: now, over time, and one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from alarm_engine.model.path import is_below
from alarm_engine.model.times import Nanos
from backend.kpi.definitions import DAY_NS, STALE_NS, period_of
from backend.kpi.summary import Change, Level, Summary
from backend.kpi.tally import Span


class StaleAlarm(NamedTuple):
    """An alarm that stood for more than 24 h."""

    path: str
    since: Nanos
    """When it began to stand; it was stale from 24 h after that."""
    until: Nanos | None
    """When it went, or was suppressed; None: it stood at the end of the range."""


class Hidden(NamedTuple):
    """An alarm that is suppressed at the end of the range."""

    path: str
    since: Nanos
    until: Nanos | None
    """End of shelving; None: not known, or out of service."""


class LevelPoint(NamedTuple):
    """How many alarms are at a level at the end of a period; holds until the next point."""

    time: Nanos
    """Begin of the period; of the first point, begin of the range."""
    stale: int
    shelved: int
    out_of_service: int


@dataclass(slots=True)
class Levels:
    """What became of the levels in a range."""

    stale: list[StaleAlarm] = field(default_factory=list)
    """By begin, then by path."""
    shelved: list[Hidden] = field(default_factory=list)
    out_of_service: list[Hidden] = field(default_factory=list)
    over_time: list[LevelPoint] = field(default_factory=list)
    """Only where something changed; empty if nothing is known of the range."""
    most: dict[Level, int] = field(default_factory=dict)
    """Most at one time."""
    stale_by_day: dict[Nanos, int] = field(default_factory=dict)
    """Alarms that were stale at some time of a UTC day, by its begin; only days with any."""


class _Replay:
    """Alarms by path, with the numbers at each level kept beside."""

    def __init__(self, span: Span, prefix: str) -> None:
        self._span = span
        self._prefix = prefix
        self.alarms: dict[str, Change] = {}
        self.numbers = dict.fromkeys(Level, 0)
        self.most = dict.fromkeys(Level, 0)
        self.stale: list[StaleAlarm] = []
        self.points: dict[Nanos, LevelPoint] = {}

    def open(self, opening: Iterable[Change], time: Nanos) -> None:
        """All that is not normal at a time; what was before and is not among them has ended by then."""
        there = {change.path: change for change in opening}
        for path in [path for path in self.alarms if path not in there]:
            self.take(Change(path, time, Level.NORMAL, time))
        for change in there.values():
            self.take(change)

    def take(self, change: Change) -> None:
        """One change."""
        if not is_below(change.path, self._prefix):
            return
        before = self.alarms.pop(change.path, None)
        if before is not None:
            self.numbers[before.level] -= 1
            if before.level is Level.STALE and (change.level is not Level.STALE or change.since != before.since):
                self._was_stale(before, change.time)
        if change.level is not Level.NORMAL:
            self.alarms[change.path] = change
            self.numbers[change.level] += 1

    def note(self, time: Nanos) -> None:
        """The numbers at a time are good until the next change."""
        for level, number in self.numbers.items():
            self.most[level] = max(self.most[level], number)
        numbers = self.numbers[Level.STALE], self.numbers[Level.SHELVED], self.numbers[Level.OUT_OF_SERVICE]
        self.points[time] = LevelPoint(time, *numbers)

    def finish(self) -> None:
        """The end of the range."""
        for change in self.alarms.values():
            if change.level is Level.STALE:
                self._was_stale(change, None)

    def _was_stale(self, change: Change, until: Nanos | None) -> None:
        if until is None or until > self._span.start:
            self.stale.append(StaleAlarm(change.path, change.since, until))


def levels(span: Span, summaries: Sequence[Summary], prefix: str) -> Levels:
    """Replay the changes of summaries that are in order; they should begin with one that has an opening at or before the range."""
    known = Span(max(span.start, summaries[0].start), min(span.end, summaries[-1].end)) if summaries else Span(span.start, span.start)
    if known.start >= known.end:
        return Levels()
    replay = _Replay(known, prefix)
    begun = False
    for time, changes, is_opening in _steps(summaries):
        if time >= known.end:
            break
        if not begun and time > known.start:
            begun = True
            replay.note(known.start)
        if is_opening:
            replay.open(changes, time)
        else:
            replay.take(*changes)
        if begun:
            replay.note(max(known.start, period_of(time)))
    if not begun:
        replay.note(known.start)
    replay.finish()
    return _result(replay, known)


def _steps(summaries: Sequence[Summary]) -> Iterator[tuple[Nanos, tuple[Change, ...], bool]]:
    """Time, what is said, and whether that is an opening."""
    for summary in summaries:
        if summary.opening is not None:
            yield summary.start, summary.opening, True
        for change in summary.changes:
            yield change.time, (change,), False


def _result(replay: _Replay, span: Span) -> Levels:
    hidden = sorted(replay.alarms.values())
    points = list(replay.points.values())
    days: dict[Nanos, set[str]] = {}
    for path, since, until in replay.stale:
        first, last = max(span.start, since + STALE_NS), min(span.end, span.end if until is None else until)
        for day in range(first // DAY_NS, -(-last // DAY_NS)):
            days.setdefault(Nanos(day * DAY_NS), set()).add(path)
    return Levels(
        stale=sorted(replay.stale, key=lambda one: (one.since, one.path)),
        shelved=[Hidden(one.path, one.since, one.until) for one in hidden if one.level is Level.SHELVED],
        out_of_service=[Hidden(one.path, one.since, one.until) for one in hidden if one.level is Level.OUT_OF_SERVICE],
        over_time=points[:1] + [point for before, point in pairwise(points) if before[1:] != point[1:]],
        most=replay.most,
        stale_by_day={day: len(paths) for day, paths in sorted(days.items())},
    )
