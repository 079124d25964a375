"""What was decided of a transaction whose mark is missing in a topic: its other topics may have got it."""

from __future__ import annotations

from collections.abc import Sequence

from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_doubt import read
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.times import NANOS_PER_MS, Nanos

_SLACK_NS = 2 * NANOS_PER_MS
"""A transaction gives its records the times at which they are handed over: those of another of the same writer are further away, for it
was to be ended in between."""
_PAUSE_NS = 200 * NANOS_PER_MS
"""Longest pause between two records of a large one."""


def was_taken_back(cluster: Cluster, topic: str, offset: int, others: Sequence[str]) -> bool:
    """True if records of the open transaction that begins there were taken back in another topic, in which it is decided.

    False if they were committed, and if nothing tells: whoever had an answer was told that it is committed, and none is waited for by
    whoever took it back. Blocks; raises `JournalUnavailable`.
    """
    ends = cluster.ends([topic, *others])
    span = _span(read(cluster, topic, offset, ends.get(topic, 0), committed=False))
    if span is None:
        return False
    first, last = span[0] - _SLACK_NS, span[1] + _SLACK_NS
    for other, start in cluster.offsets_at(others, Nanos(first)).items():
        end = ends.get(other, 0)
        beside = [record for record in read(cluster, other, start, end, committed=False) if first <= record.time <= last]
        if beside:
            good = {record.offset for record in read(cluster, other, start, end)}
            if any(record.offset not in good for record in beside):
                return True
    return False


def _span(records: Sequence[StoredRecord]) -> tuple[int, int] | None:
    """Times of the first and of the last record that follow one another closely: later ones may be of others."""
    if not records:
        return None
    first = last = records[0].time
    for record in records:
        if record.time > last + _PAUSE_NS:
            break
        last = max(last, record.time)
    return first, last
