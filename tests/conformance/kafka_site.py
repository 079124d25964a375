"""Topics of a real Kafka broker, made, written and read as the clients of Phoebus do: by the plain library, with no code of ours."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.port import Journal
from alarm_engine.wire.topics import Topics, status_topic
from tests.conformance.sites import Seen

T = TypeVar("T")

_PATIENCE_S = 60.0
_COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "10000",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "1000",
    "delete.retention.ms": "1000",
    "file.delete.delay.ms": "1000",
}
_SHORT_LIVED = _COMPACTED | {"cleanup.policy": "delete", "retention.ms": "20000"}
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


def as_phoebus_makes_them(topics: Topics) -> list[NewTopic]:
    """The three topics of a Phoebus site, with the settings that its server and its script give them."""
    settings = {topics.config: _COMPACTED, topics.command: _SHORT_LIVED, topics.talk: _SHORT_LIVED}
    return [NewTopic(name, num_partitions=1, replication_factor=1, config=config) for name, config in settings.items()]


class PlainClient:
    """Blocking; for one thread. Writes without headers, reads what is committed."""

    def __init__(self, servers: str) -> None:
        shared = {"bootstrap.servers": servers, "log_level": 0}
        self.admin = AdminClient(shared)
        self._producer = Producer({**shared, "linger.ms": 0})
        self._consumer = Consumer(
            {
                **shared,
                "group.id": f"Alarm-{secrets.token_hex(8)}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 10,
                # The end of a topic is told only when a request for more has come back empty.
                "fetch.wait.max.ms": 15,
            }
        )
        self._next: dict[str, int] = {}

    def make(self, topics: Sequence[NewTopic]) -> None:
        """Raises `KafkaException` if one is there already."""
        for made in self.admin.create_topics(list(topics)).values():
            made.result(_PATIENCE_S)
        self.await_topics(topic.topic for topic in topics)

    def await_topics(self, names: Iterable[str]) -> None:
        """Until they can be used, which is a moment after they were made."""
        wanted = list(names)

        def usable() -> bool:
            with contextlib.suppress(KafkaException):
                return bool(self.ends(wanted))
            time.sleep(0.02)
            return False

        _until(usable, f"topics {wanted}")

    def remove(self, names: Sequence[str]) -> None:
        """Those that are there."""
        there = [name for name in names if name in self.admin.list_topics(timeout=_PATIENCE_S).topics]
        for gone in self.admin.delete_topics(there).values() if there else ():
            gone.result(_PATIENCE_S)

    def write(self, topic: str, key: str | bytes | None, value: bytes | None) -> int:
        """Offset of the record, which can be read now."""
        written: list[Message] = []
        failed: list[KafkaError] = []

        def report(error: KafkaError | None, message: Message) -> None:
            (written if error is None else failed).append(message if error is None else error)  # type: ignore[arg-type]

        self._producer.produce(topic, value, key, on_delivery=report)
        self._producer.flush(_PATIENCE_S)
        if not written:
            raise failed[0] if isinstance(failed[0], BaseException) else KafkaException(failed[0])
        return written[0].offset() or 0

    def follow(self, names: Iterable[str]) -> None:
        """Read these from their beginnings."""
        self._next = dict.fromkeys(names, 0)
        self._consumer.assign([TopicPartition(name, 0, 0) for name in self._next])

    def read(self, wait_s: float = 0) -> list[Message]:
        """All that is in the topics at the call and was not read yet; waits for so long if that is nothing.

        Also what is still being committed: the end of one topic may be known before the rest of its transaction can be read.
        """
        found = self._poll(wait_s)
        ends = self.ends(list(self._next))

        def caught_up() -> bool:
            if all(self._next[name] >= end for name, end in ends.items()):
                return True
            found.extend(self._poll(0.05))
            return False

        _until(caught_up, f"records of {ends}, has read to {self._next}")
        return found

    def ends(self, names: Sequence[str]) -> dict[str, int]:
        """Where the next record goes."""
        found: dict[str, int] = {}
        asked: dict[TopicPartition, OffsetSpec] = {TopicPartition(name, 0): _LATEST for name in names}

        def told() -> bool:
            try:
                answers: dict[TopicPartition, Any] = self.admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED)
                found.update({partition.topic: answer.result(_PATIENCE_S).offset for partition, answer in answers.items()})
            except KafkaException as problem:
                if problem.args[0].name() != "FENCED_LEADER_EPOCH":
                    raise
                self.admin.list_topics(timeout=_PATIENCE_S)  # the library does not ask by itself who leads now
            return len(found) == len(asked)

        _until(told, f"ends of {list(names)}")
        return found

    def close(self) -> None:
        """End it."""
        self._consumer.close()

    def _poll(self, wait_s: float) -> list[Message]:
        first = self._consumer.poll(wait_s)
        messages = [] if first is None else [first, *self._consumer.consume(1000, 0)]
        records = []
        for message in messages:
            topic, offset = message.topic() or "", message.offset() or 0
            error = message.error()
            if error is None:
                records.append(message)
                self._next[topic] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._next[topic] = max(self._next[topic], offset)
            else:
                raise KafkaException(error)
        return records


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain for {what}")


class KafkaSite:
    """A `Site` on a broker, which serves one session of a configuration at a time: topics bear the recorded name."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._journal = KafkaJournal(KafkaSettings(servers, name="conformance"))
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="conformance-client")
        self._client = PlainClient(servers)
        self._names: list[str] = []

    @property
    def journal(self) -> Journal:
        """See `Site.journal`."""
        return self._journal

    @asynccontextmanager
    async def writer(self, config: str) -> AsyncIterator[Journal]:
        """See `Site.writer`: the one that fences."""
        journal = KafkaJournal(KafkaSettings(self._servers, name="conformance", owns=config))
        await journal.start()
        try:
            yield journal
        finally:
            await journal.close()

    async def open(self, topics: Topics, cell: str) -> None:
        """See `Site.open`; those of Phoebus are made as it makes them."""
        specs = [*topics.specs(), status_topic(cell)]
        await self._do(partial(self._client.make, as_phoebus_makes_them(topics)))
        self._names = [spec.name for spec in specs]
        await self._journal.start()
        await self._journal.ensure_topics(specs)
        await self._do(partial(self._client.follow, [topics.config, topics.talk, topics.events]))

    async def write(self, topic: str, key: str, value: bytes | None) -> None:
        """See `Site.write`."""
        await self._do(partial(self._client.write, topic, key, value))

    async def read(self, wait_s: float = 0) -> list[Seen]:
        """See `Site.read`."""
        return [_seen(message) for message in await self._do(partial(self._client.read, wait_s))]

    async def close(self) -> None:
        """See `Site.close`."""
        await self._journal.close()
        await self._do(partial(self._client.remove, self._names))
        await self._do(self._client.close)
        self._executor.shutdown()

    async def _do(self, action: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, action)


def _seen(message: Message) -> Seen:
    return Seen(message.topic() or "", (message.key() or b"").decode(), message.value())
