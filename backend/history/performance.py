"""The figures of a range, from stored summaries and, for what is in none yet, from events: and from when to when they are complete."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.event import EventKind
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.history.horizon import horizon, read_page, stands_ahead
from backend.history.matching import check_range
from backend.history.port import MAX_RANGE_DAYS, EventQuery, History
from backend.history.summaries import Frontier, Stored, SummaryStore, follow_each_other, unpack
from backend.history.summariser import Course, course_from
from backend.kpi.definitions import DAY_NS
from backend.kpi.figures import EVERYTHING, Figures, Gatherer
from backend.kpi.tally import Selection, Span, widened

MOST_EVENTS = 50_000
"""Events read beyond the summaries: about a second. There are more only while those are not made, or not yet made again."""
FIRST_DAYS, MOST_DAYS = 3, 12
"""Days of stored summaries that are read at once: a few, and where they turn out to be small, twice as many the next time."""
BYTES_AT_ONCE = 2_000_000
"""So much of them is read at once; a day of a busy machine is half a megabyte, and may be some."""
_TRIES = 5
_MOST_TAKEN_OVER = 1_000


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures, and how much of the range they speak of."""

    figures: Figures
    complete_from: Nanos | None
    """Begin of the range, or the first that is known; None: nothing is known for certain. What was imported never is."""
    complete_until: Nanos | None
    """End of the range, or the last that is known."""


class Known(NamedTuple):
    """How far the history is known."""

    until: Nanos
    """No event before that time is to come."""
    now: Nanos
    """Our own clock: events beyond it were written by one that was ahead."""
    taken_over: tuple[Nanos, ...] = ()
    """When engines took over within the range, the last first: before that, none may have run."""
    unseen: Nanos | None = None
    """For so long none ran before them, in all, at the most; None: not known."""
    doubtful_until: Nanos = Nanos(0)
    """Events from before that have been lost, and what is worked out anew may lack some."""


class _End(NamedTuple):
    """Where an answer ends."""

    until: Nanos
    """It is complete until then."""
    remark: str = ""
    """Why it goes no further, where that is to be said."""


async def last_known(store: History, config: str, end: Nanos) -> Nanos:
    """The time of the last event before a time: how far the history is known without asking the engine."""
    query = EventQuery(config, Nanos(max(0, end - (MAX_RANGE_DAYS - 1) * DAY_NS)), end, limit=1)
    stored = (await store.events(query)).events
    return stored[0].time if stored else Nanos(0)


async def known(store: History, config: str, span: Span, until: Nanos, now: Nanos) -> Known:
    """What is to be known beside the summaries for figures of a span."""
    query = EventQuery(config, span.start, span.end, kinds=frozenset({EventKind.ENGINE}), limit=_MOST_TAKEN_OVER)
    events = (await store.events(query)).events
    taken_over = tuple(event.time for event in events)
    spans = [event.time - event.since for event in events if event.since is not None]
    unseen = Nanos(sum(spans)) if len(spans) == len(events) else None
    return Known(until, now, taken_over, unseen, await store.summaries.doubtful_until(config))


async def performance(store: SummaryStore, config: str, span: Span, knowing: Known, selection: Selection = EVERYTHING) -> Performance:
    """Figures of a span, widened to full 10 minutes, as far as the history is known.

    Raises `QueryTooLarge` for a span that is too long, and what the store raises.
    """
    check_range(span.start, span.end)
    span = widened(span.start, span.end)
    for _ in range(_TRIES):
        frontier = await store.frontier(config)
        stored = _Stored(Gatherer(span.start, span.end, selection))
        is_whole = await stored.read(store, config, span, frontier)
        recent, end = await _recent(store, config, frontier, (span.end, knowing))
        if is_whole and await store.frontier(config) == frontier:
            return await asyncio.to_thread(_answer, stored, recent, (span, end), knowing)
    raise HistoryUnavailable(f"the figures of {config} are being worked out anew: ask again in a minute")


