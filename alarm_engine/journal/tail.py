"""The newest records in memory, so that followers need not ask the file for what was just written."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence

from alarm_engine.journal.following import Look
from alarm_engine.journal.port import StoredRecord


def size(record: StoredRecord) -> int:
    """Bytes of key, value and headers, roughly."""
    return len(record.key) + len(record.value or b"") + sum(len(name) + len(value) for name, value in record.headers)


class Tail:
    """A gapless run of committed records, bounded in number and bytes; the writer adds, readers on any thread look."""

    def __init__(self, max_records: int = 10_000, max_bytes: int = 16_000_000) -> None:
        self._lock = threading.Lock()
        self._records: deque[StoredRecord] = deque()
        self._first: int | None = None
        """Offset of the first record held, or of the one expected next; None: not known."""
        self._bytes = 0
        self._max_records = max_records
        self._max_bytes = max_bytes

    def extend(self, first: int, records: Sequence[StoredRecord]) -> None:
        """Add records whose offsets run from `first`; a gap to what is held means that another process wrote, so start anew."""
        with self._lock:
            if self._first is None or self._first + len(self._records) != first:
                self._clear(first)
            self._records.extend(records)
            self._bytes += sum(map(size, records))
            while self._records and (len(self._records) > self._max_records or self._bytes > self._max_bytes):
                self._drop()

    def forget(self, below: int) -> None:
        """Drop what lies below an offset: it may have been deleted from the file."""
        with self._lock:
            while self._records and self._records[0].offset < below:
                self._drop()

    def lose(self) -> None:
        """Another process wrote: what is held may no longer be the end."""
        with self._lock:
            self._clear(None)

    def look(self, positions: Mapping[str, int], max_records: int) -> Look | None:
        """Records from the positions on, None if they reach further back than the tail."""
        with self._lock:
            if self._first is None:
                return None
            start = min(positions.values(), default=self._first)
            if start < self._first:
                return None
            newer: list[StoredRecord] = []
            for record in reversed(self._records):  # from the end: a follower is mostly only a few records behind
                if record.offset < start:
                    break
                if record.offset >= positions.get(record.topic, record.offset + 1):
                    newer.append(record)
            found = newer[::-1]
            if len(found) > max_records:
                del found[max_records:]
                return Look(found, True, found[-1].offset + 1)
            return Look(found, False, self._first + len(self._records))

    def _drop(self) -> None:
        self._bytes -= size(self._records.popleft())
        self._first = (self._first or 0) + 1

    def _clear(self, first: int | None) -> None:
        self._records.clear()
        self._bytes = 0
        self._first = first
