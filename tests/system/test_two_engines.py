"""Two engines on one configuration in Kafka: one runs it, the other says who does, and goes on where that one ended."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.model.severity import Severity
from tests.contract.journals import until
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import random_topic
from tests.system.machines import Machine, configure, machine

pytestmark = pytest.mark.system


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
            second.source.put("GC1", Severity.MAJOR, "HIHI_ALARM")
            first.source.put("GC2", Severity.MAJOR, "HIHI_ALARM")
            second.source.put("GC2", Severity.MAJOR, "HIHI_ALARM")
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