class _Stored:
    """What the stored summaries add up to: read some days at a time, because those of a month are some 60 MB."""

    def __init__(self, gatherer: Gatherer) -> None:
        self.gatherer = gatherer
        self._days = FIRST_DAYS
        self.end: Nanos | None = None
        """Of the last one; None: there was none."""

    async def read(self, store: SummaryStore, config: str, span: Span, frontier: Frontier | None) -> bool:
        """Read all of a span; False: the parts do not follow each other up to the end of the chain or of the span."""
        if frontier is None:
            return True
        for start, end, days in _spans(span, frontier.end):
            while start < end:
                until = Nanos(min(end, start + self._days * DAY_NS))
                parts = await store.between(config, start, until, days=days)
                if parts and not follow_each_other(parts, parts[0].start if self.end is None else self.end, parts[-1].end):
                    return False
                self.end = parts[-1].end if parts else self.end
                self._days = _days_next(self._days, sum(len(part.body) for part in parts))
                await asyncio.to_thread(self.gatherer.take, unpack(_given_up(parts)))
                start = until
        return self.end is None or self.end >= min(span.end, frontier.end)


def _spans(span: Span, chain_end: Nanos) -> Iterator[tuple[Nanos, Nanos, bool]]:
    """From the begin of the day in which the span begins: days that are within the span as one summary (True), the others in parts."""
    start, end = Nanos(span.start // DAY_NS * DAY_NS), min(span.end, chain_end)
    first, last = Nanos(-(-span.start // DAY_NS) * DAY_NS), Nanos(end // DAY_NS * DAY_NS)
    if first >= last:
        yield start, end, False
        return
    yield start, first, False
    yield first, last, True
    yield last, end, False


def _days_next(days: int, size: int) -> int:
    """How many days to read after so many, which had so many bytes."""
    return max(1, min(2 * days, MOST_DAYS, BYTES_AT_ONCE * days // max(1, size)))


async def _recent(store: SummaryStore, config: str, frontier: Frontier | None, ends: tuple[Nanos, Known]) -> tuple[Course | None, _End]:
    """What goes on after the parts, with the events after them, and how far."""
    end, known = ends
    if frontier is not None and frontier.end >= end:
        return None, _End(end)
    course = await course_from(store, config, frontier, horizon(known.now))
    if course is None:
        return None, _End(known.until)
    left = MOST_EVENTS
    while left > 0:
        page = await read_page(store, config, course.next, horizon(known.now))
        await asyncio.to_thread(course.absorb, page)
        if page.ahead is not None:
            return course, _before_it_was_ahead(course, frontier, page.ahead.time, known)
        if page.is_last:
            return course, _End(known.until)
        if course.time >= end:
            return course, _End(end)
        left -= len(page.events)
    return course, _End(min(known.until, course.time), "There are too many events that are not added up yet: ask again in some minutes.")


def _before_it_was_ahead(course: Course, frontier: Frontier | None, ahead: Nanos, known: Known) -> _End:
    last = max(course.time, frontier.end if frontier else Nanos(0))
    why = stands_ahead(ahead)
    return _End(min(known.until, last), f"{why[0].upper()}{why[1:]}; until that time has come it is in no figure.")


def _answer(stored: _Stored, recent: Course | None, ends: tuple[Span, _End], knowing: Known) -> Performance:
    span, (until, remark) = ends
    if recent is not None:
        begin = span.start // DAY_NS * DAY_NS
        stored.gatherer.take(one for one in recent.until(min(span.end, until)) if one.end > begin)
    found = stored.gatherer.figures()
    if taken_over := knowing.taken_over:
        often = "An engine" if len(taken_over) == 1 else f"{len(taken_over)} times an engine"
        lasted = "" if knowing.unseen is None else f" ({max(1, round(knowing.unseen / NANOS_PER_SECOND))} s at the most)"
        more = (
            f"{often} took over, the last one at {iso(taken_over[0])}: what happened while none ran{lasted} is not known, and looks quiet."
        )
        found = replace(found, remarks=(*found.remarks, more))
    if span.start < knowing.doubtful_until:
        more = f"Events from before {iso(knowing.doubtful_until)} were lost and are not all written again: what is missing looks quiet."
        found = replace(found, remarks=(*found.remarks, more))
    if remark and until < span.end:
        found = replace(found, remarks=(*found.remarks, remark))
    within = [one for one in stored.gatherer.outlines if one.end > span.start and one.start < one.end]
    if not within:
        return Performance(found, None, None)
    known = min(span.end, until if stored.end is None else max(until, stored.end))
    since = max(span.start, knowing.doubtful_until, within[0].start, *(one.end for one in within if one.imported))
    return Performance(found, since, known) if since < known else Performance(found, None, None)


def _given_up(parts: list[Stored]) -> Iterator[Stored]:
    """Each part is let go when it has been read."""
    parts.reverse()
    while parts:
        yield parts.pop()
