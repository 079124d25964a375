"""Engines on a real Kafka whose process variables are pushed by hand, each with a source of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC

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
from tests.contract.journals import read_all


class Machine:
    """An engine with its source, and the journal that everybody may write to."""

    def __init__(self, settings: KafkaSettings, config: str) -> None:
        self.settings = settings
        self.config = config
        self.source = MemorySource()
        self.journal = KafkaJournal(settings)
        ports = EnginePorts(self.journal, self.source, KafkaOwnership(settings, [config]), SystemClock(), self.writer)
        runner = RunnerSettings(EvaluatorSettings(config))
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

    async def events(self):
        return [decode_event(record.value or b"") for record in await read_all(self.journal, Topics(self.config).events)]

    async def alarms(self) -> list[tuple[int, str, Severity]]:
        """Epoch, name and severity of the alarms that were published."""
        events = await self.events()
        return [(e.id.epoch, e.path.rpartition("/")[2], e.to_severity) for e in events if e.kind is EventKind.ALARM]


@asynccontextmanager
async def machine(settings: KafkaSettings, config: str):
    made = Machine(settings, config)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def configure(settings: KafkaSettings, config: str, pvs=("GC1", "GC2")) -> None:
    journal = KafkaJournal(settings)
    await journal.start()
    await journal.ensure_topics(Topics(config).specs())
    value = encode_config(AlarmSettings("Pressure", latching=True), "sam", "git", UTC)
    await journal.append([Record(config, key(RecordType.CONFIG, f"/{config}/Vacuum/{pv}"), value) for pv in pvs])
    await journal.close()
