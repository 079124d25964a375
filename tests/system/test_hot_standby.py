"""An engine that stands by: what it hears while nobody decides is decided by it, once, and what was decided is not decided again."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from tests.contract.journals import read_all, until
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import random_topic
from tests.system.machines import configure, machine

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

PVS = [f"GC{number}" for number in range(10)]
NOW = 1_800_000_000_000_000_000


class Pair:
    """Two engines of one cell; the first runs the configuration."""

    def __init__(self, first, second):
        self.first, self.second = first, second
        self.time = NOW

    def put(self, pv, severity, *machines):
        """The IOC sends a sample to both, or to one of them."""
        self.time += 1_000_000
        for one in machines or (self.first, self.second):
            one.source.put(pv, severity, f"{severity.name}_ALARM", pv_time=Nanos(self.time))
        return self.time

    async def alarms(self, pv):
        """Severity, PV time and whether it was spoken, of each alarm of a PV that was published."""
        found = await self.second.events()
        return [(e.to_severity, e.pv_time, e.annunciated) for e in found if e.kind is EventKind.ALARM and e.path.endswith(f"/{pv}")]

    async def until_alarm(self, pv, severity):
        async def there():
            await asyncio.sleep(0.05)
            return severity in [found[0] for found in await self.alarms(pv)]

        await until(there)


@asynccontextmanager
async def pair():
    config = random_topic("Plant")
    settings = KafkaSettings(servers_or_skip(), name="engine-a", cell=random_topic("cell"))
    await configure(settings, config, PVS)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(machine(settings, config))
        await until(lambda: first.engine.runners)
        second = await stack.enter_async_context(machine(replace(settings, name="engine-b"), config))
        both = Pair(first, second)
        await until(lambda: len(second.source.subscriptions) == len(PVS))
        for pv in PVS:
            both.put(pv, Severity.OK)
        await until(lambda: second.holding.standby.connected == len(PVS))
        await until(lambda: second.holding.standby.status("").backlog == 0)
        yield both


async def test_a_blip_while_nobody_decides_latches_and_is_spoken_once():
    async with pair() as both:
        published = both.put("GC1", Severity.MAJOR)
        await both.until_alarm("GC1", Severity.MAJOR)
        both.put("GC1", Severity.OK)
        await until(lambda: both.second.holding.standby.status("").backlog == 0)
        # What the first one does not hear is what it could not publish, had it been killed.
        blip = both.put("GC2", Severity.MAJOR, both.second)
        back = both.put("GC2", Severity.OK, both.second)
        assert both.second.holding.standby.status("").backlog == 2
        await both.first.engine.stop()
        await both.until_alarm("GC2", Severity.MAJOR)
        leaf = both.second.engine.runners[0].evaluator.tree.leaves[f"/{both.second.config}/Vacuum/GC2"]
        await until(lambda: leaf.logic.current.time == back)
        assert leaf.logic.alarm.severity is Severity.MAJOR
        assert await both.alarms("GC1") == [(Severity.MAJOR, published, True)]
        assert await both.alarms("GC2") == [(Severity.MAJOR, blip, True)]
        cleared = [e for e in await both.second.events() if e.path.endswith("/GC2") and e.pv_time == back]
        assert len(cleared) == 1
        assert cleared[0].id.epoch == both.second.engine.runners[0].epoch


async def test_a_leader_that_lost_what_another_engine_still_has_makes_room():
    async with pair() as both:
        for pv in PVS[:3]:
            both.first.source.disconnect(pv)
        await until(lambda: both.second.engine.runners)
        assert "PVs connected" in both.first.holding.waiting.why or "made room" in both.first.holding.waiting.why
        assert both.first.holding.trouble == ""
        for pv in PVS[:3]:
            both.put(pv, Severity.OK)
        await until(lambda: both.first.holding.standby is not None and both.first.holding.standby.connected == len(PVS))
        seen = both.put("GC5", Severity.MAJOR)
        await both.until_alarm("GC5", Severity.MAJOR)
        assert await both.alarms("GC5") == [(Severity.MAJOR, seen, True)]
        assert both.second.engine.runners
        assert not both.first.engine.runners


async def test_an_engine_that_has_fewer_pvs_does_not_stand_for_election():
    async with pair() as both:
        # The life sign of the first one says what it had a second ago.
        await until(lambda: (sign := both.second.engine.peers.running(both.second.config)) and sign.pvs_connected == len(PVS))
        await both.second.engine.stop()
        await both.second.engine.start()
        second = both.second.holding
        await until(lambda: "as many PVs: 0 of 10" in second.waiting.why)
        for pv in PVS:
            both.put(pv, Severity.OK, both.second)
        await until(lambda: "this engine waits" in second.waiting.why and "as many" not in second.waiting.why)


async def test_what_a_dying_engine_took_back_is_shown_again_as_it_is():
    """Stock clients read what is not committed, and would show it until the alarm changes next."""
    config = random_topic("Plant")
    settings = KafkaSettings(servers_or_skip(), name="engine-a", cell=random_topic("cell"))
    await configure(settings, config, PVS)
    async with machine(settings, config) as it:
        await until(lambda: it.engine.runners)
        it.source.put("GC1", Severity.MINOR, "HIGH_ALARM")
        dying = Producer({"bootstrap.servers": settings.servers, "transactional.id": f"tocsin-{config}"})
        await until(lambda: it.engine.runners[0].evaluator.tree.leaves[f"/{config}/Vacuum/GC1"].version)
        await it.engine.stop()
        dying.init_transactions(30)
        dying.begin_transaction()
        for path in (f"/{config}/Vacuum/GC1", f"/{config}/Vacuum", f"/{config}/Vacuum/Gone"):
            dying.produce(config, b'{"severity":"MAJOR"}', f"state:{path}".encode(), 0)
        dying.flush(30)
        begin = await it.journal.end(config)
        await it.engine.start()
        await until(lambda: it.engine.runners)
        shown = {r.key: r.value for r in await read_all(it.journal, config) if r.offset >= begin}
    assert b'"severity":"MINOR","latch":true' in shown[f"state:/{config}/Vacuum/GC1"]
    assert shown[f"state:/{config}/Vacuum"] == b'{"severity":"MINOR"}'
    assert shown[f"state:/{config}/Vacuum/Gone"] is None
