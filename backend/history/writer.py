"""Copies events from the journal into the history store, each under its own id, so that writing twice is the same as once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from alarm_engine.errors import HistoryError, HistoryUnavailable, JournalUnavailable, WireError
from alarm_engine.journal.port import Fetched, Journal, JournalReader, Position
from alarm_engine.model.event import Event
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.topics import Topics
from backend.history.port import HistoryStore

log = structlog.get_logger()

GROUP = "history"
BATCH = 500
"""Events written at once."""
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 10.0
_RETENTION_PERIOD_S = 3600.0
_DAY_NS = 86_400 * NANOS_PER_SECOND


class HistoryWriter:
    """Follows the events of configurations, as an application object. A position is committed only after the store has answered."""

    def __init__(self, journal: Journal, store: HistoryStore, configs: Sequence[str], keep_days: int | None = None) -> None:
        """`keep_days`: older events are forgotten, counted from the newest one of a configuration; None: never."""
        self._journal = journal
        self._store = store
        self._configs = tuple(configs)
        self._keep_days = keep_days
        self._tasks: list[asyncio.Task[None]] = []
        self._newest: dict[str, Nanos] = {}
        self._waiting: dict[str, int] = {}
        self._troubled: set[str] = set()
        self.written = 0
        """Events that were new to the store."""
        self.failed = 0
        """Records that are no events of ours and were skipped."""

    @property
    def lag(self) -> int:
        """Events fetched and not yet in the store."""
        return sum(self._waiting.values())

    @property
    def healthy(self) -> bool:
        """Journal and store both answered the last time they were asked."""
        return not self._troubled

    def failure(self) -> BaseException | None:
        """What ended a task that must not end; None while all is well."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                return task.exception() or RuntimeError(f"{task.get_name()} ended")
        return None

    async def start(self) -> None:
        """Begin to copy; returns at once."""
        self._tasks = [asyncio.create_task(self._copy(config), name=f"history of {config}") for config in self._configs]
        if self._keep_days is not None:
            self._tasks.append(asyncio.create_task(self._forget(self._keep_days), name="history retention"))

    async def stop(self) -> None:
        """Stop; may be called again. What was not written will be read again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _copy(self, config: str) -> None:
        topic = Topics(config).events
        wait_s = _FIRST_WAIT_S
        while True:
            reader: JournalReader | None = None
            try:
                reader = self._journal.reader([topic], {topic: await self._start(topic)})
                while True:
                    fetched = await reader.fetch(max_records=BATCH, timeout_s=5.0)
                    await self._write(config, topic, fetched)
                    if config in self._troubled:
                        log.info("history is written again", config=config)
                        self._troubled.discard(config)
                    wait_s = _FIRST_WAIT_S
            except (HistoryUnavailable, JournalUnavailable) as problem:
                if config not in self._troubled:
                    log.error("history cannot be written: events wait in the journal", config=config, problem=str(problem))
                    self._troubled.add(config)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            finally:
                if reader is not None:
                    await reader.close()

    async def _start(self, topic: str) -> int:
        """Where to go on; a position beyond the end is that of a topic that was made anew since."""
        position = await self._journal.position(GROUP, topic)
        if position is None:
            return 0
        end = await self._journal.end(topic)
        if position > end:
            log.warning("events topic was made anew: read from its beginning", topic=topic, position=position, end=end)
            return 0
        return position

    async def _write(self, config: str, topic: str, fetched: Fetched) -> None:
        if not fetched.records:
            return
        events: list[Event] = []
        for record in fetched.records:
            try:
                events.append(decode_event(record.value or b""))
            except WireError as problem:
                self.failed += 1
                log.warning("record skipped", topic=topic, offset=record.offset, key=record.key, problem=str(problem))
        self._waiting[config] = len(events)
        if events:
            self.written += await self._store.write(events)
            self._newest[config] = max(self._newest.get(config, Nanos(0)), events[-1].time)
        await self._journal.append([], [Position(GROUP, topic, fetched.records[-1].offset + 1)])
        self._waiting[config] = 0

    async def _forget(self, keep_days: int) -> None:
        while True:
            for config, newest in list(self._newest.items()):
                try:
                    number = await self._store.delete_before(config, Nanos(newest - keep_days * _DAY_NS))
                except HistoryError as problem:
                    log.warning("old events not forgotten", config=config, problem=str(problem))
                    continue
                if number:
                    log.info("old events forgotten", config=config, number=number)
            await asyncio.sleep(_RETENTION_PERIOD_S)
