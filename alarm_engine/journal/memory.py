"""Journal in memory: for tests, and the plainest statement of what a journal does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from alarm_engine.errors import JournalError, JournalUnavailable
from alarm_engine.journal.arrivals import Arrivals
from alarm_engine.journal.following import FollowingReader, Look
from alarm_engine.journal.port import Cleanup, Position, Record, StoredRecord, TopicSpec
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos


class MemoryJournal:
    """Keeps everything in one list; usable from several event loops. Forgets only in `compact()`."""

    def __init__(self, clock: Callable[[], int] = time.time_ns, tombstone_grace_s: float = 86_400) -> None:
        self._clock = clock
        self._grace_ns = round(tombstone_grace_s * NANOS_PER_SECOND)
        self._lock = threading.Lock()
        self._arrivals = Arrivals()
        self._topics: dict[str, TopicSpec] = {}
        self._records: list[StoredRecord] = []
        self._positions: dict[tuple[str, str], int] = {}
        self._ends: dict[str, int] = {}
        self._next = 1
        self._time = 0
        self._readers: list[FollowingReader] = []
        self._closed = False

    async def start(self) -> None:
        """See `Journal.start`; a closed one opens again with what it had."""
        self._closed = False

    async def ensure_topics(self, topics: Sequence[TopicSpec]) -> None:
        """See `Journal.ensure_topics`."""
        self._check_open()
        with self._lock:
            self._topics.update((spec.name, spec) for spec in topics)

    async def append(self, records: Sequence[Record], positions: Sequence[Position] = ()) -> None:
        """See `Journal.append`; `JournalUnavailable` names a topic that is not there."""
        self._check_open()
        with self._lock:
            for record in records:
                check_writable(record, self._topics)
            self._time = max(self._time, self._clock())
            for record in records:
                self._records.append(StoredRecord(record.topic, self._next, Nanos(self._time), record.key, record.value, record.headers))
                self._next += 1
                self._ends[record.topic] = self._next
            self._positions.update(((position.group, position.topic), position.offset) for position in positions)
        self._arrivals.announce({record.topic for record in records})

    def reader(self, topics: Sequence[str], start: Mapping[str, int] | None = None) -> FollowingReader:
        """See `Journal.reader`."""
        self._check_open()
        reader = FollowingReader(topics, start, self._look, self._arrivals)
        self._readers = [known for known in self._readers if not known.closed] + [reader]
        return reader

    async def end(self, topic: str) -> int:
        """See `Journal.end`."""
        self._check_open()
        return self._ends.get(topic, 0)

    async def retracted(self, topic: str, start: int) -> frozenset[str]:
        """See `Journal.retracted`; nobody sees what is not committed."""
        return frozenset()

    async def position(self, group: str, topic: str) -> int | None:
        """See `Journal.position`."""
        self._check_open()
        return self._positions.get((group, topic))

    async def compact(self) -> int:
        """Forget what the topics' rules let go now; returns how many records."""
        self._check_open()
        with self._lock:
            gone = {offset for spec in self._topics.values() for offset in self._expendable(spec)}
            self._records = [record for record in self._records if record.offset not in gone]
        return len(gone)

    async def close(self) -> None:
        """See `Journal.close`."""
        self._closed = True
        for reader in self._readers:
            reader.end()

    async def _look(self, positions: Mapping[str, int], max_records: int) -> Look:
        with self._lock:
            found: list[StoredRecord] = []
            for record in self._records:
                if record.offset >= positions.get(record.topic, self._next):
                    if len(found) == max_records:
                        return Look(found, True, found[-1].offset + 1)
                    found.append(record)
            return Look(found, False, self._next)

    def _expendable(self, spec: TopicSpec) -> list[int]:
        records = [record for record in self._records if record.topic == spec.name]
        now = self._clock()
        if spec.cleanup is Cleanup.COMPACT:
            last = {record.key: record for record in records}
            read = min((reader.next_offset(spec.name) or 0 for reader in self._readers if not reader.closed), default=self._next)
            old = {key for key, record in last.items() if record.value is None and record.time < now - self._grace_ns}
            return [r.offset for r in records if r is not last[r.key] or (r.key in old and r.offset < read)]
        gone, after = [], 0
        for record in reversed(records):
            too_old = spec.retention_s is not None and record.time < now - spec.retention_s * NANOS_PER_SECOND
            if too_old or (spec.retention_bytes is not None and after >= spec.retention_bytes):
                gone.append(record.offset)
            after += len(record.key.encode()) + len(record.value or b"")
        return gone

    def _check_open(self) -> None:
        if self._closed:
            raise JournalUnavailable("the journal is closed")


def check_writable(record: Record, topics: Mapping[str, object]) -> None:
    """Raise `JournalUnavailable` for a topic that nobody made yet, `JournalError` for a key that is no text."""
    if record.topic not in topics:
        raise JournalUnavailable(f"topic {record.topic!r} is not there (yet): the engine of that configuration makes it when it starts")
    try:
        record.key.encode()
    except UnicodeEncodeError as problem:
        raise JournalError(f"topic {record.topic!r}: key {record.key!r} is not text that can be written as UTF-8") from problem
