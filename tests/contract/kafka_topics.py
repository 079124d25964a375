"""Topics of a shared broker, seen under the names that a test gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from alarm_engine.journal.port import Fetched, Journal, JournalReader, Position, Record, TopicSpec
from tests.kafka_broker import shared_broker
from tests.kafka_jars import Missing


def servers_or_skip() -> str:
    """Bootstrap servers of the broker of the session."""
    try:
        return shared_broker().servers
    except Missing as problem:
        pytest.skip(str(problem))


class RenamedTopics:
    """A journal whose topics all begin with a prefix, which whoever uses it does not see."""

    def __init__(self, journal: Journal, prefix: str) -> None:
        self.inner = journal
        self._prefix = prefix

    async def start(self) -> None:
        await self.inner.start()

    async def ensure_topics(self, topics: Sequence[TopicSpec]) -> None:
        await self.inner.ensure_topics([replace(spec, name=self._prefix + spec.name) for spec in topics])

    async def append(self, records: Sequence[Record], positions: Sequence[Position] = ()) -> None:
        await self.inner.append(
            [record._replace(topic=self._prefix + record.topic) for record in records],
            [position._replace(topic=self._prefix + position.topic) for position in positions],
        )

    def reader(self, topics: Sequence[str], start: Mapping[str, int] | None = None) -> JournalReader:
        starts = {self._prefix + topic: offset for topic, offset in (start or {}).items()}
        return _Reader(self.inner.reader([self._prefix + topic for topic in topics], starts), self._prefix)

    async def end(self, topic: str) -> int:
        return await self.inner.end(self._prefix + topic)

    async def retracted(self, topic: str, start: int) -> frozenset[str]:
        return await self.inner.retracted(self._prefix + topic, start)

    async def position(self, group: str, topic: str) -> int | None:
        return await self.inner.position(group, self._prefix + topic)

    async def close(self) -> None:
        await self.inner.close()


class _Reader:
    def __init__(self, reader: JournalReader, prefix: str) -> None:
        self._reader = reader
        self._prefix = prefix

    async def fetch(self, *, max_records: int = 5000, timeout_s: float | None = None) -> Fetched:
        fetched = await self._reader.fetch(max_records=max_records, timeout_s=timeout_s)
        records = [record._replace(topic=record.topic.removeprefix(self._prefix)) for record in fetched.records]
        return Fetched(records, fetched.caught_up)

    @property
    def fault(self) -> str:
        return self._reader.fault

    async def close(self) -> None:
        await self._reader.close()


def alter(admin: AdminClient, topic: str, **config: str) -> None:
    """Change settings of a topic, with `_` for `.` in their names."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET, source=None)
        for name, value in config.items()
    ]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(20)
