"""A `History` that reads the past from the journal when it is asked for: for programs that have no history of their own.

Answers are those of the store that it fills, as soon as that has what they need. Until then a question waits, and after a while it is told
how far the reading is (`HistoryUnavailable`): nothing that was not read looks quiet. What was read is thrown away when nobody has asked for
some time, or when it has grown by too much.
"""

from __future__ import annotations

import asyncio
import time as clock
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.history.filled import EVER, Filled
from backend.history.journal_summaries import JournalSummaries
from backend.history.matching import check_query, check_range, check_time
from backend.history.port import Bucket, CountBy, EventPage, EventQuery, Frequency, HistoryStore, Interval, PastStates
from backend.history.read_past import Past, ReadSoFar, is_reached, sentence

NOTHING_READ = ReadSoFar(0, 0, None, whole=False, begin=None)


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long what was read is kept."""

    patience_s: float = 10.0
    """A question waits for so long."""
    idle_s: float = 600.0
    """After so long without a question it is thrown away."""
    most_followed: int = 1_000_000
    """So is what has got that many new events."""
    look_s: float = 5.0


class JournalHistory:
    """Belongs to one event loop. Nothing is read before the first question."""

    def __init__(self, make: Callable[[], tuple[HistoryStore, Mapping[str, Past]]], keeping: Keeping | None = None) -> None:
        """`make`: an empty store, and what fills it, by configuration."""
        self._make = make
        self._keeping = keeping or Keeping()
        self._filled: Filled | None = None
        self._questions = 0
        self._asked = clock.monotonic()
        self._tidying: asyncio.Task[None] | None = None
        self.summaries = JournalSummaries(self._asking)

    def progress(self, config: str) -> ReadSoFar:
        """How far the past of a configuration was read."""
        return self._filled.pasts[config].progress if self._filled is not None else NOTHING_READ

    async def read(self, config: str, time: Nanos = EVER) -> None:
        """Read back to a time. Raises `HistoryUnavailable` with how far it is, if that takes long; it goes on meanwhile."""
        async with self._asking() as filled:
            await filled.reach(config, time)

    async def start(self) -> None:
        """See `History.start`."""
        if self._tidying is None:
            self._tidying = asyncio.create_task(self._tidy(), name="tidy the past")

    async def close(self) -> None:
        """See `History.close`."""
        tidying, self._tidying = self._tidying, None
        if tidying is not None:
            tidying.cancel()
            await asyncio.gather(tidying, return_exceptions=True)
        await self._throw_away()

    # ------------------------------------------------------------------ questions

    async def events(self, query: EventQuery) -> EventPage:
        """See `History.events`. The newest ones are there before all that the range holds was read."""
        check_query(query)
        async with self._asking() as filled:
            past, deadline = filled.pasts[query.config], self._deadline()
            await filled.have(query.config, query.start if query.oldest_first else min(query.end, _lately(past)))
            while True:
                page = await filled.store.events(_within(query, past.progress))
                if query.oldest_first or page.next is not None or is_reached(past.progress, query.start):
                    return page
                await _step(past, query.config, query.start, deadline)

    async def last_before(self, config: str, paths: Sequence[str], time: Nanos) -> dict[str, Event]:
        """See `History.last_before`."""
        check_time(time)
        async with self._asking() as filled:
            past, deadline = filled.pasts[config], self._deadline()
            await filled.have(config, time)
            while True:
                found = await filled.store.last_before(config, paths, time)
                progress = past.progress
                if progress.whole or all(path in found and is_reached(progress, found[path].time) for path in paths):
                    return found
                await _step(past, config, EVER, deadline)

    async def states_at(self, config: str, time: Nanos, path_prefix: str | None = None) -> PastStates:
        """See `History.states_at`."""
        check_time(time)
        async with self._asking() as filled:
            await filled.have(config, EVER)
            states = await filled.store.states_at(config, time, path_prefix)
            return replace(states, complete=states.complete and time >= filled.pasts[config].complete_from)

    async def intervals(self, config: str, paths: Sequence[str], start: Nanos, end: Nanos) -> list[Interval]:
        """See `History.intervals`."""
        check_range(start, end)
        async with self._asking() as filled:
            await self.last_before(config, paths, Nanos(start + 1))
            return await filled.store.intervals(config, paths, start, end)

    async def counts(
        self, config: str, start: Nanos, end: Nanos, bucket_s: int, by: CountBy, path_prefix: str | None = None
    ) -> list[Bucket]:
        """See `History.counts`."""
        check_range(start, end)
        async with self._asking() as filled:
            await filled.have(config, start)
            return await filled.store.counts(config, start, end, bucket_s, by, path_prefix)

    async def most_frequent(self, config: str, start: Nanos, end: Nanos, limit: int, path_prefix: str | None = None) -> list[Frequency]:
        """See `History.most_frequent`."""
        check_range(start, end)
        async with self._asking() as filled:
            await filled.have(config, start)
            return await filled.store.most_frequent(config, start, end, limit, path_prefix)

    # ------------------------------------------------------------------ what was read

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Filled]:
        """What was read, which stays for the time of a question."""
        if self._filled is None:
            self._filled = Filled(*self._make(), self._keeping.patience_s)
        self._questions += 1
        try:
            yield self._filled
        finally:
            self._questions -= 1
            self._asked = clock.monotonic()

    def _deadline(self) -> float:
        return clock.monotonic() + self._keeping.patience_s

    async def _tidy(self) -> None:
        keeping = self._keeping
        while True:
            await asyncio.sleep(keeping.look_s)
            if self._filled is not None and self._questions == 0:
                is_idle = clock.monotonic() - self._asked > keeping.idle_s
                if is_idle or self._filled.followed > keeping.most_followed:
                    await self._throw_away()

    async def _throw_away(self) -> None:
        filled, self._filled = self._filled, None
        if filled is not None:
            await filled.close()


def _lately(past: Past) -> Nanos:
    """A time back to which it is read in any case, once anything is."""
    since = past.progress.since
    return Nanos(1 << 61) if since is None else Nanos(since + 1)


async def _step(past: Past, config: str, at_most: Nanos, deadline: float) -> None:
    """Read one step further back. Raises `HistoryUnavailable` after the deadline."""
    progress = past.progress
    if clock.monotonic() > deadline:
        raise HistoryUnavailable(sentence(config, progress))
    await past.reach(at_most if progress.since is None else max(at_most, progress.since))


def _within(query: EventQuery, progress: ReadSoFar) -> EventQuery:
    """Only what lies after the begin: before it may be holes, and what was added of alarms that were silent since."""
    begin = progress.begin if progress.whole else progress.since
    if begin is None:
        return query
    start = begin if progress.whole else Nanos(begin + 1)
    return replace(query, start=min(query.end, max(query.start, start)))
