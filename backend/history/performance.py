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
from backend.kpi.figures import EVERYTHING, Figures, figures
from backend.kpi.summary import Summary
from backend.kpi.tally import Selection, Span, widened

MOST_EVENTS = 50_000
"""Events read beyond the summaries: about a second. There are more only while those are not made, or not yet made again."""
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
        parts = await _stored(store, config, span, frontier)
        recent, until = await _recent(store, config, frontier, (span.end, known_until))
        if await store.frontier(config) == frontier and _is_whole(parts, frontier, span):
            return await asyncio.to_thread(_answer, parts, recent, (span, until), selection)
    raise HistoryUnavailable(f"the figures of {config} are being worked out anew: ask again in a minute")


async def _stored(store: SummaryStore, config: str, span: Span, frontier: Frontier | None) -> list[Stored]:
    """From the begin of the day in which the span begins: days that are within the span as one summary, the others in parts."""
    if frontier is None:
        return []
    start, end = Nanos(span.start // DAY_NS * DAY_NS), min(span.end, frontier.end)
    first, last = -(-span.start // DAY_NS) * DAY_NS, end // DAY_NS * DAY_NS
    if first >= last:
        return await store.between(config, start, end, days=False)
    found = await store.between(config, start, Nanos(first), days=False)
    found += await store.between(config, Nanos(first), Nanos(last), days=True)
    return found + await store.between(config, Nanos(last), end, days=False)


def _is_whole(parts: list[Stored], frontier: Frontier | None, span: Span) -> bool:
    """The parts follow each other up to the end of the chain or of the span."""
    if frontier is None or not parts:
        return True
    return follow_each_other(parts, parts[0].start, parts[-1].end) and parts[-1].end >= min(span.end, frontier.end)


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


def _answer(parts: list[Stored], recent: Course | None, ends: tuple[Span, Nanos], selection: Selection) -> Performance:
    span, until = ends
    known = max(until, parts[-1].end if parts else until)
    summaries: list[Summary] = unpack(_given_up(parts))
    if recent is not None:
        begin = span.start // DAY_NS * DAY_NS
        summaries += [one for one in recent.until(min(span.end, until)) if one.end > begin]
    found = figures(span.start, span.end, summaries, selection)
    within = [one for one in summaries if one.start < span.end and one.end > span.start and one.start < one.end]
    if not within:
        return Performance(found, None, None)
    return Performance(found, max(span.start, within[0].start), min(span.end, known))


def _given_up(parts: list[Stored]) -> Iterator[Stored]:
    """Each part is let go when it has been read: those of a month are some 60 MB."""
    parts.reverse()
    while parts:
        yield parts.pop()
