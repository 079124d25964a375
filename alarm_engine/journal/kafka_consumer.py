"""The library's consumer, put onto topics by hand: no group, no commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from alarm_engine.errors import JournalError
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_errors import NO_TOPIC, UNREACHABLE, translate
from alarm_engine.journal.kafka_settings import PARTITION
from alarm_engine.journal.port import Headers, StoredRecord
from alarm_engine.model.times import NANOS_PER_MS, Nanos

_log = structlog.get_logger()

BATCH = 2000
# Reading goes on by itself after these, and the watch says when it does not.
_PASSING = (
    UNREACHABLE | NO_TOPIC | {"_FAIL", "OFFSET_OUT_OF_RANGE", "_AUTO_OFFSET_RESET", "NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE"}
)
_NO_GROUP = "GROUP_AUTHORIZATION_FAILED"


@dataclass(slots=True)
class Got:
    """What came."""

    records: list[StoredRecord] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    """Offset per topic below which everything has come; beyond its records where what lies behind them is none."""
    problem: JournalError | None = None


class FollowingConsumer:
    """Belongs to one thread."""

    def __init__(self, cluster: Cluster, *, committed: bool = True) -> None:
        """`committed`: only what is; else also what is not decided, or was taken back."""
        self._cluster = cluster
        self._isolation = "read_committed" if committed else "read_uncommitted"
        self._consumer: Consumer | None = None
        self._generation = 0
        self._assigned: dict[str, int] = {}

    @property
    def outdated(self) -> bool:
        """Certificates or passwords have changed since."""
        return self._generation != self._cluster.generation

    def assign(self, starts: Mapping[str, int]) -> None:
        """Read these topics from these offsets. With a new consumer: the old one may hold on to a topic that is gone."""
        self.close()
        self._generation, self._assigned = self._cluster.generation, dict(starts)
        if not starts:
            return
        settings = self._cluster.settings
        properties = {
            "fetch.queue.backoff.ms": 10,
            "fetch.error.backoff.ms": 100,
            **settings.client(),
            "group.id": settings.group("reader"),
            "isolation.level": self._isolation,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
        self._consumer = self._cluster.client(Consumer, properties)
        self._consumer.assign([TopicPartition(topic, PARTITION, offset) for topic, offset in starts.items()])

    def poll(self, timeout_s: float) -> Got:
        """What is there, at once when something is."""
        got = Got()
        if self._consumer is None:
            return got
        first = self._consumer.poll(timeout_s)
        messages = [] if first is None else [first, *self._consumer.consume(BATCH, 0)]
        for message in messages:
            error = message.error()
            if error is None:
                self._take(message, got)
            else:
                self._hear(error, message, got)
        for position in self._consumer.position([TopicPartition(topic, PARTITION) for topic in self._assigned]):
            if position.offset > self._assigned[position.topic]:
                self._assigned[position.topic] = got.positions[position.topic] = position.offset
        return got

    def close(self) -> None:
        """End the consumer."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _take(self, message: Message, got: Got) -> None:
        topic, offset = message.topic() or "", message.offset() or 0
        try:
            headers = _headers(message)
        except UnicodeDecodeError as problem:
            _log.warning("headers of a record skipped", topic=topic, offset=offset, problem=f"the name of one is not UTF-8: {problem}")
            headers = ()
        time = Nanos(max(0, message.timestamp()[1]) * NANOS_PER_MS)
        # What is not UTF-8 becomes a sign by which whoever parses the key refuses it, and counts it.
        key = (message.key() or b"").decode("utf-8", "replace")
        got.records.append(StoredRecord(topic, offset, time, key, message.value(), headers))

    def _hear(self, error: KafkaError, message: Message, got: Got) -> None:
        topic, offset = message.topic() or "", message.offset()
        if error.code() == KafkaError._PARTITION_EOF:
            if offset is not None and offset > self._assigned.get(topic, 0):
                self._assigned[topic] = got.positions[topic] = offset
        elif error.name() == _NO_GROUP and self._cluster.settings.groupless:
            return  # nothing here belongs to it
        elif error.name() not in _PASSING:
            got.problem = translate(f"read topic {topic!r}", error, self._cluster.complaints, self._cluster.settings, topic)


def _headers(message: Message) -> Headers:
    found = message.headers()
    pairs = found.items() if isinstance(found, dict) else found or ()
    return tuple((name, value.encode() if isinstance(value, str) else value or b"") for name, value in pairs)
