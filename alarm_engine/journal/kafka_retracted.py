"""What was written and taken back: readers that wait for no decision, as the stock Phoebus clients, have seen it all the same."""

from __future__ import annotations

from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_doubt import read


def retracted(cluster: Cluster, topic: str, start: int, end: int) -> frozenset[str]:
    """Keys of the records between two offsets that no transaction has committed. Blocks; all of them must be decided."""
    written = read(cluster, topic, start, end, committed=False)
    if not written:
        return frozenset()
    good = {record.offset for record in read(cluster, topic, start, end)}
    return frozenset(record.key for record in written if record.offset not in good)
