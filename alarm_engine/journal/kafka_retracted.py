"""What was written and taken back: readers that wait for no decision, as the stock Phoebus clients, have seen it all the same."""

from __future__ import annotations

import time

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_consumer import FollowingConsumer
from alarm_engine.journal.port import StoredRecord

_POLL_S = 0.1


def retracted(cluster: Cluster, topic: str, start: int, end: int) -> frozenset[str]:
    """Keys of the records between two offsets that no transaction has committed. Blocks; all of them must be decided."""
    if end <= start:
        return frozenset()
    written = _read(cluster, topic, start, end, committed=False)
    if not written:
        return frozenset()
    good = {record.offset for record in _read(cluster, topic, start, end, committed=True)}
    return frozenset(record.key for record in written if record.offset not in good)


def _read(cluster: Cluster, topic: str, start: int, end: int, *, committed: bool) -> list[StoredRecord]:
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
