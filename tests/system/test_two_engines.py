"""Two engines on one configuration in Kafka: one runs it, the other says who does, and goes on where that one ended."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC

import pytest

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.port import Record
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.ownership.kafka import KafkaOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.topics import Topics
from tests.contract.journals import read_all, until
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import random_topic

pytestmark = pytest.mark.system


class Machine:
    """An engine with its source, and the journal that everybody may write to."""

    def __init__(self, settings: KafkaSettings, config: str) -> None:
        self.settings = settings
        self.config = config
        self.source = MemorySource()
        self.journal = KafkaJournal(settings)
        ports = EnginePorts(self.journal, self.source, KafkaOwnership(settings, [config]), SystemClock(), self.writer)
        runner = RunnerSettings(EvaluatorSettings(config, connection_timeout_s=1))
        self.engine = Engine(EngineSettings(settings.name, settings.cell, (runner,)), ports)

    @asynccontextmanager
    async def writer(self, config: str):
        journal = KafkaJournal(replace(self.settings, owns=config))
        try:
            await journal.start()
            yield journal
        finally:
            await journal.close()

    @property
    def holding(self):
        return self.engine.holdings[0]

    async def start(self) -> None:
        await self.journal.start()
        await self.engine.start()

    async def stop(self) -> None:
        await self.engine.stop()
        await self.journal.close()

    async def alarms(self) -> list[tuple[int, str, Severity]]:
        """Epoch, name and severity of the alarms that were published."""
        events = [decode_event(record.value or b"") for record in await read_all(self.journal, Topics(self.config).events)]
        return [(e.id.epoch, e.path.rpartition("/")[2], e.to_severity) for e in events if e.kind is EventKind.ALARM]


@asynccontextmanager
async def machine(settings: KafkaSettings, config: str):
    made = Machine(settings, config)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def configure(settings: KafkaSettings, config: str) -> None:
    journal = KafkaJournal(settings)
    await journal.start()
    await journal.ensure_topics(Topics(config).specs())
    value = encode_config(AlarmSettings("Pressure", latching=True), "sam", "git", UTC)
    await journal.append([Record(config, key(RecordType.CONFIG, f"/{config}/Vacuum/{pv}"), value) for pv in ("GC1", "GC2")])
    await journal.close()


async def test_the_second_waits_and_goes_on_where_the_first_ended():
    config = random_topic("Plant")
    settings = KafkaSettings(servers_or_skip(), name="engine-a", cell=random_topic("cell"))
    await configure(settings, config)
    async with machine(settings, config) as first:
        await until(lambda: first.engine.runners)
        first.source.put("GC1", Severity.MAJOR, "HIHI_ALARM")
        await until(lambda: alarm(first, "GC1", Severity.MAJOR))
        async with machine(replace(settings, name="engine-b"), config) as second:
            assert f"configuration {config!r} is held by 'engine-a'" in second.holding.waiting.why
            assert not second.engine.runners
            second.source.put("GC2", Severity.MINOR, "HIGH_ALARM")
            first.source.put("GC2", Severity.MAJOR, "HIHI_ALARM")
            await until(lambda: alarm(first, "GC2", Severity.MAJOR))
            begun = time.monotonic()
            await first.engine.stop()
            await until(lambda: second.engine.runners)
            assert time.monotonic() - begun < 4
            # It knows what the first one published, goes on from there, and nobody published twice or from both.
            leaves = second.engine.runners[0].evaluator.tree.leaves
            assert {path.rpartition("/")[2]: leaf.logic.alarm.severity for path, leaf in leaves.items()} == dict.fromkeys(
                ("GC1", "GC2"), Severity.MAJOR
            )
            second.source.put("GC1", Severity.INVALID, "LINK_ALARM")
            await until(lambda: alarm(second, "GC1", Severity.INVALID))
            found = [entry for entry in await second.alarms() if entry[2] is not Severity.UNDEFINED]
            epochs = [epoch for epoch, _, _ in found]
            assert epochs == sorted(epochs)
            assert len(set(epochs)) == 2
            assert [entry[1:] for entry in found] == [("GC1", Severity.MAJOR), ("GC2", Severity.MAJOR), ("GC1", Severity.INVALID)]


async def alarm(machine: Machine, name: str, severity: Severity) -> bool:
    """It was published."""
    await asyncio.sleep(0.05)
    return (name, severity) in [entry[1:] for entry in await machine.alarms()]
