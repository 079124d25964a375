"""Leave to publish: whoever did not reach the journal asks whether it is still the one to decide, and is not if it was blind meanwhile."""

from __future__ import annotations

import asyncio
import ctypes
import time
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC

import pytest

from alarm_engine.clock import SystemClock
from alarm_engine.errors import JournalUnavailable
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.holding import Holding, HoldingPorts, Others
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.leave import Leave
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.sources.shared import SharedSource
from alarm_engine.standstill import Standstill
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.topics import Topics
from tests.contract.journals import until

T = Topics("Plant")
PVS = ("a", "b", "c")


class Lease:
    """One that is given once, and put in doubt and out of it by a test."""

    in_doubt = False
    doubted_at = 0.0

    def __init__(self) -> None:
        self.given = self.withdrawn = 0

    async def acquire(self, config, waiting):
        if self.given:
            await asyncio.Event().wait()
        self.given += 1
        return self

    def doubt(self) -> None:
        self.in_doubt = True
        self.doubted_at = time.monotonic()

    async def lost(self) -> str:
        await asyncio.Event().wait()
        return ""

    async def release(self) -> None:
        pass

    async def withdraw(self, config) -> None:
        self.withdrawn += 1


class Company:
    """Peers of which nobody runs the configuration, and some stand by."""

    sure = True

    def __init__(self, *engines: str) -> None:
        self.engines = engines
        self.since = 0.0
        self.connected = len(PVS)
        self.looks = 0

    def running(self, config, since_s=None) -> None:
        return None

    def has_others(self, config):
        return bool(self.engines)

    def standing_by(self, config, since_s=None):
        self.looks += 1
        there = self.engines if since_s is None or self.since < since_s else ()
        return [type("Peer", (), {"engine": engine, "pvs_connected": self.connected, "candidate": False}) for engine in there]


class Engine:
    """A configuration that is held."""

    def __init__(self, journal, company) -> None:
        self.journal, self.lease, self.source = journal, Lease(), MemorySource()
        shared = SharedSource(self.source)
        self.source.start(shared.deliver)
        self.company = Company(*company)
        others = Others(journal, self.company)
        ports = HoldingPorts(lambda _: nullcontext(journal), self.lease, shared.share(), SystemClock(), others)
        self.holding = Holding(RunnerSettings(EvaluatorSettings("Plant")), ports)

    def put(self, pv, severity) -> None:
        self.source.put(pv, severity, severity.name)

    async def beaten(self) -> None:
        """The loop has turned some times."""
        for _ in range(10):
            await asyncio.sleep(0.002)

    async def events(self) -> int:
        return await self.journal.end(T.events)


@asynccontextmanager
async def engine(*company):
    journal = MemoryJournal()
    await journal.start()
    await journal.ensure_topics(T.specs())
    for pv in PVS:
        await journal.append(
            [Record(T.config, key(RecordType.CONFIG, f"/Plant/S/{pv}"), encode_config(AlarmSettings(), "sam", "git", UTC))]
        )
    it = Engine(journal, company)
    await it.holding.start()
    await until(lambda: it.holding.runner is not None and set(it.source.subscriptions) == set(PVS))
    for pv in PVS:
        it.put(pv, Severity.OK)
    await until(lambda: not it.holding.runner.intake.backlog and it.holding.runner.status("").pvs_connected == len(PVS))
    try:
        yield it
    finally:
        await it.holding.stop()
        await journal.close()


async def test_nothing_is_published_while_it_is_in_doubt_whose_the_configuration_is():
    async with engine("b") as it:
        before = await it.events()
        it.lease.doubt()
        it.put("a", Severity.MAJOR)
        await until(lambda: it.holding.runner.intake.backlog)
        it.put("b", Severity.MAJOR)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_more(it, before), 0.5)
        it.lease.in_doubt = False
        await asyncio.wait_for(_more(it, before, 2), 10)
        assert it.holding.runner is not None


@pytest.mark.parametrize(
    ("company", "blind", "makes_room"),
    [
        (["b"], True, True),
        ([], True, False),
        (["b"], False, False),
        (["b which came only now"], True, False),
        (["b which has no PV"], True, False),
    ],
)
async def test_who_was_blind_while_it_was_in_doubt_leaves_it_to_another_that_stands_by(monkeypatch, company, blind, makes_room):
    monkeypatch.setattr("alarm_engine.holding._LOOK_S", 0.001)
    monkeypatch.setattr("alarm_engine.holding.FRESH_NS", 100_000_000)
    async with engine(*company) as it:
        before = await it.events()
        if "b which came only now" in company:
            it.company.since = time.monotonic() + 3600
        if "b which has no PV" in company:
            it.company.connected = 0
        it.lease.doubt()
        for pv in PVS if blind else ():
            it.source.disconnect(pv)
        for pv in PVS:
            it.put(pv, Severity.MAJOR)
        await until(lambda: it.holding.runner.intake.backlog)
        it.lease.in_doubt = False
        if makes_room:
            await until(lambda: it.lease.withdrawn)
            assert await it.events() == before
            assert it.holding.runner is None
            assert it.holding._intake.backlog >= len(PVS)
        else:
            await asyncio.wait_for(_more(it, before, len(PVS)), 10)
            assert not it.lease.withdrawn


