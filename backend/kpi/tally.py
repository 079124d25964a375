"""Adds summaries up over a range, for the whole tree or one part of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import add
from typing import NamedTuple

from alarm_engine.model.times import NANOS_PER_MS, Nanos, iso
from backend.kpi.definitions import LOST, PERIOD_NS, SEVERITIES, period_end, period_of
from backend.kpi.quantiles import BINS
from backend.kpi.summary import RISES, Marks, Period, Summary
from backend.kpi.targets import LIMITS, Limits

FIRST_ALARMS = 10


class Span(NamedTuple):
    """From `start` until before `end`."""

    start: Nanos
    end: Nanos


@dataclass(frozen=True, slots=True)
class Selection:
    """Which alarms are counted, and by which limits."""

    prefix: str = "/"
    """Canonical path: this node or alarm and everything below."""
    lost_connections: bool = False
    """Count lost connections (UNDEFINED) among the annunciations too; else they are only counted apart."""
    limits: Limits = LIMITS
    """What they are judged by."""


class Repeated(NamedTuple):
    """What one alarm did several times."""

    path: str
    number: int
    first: Nanos
    last: Nanos


class FirstAlarm(NamedTuple):
    """One of the alarms that a flood began with."""

    path: str
    time: Nanos
    """To the millisecond."""


class PeriodOf(NamedTuple):
    """A period of a summary, with what its keys mean."""

    period: Period
    paths: Sequence[str]
    counted: bytes
    """By key of rises; 1: selected."""


@dataclass(slots=True)
class Tally:
    """Sums over the periods of a range. `counts` and `first` reach over its edges as far as there are summaries, for floods."""

    span: Span
    """The range, widened to full periods."""
    covered: list[Span] = field(default_factory=list)
    """What summaries speak of within it, in order."""
    counts: dict[Nanos, int] = field(default_factory=dict)
    """Annunciations by begin of the period; none where it is missing."""
    first: dict[Nanos, tuple[FirstAlarm, ...]] = field(default_factory=dict)
    """The first alarms, up to `FIRST_ALARMS`, of periods that a flood may begin with."""
    newest: list[PeriodOf] = field(default_factory=list)
    """What is known of the last period: it may be in several summaries."""
    severities: list[int] = field(default_factory=lambda: [0] * len(SEVERITIES))
    """Annunciations by index of the severity, lost connections included."""
    silent: int = 0
    """How many of those were not spoken."""
    alarms: dict[str, int] = field(default_factory=dict)
    """Annunciations by path."""
    lost: dict[Nanos, int] = field(default_factory=dict)
    """Lost connections by begin of the period."""
    chattering: dict[str, Repeated] = field(default_factory=dict)
    fleeting: dict[str, Repeated] = field(default_factory=dict)
    acknowledged: list[int] = field(default_factory=lambda: [0] * BINS)
    held: int = 0
    """Events whose time ran back, in all of the summaries."""
    ahead: int = 0
    """Events by a clock that was ahead, likewise."""
    imported: bool = False
    """Some of the range was imported."""

    @property
    def annunciated(self) -> int:
        """Annunciations in the range."""
        return sum(self.alarms.values())

    @property
    def covered_ns(self) -> int:
        """How much of the range is known."""
        return sum(end - start for start, end in self.covered)

    def in_range(self, time: Nanos) -> bool:
        """True for the begin of a period of the range."""
        return self.span.start <= time < self.span.end


def widened(start: Nanos, end: Nanos) -> Span:
    """The full periods that a range touches; an empty range stays empty."""
    return Span(period_of(start), max(period_of(start), period_end(end) if end > start else period_of(start)))


def add_up(sums: Tally, summary: Summary, selection: Selection) -> None:
    """Take one more summary in; they come in the order of time.

    A summary is in the range or out of it: raises `ValueError` for a merged one that reaches over an edge.
    """
    _cover(sums, summary)
    sums.held += summary.held
    sums.ahead += summary.ahead
    sums.imported |= summary.imported and summary.end > sums.span.start
    found = _selected(summary.paths, selection.prefix)
    if not found:
        return
    _periods(sums, summary, _wanted(found, len(summary.paths), selection.lost_connections), selection.limits)
    if _is_inside(sums.span, summary):
        for part in found:
            _totals(sums, summary, part, selection.lost_connections)
            _repeat(sums.chattering, summary.paths, summary.chattering, part)
            _repeat(sums.fleeting, summary.paths, summary.fleeting, part)
            _acknowledged(sums, summary, part)


def _selected(paths: Sequence[str], prefix: str) -> list[slice]:
    """Where the paths stand that are the prefix or lie below it."""
    if prefix == "/":
        return [slice(0, len(paths))] if paths else []
    itself = bisect_left(paths, prefix)
    found = [slice(itself, itself + 1)] if paths[itself : itself + 1] == (prefix,) else []
    below = slice(bisect_left(paths, prefix + "/"), bisect_left(paths, prefix + "0"))  # "0" follows "/"
    return [*found, below] if below.start < below.stop else found


class _Wanted(NamedTuple):
    """What is selected, to look up by key of rises; 1: wanted."""

    counted: bytes
    lost: bytes
    """Lost connections."""
    whole: bool
    """All alarms are selected."""


def _wanted(found: list[slice], alarms: int, with_lost: bool) -> _Wanted:
    lost = bytes(severity == LOST for severity in range(RISES))
    every = bytes(with_lost or not one for one in lost)
    masks = bytearray(alarms * RISES), bytearray(alarms * RISES)
    for part in found:
        for mask, pattern in zip(masks, (every, lost), strict=True):
            mask[part.start * RISES : part.stop * RISES] = pattern * (part.stop - part.start)
    return _Wanted(bytes(masks[0]), bytes(masks[1]), found == [slice(0, alarms)])


def _is_inside(span: Span, summary: Summary) -> bool:
    first, last = period_of(summary.start), period_of(summary.end - 1)
    inside = (span.start <= first < span.end) + (span.start <= last < span.end)
    if inside == 1 or (inside == 0 and first < span.start < span.end <= last):
        raise ValueError(
            f"the summary of {summary.config} from {iso(summary.start)} until {iso(summary.end)} reaches over an edge of the range: "
            "give the ones that it was merged of"
        )
    return inside == 2


def _cover(sums: Tally, summary: Summary) -> None:
    start, end = max(summary.start, sums.span.start), min(summary.end, sums.span.end)
    if start >= end:
        return
    if sums.covered and sums.covered[-1].end == start:
        start = sums.covered.pop().start
    sums.covered.append(Span(start, end))


def _periods(sums: Tally, summary: Summary, wanted: _Wanted, limits: Limits) -> None:
    """Annunciations by period: sums at the speed of C, everything waits for them."""
    plain = wanted.whole and not any(summary.totals[LOST])  # all of them count, and none is a lost connection
    for period in summary.periods:
        start, keys, counts, _ = period
        if sums.newest and sums.newest[-1].period.start != start:
            sums.newest.clear()
        sums.newest.append(PeriodOf(period, summary.paths, wanted.counted))
        counted = counts if plain else compress(counts, map(wanted.counted.__getitem__, keys))
        sums.counts[start] = number = sums.counts.get(start, 0) + sum(counted)
        # If the one before has as many, that flood goes on, or ends.
        if number > limits.flood_begins >= sums.counts.get(Nanos(start - PERIOD_NS), 0):
            sums.first[start] = _first(sums.newest)
        if not plain and sums.in_range(start) and (lost := sum(compress(counts, map(wanted.lost.__getitem__, keys)))):
            sums.lost[start] = sums.lost.get(start, 0) + lost


def _first(parts: Iterable[PeriodOf]) -> tuple[FirstAlarm, ...]:
    """The first alarms of one period, each once."""
    first: dict[str, FirstAlarm] = {}
    for (start, keys, _, offsets), paths, counted in parts:
        for key, offset in compress(zip(keys, offsets, strict=True), map(counted.__getitem__, keys)):
            if len(first) == FIRST_ALARMS:
                return tuple(first.values())
            path = paths[key // RISES]
            if path not in first:
                first[path] = FirstAlarm(path, Nanos(start + offset * NANOS_PER_MS))
    return tuple(first.values())


def _totals(sums: Tally, summary: Summary, part: slice, with_lost: bool) -> None:
    columns = [column[part] for column in summary.totals]
    for severity, column in enumerate(columns):
        sums.severities[severity] += sum(column)
    sums.silent += sum(summary.silent[part])
    # Everything waits for this loop: additions of whole columns are made in C, and there is one look-up for each alarm.
    numbers: Iterable[int] = map(add, map(add, columns[0], columns[1]), columns[2])
    if with_lost:
        numbers = map(add, numbers, columns[LOST])
    alarms, known = sums.alarms, sums.alarms.get
    for path, number in zip(summary.paths[part], numbers, strict=True):
        if number:
            alarms[path] = known(path, 0) + number


def _acknowledged(sums: Tally, summary: Summary, part: slice) -> None:
    keys, counts = summary.acknowledged
    rows = slice(bisect_left(keys, part.start * BINS), bisect_left(keys, part.stop * BINS))
    for key, count in zip(keys[rows], counts[rows], strict=True):
        sums.acknowledged[key % BINS] += count


def _repeat(found: dict[str, Repeated], paths: Sequence[str], marks: Marks, part: slice) -> None:
    rows = slice(bisect_left(marks.alarms, part.start), bisect_left(marks.alarms, part.stop))
    for alarm, number, first, last in zip(*(column[rows] for column in marks), strict=True):
        path, begin = paths[alarm], first
        before = found.get(path)
        if before is not None:
            number, begin = before.number + number, before.first
        found[path] = Repeated(path, number, Nanos(begin), Nanos(last))


def periods_touched(covered: Sequence[Span], width_ns: int = PERIOD_NS) -> int:
    """How many periods of a width the spans touch; one that two spans touch is one."""
    touched, last = 0, -1
    for start, end in covered:
        first, final = max(start // width_ns, last + 1), (end - 1) // width_ns
        touched += max(0, final - first + 1)
        last = max(last, final)
    return touched
