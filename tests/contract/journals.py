"""The journals that the contract is tested against. Another adapter is added by one class and one line in `ADAPTERS`."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Journal, StoredRecord
from alarm_engine.journal.sqlite import JournalOptions, SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from tests.contract.kafka_topics import RenamedTopics, servers_or_skip
from tests.kafka_broker import random_topic

GRACE_S = 100


class SetClock:
    """Wall time that a test sets."""

    def __init__(self) -> None:
        self.now = time.time_ns()

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)


class Adapter(Protocol):
    """What the contract needs of an adapter beyond the port."""

    exact: bool
    """Its clock can be set, it forgets on demand, and offsets count records only: the journals of this process. A broker has its own mind:
    what it forgets when is tested in `test_journal_kafka`.
    """
    keeps_order_over_topics: bool

    def new(self) -> Journal:
        """A journal on the same store each time, not yet started."""
        ...

    async def forget(self, journal: Journal) -> None:
        """Returns when compaction and retention have been applied."""
        ...


class Memory:
    exact = True
    keeps_order_over_topics = True

    def __init__(self, directory: Path) -> None:
        self.clock = SetClock()
        self._journal = MemoryJournal(self.clock, GRACE_S)

    def new(self) -> Journal:
        return self._journal

    async def forget(self, journal: Journal) -> None:
        await self._journal.compact()


class Sqlite:
    exact = True
    keeps_order_over_topics = True

    def __init__(self, directory: Path) -> None:
        self.clock = SetClock()
        self._path = directory / "journal.db"

    def new(self) -> Journal:
        options = JournalOptions(upkeep_period_s=3600, tombstone_grace_s=GRACE_S)
        return SqliteJournal(SqliteFile(self._path), options, self.clock)

    async def forget(self, journal: Journal) -> None:
        assert isinstance(journal, SqliteJournal)
        await journal.compact()


class Kafka:
    """On the broker of the session, with topics of its own."""

    exact = False
    keeps_order_over_topics = False

    def __init__(self, directory: Path) -> None:
        self._servers = servers_or_skip()
        self._prefix = random_topic()

    def new(self) -> Journal:
        return RenamedTopics(KafkaJournal(KafkaSettings(self._servers)), self._prefix)

    async def forget(self, journal: Journal) -> None:
        """Nothing has to be forgotten at once."""


ADAPTERS: dict[str, Callable[[Path], Adapter]] = {"memory": Memory, "sqlite": Sqlite, "kafka": Kafka}
EXACT = ["memory", "sqlite"]


async def read_all(journal: Journal, *topics: str, start: dict[str, int] | None = None, max_records: int = 5000) -> list[StoredRecord]:
    """Everything that is there now."""
    reader = journal.reader(topics, start)
    records: list[StoredRecord] = []
    while True:
        fetched = await reader.fetch(max_records=max_records, timeout_s=30)
        records += fetched.records
        if fetched.caught_up:
            await reader.close()
            return records


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], deadline_s: float = 30) -> None:
    """Wait for a condition."""
    end = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        assert time.monotonic() < end, "the condition did not come true in time"
        await asyncio.sleep(0.01)


async def tried(action: Callable[..., Awaitable[object]], *values: object) -> bool:
    """False if the journal is not available."""
    try:
        await action(*values)
    except JournalUnavailable:
        return False
    return True
