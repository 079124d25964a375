"""Journal in Kafka: each topic has one partition and an order of its own; an append is one transaction.

Positions are kept as offsets of consumer groups (`<prefix><group>`), written in the transaction of the effects: the broker drops them with
their topic, and every Kafka tool shows how far a reader is behind. Kafka forgets them a week after they were written, so the writer
repeats them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from alarm_engine.errors import JournalError, JournalUnavailable
from alarm_engine.journal.arrivals import Arrivals
from alarm_engine.journal.kafka_cluster import Cluster, Seen
from alarm_engine.journal.kafka_mender import Mender
from alarm_engine.journal.kafka_ownership import Owner, find_owner
from alarm_engine.journal.kafka_plain import PlainWriter
from alarm_engine.journal.kafka_positions import PositionWriter, read_position
from alarm_engine.journal.kafka_reader import KafkaReader
from alarm_engine.journal.kafka_requests import ask
from alarm_engine.journal.kafka_retracted import retracted
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.kafka_topics import ensure
from alarm_engine.journal.kafka_transactions import Transactions
from alarm_engine.journal.kafka_watch import Watch
from alarm_engine.journal.kafka_writer import Job, TransactionalWriter, size_of
from alarm_engine.journal.port import Position, Record, TopicSpec

T = TypeVar("T")

_ROOM = frozenset({"room"})
_REQUEST = "kafka-request"
_CLOSE_S = 1.0
"""How long Kafka may take for what is being written when the journal is closed."""
_TURN_S = 0.1
_END_S = 0.5
"""How long threads may take to notice that nobody waits for them any more."""


class KafkaJournal:
    """A `Journal`, usable from several event loops.

    With `settings.owns` it is the one writer of a configuration: `start` fences whoever was it before, and once another one has started
    every `append` raises `JournalFenced`. Without, it is one of many: a single record is written as it is, several in a transaction.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._cluster = Cluster(settings)
        self._room = Arrivals()
        self._transactions: Transactions | None = None
        self._writer: TransactionalWriter | None = None
        self._plain: PlainWriter | None = None
        self._watch: Watch | None = None
        self._mender: Mender | None = None
        self._positions: PositionWriter | None = None
        self._readers: list[KafkaReader] = []
        self.topic_faults: tuple[str, ...] = ()
        """What `ensure_topics` found wrong with existing topics, each with the command that mends it."""

    async def start(self) -> None:
        """See `Journal.start`; after `JournalUnavailable` it may be called again. Raises `SettingsError` for settings of no use."""
        if self._watch is not None:
            return
        if self._cluster.given_up:
            self._cluster = Cluster(self._settings)
        cluster = self._cluster
        transactions = Transactions(cluster)
        try:
            await ask(cluster.check, _REQUEST)
            if self._settings.owns is not None:
                await ask(transactions.take_over, _REQUEST)
        except asyncio.CancelledError:
            cluster.give_up()  # else it would take over yet, from whoever is the next one
            raise
        self._transactions = transactions
        self._writer = TransactionalWriter(transactions, f"kafka-writer {self._settings.owns or ''}", lambda: self._room.announce(_ROOM))
        self._writer.start()
        if self._settings.owns is None:
            self._plain = PlainWriter(self._cluster, "kafka-plain-writer")
            self._plain.start()
        self._mender = None if self._settings.owns is None else Mender(self._cluster, self._end_open)
        self._positions = PositionWriter(self._cluster)
        self._watch = Watch(self._cluster, "kafka-watch", self._mender.tick if self._mender is not None else lambda: None)
        if self._mender is not None:
            self._watch.start()

    async def ensure_topics(self, topics: Sequence[TopicSpec]) -> None:
        """See `Journal.ensure_topics`, but settings of existing topics are only compared: `topic_faults` and the log say what is wrong.

        Whoever looks after the brokers decides. Raises `JournalCorrupt` for a topic with several partitions.
        """
        self.topic_faults = await self._request(lambda: ensure(self._cluster, list(topics)))
        if self._transactions is not None:
            self._transactions.cover(topics)
        if self._mender is not None:
            self._mender.cover(topics)
            await self._request(self._mender.settle)
        self._opened().look_now()

    async def append(self, records: Sequence[Record], positions: Sequence[Position] = ()) -> None:
        """See `Journal.append`. A call that is cancelled has written all or nothing.

        `JournalUnavailable` may mean that it is not known: the broker went away while it was to confirm.
        """
        self._opened()
        if not records and not positions:
            return
        for record in records:
            _check_text(record)
        topics = {record.topic for record in records} | {position.topic for position in positions}
        if not all(map(self._cluster.knows, topics)):
            await self._request(lambda: self._cluster.require(topics))
        if self._plain is not None and len(records) == 1 and not positions:
            await asyncio.wrap_future(self._plain.send(records[0]))
            return
        groups = {position.group for position in positions}
        if self._positions is not None and self._settings.owns is None and not records and len(groups) == 1:
            offsets = {position.topic: position.offset for position in positions}
            await self._request(partial(self._positions.commit, self._settings.group(groups.pop()), offsets))
            return
        await self._transact(records, positions)

    async def _transact(self, records: Sequence[Record], positions: Sequence[Position]) -> None:
        assert self._writer is not None
        deadline = time.monotonic() + self._settings.write_timeout_s
        while self._writer.pending_bytes > self._settings.max_pending_bytes:
            mark = self._room.mark(_ROOM)
            if not await self._room.wait(_ROOM, mark, max(0.0, deadline - time.monotonic())):
                raise JournalUnavailable("cannot write: too much waits for Kafka; the records were not written")
        job = self._job(records, positions)
        self._writer.submit(job)
        await asyncio.wrap_future(job.future)

    def _job(self, records: Sequence[Record], positions: Sequence[Position] = (), *, taken_back: bool = False) -> Job:
        return Job(records, positions, time.monotonic() + self._settings.write_timeout_s, size_of(records), taken_back)

    def _end_open(self, record: Record, taken_back: bool) -> None:
        """On a thread other than the writer's; see `Mender`."""
        assert self._writer is not None
        job = self._job([record], taken_back=taken_back)
        self._writer.submit(job)
        job.future.result()

    def reader(self, topics: Sequence[str], start: Mapping[str, int] | None = None) -> KafkaReader:
        """See `Journal.reader`."""
        watch = self._opened()
        reader = KafkaReader(topics, start, self._cluster, watch, self._look)
        self._readers = [known for known in self._readers if not known.closed] + [reader]
        return reader

    async def end(self, topic: str) -> int:
        """See `Journal.end`; 0 for a topic that is not there."""
        seen = await self._look(frozenset({topic}))
        return seen[topic].end if topic in seen else 0

    @property
    def silence(self) -> str:
        """Why Kafka does not answer, as far as its client has said: for who does not wait for an answer any longer."""
        self._cluster.admin.poll(0)  # complaints are heard only then
        return self._cluster.complaints.unreachable()

    async def present(self, topics: Sequence[str]) -> frozenset[str]:
        """Those of the topics that are there."""
        return frozenset(await self._look(frozenset(topics)))

    async def retracted(self, topic: str, start: int) -> frozenset[str]:
        """See `Journal.retracted`."""
        end = await self.end(topic)
        return await self._request(partial(retracted, self._cluster, topic, start, end))

    async def position(self, group: str, topic: str) -> int | None:
        """See `Journal.position`."""
        try:
            found = await self._request(lambda: read_position(self._cluster, self._settings.group(group), topic))
        except JournalUnavailable:
            if self._settings.owns is None or not self._cluster.knows(self._settings.owns):
                raise
            # It may be one that is never decided (see `kafka_mender`): another in the same group ends it.
            await self._transact([], [Position(group, self._settings.owns, 0)])
            found = await self._request(lambda: read_position(self._cluster, self._settings.group(group), topic))
        if found is None:
            return None
        if self._settings.owns is not None and self._transactions is not None:
            self._transactions.keep(Position(group, topic, found.offset))
        return found.offset

    async def owner(self) -> Owner | None:
        """Who wrote last what these settings own, None if that is not known."""
        return await self._request(lambda: find_owner(self._cluster))

    async def close(self) -> None:
        """See `Journal.close`; what was appended is still written, if Kafka takes it within a second: else it was not acknowledged."""
        watch, self._watch = self._watch, None
        if watch is None:
            return
        assert self._writer is not None
        assert self._positions is not None
        readers, self._readers = self._readers, []
        plain, self._plain = self._plain, None
        for reader in readers:
            reader.end()
        writing: list[Callable[[], None]] = [self._writer.stop, self._positions.close]
        if plain is not None:
            writing.append(plain.stop)
        waiting_s = max(self._writer.waiting_s, plain.waiting_s if plain is not None else 0.0)
        reading = [watch.stop, *(reader.join for reader in readers)]
        ends = [asyncio.create_task(ask(stop, "kafka-end")) for stop in (*writing, *reading)]
        try:
            await asyncio.wait(ends[: len(writing)], timeout=max(_TURN_S, _CLOSE_S - waiting_s))
        finally:
            self._cluster.give_up()
        _, late = await asyncio.wait(ends, timeout=_END_S)
        for end in late:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)

    def _opened(self) -> Watch:
        if self._watch is None:
            raise JournalUnavailable(f"the journal in Kafka at {self._settings.servers} is not open")
        return self._watch

    async def _look(self, topics: frozenset[str]) -> Mapping[str, Seen]:
        return await self._request(lambda: self._cluster.look(topics))

    async def _request(self, question: Callable[[], T]) -> T:
        """Ask the cluster beside the event loop."""
        self._opened()
        return await ask(question, _REQUEST)


def _check_text(record: Record) -> None:
    try:
        record.key.encode()
    except UnicodeEncodeError as problem:
        raise JournalError(f"topic {record.topic!r}: key {record.key!r} is not text that can be written as UTF-8") from problem
