"""Forgetting: compaction and retention of the journal, found out beside the writer, done by it in small steps."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from alarm_engine.journal.port import Cleanup
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import connect
from alarm_engine.journal.sqlite_writer import Job
from alarm_engine.journal.tail import Tail
from alarm_engine.model.times import NANOS_PER_SECOND

STEP_RECORDS = 500
"""Records deleted in one transaction: a few milliseconds, between which appends get their turn."""
WORTHWHILE_RECORDS = 1000
"""New records in a compacted topic from which a periodic pass looks at it ..."""
WORTHWHILE_AFTER_S = 600.0
"""... or after this time, if there is any new one."""

# Superseded: there is a later record of the same key. That stays true, so it may be acted upon later.
_SUPERSEDED = """
SELECT seq FROM (SELECT seq, lead(seq) OVER (PARTITION BY key ORDER BY seq) AS later FROM record WHERE topic = ?)
WHERE later IS NOT NULL ORDER BY seq
"""
_OLD_TOMBSTONES = """
SELECT seq FROM (SELECT seq, max(seq) OVER (PARTITION BY key) AS last, value IS NULL AS tombstone, time FROM record WHERE topic = ?)
WHERE seq = last AND tombstone AND time < ? AND seq < ? ORDER BY seq
"""


@dataclass(frozen=True, slots=True)
class _Topic:
    id: int
    name: str
    cleanup: Cleanup
    retention_s: int | None
    retention_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Pass:
    """The last look at a compacted topic."""

    upto: int
    at: float


class Compaction:
    """Runs on the keeper's thread."""

    def __init__(
        self, file: SqliteFile, tail: Tail, delivered: Callable[[str], int | None], clock: Callable[[], int], grace_ns: int
    ) -> None:
        self._file = file
        self._tail = tail
        self._delivered = delivered
        self._clock = clock
        self._grace_ns = grace_ns
        self._passes: dict[int, _Pass] = {}

    def if_worthwhile(self) -> None:
        """The periodic pass: retention always, compaction where enough is new."""
        self._over_topics(only_worthwhile=True)

    def run(self) -> int:
        """All of it now; returns how many records were deleted."""
        return self._over_topics(only_worthwhile=False)

    def _over_topics(self, *, only_worthwhile: bool) -> int:
        try:
            with closing(connect(self._file.path, self._file.options, read_only=True)) as connection:
                rows = connection.execute("SELECT id, name, cleanup, retention_s, retention_bytes FROM topic").fetchall()
                topics = [_Topic(number, name, Cleanup(cleanup), seconds, size) for number, name, cleanup, seconds, size in rows]
                return sum(self._forget(connection, topic, only_worthwhile) for topic in topics)
        except sqlite3.Error as problem:
            raise self._file.translate(problem) from problem

    def _forget(self, connection: sqlite3.Connection, topic: _Topic, only_worthwhile: bool) -> int:
        if topic.cleanup is Cleanup.DELETE:
            return self._expire(connection, topic)
        if only_worthwhile and not self._is_worthwhile(connection, topic):
            return 0
        superseded = [row[0] for row in connection.execute(_SUPERSEDED, (topic.id,))]
        # Readers of this process that have not come by yet still get the tombstone; others have the grace.
        delivered = self._delivered(topic.name)
        read = (1 << 62) if delivered is None else delivered
        tombstones = [row[0] for row in connection.execute(_OLD_TOMBSTONES, (topic.id, self._clock() - self._grace_ns, read))]
        # A tombstone goes after what it removes: the other way round would bring the key back if we are killed in between.
        deleted = self._delete(topic, superseded)
        return deleted if deleted < len(superseded) else deleted + self._delete(topic, tombstones)

    def _is_worthwhile(self, connection: sqlite3.Connection, topic: _Topic) -> bool:
        last = self._passes.get(topic.id, _Pass(0, 0.0))
        query = "SELECT count(*), max(seq) FROM (SELECT seq FROM record WHERE topic = ? AND seq > ?)"
        new, upto = connection.execute(query, (topic.id, last.upto)).fetchone()
        now = time.monotonic()
        overdue = now - last.at > WORTHWHILE_AFTER_S
        if new < WORTHWHILE_RECORDS and not overdue:
            return False
        self._passes[topic.id] = _Pass(upto or last.upto, now)
        return True

    def _expire(self, connection: sqlite3.Connection, topic: _Topic) -> int:
        """Oldest first; times and running sums both grow with the sequence, so the search ends at the first that stays."""
        oldest = self._clock() - topic.retention_s * NANOS_PER_SECOND if topic.retention_s is not None else 0
        beyond = -1
        if topic.retention_bytes is not None:
            row = connection.execute("SELECT upto FROM record WHERE topic = ? ORDER BY seq DESC LIMIT 1", (topic.id,)).fetchone()
            beyond = row[0] - topic.retention_bytes if row else -1
        query = "SELECT seq, time, upto FROM record WHERE topic = ? AND seq > ? ORDER BY seq LIMIT ?"
        deleted, after = 0, 0
        while True:
            rows = connection.execute(query, (topic.id, after, STEP_RECORDS)).fetchall()
            gone = [seq for seq, written, upto in rows if written < oldest or upto <= beyond]
            step = self._delete(topic, gone)
            deleted += step
            if step < STEP_RECORDS:
                return deleted
            after = gone[-1]

    def _delete(self, topic: _Topic, offsets: Sequence[int]) -> int:
        deleted = 0
        for start in range(0, len(offsets), STEP_RECORDS):
            if self._file.stopping:
                break
            step = offsets[start : start + STEP_RECORDS]
            self._file.submit(Job(partial(_delete_step, topic=topic.id, offsets=step))).result()
            self._tail.forget(step[-1] + 1)
            deleted += len(step)
        return deleted


def _delete_step(connection: sqlite3.Connection, topic: int, offsets: Sequence[int]) -> None:
    connection.executemany("DELETE FROM record WHERE seq = ?", [(offset,) for offset in offsets])
    connection.execute("UPDATE topic SET floor = max(floor, ?) WHERE id = ?", (offsets[-1] + 1, topic))
