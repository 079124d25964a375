"""Copies events from the journal to the history store, each under its id, so that writing twice is the same as once.

A store may turn out to have lost what was copied to it: an index was deleted, the file replaced. Then it is filled again from the beginning
of the journal, by itself, if the newest events were among what is lost; see `loss.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from alarm_engine.clock import Clock, SystemClock
from alarm_engine.errors import HistoryError, JournalCorrupt, JournalError, WireError
from alarm_engine.journal.port import Journal, JournalReader, Position, StoredRecord
from alarm_engine.model.event import Event
from alarm_engine.wire.topics import Topics
from backend.history.event_records import event_in, letter_for
from backend.history.loss import is_lost
from backend.history.port import DeadLetter, HistoryStore
from backend.history.refill import Refill
from backend.history.upkeep import expire, make_checkpoints, oldest_kept

T = TypeVar("T")

GROUP = "history"
"""Name of our reading positions in the journal."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How the writer works."""

    group: str = GROUP
    """Name of the positions in the journal, from which a later one goes on."""
    batch_records: int = 500
    first_pause_s: float = 0.1
    """Wait before the first new try; doubled with each."""
    longest_pause_s: float = 10.0
    look_period_s: float = 10.0
    """How often it is looked whether the store answers, while there is nothing to write."""
    retention_period_s: float = 3600.0
    """How often events that are too old are deleted."""
    checkpoint_period_s: float | None = 60.0
    """How often it is looked whether checkpoints are due; None: never."""


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
        self._refill = Refill(store)
        self._tasks: list[asyncio.Task[None]] = []
        self._opened = asyncio.Event()
        self._reached = False
        self._losses = store.losses
        self._answered = 0.0
        """When the store was last asked without need, by the loop's clock."""
        self._lag = 0
        self._read = 0
        self._written = 0
        self._failed = 0
        self._failures = 0
        self._problem = "not started"
        self._fault = ""
        """Why events may be overlooked although the journal is read."""

    @property
    def lag(self) -> int:
        """Offsets from the first record not yet stored to the end of the journal: at least the number of events that wait."""
        return self._lag

    @property
    def reached_end(self) -> bool:
        """All that was in the journal has been copied, at least once since the start."""
        return self._reached

    @property
    def read(self) -> int:
        """Records taken from the journal since the start."""
        return self._read

    @property
    def written(self) -> int:
        """Events stored since the start; those that were there already are not counted."""
        return self._written

    @property
    def failed(self) -> int:
        """Records since the start that could not be stored as events: they are among the dead letters."""
        return self._failed + self._store.buried

    @property
    def unreadable(self) -> int:
        """Those of them that are no events."""
        return self._failed

    @property
    def failures(self) -> int:
        """Tries since the start that did not succeed. Each is made again: nothing is lost by them."""
        return self._failures

    @property
    def healthy(self) -> bool:
        """It runs, the last thing it tried succeeded, and nothing is overlooked."""
        return not self.problem

    @property
    def problem(self) -> str:
        """Why it is not healthy; empty while it is."""
        failure = self.failure()
        return self._problem or (repr(failure) if failure else "") or self._fault

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
        self._tasks = [asyncio.create_task(self._copy(), name="history writer")]
        configs, options = list(self._configs.values()), self._options
        if options.checkpoint_period_s is not None:
            self._keep_up("history checkpoints", partial(make_checkpoints, self._store, configs, options.checkpoint_period_s))
        if self._keep_days is not None:
            keep = (self._keep_days, self._clock)
            self._keep_up("history retention", partial(expire, self._store, configs, keep, options.retention_period_s))

    def _keep_up(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        async def when_open() -> None:
            await self._opened.wait()
            await work()

        self._tasks.append(asyncio.create_task(when_open(), name=name))

    async def stop(self) -> None:
        """Stop; what is not yet stored is stored by the next one."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._problem = "stopped"

    async def _copy(self) -> None:
        try:
            await self._insist("open the history", self._store.start)
            self._opened.set()
            await self._insist("see whether the history is whole", self._look_for_losses)
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
        """Copy until the reader fails, or has to begin again."""
        while True:
            fetched = await reader.fetch(max_records=self._options.batch_records, timeout_s=1.0)
            self._fault = reader.fault
            if not await self._take(fetched.records):
                return
            if not fetched.records:
                await self._look_at_store()
            if fetched.caught_up:
                await self._insist("note that all is written", self._refill.end)
                self._lag, self._reached = 0, True
            else:
                await self._look_at_end()
            self._report("", None)

    async def _look_at_store(self) -> None:
        """While nothing happens nothing is written: a store that is away must not look well until something does."""
        now, config = asyncio.get_running_loop().time(), next(iter(self._configs.values()))
        if now - self._answered >= self._options.look_period_s:
            await self._insist("reach the history", lambda: self._store.summaries.frontier(config))
            self._answered = now

    async def _open(self) -> JournalReader:
        """A reader from the committed positions."""
        await self._read_positions()
        await self._look_at_end()
        return self._journal.reader(list(self._configs), dict(self._next))

    async def _read_positions(self) -> None:
        for topic in self._configs:
            position = await self._journal.position(self._options.group, topic) or 0
            end = await self._journal.end(topic)
            if position > end:
                log.warning("topic was made anew, history is filled from its beginning", topic=topic, position=position, end=end)
                position = 0
            self._next[topic] = position
            if position == 0:
                self._refill.begin(topic)

    async def _look_for_losses(self) -> None:
        await self._read_positions()
        oldest = oldest_kept(self._clock, self._keep_days)
        lost = [topic for topic in self._configs if await is_lost(self._journal, self._store, self._place(topic), oldest)]
        if lost:
            await self._begin_again(lost)

    def _place(self, topic: str) -> tuple[str, str, int]:
        return self._configs[topic], topic, self._next[topic]

    async def _begin_again(self, topics: Sequence[str]) -> None:
        log.warning("the history has lost what was copied, it is filled again from the journal", topics=list(topics))
        await self._journal.append([], [Position(self._options.group, topic, 0) for topic in topics])

    async def _take(self, records: Sequence[StoredRecord]) -> bool:
        """Store a batch, then commit its position; insists on both. False: all is to be read again, since the store has lost some.

        An empty one too: what is lost while nothing happens must not look well until something does.
        """
        letters: list[DeadLetter] = []
        events = [event for record in records if (event := self._decode(record, letters)) is not None]
        if letters:
            await self._insist("put aside what is no event", lambda: self._store.bury(letters))
        if events:
            self._written += await self._insist("write history", lambda: self._store.write(events))
        self._read += len(records)
        if (losses := self._store.losses) != self._losses:
            await self._insist("begin again", lambda: self._begin_again(list(self._configs)))
            self._losses = losses
            return False
        if not records:
            return True
        self._refill.take(events)
        ends = {record.topic: record.offset + 1 for record in records}
        positions = [Position(self._options.group, topic, offset) for topic, offset in ends.items()]
        await self._insist("commit the position of history", lambda: self._journal.append([], positions))
        self._next.update(ends)
        return True

    def _decode(self, record: StoredRecord, letters: list[DeadLetter]) -> Event | None:
        """The event of a record; one that is none is counted, logged and becomes a dead letter, for it will not get better."""
        config = self._configs[record.topic]
        try:
            return event_in(record, config)
        except WireError as problem:
            self._failed += 1
            log.error("record is no event and was put aside", topic=record.topic, offset=record.offset, problem=str(problem))
            letters.append(letter_for(record, config, problem))
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
            if not self._next:
                await self._read_positions()
            await self._look_at_end()
        except JournalError as problem:
            self._report("read the journal", problem)
        except HistoryError:
            pass  # positions may depend on what is stored: then nothing is known yet

    def _report(self, what: str, problem: Exception | None) -> None:
        """Log when it stops working and when it works again, not each try."""
        text = f"cannot {what}: {problem}" if problem else ""
        self._failures += bool(text)
        if text and not self._problem:
            log.error("history falls behind, trying again", problem=text)
        elif self._problem and not text:
            log.info("history is written again", lag=self._lag)
        self._problem = text
