"""The engine as an object: restored from the journal, fed, published, and refusing to lie about its health."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC

import pytest
import structlog.testing

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings, is_alive
from alarm_engine.errors import JournalError, JournalUnavailable
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.wire.command import encode_command
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.topics import Topics, status_topic

T = Topics("Demo")
S = Severity
GC = "/Demo/Vacuum/GC1"


class Site:
    """A journal, a source and an engine that can be started again."""

    patience_s = 5.0

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.source = MemorySource()
        self.engine: Engine | None = None

    async def begin(self, **alarms: AlarmSettings) -> None:
        await self.journal.start()
        await self.journal.ensure_topics([*T.specs(), status_topic("cell")])
        for pv, settings in (alarms or {"GC1": AlarmSettings("Pressure"), "GV1": AlarmSettings("Valve")}).items():
            await self.config(f"/Demo/Vacuum/{pv}", settings)

    async def config(self, path: str, settings: AlarmSettings | None) -> None:
        value = encode_config(settings, "sam", "git", UTC) if settings else None
        await self.journal.append([Record(T.config, key(RecordType.CONFIG, path), value)])

    async def command(self, kind: CommandKind, path: str, **fields: object) -> None:
        await self.journal.append([encode_command(Command(path, kind, "mara", "ops7", **fields), T.command)])  # type: ignore[arg-type]

    @asynccontextmanager
    async def running(self):
        settings = EngineSettings("test", "cell", (RunnerSettings(EvaluatorSettings("Demo")),))
        self.source = MemorySource()
        engine = Engine(settings, EnginePorts(self.journal, self.source, SoleOwnership(), SystemClock()))
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop()

    async def read(self, topic: str):
        reader = self.journal.reader([topic])
        try:
            return list((await reader.fetch(max_records=100_000, timeout_s=0.01)).records)
        finally:
            await reader.close()

    async def events(self) -> list[Event]:
        return [decode_event(r.value or b"") for r in await self.read(T.events)]

    async def until(self, what) -> Event:
        """Wait for an event."""
        async with asyncio.timeout(self.patience_s):
            while True:
                found = [event for event in await self.events() if what(event)]
                if found:
                    return found[-1]
                await asyncio.sleep(0.005)


@pytest.fixture
async def site():
    site = Site()
    await site.begin()
    yield site
    await site.journal.close()


async def test_a_reading_becomes_records_in_the_order_of_phoebus(site):
    async with site.running():
        site.source.connect("GC1")
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM", value="3.0")
        event = await site.until(lambda e: e.kind is EventKind.ALARM)
        states = [r for r in await site.read(T.config) if r.key.startswith("state:")]
        keys = [r.key for r in states][-3:]
        assert keys == ["state:/Demo/Vacuum/GC1", "state:/Demo/Vacuum", "state:/Demo"]
        assert b'"severity":"MAJOR","latch":true,"message":"HIHI_ALARM","value":"3.0"' in states[-3].value
        talk = (await site.read(T.talk))[-1]
        assert talk.value == b'{"standout":false,"severity":"MAJOR","talk":"MAJOR Alarm: Pressure"}'
        assert event.annunciated


async def test_a_command_is_answered_by_its_correlation(site):
    async with site.running():
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        await site.until(lambda e: e.kind is EventKind.ALARM)
        await site.command(CommandKind.ACKNOWLEDGE, "/Demo", id="c-1", reason="known")
        event = await site.until(lambda e: e.correlation == "c-1" and e.kind is EventKind.COMMAND)
        assert event.result
        assert event.result.done == 1


async def test_who_takes_over_says_since_when_none_has_run(site):
    async with site.running():
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        await site.until(lambda e: e.kind is EventKind.ALARM)
    last = max(record.time for record in await site.read(T.config) if record.key.startswith("state:"))
    foreign = Record(T.config, key(RecordType.STATE, "/Demo"), b'{"severity":"MAJOR"}')  # says nothing of an engine of ours
    await site.journal.append([foreign])
    async with site.running():
        first, second = [event for event in await site.events() if event.kind is EventKind.ENGINE]
    assert (first.since, second.since) == (None, last)
    assert last < second.time


async def test_a_command_is_not_executed_again_after_a_restart(site):
    async with site.running():
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        await site.until(lambda e: e.kind is EventKind.ALARM)
        await site.command(CommandKind.ACKNOWLEDGE, GC, id="c-1")
        await site.until(lambda e: e.correlation == "c-1" and e.kind is EventKind.COMMAND)
    async with site.running():
        site.source.put("GC1", S.INVALID, "LINK_ALARM")
        await site.until(lambda e: e.to_severity is S.INVALID)
        await site.command(CommandKind.ACKNOWLEDGE, GC, id="c-1")
        await site.command(CommandKind.ACKNOWLEDGE, "/Demo/none", id="c-2")
        await site.until(lambda e: e.correlation == "c-2")
        assert [e.kind for e in await site.events() if e.correlation == "c-1"] == [
            EventKind.ACKNOWLEDGED, EventKind.COMMAND, EventKind.COMMAND,
        ]  # fmt: skip
        assert (await site.events())[-1].kind is EventKind.REFUSED


async def test_the_first_command_of_all_is_not_lost_between_two_engines(site):
    async with site.running():
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        await site.until(lambda e: e.kind is EventKind.ALARM)
    await site.command(CommandKind.ACKNOWLEDGE, GC, id="c-1")
    async with site.running():
        await site.until(lambda e: e.correlation == "c-1" and e.kind is EventKind.COMMAND)
        assert [e.kind for e in await site.events() if e.correlation == "c-1"] == [EventKind.ACKNOWLEDGED, EventKind.COMMAND]


async def test_ids_grow_over_a_restart_and_times_never_run_back(site):
    async with site.running():
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        await site.until(lambda e: e.kind is EventKind.ALARM)
    async with site.running():
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        site.source.put("GV1", S.MINOR, "HIGH_ALARM")
        await site.until(lambda e: e.path.endswith("GV1"))
        events = await site.events()
        assert [e.id for e in events] == sorted({e.id for e in events})
        assert [e.time for e in events] == sorted(e.time for e in events)
        assert sum(e.kind is EventKind.ALARM and e.path == GC for e in events) == 1


async def test_ids_grow_even_when_the_events_have_expired_and_the_clock_runs_back(site, monkeypatch):
    async with site.running():
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        before = (await site.until(lambda e: e.kind is EventKind.ALARM)).id
    await site.journal.ensure_topics([replace(spec, retention_s=0) for spec in T.specs() if spec.name == T.events])
    await asyncio.sleep(0.001)
    await site.journal.compact()
    assert not await site.events()
    year_ns = 365 * 86_400 * 10**9
    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda clock: replace(now(clock), wall=Nanos(now(clock).wall - year_ns)))
    async with site.running() as engine:
        assert engine.runners[0].epoch > before.epoch


async def test_configuration_is_applied_by_difference(site):
    async with site.running() as engine:
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        await site.until(lambda e: e.kind is EventKind.ALARM)
        await site.config("/Demo/Vacuum/GV1", None)
        await site.config("/Demo/RF/Cav1", AlarmSettings("Cavity"))
        await site.until(lambda e: e.path == "/Demo/RF/Cav1")
        assert set(engine.runners[0].evaluator.tree.leaves) == {GC, "/Demo/RF/Cav1"}
        assert set(site.source.subscriptions) == {"GC1", "Cav1"}
        assert engine.runners[0].evaluator.tree.leaves[GC].logic.alarm.severity is S.MAJOR


async def test_shelving_is_written_into_the_configuration_once(site):
    async with site.running():
        until = Nanos(SystemClock().now().wall + 3_600_000_000_000)
        await site.command(CommandKind.SHELVE, GC, id="s", until=until, reason="exchange")
        await site.until(lambda e: e.correlation == "s" and e.kind is EventKind.COMMAND)
        await site.command(CommandKind.UNSHELVE, GC, id="u")
        await site.until(lambda e: e.correlation == "u" and e.kind is EventKind.COMMAND)
        configs = [r.value for r in await site.read(T.config) if r.key == f"config:{GC}"]
        assert [b'"enabled":"' in (value or b"") for value in configs] == [False, True, False]


async def test_a_foreign_edit_that_was_overtaken_keeps_the_operators_choice(site):
    async with site.running() as engine:
        until = Nanos(SystemClock().now().wall + 3_600_000_000_000)
        # Both are in the journal before the engine looks: it shelves, then reads an edit written without knowing that.
        await site.journal.append(
            [
                encode_command(Command(GC, CommandKind.SHELVE, "mara", "ops7", id="s", until=until), T.command),
            ]
        )
        await site.until(lambda e: e.correlation == "s" and e.kind is EventKind.COMMAND)
        await site.config(GC, AlarmSettings("Edited", enabled=False, enabled_at=until))
        await site.until(lambda e: e.kind is EventKind.CONFIGURED and e.path == GC)
        leaf = engine.runners[0].evaluator.tree.leaves[GC]
        assert leaf.settings.description == "Edited"
        assert not leaf.settings.enabled


async def test_broken_records_are_left_aside(site):
    await site.journal.append(
        [
            Record(T.config, "config:/Demo/Vacuum/Bad", b"\xff not json"),
            Record(T.config, "nonsense", b"{}"),
            Record(T.config, "config:/Demo/Vacuum/Se\ufffdor", b'{"description":"not UTF-8"}'),
            Record(T.config, f"state:{GC}", b'{"severity":"LOUD"}'),
            Record(T.runtime, f"runtime:{GC}", b"{}"),
        ]
    )
    async with site.running() as engine:
        await site.journal.append([Record(T.command, "command:/Demo", b'{"command":"explode"}'), Record(T.config, "x", None)])
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        await site.until(lambda e: e.kind is EventKind.ALARM)
        async with asyncio.timeout(5):
            while engine.runners[0].broken < 7:
                await asyncio.sleep(0.005)


class FlakyJournal(MemoryJournal):
    """A journal whose disk is full for a while."""

    full = False

    async def append(self, records, positions=()):
        if self.full:
            raise JournalUnavailable("the disk is full")
        await super().append(records, positions)


async def test_nothing_is_lost_while_the_journal_cannot_be_written():
    site = Site()
    site.journal = FlakyJournal()
    await site.begin()
    async with site.running() as engine:
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        await site.until(lambda e: e.kind is EventKind.ALARM)
        site.journal.full = True
        site.source.put("GC1", S.INVALID, "LINK_ALARM")
        site.source.put("GV1", S.MINOR, "HIGH_ALARM")
        site.source.put("GV1", S.OK, "NO_ALARM")
        async with asyncio.timeout(5):
            while is_alive(engine.statuses()[0]):  # it must not claim to be well meanwhile
                await asyncio.sleep(0.02)
        assert engine.runners[0].intake.backlog > 0
        site.journal.full = False
        await site.until(lambda e: e.to_severity is S.INVALID)
        await site.until(lambda e: e.path.endswith("GV1") and e.to_severity is S.MINOR)
        async with asyncio.timeout(5):
            while not is_alive(engine.statuses()[0]):
                await asyncio.sleep(0.02)
    await site.journal.close()


async def test_the_life_sign_tells_how_it_is(site):
    async with site.running() as engine:
        site.source.connect("GC1")
        site.source.put("GC1", S.OK, "NO_ALARM")
        async with asyncio.timeout(5):
            while engine.statuses()[0].pvs_connected != 1:
                await asyncio.sleep(0.005)
        status = engine.statuses()[0]
        assert (status.config, status.pvs_total) == ("Demo", 2)
        async with asyncio.timeout(5):
            while not await site.read("cellStatus"):
                await asyncio.sleep(0.01)


class _OddStatus(MemoryJournal):
    """Fails for life signs, in a way that does not pass."""

    async def append(self, records, positions=()):
        if records and records[0].topic == "cellStatus":
            raise JournalError("odd")
        await super().append(records, positions)


async def test_a_life_sign_that_died_is_noticed_and_does_not_keep_the_engine_from_stopping():
    site = Site()
    site.journal = _OddStatus()
    await site.begin()
    async with site.running() as engine, asyncio.timeout(5):
        while engine.failure() is None:
            await asyncio.sleep(0.005)
        assert str(engine.failure()) == "odd"
    assert engine.runners == []


async def test_a_task_that_somebody_else_cancelled_is_noticed(site):
    async with site.running() as engine, asyncio.timeout(5):
        engine.runners[0]._tasks[0].cancel()
        while engine.failure() is None:
            await asyncio.sleep(0.005)


async def test_a_fault_of_ours_in_one_record_leaves_the_other_alarms_alive(site, monkeypatch):
    async with site.running() as engine:
        monkeypatch.setattr("alarm_engine.orders.configure", lambda *_: 1 / 0)
        await site.config("/Demo/Vacuum/NEW", AlarmSettings("New"))
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        await site.until(lambda e: e.kind is EventKind.ALARM)
        async with asyncio.timeout(5):
            while engine.runners[0].broken == 0:
                await asyncio.sleep(0.005)
        assert engine.failure() is None


async def test_an_engine_that_cannot_read_commands_gives_no_life_sign(site, monkeypatch):
    async with site.running() as engine:
        assert is_alive(engine.statuses()[0])

        async def fail(**_):
            raise JournalUnavailable("cannot be read")

        monkeypatch.setattr(engine.runners[0]._reader, "fetch", fail)
        await site.config("/Demo/Vacuum/NEW", AlarmSettings("Wakes the reader"))
        async with asyncio.timeout(10):
            while is_alive(engine.statuses()[0]):
                await asyncio.sleep(0.02)


async def test_a_journal_that_cannot_be_read_is_told_once_for_each_way_it_is_said(site, monkeypatch):
    monkeypatch.setattr("alarm_engine.runner._RETRY_S", 0.001)
    async with site.running() as engine:
        reader, tries = engine.runners[0]._reader, 0
        fetch = reader.fetch

        async def fail():
            nonlocal tries
            tries += 1
            if tries > 50:
                return await fetch(timeout_s=0.01)
            raise JournalUnavailable("the broker is down" if tries % 2 else "connection refused")

        with structlog.testing.capture_logs() as said:
            monkeypatch.setattr(reader, "fetch", fail)
            await site.config("/Demo/Vacuum/NEW", AlarmSettings("Wakes the reader"))
            async with asyncio.timeout(10):
                while not any("read again" in line["event"] for line in said):
                    await asyncio.sleep(0.005)
        assert [line["problem"] for line in said if "cannot be read" in line["event"]] == ["the broker is down", "connection refused"]
