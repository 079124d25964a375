"""A store that is being filled with the past of some configurations, and what is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.history.port import HistoryStore
from backend.history.read_past import Past, is_reached
from backend.history.summaries import Frontier, Mark, Part, Stored, SummaryStore
from backend.history.summariser import Summariser

EVER = Nanos(0)
"""Back to the begin of the topic."""


class Filled:
    """Belongs to one event loop; thrown away as a whole."""

    def __init__(self, store: HistoryStore, pasts: Mapping[str, Past], patience_s: float) -> None:
        """`store` is closed with this."""
        self.store = store
        self.pasts = pasts
        self.summaries = KnownSummaries(store, pasts)
        self._patience_s = patience_s
        self._opening = asyncio.Lock()
        self._open = False
        self._summarisers: dict[str, Summariser] = {}
        self._adding_up: dict[str, asyncio.Task[None]] = {}

    @property
    def followed(self) -> int:
        """Events that came since the first question, of the configuration that has most."""
        return max((past.followed for past in self.pasts.values()), default=0)

    async def reach(self, config: str, time: Nanos) -> None:
        """Have everything from that time on. Raises `HistoryUnavailable` with how far it is, if that takes long."""
        async with self._opening:
            if not self._open:
                await self.store.start()
                self._open = True
        await self.pasts[config].reach(time)

    async def have(self, config: str, time: Nanos) -> None:
        """The same, until now."""
        await self.reach(config, time)
        await self.pasts[config].current()

    async def add_up(self, config: str) -> None:
        """Have the summaries of all that was. Raises `HistoryUnavailable` if that takes long; it goes on meanwhile."""
        await self.have(config, EVER)
        task = self._adding_up.get(config)
        if task is None or (task.done() and task.exception() is not None):
            task = self._adding_up[config] = asyncio.create_task(self._summarise(config), name=f"figures of {config}")
        try:
            async with asyncio.timeout(self._patience_s):
                await asyncio.shield(task)
        except TimeoutError:
            raise HistoryUnavailable(f"the figures of {config} are being worked out from all that was: ask again in a moment") from None

    async def close(self) -> None:
        """End."""
        tasks, self._adding_up = self._adding_up, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        for summariser in self._summarisers.values():
            await summariser.stop()
        for past in self.pasts.values():
            await past.close()
        if self._open:
            await self.store.close()

    async def _summarise(self, config: str) -> None:
        summariser = self._summarisers.setdefault(config, Summariser(self.summaries, [config]))
        await summariser.catch_up(config)
        await summariser.start()


class KnownSummaries:
    """A `SummaryStore`: that of the store, with what is known of the begin."""

    def __init__(self, store: HistoryStore, pasts: Mapping[str, Past]) -> None:
        self._inner: SummaryStore = store.summaries
        self._pasts = pasts

    async def begin(self, config: str) -> Nanos | None:
        """See `SummaryStore.begin`."""
        return self._pasts[config].progress.begin

    async def is_whole(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.is_whole`."""
        return time >= self._pasts[config].complete_from

    async def has_events_from(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.has_events_from`: as far as was read."""
        progress = self._pasts[config].progress
        return is_reached(progress, time) and (progress.begin is None or progress.begin <= time)

    async def doubtful_until(self, config: str) -> Nanos:
        """See `SummaryStore.doubtful_until`: how some alarms stood before that is not known."""
        return self._pasts[config].complete_from

    async def following(self, config: str, first: Mark, limit: int, before: Nanos | None = None) -> list[Event]:
        """See `SummaryStore.following`."""
        return await self._inner.following(config, first, limit, before)

    async def frontier(self, config: str) -> Frontier | None:
        """See `SummaryStore.frontier`."""
        return await self._inner.frontier(config)

    async def append(self, *parts: Part) -> bool:
        """See `SummaryStore.append`."""
        return await self._inner.append(*parts)

    async def between(self, config: str, start: Nanos, end: Nanos, *, days: bool) -> list[Stored]:
        """See `SummaryStore.between`."""
        return await self._inner.between(config, start, end, days=days)
