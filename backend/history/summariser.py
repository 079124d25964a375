"""Makes the stored summaries of alarm figures from the stored events, as they come and wherever the chain was cut back.

What is decoded, added up and encoded is so on a thread of its own: the loop goes on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import structlog

from alarm_engine.clock import Clock, SystemClock
from alarm_engine.errors import HistoryError, HistoryUnavailable
from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.history.horizon import Page, horizon, read_page
from backend.history.summaries import NOTHING, Frontier, Mark, Part, Stored, SummaryStore, follow_each_other, pack, unpack
from backend.kpi.accumulator import Accumulator
from backend.kpi.definitions import DAY_NS, HOUR_NS, period_of
from backend.kpi.encoding import decode_carried, encode_carried
from backend.kpi.summary import Summary, merge

STORED_AT_ONCE = 20_000
"""Events of parts that are stored together while there are many to be made: some seconds of work, which a cut in between costs."""

log = structlog.get_logger()


class Course:
    """The chain being made longer, from one page of events to the next. Not thread safe."""

    def __init__(self, config: str, accumulator: Accumulator, first: Mark) -> None:
        self.next: Mark = first
        """The first event that has not been read."""
        self.time = Nanos(0)
        """Greatest time at which an event counts that was read."""
        self._config = config
        self._accumulator = accumulator
        self._first = first
        self._events = 0
        """Read since `_first`."""
        self._summaries: list[Summary] = []

    def take(self, page: Page) -> Iterator[Part]:
        """Parts that are finished by further events; without the days."""
        for summary in self._accumulator.feed(self._counted(page), page.others):
            self._summaries.append(summary)
            if summary.end // HOUR_NS != self._summaries[0].start // HOUR_NS:
                yield self._finish()

    def absorb(self, page: Page) -> None:
        """Take further events in, for an answer: nothing is to be stored."""
        self._summaries += self._accumulator.feed(self._counted(page), page.others)

    def until(self, end: Nanos) -> list[Summary]:
        """What is in no part yet, if no event from before `end` is to come. The course cannot go on afterwards."""
        self._summaries += self._accumulator.close(period_of(end))
        return [*self._summaries, self._accumulator.running(end)]

    def _counted(self, page: Page) -> Iterator[Event]:
        for event in page.events:
            self.next, self.time = event.id[1:], max(page.others.get(event.id, event.time), self.time)
            yield event
            self._events += 1
        if page.events:
            epoch, number = page.events[-1].id[1:]
            self.next = epoch, number + 1

    def _finish(self) -> Part:
        summaries, self._summaries = self._summaries, []
        frontier = Frontier(summaries[-1].end, self.next, encode_carried(self._accumulator.carried()))
        part = Part(self._config, self._first, self._events, Stored(summaries[0].start, summaries[-1].end, pack(summaries)), frontier)
        self._first, self._events = self.next, 0
        return part


async def course_from(store: SummaryStore, config: str, frontier: Frontier | None, until: Nanos) -> Course | None:
    """What goes on at the end of the chain, or at the first event; None if there are no events up to a time, the `horizon`."""
    if frontier is not None:
        return Course(config, Accumulator.resumed(decode_carried(frontier.carried)), frontier.next)
    events = await store.following(config, NOTHING, 1, Nanos(until + 1))
    if not events:
        return None
    # What is kept of deleted events tells how alarms stood, and nothing of what else happened then.
    start = max(events[0].time, await store.begin(config) or 0)
    return Course(config, Accumulator(config, Nanos(start)), NOTHING)


@dataclass(frozen=True, slots=True)
class SummariserOptions:
    """How the summariser works."""

    period_s: float = 10.0
    """How often it looks for new events."""
    pause_s: float = 30.0
    """Wait after the chain was cut back: who fills or imports a history does so many times."""


class Summariser:
    """Keeps the chains of some configurations at the end of their events."""

    def __init__(
        self, store: SummaryStore, configs: Sequence[str], options: SummariserOptions | None = None, clock: Clock | None = None
    ) -> None:
        """The store is started and closed by whoever made it."""
        self._store = store
        self._configs = tuple(configs)
        self._options = options or SummariserOptions()
        self._clock = clock or SystemClock()
        self._courses: dict[str, tuple[Course, Frontier | None]] = {}
        """With the end of the chain as it was left."""
        self._task: asyncio.Task[None] | None = None
        self._problems: dict[str, str] = {}

    def failure(self) -> BaseException | None:
        """What ended it, which must not end; None while it goes on."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            return self._task.exception() or RuntimeError("the summariser ended")
        return None

    async def start(self) -> None:
        """Begin."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="history summaries")

    async def stop(self) -> None:
        """Stop; the next one goes on at the end of the chain."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def catch_up(self, config: str) -> None:
        """Read all events that are there and store the parts that they finish; ends early if the chain is cut back meanwhile.

        Raises what the store does; it can be called again then.
        """
        course, left_at = self._courses.pop(config, (None, None))
        until = horizon(self._clock.now().wall)
        if course is None:
            left_at = await self._store.frontier(config)
            course = await course_from(self._store, config, left_at, until)
        parts: list[Part] = []
        while course is not None:
            page = await read_page(self._store, config, course.next, until)
            for part in await asyncio.to_thread(_taken, course, page):
                parts.append(part)
                parts[-1] = await self._with_day(parts)
            if parts and (page.is_last or sum(part.events for part in parts) >= STORED_AT_ONCE):
                if not await self._store.append(*parts):
                    return
                left_at = parts[-1].frontier
                parts = []
            if page.is_last:
                self._courses[config] = course, left_at
                return

    async def was_cut(self, config: str) -> bool:
        """True if the chain does not end any more where it was left."""
        if config in self._courses and await self._store.frontier(config) != self._courses[config][1]:
            del self._courses[config]
            return True
        return False

    async def _with_day(self, parts: Sequence[Part]) -> Part:
        """The last of parts that are not stored yet, with its day if one ends there."""
        part, end = parts[-1], parts[-1].summaries.end
        if end % DAY_NS:
            return part
        begin = Nanos(end - DAY_NS)
        day = [one.summaries for one in parts if one.summaries.start >= begin]
        if day[0].start > begin:
            day = [*await self._store.between(part.config, begin, day[0].start, days=False), *day]
        if not follow_each_other(day, day[0].start, end):
            return part  # it was cut back
        return replace(part, day=await asyncio.to_thread(_merged, day))

    async def _run(self) -> None:
        while True:
            pause_s = self._options.period_s
            for config in self._configs:
                try:
                    if await self.was_cut(config):
                        pause_s = self._options.pause_s
                    else:
                        await self.catch_up(config)
                except HistoryError as problem:
                    self._report(config, problem)
                else:
                    self._report(config, None)
            await asyncio.sleep(pause_s)

    def _report(self, config: str, problem: HistoryError | None) -> None:
        """Log when it stops working and when it works again, not each try; a store that is away is told by the writer."""
        text = "" if problem is None or isinstance(problem, HistoryUnavailable) else str(problem)
        if text and text != self._problems.get(config):
            log.error("alarm figures cannot be worked out, trying again", config=config, problem=text)
        self._problems[config] = text


def _taken(course: Course, page: Page) -> list[Part]:
    return list(course.take(page))


def _merged(parts: Sequence[Stored]) -> Stored:
    day = merge(unpack(parts))
    return Stored(day.start, day.end, pack([day]))
