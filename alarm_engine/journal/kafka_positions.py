"""Positions of readers, as offsets of consumer groups without members."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_errors import error_of, reason
from alarm_engine.journal.kafka_settings import PARTITION
from alarm_engine.journal.port import Position

_COORDINATOR_MOVES = frozenset(
    {"COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "UNSTABLE_OFFSET_COMMIT", "_WAIT_COORD"}
)
_TURN_S = 0.5
REFRESH_S = 12 * 3600.0
"""A position that stays is written again after this time: Kafka forgets one after a week (offsets.retention.minutes)."""


def read_position(cluster: Cluster, group: str, topic: str, *, decided: bool = True) -> TopicPartition | None:
    """The position of a group in a topic, None if there is none. Blocks; raises `JournalUnavailable`.

    With `decided` it waits until open transactions that may change it have come to an end; without, it is the last one that stands.
    Asked by a consumer: the library's admin request for it ends the process when the coordinator of the group has just moved.
    """
    level = "read_committed" if decided else "read_uncommitted"
    properties = cluster.settings.client() | {"group.id": group, "isolation.level": level, "enable.auto.commit": False}
    consumer = cluster.client(Consumer, properties)
    try:
        return position_of(cluster, consumer, topic, f"read the position of {group!r}")
    finally:
        consumer.close()


def position_of(cluster: Cluster, consumer: Consumer, topic: str, doing: str) -> TopicPartition | None:
    """As `read_position`, with a consumer of the group; after an error another one has to be taken. `doing` completes 'cannot ...'."""
    deadline = time.monotonic() + cluster.settings.request_timeout_s
    while True:
        cluster.require_open(doing)
        try:
            (found,) = consumer.committed([TopicPartition(topic, PARTITION)], max(0.1, min(_TURN_S, deadline - time.monotonic())))
            if found.error is not None:
                raise KafkaException(found.error)
        except KafkaException as problem:
            why = reason(consumer, problem)
            if error_of(why).name() not in _COORDINATOR_MOVES | {"_TIMED_OUT"} or time.monotonic() > deadline:
                raise cluster.translated(doing, why, topic) from why
            time.sleep(0.02)
        else:
            cluster.complaints.forget()
            return found if found.offset >= 0 else None


class KeptPositions:
    """What Kafka has to be told again, or it would forget it."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], tuple[int, float]] = {}

    def found(self, position: Position) -> None:
        """One that is there already."""
        self._at.setdefault((position.group, position.topic), (position.offset, time.monotonic()))

    def written(self, positions: Iterable[Position]) -> None:
        """They were told just now."""
        now = time.monotonic()
        self._at.update({(p.group, p.topic): (p.offset, now) for p in positions})

    def beside(self, positions: Sequence[Position]) -> list[Position]:
        """What is to be written: these, and those that would be forgotten."""
        given = {(position.group, position.topic) for position in positions}
        old = time.monotonic() - REFRESH_S
        again = [Position(*key, offset) for key, (offset, at) in self._at.items() if at < old and key not in given]
        return [*positions, *again]


class PositionWriter:
    """Commits positions that belong to no records, in no transaction: there is nothing that they would have to be one with."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._consumers: dict[str, Consumer] = {}
        self._generation = 0

    def commit(self, group: str, offsets: Mapping[str, int]) -> None:
        """Write the positions of one group, all or none. Blocks; raises `JournalUnavailable`."""
        partitions = [TopicPartition(topic, PARTITION, offset) for topic, offset in offsets.items()]
        doing = f"write the position of {group!r}"
        deadline = time.monotonic() + self._cluster.settings.request_timeout_s
        with self._lock:
            consumer = self._consumer(group)
            while True:
                self._cluster.require_open(doing)
                try:
                    consumer.commit(offsets=partitions, asynchronous=False)
                except KafkaException as problem:
                    why = reason(consumer, problem)
                    error = error_of(why)
                    if not (error.retriable() or error.name() in _COORDINATOR_MOVES) or time.monotonic() > deadline:
                        if why is not problem:
                            self._drop()
                        raise self._cluster.translated(doing, why) from problem
                    time.sleep(0.02)
                else:
                    return

    def close(self) -> None:
        """End the clients."""
        with self._lock:
            self._drop()

    def _consumer(self, group: str) -> Consumer:
        if self._generation != self._cluster.generation:
            self._drop()
            self._generation = self._cluster.generation
        if group not in self._consumers:
            settings = self._cluster.settings
            timeout_ms = round(settings.request_timeout_s * 1000)
            # For as long as a session would last a commit waits for a coordinator that does not come.
            patience = {"session.timeout.ms": timeout_ms, "heartbeat.interval.ms": timeout_ms // 3}
            self._consumers[group] = self._cluster.client(Consumer, settings.client() | {"group.id": group} | patience)
        return self._consumers[group]

    def _drop(self) -> None:
        consumers, self._consumers = self._consumers, {}
        for consumer in consumers.values():
            consumer.close()
