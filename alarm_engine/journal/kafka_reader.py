"""Reads topics of Kafka from a position, then follows them: what was committed, in the order of each topic."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import structlog
from confluent_kafka import KafkaException

from alarm_engine.errors import JournalError
from alarm_engine.journal.arrivals import Arrivals
from alarm_engine.journal.kafka_cluster import Cluster, Seen
from alarm_engine.journal.kafka_consumer import FollowingConsumer
from alarm_engine.journal.kafka_parts import Part
from alarm_engine.journal.kafka_topics import split_topic
from alarm_engine.journal.port import Fetched, StoredRecord
from alarm_engine.journal.tail import size

_log = structlog.get_logger()

MAX_BUFFERED_RECORDS = 20_000
MAX_BUFFERED_BYTES = 32_000_000
_IDLE_S = 0.1


class Watching(Protocol):
    """What tells a reader about its topics."""

    def follow(self, reader: KafkaReader) -> None:
        """Tell it from now on."""
        ...

    def leave(self, reader: KafkaReader) -> None:
        """Tell it no more."""
        ...


Look = Callable[[frozenset[str]], Awaitable[Mapping[str, Seen]]]


class KafkaReader:
    """A `JournalReader`. Its own thread fetches ahead into a bounded buffer; one `fetch` at a time, on any event loop."""

    def __init__(self, topics: Sequence[str], start: Mapping[str, int] | None, cluster: Cluster, watch: Watching, look: Look) -> None:
        self.topics = frozenset(topics)
        self._parts = {topic: Part(topic, (start or {}).get(topic, 0)) for topic in self.topics}
        self._cluster = cluster
        self._watch = watch
        self._look = look
        self._arrivals = Arrivals()
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._buffer: deque[StoredRecord] = deque()
        self._bytes = 0
        self._assigned = -1
        self._assignment = 0
        self._problem: JournalError | None = None
        self._said_caught_up = False
        self._fault = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kafka-reader {min(self.topics, default='')}", daemon=True)
        self._started = False

    async def fetch(self, *, max_records: int = 5000, timeout_s: float | None = None) -> Fetched:
        """See `JournalReader.fetch`. A cancelled call has delivered nothing; raises `JournalError` once the reader is closed."""
        if self._ended.is_set():
            raise JournalError("the reader of the journal is closed")
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        await self._begin()
        while True:
            mark = self._arrivals.mark(self.topics)
            answer = self._answer(max(1, max_records))
            if answer is not None:
                return answer
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not await self._arrivals.wait(self.topics, mark, left) and not self._ended.is_set():
                self.looked(await self._look(self.topics))
                return self._answer(max(1, max_records)) or Fetched((), self._said_caught_up)

    @property
    def fault(self) -> str:
        """See `JournalReader.fault`: a topic has several partitions. Known from the first fetch on, and a second after it came to be."""
        return self._fault

    async def close(self) -> None:
        """See `JournalReader.close`; its thread ends a moment later."""
        self.end()

    def end(self) -> None:
        """Close, from any thread."""
        self._ended.set()
        self._watch.leave(self)
        with self._room:
            self._room.notify_all()
        self._arrivals.announce(self.topics)

    def join(self) -> None:
        """Wait for the thread of a closed reader."""
        if self._started:
            self._thread.join()

    @property
    def closed(self) -> bool:
        """No longer in use, and its thread has ended."""
        return self._ended.is_set() and not self._thread.is_alive()

    def looked(self, seen: Mapping[str, Seen]) -> None:
        """The topics as they are now."""
        split = [(topic, seen[topic].partitions) for topic in sorted(self.topics & seen.keys()) if seen[topic].partitions != 1]
        fault = "; ".join(split_topic(self._cluster.settings, topic, partitions) for topic, partitions in split)
        with self._lock:
            news, self._fault = fault != self._fault, fault
            changed = [part.look(seen.get(part.topic)) for part in self._parts.values()]
            if not self._buffer:  # else it may be this side that does not take more
                changed += [part.stuck(time.monotonic()) for part in self._parts.values()]
            self._assignment += any(changed)
            self._problem = None
        if news and fault:
            _log.error("records may be overlooked", problem=fault)
        elif news:
            _log.info("no records are overlooked any more", topics=sorted(self.topics))
        self._arrivals.announce(self.topics)

    def failed(self, problem: JournalError) -> None:
        """They could not be looked at: whoever waits for records hears of it."""
        with self._lock:
            self._problem = problem
        self._arrivals.announce(self.topics)

    async def _begin(self) -> None:
        if self._started:
            return
        self.looked(await self._look(self.topics))
        if self._ended.is_set() or self._started:
            return
        self._started = True
        self._watch.follow(self)
        self._thread.start()

    def _answer(self, max_records: int) -> Fetched | None:
        """What there is to say now, None if nothing. Nothing is awaited here: the caller gets the records, or they stay."""
        with self._room:
            if self._ended.is_set():
                return Fetched((), False)
            if self._problem is not None and not self._buffer:
                self._said_caught_up = False
                raise self._problem
            records = [self._buffer.popleft() for _ in range(min(max_records, len(self._buffer)))]
            if records:
                self._bytes -= sum(map(size, records))
                self._room.notify_all()
            caught_up = not self._buffer and all(part.reached for part in self._parts.values())
            news = caught_up and not self._said_caught_up
            if not caught_up and not records:
                self._said_caught_up = False
            if not records and not news:
                return None
            self._said_caught_up = caught_up
            return Fetched(records, caught_up)

    # ------------------------------------------------------------------ the reader's thread

    def _run(self) -> None:
        consumer = FollowingConsumer(self._cluster)
        try:
            while not self._ended.is_set():
                try:
                    self._turn(consumer)
                except KafkaException as problem:
                    self.failed(self._cluster.translated("read the journal", problem))
                    self._ended.wait(_IDLE_S)
                except Exception as problem:  # noqa: BLE001 - whoever fetches gets it
                    self.failed(problem if isinstance(problem, JournalError) else JournalError(f"cannot read the journal: {problem!r}"))
                    self._ended.wait(_IDLE_S)
        finally:
            consumer.close()

    def _turn(self, consumer: FollowingConsumer) -> None:
        with self._room:
            assignment = self._assignment
            parts = [part for part in self._parts.values() if part.present]
            if len(self._buffer) >= MAX_BUFFERED_RECORDS or self._bytes >= MAX_BUFFERED_BYTES:
                self._room.wait(_IDLE_S)
                return
            starts = {part.topic: part.next for part in parts}
        if assignment != self._assigned or consumer.outdated:
            consumer.assign(starts)
            self._assigned = assignment
        if not starts:
            self._ended.wait(_IDLE_S)
            return
        got = consumer.poll(_IDLE_S)
        with self._lock:
            if assignment != self._assignment:
                return  # a topic was made anew meanwhile: read again from where it now begins
            self._buffer.extend(got.records)
            self._bytes += sum(map(size, got.records))
            for topic, offset in got.positions.items():
                self._parts[topic].advance(offset)
            if got.problem is not None:
                self._problem = got.problem
        if got.records or got.problem is not None or got.positions:
            self._arrivals.announce(self.topics)
