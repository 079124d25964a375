"""A reader that looks, delivers, and waits for arrivals: the same for every journal with one sequence over all topics."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from alarm_engine.errors import JournalError
from alarm_engine.journal.arrivals import Arrivals
from alarm_engine.journal.port import Fetched, StoredRecord


class Look(NamedTuple):
    """What was found at one look."""

    records: Sequence[StoredRecord]
    """In the order they were written."""
    more: bool
    """There are records that the limit left out."""
    covered: int
    """Every record of the topics below this offset has now been delivered."""


LookUp = Callable[[Mapping[str, int], int], Awaitable[Look]]
"""From the next offset of each topic and a greatest number of records to what is there."""


class FollowingReader:
    """Reads topics in written order from a start position, then follows them. One `fetch` at a time."""

    def __init__(self, topics: Sequence[str], start: Mapping[str, int] | None, look: LookUp, arrivals: Arrivals) -> None:
        self._topics = frozenset(topics)
        self._next = {topic: (start or {}).get(topic, 0) for topic in topics}
        self._look = look
        self._arrivals = arrivals
        self._looked = False
        self._ended = threading.Event()

    async def fetch(self, *, max_records: int = 5000, timeout_s: float | None = None) -> Fetched:
        """See `JournalReader.fetch`. A cancelled call has delivered nothing; raises `JournalError` once the reader is closed."""
        if self._ended.is_set():
            raise JournalError("the reader of the journal is closed")
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            mark = self._arrivals.mark(self._topics)
            found = await self._look(self._next, max(1, max_records))
            if self._ended.is_set():
                return Fetched((), False)
            # From here to the return nothing is awaited: either the caller gets the records, or the position stays.
            for topic, offset in self._next.items():
                self._next[topic] = max(offset, found.covered)
            if found.records or not self._looked:
                self._looked = True
                return Fetched(found.records, not found.more)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not await self._arrivals.wait(self._topics, mark, left) or self._ended.is_set():
                return Fetched((), True)

    @property
    def fault(self) -> str:
        """See `JournalReader.fault`: there is one sequence, and it is read."""
        return ""

    async def close(self) -> None:
        """See `JournalReader.close`."""
        self.end()

    def end(self) -> None:
        """Close, from any thread."""
        self._ended.set()
        self._arrivals.announce(self._topics)

    @property
    def closed(self) -> bool:
        """No longer in use."""
        return self._ended.is_set()

    def next_offset(self, topic: str) -> int | None:
        """The first offset of the topic not yet delivered; None for a topic that it does not read."""
        return self._next.get(topic)
