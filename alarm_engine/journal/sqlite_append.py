"""Appending to the journal, on the writer thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from alarm_engine.journal.arrivals import Arrivals
from alarm_engine.journal.memory import check_writable
from alarm_engine.journal.port import Position, Record, StoredRecord
from alarm_engine.journal.sqlite_schema import encode_headers
from alarm_engine.journal.sqlite_writer import Job
from alarm_engine.journal.tail import Tail
from alarm_engine.model.times import Nanos

_INSERT = "INSERT INTO record (seq, topic, time, key, value, headers, upto) VALUES (?, ?, ?, ?, ?, ?, ?)"
_LAST_SUM = "SELECT upto FROM record WHERE topic = ? ORDER BY seq DESC LIMIT 1"


@dataclass(slots=True, eq=False)
class _Append:
    """One batch on its way."""

    records: Sequence[Record]
    positions: Sequence[Position]
    first: int = 0
    stored: list[StoredRecord] = field(default_factory=list)


class Appender:
    """Turns batches into jobs. What it remembers is used by the writer thread alone."""

    def __init__(self, tail: Tail, arrivals: Arrivals, clock: Callable[[], int]) -> None:
        self._tail = tail
        self._arrivals = arrivals
        self._clock = clock
        self._topics: dict[str, int] = {}
        self._sums: dict[int, int] = {}
        self._expected = 0
        """Next number of the sequence if nobody else writes; `_sums` are good only then."""

    def job(self, records: Sequence[Record], positions: Sequence[Position]) -> Job[None]:
        """Write all records and positions, then tell the followers."""
        batch = _Append(tuple(records), tuple(positions))
        return Job(lambda connection: self._run(connection, batch), lambda committed: self._settled(batch, committed), urgent=True)

    def topics_changed(self, committed: bool) -> None:
        """Forget what is known about topics."""
        self._topics.clear()

    def _run(self, connection: sqlite3.Connection, batch: _Append) -> None:
        if batch.records:
            self._check(connection, batch.records)
            number, last_time = connection.execute("SELECT next, time FROM head").fetchone()
            if number != self._expected:
                self._sums.clear()
            time = Nanos(max(last_time, self._clock()))
            batch.first = number
            batch.stored = [
                StoredRecord(record.topic, number + n, time, record.key, record.value, record.headers)
                for n, record in enumerate(batch.records)
            ]
            connection.executemany(_INSERT, [self._row(connection, record) for record in batch.stored])
            self._expected = number + len(batch.stored)
            connection.execute("UPDATE head SET next = ?, time = ?", (self._expected, time))
        if batch.positions:
            connection.executemany("INSERT OR REPLACE INTO position (grp, topic, next) VALUES (?, ?, ?)", batch.positions)

    def _row(self, connection: sqlite3.Connection, record: StoredRecord) -> tuple[object, ...]:
        topic = self._topics[record.topic]
        before = self._sums.get(topic)
        if before is None:
            row = connection.execute(_LAST_SUM, (topic,)).fetchone()
            before = row[0] if row else 0
        upto = self._sums[topic] = before + len(record.key.encode()) + len(record.value or b"")
        return (record.offset, topic, record.time, record.key, record.value, encode_headers(record.headers), upto)

    def _check(self, connection: sqlite3.Connection, records: Sequence[Record]) -> None:
        if any(record.topic not in self._topics for record in records):
            self._topics = dict(connection.execute("SELECT name, id FROM topic"))
        for record in records:
            check_writable(record, self._topics)

    def _settled(self, batch: _Append, committed: bool) -> None:
        if not committed:
            self._topics.clear()
            self._sums.clear()
            self._expected = 0
        elif batch.stored:
            self._tail.extend(batch.first, batch.stored)
            self._arrivals.announce({record.topic for record in batch.stored})
