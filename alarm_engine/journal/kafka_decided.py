"""What was decided of a transaction whose mark is missing in a topic: its other topics may have got it."""

from __future__ import annotations

from collections.abc import Sequence

from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_doubt import read

_AT_MOST = 20_000
"""Records at the end of a topic that are looked at: the transaction is the last one of its writer."""


def was_taken_back(cluster: Cluster, topic: str, offset: int, others: Sequence[str]) -> bool:
    """True if records of the open transaction that begins there were taken back in another topic.

    They are known by their time stamp, which all records of a transaction share (see `Transactions`). `others`: topics in which all is
    decided. False if they were committed, and if nothing tells: whoever had an answer was told that it is committed, and none is waited
    for by whoever took it back. Blocks; raises `JournalUnavailable`.
    """
    ends = cluster.ends([topic, *others])
    open_records = read(cluster, topic, offset, min(ends.get(topic, 0), offset + _AT_MOST), committed=False)
    if not open_records:
        return False
    stamp = open_records[0].time
    taken_back = False
    for other, start in cluster.offsets_at(others, stamp).items():
        end = ends.get(other, 0)
        begin = max(start, end - _AT_MOST)
        beside = [record.offset for record in read(cluster, other, begin, end, committed=False) if record.time == stamp]
        if beside:
            good = {record.offset for record in read(cluster, other, begin, end)}
            if any(place in good for place in beside):
                return False
            taken_back = True
    return taken_back
