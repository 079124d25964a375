"""The past of a configuration that a Phoebus server owns, as far as its topic tells: compaction drops what is not the last record."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import tzinfo

from alarm_engine.errors import HistoryError, HistoryUnavailable, JournalError
from alarm_engine.journal.port import Journal
from alarm_engine.journal.reading import read_to_end
from alarm_engine.model.event import Event
from alarm_engine.model.times import LATEST, Nanos
from backend.history.following import Following
from backend.history.port import HistoryStore
from backend.history.read_past import Checkpoints, PastOptions, ReadSoFar, Waiting, is_reached
from backend.live.follower import Follower
from backend.phoebus.derivation import FOUND, GAP
from backend.phoebus.journal import DerivingJournal

_CURRENT_S = 0.5


class DerivedPast:
    """Read from the beginning, since what happened follows from records in their order. Belongs to one event loop."""

    def __init__(self, journal: Journal, store: HistoryStore, tree: Follower, zones: Mapping[str, tzinfo], options: PastOptions) -> None:
        """`zones`: see `DerivingJournal`."""
        self._journal = journal
        self._store = store
        self._tree = tree
        self._following = Following(DerivingJournal(journal, zones, store), store, (tree.config, 0), self._copied)
        self._checkpoints = Checkpoints(store, tree.config)
        self._waiting = Waiting(tree.config, options.patience_s)
        self._task: asyncio.Task[None] | None = None
        self._whole = False
        self._total = 0
        self._hole = Nanos(0)
        self._unknown_until = Nanos(0)
        """The time of the last event that says that something before it is not known."""

    @property
    def progress(self) -> ReadSoFar:
        """See `Past.progress`."""
        return ReadSoFar(self._total if self._whole else 0, self._total, None, self._whole, None)

    @property
    def complete_from(self) -> Nanos:
        """See `Past.complete_from`."""
        return max(self._hole, self._unknown_until) if self._whole else LATEST

    @property
    def followed(self) -> int:
        """See `Past.followed`."""
        return self._following.copied

    async def current(self) -> None:
        """See `Past.current`."""
        if self._tree.newest is not None:
            await self._following.until(self._tree.newest, _CURRENT_S)

    async def reach(self, time: Nanos) -> None:
        """See `Past.reach`."""
        if is_reached(self.progress, time):
            return
        if self._task is None or self._task.done():
            self._waiting.turn()
            self._task = asyncio.create_task(self._read(), name=f"read the past of {self._tree.config}")
        await self._waiting.wait(self, time)

    async def is_truncated(self) -> bool:
        """See `Past.is_truncated`."""
        await self.reach(Nanos(0))
        return self.complete_from > 0

    async def close(self) -> None:
        """See `Past.close`."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._checkpoints.stop()
        await self._following.stop()

    async def _read(self) -> None:
        try:
            self._total = await self._journal.end(self._tree.config)
            self._following.start()
            await self._following.until_reached()
            if self._following.problem:
                raise HistoryUnavailable(self._following.problem)
            self._hole = await self._last_hole()
            await self._checkpoints.make()
        except (JournalError, HistoryError) as problem:
            self._waiting.turn(str(problem))
        except Exception as problem:
            self._waiting.turn(f"internal fault: {problem!r}")
            raise
        else:
            self._whole = True
            self._waiting.turn()

    async def _last_hole(self) -> Nanos:
        """The time of the first record after which none is missing: a state that another one replaced may lie in every hole."""
        following, time = 0, Nanos(0)
        async for record in read_to_end(self._journal, [self._tree.config]):
            if record.offset > following:
                time = record.time
            following = record.offset + 1
        return time

    def _copied(self, events: Sequence[Event]) -> None:
        unknown = [event.time for event in events if event.reason in (FOUND, GAP)]
        self._unknown_until = max(self._unknown_until, *unknown, Nanos(0))
