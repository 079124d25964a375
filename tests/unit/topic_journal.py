"""A journal in memory whose topics count their offsets each for itself, as Kafka's do, and that is written with given times."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from alarm_engine.errors import JournalError
from alarm_engine.journal.port import Fetched, Position, Record, StoredRecord, TopicSpec


class TopicJournal:
    """For one event loop."""

    def __init__(self) -> None:
        self.topics: dict[str, list[StoredRecord]] = {}
        self.positions: dict[tuple[str, str], int] = {}
        self.news = asyncio.Event()

    def write(self, records: Sequence[StoredRecord]) -> None:
        """With their own times and offsets."""
        for record in records:
            self.topics.setdefault(record.topic, []).append(record)
        news, self.news = self.news, asyncio.Event()
        news.set()

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def ensure_topics(self, topics: Sequence[TopicSpec]) -> None:
        pass

    async def append(self, records: Sequence[Record], positions: Sequence[Position] = ()) -> None:
        assert not records
        self.positions |= {(position.group, position.topic): position.offset for position in positions}

    def reader(self, topics: Sequence[str], start: Mapping[str, int] | None = None) -> TopicReader:
        return TopicReader(self, {topic: (start or {}).get(topic, 0) for topic in topics})

    async def end(self, topic: str) -> int:
        records = self.topics.get(topic)
        return records[-1].offset + 1 if records else 0

    async def retracted(self, topic: str, start: int) -> frozenset[str]:
        return frozenset()

    async def position(self, group: str, topic: str) -> int | None:
        return self.positions.get((group, topic))


class TopicReader:
    """Delivers one topic after the other: the worst order that a cluster may give."""

    fault = ""

    def __init__(self, journal: TopicJournal, following: dict[str, int]) -> None:
        self._journal = journal
        self._next = following
        self._said = False
        self._closed = False

    async def fetch(self, *, max_records: int = 5000, timeout_s: float | None = None) -> Fetched:
        if self._closed:
            raise JournalError("closed")
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    news = self._journal.news
                    for topic, offset in self._next.items():
                        if offset > await self._journal.end(topic):
                            self._next[topic] = 0  # it was made anew
                    found = [r for topic in self._next for r in self._journal.topics.get(topic, ()) if r.offset >= self._next[topic]]
                    if found or not self._said:
                        for record in found[:max_records]:
                            self._next[record.topic] = record.offset + 1
                        self._said = len(found) <= max_records
                        return Fetched(found[:max_records], self._said)
                    await news.wait()
        except TimeoutError:
            return Fetched((), self._said)

    async def close(self) -> None:
        self._closed = True
