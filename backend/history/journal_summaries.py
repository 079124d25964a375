"""Summaries of a past that is read from the journal: made once all of it was read, when the first figures are asked for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.history.filled import EVER, Filled
from backend.history.summaries import Frontier, Mark, Part, Stored


class JournalSummaries:
    """A `SummaryStore`. Each question waits until there is something to answer it from, or is told how far it is."""

    def __init__(self, asking: Callable[[], AbstractAsyncContextManager[Filled]]) -> None:
        """`asking`: holds what is filled for the time of one question."""
        self._asking = asking

    async def begin(self, config: str) -> Nanos | None:
        """See `SummaryStore.begin`."""
        async with self._asking() as filled:
            await filled.have(config, EVER)
            return await filled.summaries.begin(config)

    async def is_whole(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.is_whole`; where the topic has all that was ever written, nothing need be read for that."""
        async with self._asking() as filled:
            if not await filled.pasts[config].is_truncated():
                return True
            await filled.have(config, EVER)
            return await filled.summaries.is_whole(config, time)

    async def has_events_from(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.has_events_from`: read back to that time, and no further."""
        async with self._asking() as filled:
            await filled.have(config, time)
            return await filled.summaries.has_events_from(config, time)

    async def doubtful_until(self, config: str) -> Nanos:
        """See `SummaryStore.doubtful_until`."""
        async with self._asking() as filled:
            await filled.have(config, EVER)
            return await filled.summaries.doubtful_until(config)

    async def following(self, config: str, first: Mark, limit: int, before: Nanos | None = None) -> list[Event]:
        """See `SummaryStore.following`."""
        async with self._asking() as filled:
            await filled.add_up(config)
            return await filled.summaries.following(config, first, limit, before)

    async def frontier(self, config: str) -> Frontier | None:
        """See `SummaryStore.frontier`."""
        async with self._asking() as filled:
            await filled.add_up(config)
            return await filled.summaries.frontier(config)

    async def append(self, *parts: Part) -> bool:
        """See `SummaryStore.append`: they are made by what fills the store."""
        return False

    async def between(self, config: str, start: Nanos, end: Nanos, *, days: bool) -> list[Stored]:
        """See `SummaryStore.between`."""
        async with self._asking() as filled:
            await filled.add_up(config)
            return await filled.summaries.between(config, start, end, days=days)
