"""Journal in a SQLite file: one sequence over all topics, so that readers get records in the order in which they were written."""

from __future__ import annotations

import heapq
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.arrivals import Arrivals
from alarm_engine.journal.following import FollowingReader, Look
from alarm_engine.journal.port import Position, Record, StoredRecord, TopicSpec
from alarm_engine.journal.sqlite_append import Appender
from alarm_engine.journal.sqlite_compaction import Compaction
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Access
from alarm_engine.journal.sqlite_readers import Readers
from alarm_engine.journal.sqlite_schema import SCHEMA, decode_headers, topic_end
from alarm_engine.journal.sqlite_writer import Job
from alarm_engine.journal.tail import Tail, size
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos

MAX_FETCH_BYTES = 32_000_000
"""A fetch ends after so many bytes even if fewer records than asked for were read."""

_RECORDS = """
SELECT seq, time, key, value, headers FROM record
WHERE topic = (SELECT id FROM topic WHERE name = ?) AND seq >= ? ORDER BY seq LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """Upkeep of the journal."""

    upkeep_period_s: float = 20.0
    """How often topics are compacted and retention is applied."""
    tombstone_grace_s: float = 86_400.0
    """How long a tombstone stays, for followers that are behind."""
    reader_threads: int = 2


class SqliteJournal:
    """The embedded journal. Offsets are numbers of the one sequence: they grow within a topic, with gaps."""

    def __init__(self, file: SqliteFile, options: JournalOptions | None = None, clock: Callable[[], int] = time.time_ns) -> None:
        self._file = file
        self._options = options or JournalOptions()
        self._arrivals = Arrivals()
        self._tail = Tail()
        self._appender = Appender(self._tail, self._arrivals, clock)
        grace_ns = round(self._options.tombstone_grace_s * NANOS_PER_SECOND)
        self._compaction = Compaction(file, self._tail, self._delivered, clock, grace_ns)
        self._readers: Readers | None = None
        self._following: list[FollowingReader] = []

    async def start(self) -> None:
        """See `Journal.start`; opens the file if nobody else has."""
        if self._readers is not None:
            return
        await self._file.start()
        writes = self._file.options.access is not Access.READ
        try:
            if writes:
                await self._file.write(Job(_create))
            self._readers = self._file.readers(self._options.reader_threads, "journal-reader")
        finally:
            if self._readers is None:
                await self._file.close()
        self._file.on_foreign_commit(self._somebody_else_wrote)
        if writes:
            self._file.every(self._options.upkeep_period_s, self._compaction.if_worthwhile)

    async def ensure_topics(self, topics: Sequence[TopicSpec]) -> None:
        """See `Journal.ensure_topics`."""
        self._opened()
        await self._file.write(Job(lambda connection: _ensure(connection, topics), settled=self._appender.topics_changed, urgent=True))

    async def append(self, records: Sequence[Record], positions: Sequence[Position] = ()) -> None:
        """See `Journal.append`. A call that is cancelled has written all or nothing."""
        self._opened()
        if records or positions:
            await self._file.write(self._appender.job(records, positions))

    def reader(self, topics: Sequence[str], start: Mapping[str, int] | None = None) -> FollowingReader:
        """See `Journal.reader`."""
        self._opened()
        reader = FollowingReader(topics, start, self._look, self._arrivals)
        self._following = [known for known in self._following if not known.closed] + [reader]
        return reader

    async def end(self, topic: str) -> int:
        """See `Journal.end`; 0 for a topic that is not there."""
        return await self._opened().read(lambda connection: topic_end(connection, topic))

    async def retracted(self, topic: str, start: int) -> frozenset[str]:
        """See `Journal.retracted`; nobody sees what is not committed."""
        return frozenset()

    async def position(self, group: str, topic: str) -> int | None:
        """See `Journal.position`."""
        query = "SELECT next FROM position WHERE grp = ? AND topic = ?"
        row = await self._opened().read(lambda connection: connection.execute(query, (group, topic)).fetchone())
        return None if row is None else row[0]

    async def compact(self) -> int:
        """Forget now what the topics' rules let go; returns how many records."""
        self._opened()
        return await self._file.keep(self._compaction.run)

    async def close(self) -> None:
        """See `Journal.close`; the file is closed when its last user is."""
        readers, self._readers = self._readers, None
        if readers is None:
            return
        self._file.no_longer(self._compaction.if_worthwhile)
        self._file.no_longer(self._somebody_else_wrote)
        for reader in self._following:
            reader.end()
        readers.close()
        await self._file.close()

    def _opened(self) -> Readers:
        if self._readers is None:
            raise JournalUnavailable(f"the journal in {self._file.path} is not open")
        return self._readers

    async def _look(self, positions: Mapping[str, int], max_records: int) -> Look:
        found = self._tail.look(positions, max_records)
        if found is not None:
            return found
        wanted = dict(positions)
        return await self._opened().read(lambda connection: _read(connection, wanted, max_records))

    def _somebody_else_wrote(self) -> None:
        self._tail.lose()
        self._arrivals.announce_all()

    def _delivered(self, topic: str) -> int | None:
        """The offset below which every open reader of this process has read the topic; None if nobody reads it."""
        offsets = [reader.next_offset(topic) for reader in self._following if not reader.closed]
        return min((offset for offset in offsets if offset is not None), default=None)


def _create(connection: sqlite3.Connection) -> None:
    for statement in SCHEMA:
        connection.execute(statement)


def _ensure(connection: sqlite3.Connection, topics: Sequence[TopicSpec]) -> None:
    connection.executemany(
        "INSERT INTO topic (name, cleanup, retention_s, retention_bytes) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
        " cleanup = excluded.cleanup, retention_s = excluded.retention_s, retention_bytes = excluded.retention_bytes",
        [(spec.name, spec.cleanup.value, spec.retention_s, spec.retention_bytes) for spec in topics],
    )


def _read(connection: sqlite3.Connection, positions: Mapping[str, int], max_records: int) -> Look:
    head = connection.execute("SELECT next FROM head").fetchone()[0]
    sources = [_records(connection, topic, offset, max_records + 1) for topic, offset in positions.items()]
    merged = sources[0] if len(sources) == 1 else heapq.merge(*sources, key=lambda record: record.offset)
    found: list[StoredRecord] = []
    total = 0
    for record in merged:
        if len(found) == max_records or total > MAX_FETCH_BYTES:
            return Look(found, True, found[-1].offset + 1)
        found.append(record)
        total += size(record)
    return Look(found, False, head)


def _records(connection: sqlite3.Connection, topic: str, offset: int, limit: int) -> Iterator[StoredRecord]:
    for seq, written, key, value, headers in connection.execute(_RECORDS, (topic, offset, limit)):
        yield StoredRecord(topic, seq, Nanos(written), key, value, decode_headers(headers) if headers else ())
