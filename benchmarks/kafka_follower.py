"""The one reader of the benchmarks with Kafka: a plain consumer of committed records, in the process that measures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
from confluent_kafka import Consumer, Message, TopicPartition

SILENCE_S = 10.0
"""Nothing comes any more after this time without a record."""
_LEAF_LEVELS = 4
_SAMPLED = 97


@dataclass
class Seen:
    """What has come since the beginning of a measurement."""

    leaves: Counter[bytes] = field(default_factory=Counter)
    nodes: int = 0
    first_s: float = 0
    """Moment of the first state record of an alarm, by `time.perf_counter`."""
    last_s: float = 0
    ages_ms: list[float] = field(default_factory=list)
    """Of a sample of records: from the time stamp of the IOC."""

    @property
    def records(self) -> int:
        """State records, of alarms and of components."""
        return self.leaves.total() + self.nodes


class Follower:
    """Follows one topic from its end."""

    def __init__(self, servers: str, topic: str) -> None:
        properties = {"group.id": "bench", "isolation.level": "read_committed", "enable.auto.commit": False, "log_level": 3}
        self._consumer = Consumer({"bootstrap.servers": servers, **properties})
        _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
        self._consumer.assign([TopicPartition(topic, 0, end)])

    def until(self, done: Callable[[Seen], bool]) -> Seen:
        """Read until it is done, or nothing comes any more."""
        seen = Seen()
        spoken = time.monotonic()
        while not done(seen) and time.monotonic() < spoken + SILENCE_S:
            messages = self.take(1.0)
            if messages:
                spoken = time.monotonic()
                self._note(messages, seen)
        return seen

    def wait_for(self, key: bytes, severity: str) -> None:
        """Until an alarm is published with this severity."""
        deadline = time.monotonic() + SILENCE_S
        while time.monotonic() < deadline:
            for message in self.take(1.0):
                if message.key() == key and orjson.loads(message.value() or b"{}").get("severity") == severity:
                    return
        raise RuntimeError(f"{key.decode()} did not become {severity}")

    def take(self, timeout_s: float) -> list[Message]:
        """What is there, at once when something is."""
        first = self._consumer.poll(timeout_s)
        return [] if first is None else [first, *self._consumer.consume(5000, 0)]

    def drain(self) -> None:
        """Until it has been quiet for a while."""
        while self.take(0.5):
            pass

    def close(self) -> None:
        self._consumer.close()

    @staticmethod
    def _note(messages: list[Message], seen: Seen) -> None:
        now_s, now_ns = time.perf_counter(), time.time_ns()
        for message in messages:
            key = message.key()
            if not isinstance(key, bytes) or not key.startswith(b"state:"):
                continue
            if key.count(b"/") < _LEAF_LEVELS:
                seen.nodes += 1
                continue
            seen.leaves[key] += 1
            seen.first_s, seen.last_s = seen.first_s or now_s, now_s
            if seen.records % _SAMPLED == 0:
                stamp = orjson.loads(message.value() or b"{}")["time"]
                seen.ages_ms.append((now_ns - stamp["seconds"] * 10**9 - stamp["nano"]) / 1e6)


def transitions(servers: str, topic: str, start: int) -> Counter[bytes]:
    """How often each alarm has changed since an offset of the events."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench", "isolation.level": "read_committed", "log_level": 3})
    end = _end(consumer, topic)
    consumer.assign([TopicPartition(topic, 0, start)])
    counted: Counter[bytes] = Counter()
    last = start - 1
    # The end is the mark of a transaction, which is no record.
    while last < end - 2:
        for message in consumer.consume(5000, SILENCE_S):
            event = orjson.loads(message.value() or b"{}")
            last = message.offset() or 0
            if event["from"] != event["to"]:
                counted[message.key()] += 1  # type: ignore[index]
    consumer.close()
    return counted


def end(servers: str, topic: str) -> int:
    """Offset behind the last record."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench", "log_level": 3})
    try:
        return _end(consumer, topic)
    finally:
        consumer.close()


def _end(consumer: Consumer, topic: str) -> int:
    offsets: tuple[int, int] = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    return offsets[1]
