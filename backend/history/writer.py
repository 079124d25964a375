"""Copies events from the journal to the history store, each under its id, so that writing twice is the same as once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from alarm_engine.clock import Clock, SystemClock
from alarm_engine.errors import HistoryError, JournalCorrupt, JournalError, WireError
from alarm_engine.journal.port import Journal, JournalReader, Position, StoredRecord
from alarm_engine.model.event import Event
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.topics import Topics
from backend.history.port import DeadLetter, HistoryStore

T = TypeVar("T")

GROUP = "history"
"""Name of our reading positions in the journal."""
_DAY_NS = 86_400 * NANOS_PER_SECOND
_LONGEST_REASON = 500
_GREATEST = 1 << 62
"""No store takes larger numbers."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How the writer works."""

    batch_records: int = 500
    first_pause_s: float = 0.1
    """Wait before the first new try; doubled with each."""
    longest_pause_s: float = 10.0
    retention_period_s: float = 3600.0
    """How often events that are too old are deleted."""
    checkpoint_period_s: float = 60.0
    """How often it is looked whether checkpoints are due."""


class HistoryWriter:
    """Follows the events of some configurations; a position is committed only after the store has answered."""

    def __init__(
        self,
        journal: Journal,
        store: HistoryStore,
        configs: Sequence[str],
        *,
        keep_days: int | None = None,
        options: WriterOptions | None = None,
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        """Journal and store are closed by whoever made them, and the journal is started; the store is opened as soon as it is there.

        Events older than `keep_days` are deleted; None: never.
        """
        self._journal = journal
        self._store = store
        self._configs = {Topics(config).events: config for config in configs}
        self._keep_days = keep_days
        self._options = options or WriterOptions()
        self._clock = clock or SystemClock()
        self._next: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._opened = asyncio.Event()
        self._lag = 0
        self._written = 0
        self._failed = 0
        self._failures = 0
        self._problem = "not started"

    @property
    def lag(self) -> int:
        """Offsets from the first record not yet stored to the end of the journal: at least the number of events that wait."""
        return self._lag

    @property
    def written(self) -> int:
        """Events stored since the start; those that were there already are not counted."""
        return self._written

    @property
    def failed(self) -> int:
        """Records since the start that could not be stored as events: they are among the dead letters."""
        return self._failed + self._store.buried

    @property
    def failures(self) -> int:
        """Tries since the start that did not succeed. Each is made again: nothing is lost by them."""
        return self._failures

    @property
    def healthy(self) -> bool:
        """It runs, and the last thing it tried succeeded."""
        return not self._problem and self.failure() is None

    @property
    def problem(self) -> str:
        """Why it is not healthy; empty while it is."""
        failure = self.failure()
        return self._problem or (repr(failure) if failure else "")

    def failure(self) -> BaseException | None:
        """What ended the writer, which must not end; None while it goes on."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                return task.exception() or RuntimeError(f"{task.get_name()} ended")
        return None

    async def start(self) -> None:
        """Begin to copy, where the last one ended."""
        if self._tasks:
            return
        self._problem = ""
        self._tasks = [
            asyncio.create_task(self._copy(), name="history writer"),
            asyncio.create_task(self._make_checkpoints(), name="history checkpoints"),
        ]
        if self._keep_days is not None:
            self._tasks.append(asyncio.create_task(self._expire(self._keep_days), name="history retention"))

    async def stop(self) -> None:
        """Stop; what is not yet stored is stored by the next one."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._problem = "stopped"

    async def _copy(self) -> None:
        try:
            await self._insist("read the journal", self._read_positions)
            await self._insist("open the history", self._store.start)
            self._opened.set()
            while True:
                reader = await self._insist("read the journal", self._open)
                try:
                    await self._follow(reader)
                except JournalCorrupt:
                    raise
                except JournalError as problem:
                    self._report("read the journal", problem)
                    await asyncio.sleep(self._options.first_pause_s)
                finally:
                    await reader.close()
        except JournalCorrupt as problem:
            self._report("read the journal", problem)
            raise

    async def _follow(self, reader: JournalReader) -> None:
        """Copy until the reader fails."""
        while True:
            fetched = await reader.fetch(max_records=self._options.batch_records, timeout_s=1.0)
            if fetched.records:
                await self._take(fetched.records)
            if fetched.caught_up:
                self._lag = 0
            else:
                await self._look_at_end()
            self._report("", None)

    async def _open(self) -> JournalReader:
        """A reader from the committed positions."""
        await self._read_positions()
        return self._journal.reader(list(self._configs), dict(self._next))

    async def _read_positions(self) -> None:
        for topic in self._configs:
            position = await self._journal.position(GROUP, topic) or 0
            end = await self._journal.end(topic)
            if position > end:
                log.warning("topic was made anew, history is filled from its beginning", topic=topic, position=position, end=end)
                position = 0
            self._next[topic] = position

    async def _take(self, records: Sequence[StoredRecord]) -> None:
        """Store a batch, then commit its position; insists on both."""
        letters: list[DeadLetter] = []
        events = [event for record in records if (event := self._decode(record, letters)) is not None]
        if letters:
            await self._insist("put aside what is no event", lambda: self._store.bury(letters))
        if events:
            self._written += await self._insist("write history", lambda: self._store.write(events))
        ends = {record.topic: record.offset + 1 for record in records}
        positions = [Position(GROUP, topic, offset) for topic, offset in ends.items()]
        await self._insist("commit the position of history", lambda: self._journal.append([], positions))
        self._next.update(ends)

    def _decode(self, record: StoredRecord, letters: list[DeadLetter]) -> Event | None:
        """The event of a record; one that is none is counted, logged and becomes a dead letter, for it will not get better."""
        try:
            if record.value is None:
                raise WireError("not an event record: it has no value")
            event = decode_event(record.value)
            _check(event, self._configs[record.topic])
            return event
        except WireError as problem:
            self._failed += 1
            log.error("record is no event and was put aside", topic=record.topic, offset=record.offset, problem=str(problem))
            where = f"{record.topic}@{record.offset}"
            letters.append(DeadLetter(self._configs[record.topic], where, str(problem)[:_LONGEST_REASON], record.value or b""))
            return None

    async def _insist(self, what: str, action: Callable[[], Awaitable[T]]) -> T:
        """Do something until it succeeds. Nothing is dropped meanwhile: the journal keeps what waits."""
        pause_s = self._options.first_pause_s
        while True:
            try:
                return await action()
            except JournalCorrupt:
                raise
            except (HistoryError, JournalError) as problem:
                self._report(what, problem)
            await asyncio.sleep(pause_s)
            pause_s = min(self._options.longest_pause_s, 2 * pause_s)
            await self._try_to_look_at_end()

    async def _look_at_end(self) -> None:
        self._lag = sum([max(0, await self._journal.end(topic) - offset) for topic, offset in self._next.items()])

    async def _try_to_look_at_end(self) -> None:
        try:
            await self._look_at_end()
        except JournalError as problem:
            self._report("read the journal", problem)

    def _report(self, what: str, problem: Exception | None) -> None:
        """Log when it stops working and when it works again, not each try."""
        text = f"cannot {what}: {problem}" if problem else ""
        self._failures += bool(text)
        if text and not self._problem:
            log.error("history falls behind, trying again", problem=text)
        elif self._problem and not text:
            log.info("history is written again", lag=self._lag)
        self._problem = text

    async def _make_checkpoints(self) -> None:
        """They make questions about the past quick, and nothing is lost without one: what fails is tried again later."""
        await self._opened.wait()
        while True:
            for config in self._configs.values():
                try:
                    while await self._store.checkpoint(config):
                        pass
                except HistoryError as problem:
                    log.warning("no checkpoint of the history could be made, trying again later", config=config, problem=str(problem))
            await asyncio.sleep(self._options.checkpoint_period_s)

    async def _expire(self, keep_days: int) -> None:
        await self._opened.wait()
        while True:
            oldest = Nanos(self._clock.now().wall - keep_days * _DAY_NS)
            for config in self._configs.values():
                try:
                    deleted = await self._store.delete_before(config, oldest)
                except HistoryError as problem:
                    log.warning("old events could not be deleted, trying again later", config=config, problem=str(problem))
                else:
                    if deleted:
                        log.info("old events deleted", config=config, events=deleted, keep_days=keep_days)
            await asyncio.sleep(self._options.retention_period_s)


def _check(event: Event, config: str) -> None:
    """Raise `WireError` for what no store could keep: one bad record must not stop all those after it."""
    if event.id.config != config:
        raise WireError(f"event {event.id} is not of configuration {config!r}")
    for name, number in (("time", event.time), ("epoch", event.id.epoch), ("n", event.id.n), ("pv_time", event.pv_time or 0)):
        if not isinstance(number, int) or not 0 <= number < _GREATEST:
            raise WireError(f"event {event.id}: {name} is {number!r}, expected an integer from 0 to {_GREATEST}")
    for name in ("path", "reason", "description", "user", "host", "comment", "correlation"):
        if not isinstance(text := getattr(event, name), str):
            raise WireError(f"event {event.id}: {name} is {text!r}, expected a text")
    snapshot = event.snapshot
    if snapshot is not None and not (isinstance(snapshot.alarm.message, str) and isinstance(snapshot.current.message, str)):
        raise WireError(f"event {event.id}: the messages of its state are not texts")
