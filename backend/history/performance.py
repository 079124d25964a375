"""The figures of a range, from stored summaries and, for what is in none yet, from events: and from when to when they are complete."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.times import Nanos
from backend.history.matching import check_range
from backend.history.port import MAX_RANGE_DAYS, EventQuery, HistoryStore
from backend.history.summaries import Frontier, Stored, SummaryStore, follow_each_other, unpack
from backend.history.summariser import PAGE, Course, course_from
from backend.kpi.definitions import DAY_NS
from backend.kpi.figures import EVERYTHING, Figures, Gatherer
from backend.kpi.tally import Selection, Span, widened

MOST_EVENTS = 50_000
"""Events read beyond the summaries: about a second. There are more only while those are not made, or not yet made again."""
DAYS_AT_ONCE = 3
"""Days of stored summaries that are held at a time; each may be some MB."""
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures, and how much of the range they speak of."""

    figures: Figures
    complete_from: Nanos | None
    """Begin of the range, or the first that is known; None: nothing is."""
    complete_until: Nanos | None
    """End of the range, or the last that is known."""


async def last_known(store: HistoryStore, config: str, end: Nanos) -> Nanos:
    """The time of the last event before a time: how far the history is known without asking the engine."""
    query = EventQuery(config, Nanos(max(0, end - (MAX_RANGE_DAYS - 1) * DAY_NS)), end, limit=1)
    stored = (await store.events(query)).events
    return stored[0].time if stored else Nanos(0)


async def performance(store: SummaryStore, config: str, span: Span, known_until: Nanos, selection: Selection = EVERYTHING) -> Performance:
    """Figures of a span, widened to full 10 minutes, that are true until `known_until`: no event before that time is to come.

    Raises `QueryTooLarge` for a span that is too long, and what the store raises.
    """
    check_range(span.start, span.end)
    span = widened(span.start, span.end)
    for _ in range(_TRIES):
        frontier = await store.frontier(config)
        stored = _Stored(Gatherer(span.start, span.end, selection))
        is_whole = await stored.read(store, config, span, frontier)
        recent, until = await _recent(store, config, frontier, (span.end, known_until))
        if is_whole and await store.frontier(config) == frontier:
            return await asyncio.to_thread(_answer, stored, recent, (span, until))
    raise HistoryUnavailable(f"the figures of {config} are being worked out anew: ask again in a minute")


class _Stored:
    """What the stored summaries add up to: read some days at a time, because those of a month are some 60 MB."""

    def __init__(self, gatherer: Gatherer) -> None:
        self.gatherer = gatherer
        self.end: Nanos | None = None
        """Of the last one; None: there was none."""

    async def read(self, store: SummaryStore, config: str, span: Span, frontier: Frontier | None) -> bool:
        """Read all of a span; False: the parts do not follow each other up to the end of the chain or of the span."""
        if frontier is None:
            return True
        for start, end, days in _steps(span, frontier.end):
            parts = await store.between(config, start, end, days=days)
            if not parts:
                continue
            if not follow_each_other(parts, parts[0].start if self.end is None else self.end, parts[-1].end):
                return False
            self.end = parts[-1].end
            await asyncio.to_thread(self.gatherer.take, unpack(_given_up(parts)))
        return self.end is None or self.end >= min(span.end, frontier.end)


def _steps(span: Span, chain_end: Nanos) -> Iterator[tuple[Nanos, Nanos, bool]]:
    """From the begin of the day in which the span begins: days that are within the span as one summary (True), the others in parts."""
    start, end = Nanos(span.start // DAY_NS * DAY_NS), min(span.end, chain_end)
    first, last = Nanos(-(-span.start // DAY_NS) * DAY_NS), Nanos(end // DAY_NS * DAY_NS)
    if first >= last:
        yield start, end, False
        return
    yield start, first, False
    for some in range(first, last, DAYS_AT_ONCE * DAY_NS):
        yield Nanos(some), min(Nanos(some + DAYS_AT_ONCE * DAY_NS), last), True
    yield last, end, False


async def _recent(store: SummaryStore, config: str, frontier: Frontier | None, ends: tuple[Nanos, Nanos]) -> tuple[Course | None, Nanos]:
    """What goes on after the parts, with the events after them, and until when it is complete."""
    end, known_until = ends
    if frontier is not None and frontier.end >= end:
        return None, end
    course = await course_from(store, config, frontier)
    if course is None:
        return None, known_until
    left = MOST_EVENTS
    while left > 0:
        events = await store.following(config, course.next, PAGE)
        await asyncio.to_thread(course.absorb, events)
        if len(events) < PAGE:
            return course, known_until
        if events[-1].time >= end:
            return course, end
        left -= len(events)
    return course, min(known_until, course.time)


def _answer(stored: _Stored, recent: Course | None, ends: tuple[Span, Nanos]) -> Performance:
    span, until = ends
    if recent is not None:
        begin = span.start // DAY_NS * DAY_NS
        stored.gatherer.take(one for one in recent.until(min(span.end, until)) if one.end > begin)
    found = stored.gatherer.figures()
    within = [one for one in stored.gatherer.outlines if one.end > span.start and one.start < one.end]
    if not within:
        return Performance(found, None, None)
    known = until if stored.end is None else max(until, stored.end)
    return Performance(found, max(span.start, within[0].start), min(span.end, known))


def _given_up(parts: list[Stored]) -> Iterator[Stored]:
    """Each part is let go when it has been read."""
    parts.reverse()
    while parts:
        yield parts.pop()
