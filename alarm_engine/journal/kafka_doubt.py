"""Transactions whose end is not known: looked for among what is committed before the same is written again.

A broker that hangs, dies or is cut off at the moment of the commit has decided, and nobody heard it. The caller tries again, as it must,
and readers would have the same records twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_consumer import FollowingConsumer
from alarm_engine.journal.port import Cleanup, Record, StoredRecord, TopicSpec

_POLL_S = 0.1
_MOST = 100
"""Transactions in doubt that are remembered: more than anybody has who tries again what failed."""
_SHORT_LIVED_S = 600


class Witness(NamedTuple):
    """What is looked for of a transaction in doubt."""

    record: Record
    start: int
    """From which offset on it would be: others may follow it."""


class Doubt:
    """Of one writer; belongs to its thread. Another writer of the same topics does not write the same records."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._ends: dict[str, int] = {}
        """Where each topic ended when it was last known, and not before what was written then."""
        self._open: dict[Record, Witness] = {}
        """The first record of each transaction whose end is not known, and which of its records tells."""
        self._lasting: frozenset[str] = frozenset()
        """Topics that keep what they have for long, and all of it."""
        self._passing: frozenset[str] = frozenset()
        """Topics that soon forget."""

    def cover(self, specs: Iterable[TopicSpec]) -> None:
        """How topics forget; from any thread. Of others it is taken that they keep the last of each key."""
        deleting = [spec for spec in specs if spec.cleanup is Cleanup.DELETE]
        passing = {spec.name for spec in deleting if spec.retention_s is not None and spec.retention_s <= _SHORT_LIVED_S}
        self._passing |= passing
        self._lasting |= {spec.name for spec in deleting} - passing

    def begin(self, topics: Set[str]) -> None:
        """Something is about to be written to these. Raises `JournalUnavailable` if their end cannot be found."""
        unknown = topics - self._ends.keys()
        if unknown:
            self._ends |= self._cluster.ends(unknown)

    def commits(self, batches: Sequence[Sequence[Record]]) -> None:
        """They are about to be committed: from now on it is not known whether they are."""
        for batch in filter(None, batches):
            record = self._witness(batch)
            self._open[batch[0]] = Witness(record, self._ends.get(record.topic, 0))
        while len(self._open) > _MOST:
            del self._open[next(iter(self._open))]

    def over(self, batches: Sequence[Sequence[Record]], ends: Mapping[str, int] | None = None) -> None:
        """It is known of these. `ends`: where topics end that have what was written; without them it was undone."""
        for batch in filter(None, batches):
            self._open.pop(batch[0], None)
            if ends is not None:
                for topic in {record.topic for record in batch} - ends.keys():
                    self._ends.pop(topic, None)  # else what was just written could be taken for what comes next
        self._ends |= ends or {}

    def concerns(self, batch: Sequence[Record]) -> bool:
        """Whether it was written without an answer. Told by its first record: what is tried again may end otherwise (see `Publisher`)."""
        return bool(batch) and batch[0] in self._open

    def topic(self, batch: Sequence[Record]) -> str:
        """Where it can be seen what became of a batch in doubt."""
        return self._open[batch[0]].record.topic

    def lasting(self, batch: Sequence[Record]) -> set[str]:
        """Topics of a batch in doubt, without those that soon forget."""
        return {record.topic for record in batch} - self._passing | {self.topic(batch)}

    def is_committed(self, batch: Sequence[Record]) -> bool:
        """A batch in doubt is there and committed. All of its topic must be decided. Blocks; raises `JournalUnavailable`."""
        wanted, start = self._open[batch[0]]
        end = self._cluster.ends([wanted.topic]).get(wanted.topic, 0)
        found = read(self._cluster, wanted.topic, start, end)
        return any(Record(one.topic, one.key, one.value, one.headers) == wanted for one in found)

    def _witness(self, batch: Sequence[Record]) -> Record:
        """The record that stands for all: one that is still there after an outage in which Kafka has tidied up its topics.

        A compacted topic loses, after a minute, what has a newer record of the same key, and deletions after a day.
        """
        for record in batch:
            if record.topic in self._lasting:
                return record
        last = {(record.topic, record.key): record for record in batch}

        def risk(record: Record) -> tuple[bool, bool, bool]:
            return record.topic in self._passing, last[record.topic, record.key] is not record, record.value is None

        return min(batch, key=risk)


def read(cluster: Cluster, topic: str, start: int, end: int, *, committed: bool = True) -> list[StoredRecord]:
    """The records between two offsets; `committed`: without those that were taken back. Blocks; raises `JournalUnavailable`."""
    if end <= start:
        return []
    consumer = FollowingConsumer(cluster, committed=committed)
    deadline = time.monotonic() + cluster.settings.request_timeout_s
    records: list[StoredRecord] = []
    at = start
    try:
        consumer.assign({topic: start})
        while at < end:
            cluster.require_open("read the journal")
            if time.monotonic() > deadline:
                raise JournalUnavailable(f"cannot read topic {topic!r}: it does not come to its end")
            got = consumer.poll(_POLL_S)
            if got.problem is not None:
                raise got.problem
            records += got.records
            at = got.positions.get(topic, at)
    finally:
        consumer.close()
    return records
