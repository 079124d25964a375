"""Port to the ordered log of records.

A *topic* is an ordered sequence of records with one writer's order kept; an *offset* is a reading position in it and nothing more.
Appending a batch is atomic over all its topics, together with a reading position (that is how a command and its effects become one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from alarm_engine.model.times import Nanos

Headers = tuple[tuple[str, bytes], ...]


class Record(NamedTuple):
    """A record to be written. The journal stamps it with its own time."""

    topic: str
    key: str
    value: bytes | None
    """None: a tombstone, which removes the key from a compacted topic."""
    headers: Headers = ()


class StoredRecord(NamedTuple):
    """A record as it was read."""

    topic: str
    offset: int
    time: Nanos
    key: str
    """With U+FFFD for bytes that are not UTF-8, where others can write such."""
    value: bytes | None
    headers: Headers

    def header(self, name: str) -> str | None:
        """Text of the last header of that name, None if there is none."""
        for key, value in reversed(self.headers):
            if key == name:
                return value.decode("utf-8", "replace")
        return None


class Cleanup(StrEnum):
    """How a topic forgets."""

    COMPACT = "compact"
    """Keeps the last record of each key; a tombstone removes the key."""
    DELETE = "delete"
    """Keeps records for a time and up to a size."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic and how it forgets."""

    name: str
    cleanup: Cleanup
    retention_s: int | None = None
    """For `DELETE`: seconds that a record is kept; None: for ever."""
    retention_bytes: int | None = None
    """For `DELETE`: bytes of keys and values kept; None: any number."""


class Position(NamedTuple):
    """How far a named reader has got: `offset` is the next record it has *not* covered."""

    group: str
    topic: str
    offset: int


class Fetched(NamedTuple):
    """What a reader got."""

    records: Sequence[StoredRecord]
    """In the order they were written, over all topics of the reader where the adapter can keep it, else per topic."""
    caught_up: bool
    """The reader has now delivered everything that was there when it last looked."""


class JournalReader(Protocol):
    """Reads topics from a start position, then follows them."""

    async def fetch(self, *, max_records: int = 5000, timeout_s: float | None = None) -> Fetched:
        """The next records: at once if there are any, otherwise waits for one.

        The first fetch of an empty topic returns at once, with `caught_up` and no records. With `timeout_s` an empty answer may come
        after that time, which has looked at the ends once more; without, it waits until something is there. Raises
        `JournalUnavailable`; may be called again then.
        """
        ...

    @property
    def fault(self) -> str:
        """Why records may be missing in what it delivers, with what mends it; empty while nothing is wrong. It reads on."""
        ...

    async def close(self) -> None:
        """Give up; a waiting `fetch` ends with an empty answer."""
        ...


class Journal(Protocol):
    """The log. Every method may raise `JournalUnavailable` (try again) or `JournalCorrupt` (do not)."""

    async def start(self) -> None:
        """Open or connect."""
        ...

    async def ensure_topics(self, topics: Sequence[TopicSpec]) -> None:
        """Create what is missing; settings of existing topics are brought to the given ones."""
        ...

    async def append(self, records: Sequence[Record], positions: Sequence[Position] = ()) -> None:
        """Write all records and positions, or none of them; returns when they are safe."""
        ...

    def reader(self, topics: Sequence[str], start: Mapping[str, int] | None = None) -> JournalReader:
        """A reader from the given offsets; a topic that is not in `start` is read from its beginning."""
        ...

    async def end(self, topic: str) -> int:
        """Offset that the next record of the topic will get (or a lower bound of it)."""
        ...

    async def retracted(self, topic: str, start: int) -> frozenset[str]:
        """Keys of the records from `start` to the end that were written and taken back.

        Readers of ours never see such; others may have. For whoever has just become the one writer: nothing is under way then.
        """
        ...

    async def position(self, group: str, topic: str) -> int | None:
        """Committed position of a reader, None if it never committed one."""
        ...

    async def close(self) -> None:
        """Close; readers end."""
        ...