@pytest.mark.parametrize(
    ("there", "still", "makes_room"),
    [
        ("all the time", True, True),
        ("only now", True, False),
        ("without a PV", True, False),
        ("all the time", False, False),
    ],
)
async def test_who_stood_still_while_it_was_in_doubt_leaves_it_to_another_that_did_not(monkeypatch, there, still, makes_room):
    """It got all at once: an alarm that outlasted its delay would not have risen."""
    monkeypatch.setattr("alarm_engine.holding._LOOK_S", 0.001)
    monkeypatch.setattr("alarm_engine.holding.FRESH_NS", 100_000_000)
    monkeypatch.setattr("alarm_engine.standstill._BEAT_S", 0.001)
    monkeypatch.setattr("alarm_engine.standstill._STILL_S", 0.2)
    async with engine("b") as it:
        before = await it.events()
        it.company.since = time.monotonic() + (0.05 if there == "only now" else 0)
        it.company.connected = len(PVS) - (there == "without a PV")
        if still:
            await it.beaten()
            ctypes.PyDLL(None).usleep(300_000)  # holds the interpreter, as SIGSTOP would
        for pv in PVS:
            it.put(pv, Severity.MAJOR)
        it.lease.doubt()
        await until(lambda: it.holding.runner.intake.backlog)
        if still:
            await it.beaten()
        it.lease.in_doubt = False
        if makes_room:
            await until(lambda: it.lease.withdrawn)
            assert await it.events() == before
            assert it.holding._intake.backlog >= len(PVS)
        else:
            await asyncio.wait_for(_more(it, before, len(PVS)), 10)
            assert not it.lease.withdrawn


def test_what_was_over_long_before_is_forgotten():
    standstill = Standstill()
    standstill._began, standstill._ended = 100.0, 115.0
    assert [standstill.began(moment) for moment in (90.0, 101.0, 130.0, 134.9, 136.0)] == [100.0, 100.0, 100.0, 100.0, None]
    assert Standstill().began(5.0) is None


@pytest.mark.parametrize("could_see", [True, False])
async def test_who_made_room_a_moment_ago_does_so_again_only_if_it_could_see_meanwhile(monkeypatch, could_see):
    """Two engines that are both half blind must not hand a configuration to and fro."""
    monkeypatch.setattr("alarm_engine.holding._LOOK_AT_PEERS_S", 0.01)
    async with engine() as it:
        it.holding._candidacy.make_room()
        if could_see:
            await _looked(it)
        for pv in PVS:
            it.source.disconnect(pv)
        await until(lambda: it.holding.runner.status("").pvs_connected == 0)
        if could_see:
            it.company.engines = ("b",)
            await until(lambda: it.lease.withdrawn)
        else:
            await it.holding.stop()
            it.lease.given = 0
            it.holding._candidacy.make_room()
            monkeypatch.setattr("alarm_engine.candidacy._ROOM_NS", 0)
            await it.holding.start()
            await until(lambda: it.holding.runner is not None)
            it.company.engines = ("b",)
            await _looked(it, 10)
            assert it.holding.runner is not None
            assert not it.lease.withdrawn


async def _looked(it, times=2) -> None:
    before = it.company.looks
    await until(lambda: it.company.looks >= before + times)


async def _more(it, before, number=1) -> None:
    async def come():
        return await it.events() >= before + number

    await until(come)


class Away(MemoryJournal):
    """A journal that cannot be reached now and then."""

    away = False

    async def end(self, topic):
        if self.away:
            raise JournalUnavailable("away")
        return await super().end(topic)


async def test_patience_begins_when_there_could_be_an_answer(monkeypatch):
    monkeypatch.setattr("alarm_engine.leave.PATIENCE_S", 0.3)
    journal, lease = Away(), Lease()
    await journal.start()
    await journal.ensure_topics(T.specs())
    leave = Leave(lease, journal, T.config)
    assert not await leave.answered()
    lease.doubt()
    journal.away = True
    with pytest.raises(JournalUnavailable):
        await leave.answered()  # which is no answer: it is asked for again
    journal.away = False
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await leave.answered()
    assert loop.time() - begun > 0.2
    begun = loop.time()
    assert not await leave.answered()
    assert loop.time() - begun < 0.2  # once: whoever publishes without an answer does not wait before each record
    lease.in_doubt = False
    assert not await leave.answered()
    lease.doubt()
    lease.in_doubt = False
    assert await leave.answered()  # it was over before anybody asked
    assert not await leave.answered()
    await journal.close()


async def test_a_doubt_that_ended_while_nobody_could_ask_is_told_all_the_same():
    journal, lease = Away(), Lease()
    await journal.start()
    await journal.ensure_topics(T.specs())
    leave = Leave(lease, journal, T.config)
    lease.doubt()
    journal.away = True
    with pytest.raises(JournalUnavailable):
        await leave.answered()
    lease.in_doubt = journal.away = False
    assert await leave.answered()
    assert not await leave.answered()
    await journal.close()
