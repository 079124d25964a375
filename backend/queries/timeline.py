"""Arithmetic on spans of time: rolling alarms up to one line, making short ones visible. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos, to_ms
from backend.history.port import Interval
from backend.past.tree import standing_then
from backend.queries.request import Row
from backend.queries.scope import STALE, state_name

VISIBLE_PARTS = 1000
"""A span shorter than that part of the range would not be seen, and is drawn longer."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of one line of a timeline."""

    start: Nanos
    end: Nanos
    state: str | None
    """Severity name, SHELVED, DISABLED, STALE; None: nothing is known."""

    @property
    def weight(self) -> int:
        """What must not be hidden by what."""
        return -1 if self.state is None or self.state not in Severity.__members__ else int(Severity[self.state])


def is_unknown(interval: Interval) -> bool:
    """Nothing is known: before the first event, or of a PV that has never come (one that went is UNDEFINED)."""
    never_came = interval.severity is Severity.OK and not interval.connected and not interval.suppressed
    return interval.severity is None or never_came


def roll_up(intervals: Iterable[Interval], start: Nanos, end: Nanos) -> list[Span]:
    """The highest severity over several alarms at each time; suppressed ones are left out, None where nothing is known of any."""
    edges: dict[int, list[tuple[Severity, int]]] = {start: [], end: []}
    for interval in intervals:
        if is_unknown(interval) or interval.severity is None or interval.start >= interval.end:
            continue
        severity = Severity.OK if interval.suppressed else interval.severity
        edges.setdefault(max(start, interval.start), []).append((severity, 1))
        edges.setdefault(min(end, interval.end), []).append((severity, -1))
    counts: Counter[Severity] = Counter()
    spans: list[Span] = []
    times = sorted(edges)
    for time, following in pairwise(times):
        for severity, step in edges[time]:
            counts[severity] += step
        standing = [severity for severity, n in counts.items() if n > 0]
        spans.append(Span(Nanos(time), Nanos(following), max(standing).name if standing else None))
    return merge(spans)


def own_line(intervals: Iterable[Interval]) -> list[Span]:
    """One alarm as a line: SHELVED or DISABLED while it is suppressed."""
    return merge(Span(i.start, i.end, None if i.severity is None else state_name(standing_then(i), i.severity)) for i in intervals)


def merge(spans: Iterable[Span]) -> list[Span]:
    """Neighbours of one state become one."""
    merged: list[Span] = []
    for _, group in groupby(spans, key=lambda span: span.state):
        for span in group:
            if merged and merged[-1].state == span.state and merged[-1].end == span.start:
                merged[-1] = replace(merged[-1], end=span.end)
            elif span.start < span.end:
                merged.append(span)
    return merged


def widen(spans: Sequence[Span], start: Nanos, end: Nanos) -> list[Span]:
    """Short alarms are drawn long enough to be seen; the worse of two that meet keeps its place."""
    least = (end - start) // VISIBLE_PARTS
    drawn: list[Span] = []
    for span in spans:
        if drawn and drawn[-1].end > span.start:
            if span.weight > drawn[-1].weight:
                drawn[-1] = replace(drawn[-1], end=span.start)
                if drawn[-1].start >= drawn[-1].end:
                    drawn.pop()
            else:
                span = replace(span, start=drawn[-1].end)
        if span.start >= span.end:
            continue
        if span.weight > 0 and span.end - span.start < least:
            span = replace(span, end=Nanos(min(span.start + least, end)))
        drawn.append(span)
    return merge(drawn)


def cut_stale(spans: Sequence[Span], known_until: Nanos, end: Nanos) -> list[Span]:
    """From the last life sign on nothing is known: STALE."""
    kept = [replace(span, end=min(span.end, known_until)) for span in spans if span.start < known_until]
    first = max(known_until, spans[0].start if spans else known_until)
    return [*kept, *([Span(first, end, STALE)] if first < end else [])]


def span_rows(label: str, name: str, spans: Sequence[Span]) -> list[Row]:
    """Rows of a line; a span that ends in the millisecond it began in is left out."""
    return [
        {"time": to_ms(span.start), "timeEnd": to_ms(span.end), label: name, "state": span.state}
        for span in spans
        if to_ms(span.start) < to_ms(span.end)
    ]
