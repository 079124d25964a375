"""Transactions whose end is not known: looked for among what is committed before the same is written again.

A broker that hangs, dies or is cut off at the moment of the commit has decided, and nobody heard it. The caller tries again, as it must,
and readers would have the same records twice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence, Set

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_consumer import FollowingConsumer
from alarm_engine.journal.port import Record, StoredRecord

_POLL_S = 0.1
_MOST = 100
"""Transactions in doubt that are remembered: more than anybody has who tries again what failed."""


class Doubt:
    """Of one writer; belongs to its thread. Another writer of the same topics does not write the same records."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._ends: dict[str, int] = {}
        """Where each topic ended when it was last known, and not before what was written then."""
        self._open: dict[Record, int] = {}
        """The first record of each transaction whose end is not known, and from which offset on it would be: others may follow it."""

    def begin(self, topics: Set[str]) -> None:
        """Something is about to be written to these. Raises `JournalUnavailable` if their end cannot be found."""
        unknown = topics - self._ends.keys()
        if unknown:
            self._ends |= self._cluster.ends(unknown)

    def commits(self, batches: Sequence[Sequence[Record]]) -> None:
        """They are about to be committed: from now on it is not known whether they are."""
        for first in (batch[0] for batch in batches if batch):
            self._open[first] = self._ends.get(first.topic, 0)
        while len(self._open) > _MOST:
            del self._open[next(iter(self._open))]

    def over(self, batches: Sequence[Sequence[Record]], ends: Mapping[str, int] | None = None) -> None:
        """It is known of these. `ends`: where topics end that have what was written; without them it was undone."""
        for first in (batch[0] for batch in batches if batch):
            self._open.pop(first, None)
        self._ends |= ends or {}

    def concerns(self, batch: Sequence[Record]) -> bool:
        """Whether it was written without an answer. Told by its first record: what is tried again may end otherwise (see `Publisher`)."""
        return bool(batch) and batch[0] in self._open

    def is_committed(self, first: Record) -> bool:
        """What is there and committed has this record, which is in doubt. All must be decided. Blocks; raises `JournalUnavailable`."""
        end = self._cluster.ends([first.topic]).get(first.topic, 0)
        found = read(self._cluster, first.topic, self._open[first], end)
        return any(Record(one.topic, one.key, one.value, one.headers) == first for one in found)


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
