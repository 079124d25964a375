"""Summaries in memory, beside the events of `MemoryHistory`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.history.summaries import Frontier, Mark, Part, Stored, is_chain
from backend.kpi.definitions import DAY_NS


class MemorySummaries:
    """The plainest statement of what the chain is."""

    def __init__(self, events: Callable[[str], Sequence[Event]]) -> None:
        """`events`: those of a configuration, in the order of their ids."""
        self._events = events
        self._parts: dict[str, list[Part]] = {}
        self._begin: dict[str, Nanos] = {}

    async def begin(self, config: str) -> Nanos | None:
        """See `SummaryStore.begin`."""
        return self._begin.get(config)

    async def is_whole(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.is_whole`."""
        begin = await self.begin(config)
        return begin is None or time >= begin

    async def has_events_from(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.has_events_from`."""
        return await self.is_whole(config, time)

    async def doubtful_until(self, config: str) -> Nanos:
        """See `SummaryStore.doubtful_until`: what is gone here is all gone."""
        return Nanos(0)

    async def following(self, config: str, first: Mark, limit: int, before: Nanos | None = None) -> list[Event]:
        """See `SummaryStore.following`."""
        later = (event for event in self._events(config) if event.id[1:] >= first)
        return [event for event in later if before is None or event.time < before][:limit]

    async def frontier(self, config: str) -> Frontier | None:
        """See `SummaryStore.frontier`."""
        parts = self._parts.get(config)
        return parts[-1].frontier if parts else None

    async def append(self, *parts: Part) -> bool:
        """See `SummaryStore.append`."""
        config = parts[0].config
        if not is_chain(await self.frontier(config), parts):
            return False
        for part in parts:
            if sum(part.first <= event.id[1:] < part.frontier.next for event in self._events(config)) != part.events:
                return False
        self._parts.setdefault(config, []).extend(parts)
        return True

    async def between(self, config: str, start: Nanos, end: Nanos, *, days: bool) -> list[Stored]:
        """See `SummaryStore.between`."""
        found = [part.day if days else part.summaries for part in self._parts.get(config, [])]
        return [stored for stored in found if stored is not None and start <= stored.start < end]

    def cut(self, config: str, oldest: Mark) -> None:
        """An event of that id was written."""
        parts = self._parts.get(config, [])
        if parts and parts[-1].frontier.next > oldest:
            while parts and (parts[-1].frontier.next > oldest or parts[-1].frontier.end % DAY_NS):
                parts.pop()

    def forget(self, config: str, time: Nanos) -> None:
        """Events before a time were deleted."""
        self._begin[config] = max(time, self._begin.get(config, time))
        self._parts[config] = [part for part in self._parts.get(config, []) if part.summaries.end > time]
