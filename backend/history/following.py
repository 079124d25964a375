"""Copies the events of one topic to a store from an offset on, for as long as it is wanted. Nobody goes on where it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from alarm_engine.errors import HistoryError, JournalError, WireError
from alarm_engine.journal.port import Journal, JournalReader, StoredRecord
from alarm_engine.model.event import Event
from alarm_engine.model.state import EventId
from alarm_engine.wire.topics import Topics
from backend.history.event_records import event_in
from backend.history.port import HistoryStore

BATCH = 1000
_PAUSE_S = 0.5

log = structlog.get_logger()


def events_in(records: Sequence[StoredRecord], config: str) -> list[Event]:
    """The events of records; what is none is said and left out."""
    found = []
    for record in records:
        try:
            found.append(event_in(record, config))
        except WireError as problem:
            log.warning("record is no event and is left out", topic=record.topic, offset=record.offset, problem=str(problem))
    return found


class Following:
    """Belongs to one event loop; journal and store are started and closed by whoever made them."""

    def __init__(
        self, journal: Journal, store: HistoryStore, where: tuple[str, int], tell: Callable[[Sequence[Event]], None] = lambda _: None
    ) -> None:
        """`where`: the configuration, and the offset to begin at; `tell` is told what was stored."""
        config, start = where
        self._journal = journal
        self._store = store
        self._config = config
        self._topic = Topics(config).events
        self._next = start
        self._tell_of = tell
        self._newest: EventId | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.copied = 0
        """Events stored since the start."""
        self.reached = False
        """All that was there was copied, once at least."""
        self.problem = ""
        """Why it does not go on; empty while it does."""

    def start(self) -> None:
        """Begin."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"follow events of {self._config}")

    async def stop(self) -> None:
        """Stop; may be called again."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until_reached(self) -> None:
        """Return when all that was there was copied, or when there is a problem."""
        while not self.reached and not self.problem:
            await self._news.wait()

    async def until(self, event: EventId, timeout_s: float) -> None:
        """Return when that event was copied, or after the time."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._newest is None or self._newest[1:] < event[1:]:
                    await self._news.wait()
        except TimeoutError:
            return

    async def _run(self) -> None:
        reader: JournalReader | None = None
        try:
            while True:
                try:
                    reader = reader or self._journal.reader([self._topic], {self._topic: self._next})
                    await self._take(reader)
                except (JournalError, HistoryError) as problem:
                    self._tell(str(problem))
                    await asyncio.sleep(_PAUSE_S)
                    if reader is not None:
                        await reader.close()
                        reader = None
        except Exception as problem:
            log.exception("following ended by a fault of ours", config=self._config)
            self._tell(f"internal fault: {problem!r}")
            raise
        finally:
            if reader is not None:
                await reader.close()

    async def _take(self, reader: JournalReader) -> None:
        fetched = await reader.fetch(max_records=BATCH, timeout_s=1.0)
        events = events_in(fetched.records, self._config)
        if events:
            await self._store.write(events)
            self._tell_of(events)
            self.copied += len(events)
            self._newest = events[-1].id
        if fetched.records:
            self._next = fetched.records[-1].offset + 1
        self.reached = self.reached or fetched.caught_up
        self._tell("")
        await asyncio.sleep(0)  # what is buffered comes without waiting, and there may be much of it

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.warning("events cannot be copied, trying again", config=self._config, problem=problem)
        self.problem = problem
        news, self._news = self._news, asyncio.Event()
        news.set()
