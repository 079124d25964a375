"""A configuration that another engine runs, followed: what a take-over finds left is what nobody has decided."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import asynccontextmanager
from datetime import UTC

import pytest

from alarm_engine.clock import SystemClock
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.intake import Intake
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Fetched, Record
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from alarm_engine.runner import Inputs, Runner, RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.sources.shared import SharedSource
from alarm_engine.standby import Standby
from alarm_engine.wire.command import encode_command
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.topics import Topics
from tests.contract.journals import until

T = Topics("Demo")
S = Severity
SETTINGS = RunnerSettings(EvaluatorSettings("Demo"))


class Side:
    """One of two engines: its own source, its own inputs."""

    def __init__(self, journal) -> None:
        self.journal = journal
        self.source = MemorySource()
        shared = SharedSource(self.source)
        self.share = shared.share()
        self.intake = Intake()
        self.share.sink = self.intake.offer
        self.source.start(shared.deliver)
        self.runner = Runner(SETTINGS, journal, Inputs(self.share, self.intake), SystemClock())
        self.standby = Standby(SETTINGS, journal, Inputs(self.share, self.intake), SystemClock())

    def states(self):
        """What is shown of each alarm."""
        leaves = self.runner.evaluator.tree.leaves
        return {path: (leaf.logic.alarm[:2], leaf.logic.current[:2], leaf.logic.pending is not None) for path, leaf in leaves.items()}

    async def take_over(self) -> None:
        await self.runner.start(await self.standby.stop())


class Pair:
    """An engine that runs a configuration, and one that stands by."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.time = itertools.count(1_700_000_000_000_000_000, 1_000_000_000)

    @asynccontextmanager
    async def running(self, **alarms: AlarmSettings):
        await self.journal.start()
        await self.journal.ensure_topics(T.specs())
        for pv, settings in (alarms or {"a": AlarmSettings(), "b": AlarmSettings()}).items():
            await self.config(f"/Demo/S/{pv}", settings)
        self.one, self.two = Side(self.journal), Side(self.journal)
        await self.one.runner.start()
        self.two.standby.start()
        try:
            await until(lambda: self.two.standby.caught_up and set(self.two.source.subscriptions) == set(alarms or "ab"))
            for pv in alarms or "ab":
                self.put(pv, S.OK)
            await self.read()
            yield self
        finally:
            for side in (self.one, self.two):
                await side.standby.stop()
                await side.runner.stop()
            await self.journal.close()

    async def config(self, path: str, settings: AlarmSettings | None) -> None:
        value = encode_config(settings, "sam", "git", UTC) if settings else None
        await self.journal.append([Record(T.config, key(RecordType.CONFIG, path), value)])

    async def command(self, kind: CommandKind, path: str, **fields: object) -> None:
        await self.journal.append([encode_command(Command(path, kind, "mara", "ops7", **fields), T.command)])

    def put(self, pv, severity, *sides, time=None):
        """Both are told the same by the IOC."""
        stamp = Nanos(next(self.time) if time is None else time)
        for side in sides or (self.one, self.two):
            side.source.put(pv, severity, severity.name, pv_time=stamp)
        return stamp

    async def read(self) -> None:
        """The one has decided all it heard, and the other has read that."""

        async def is_read():
            decided = not self.one.intake.backlog and not self.one.runner._orders.waiting
            ends = [await self.journal.end(topic) for topic in (T.config, T.events)]
            nexts = [self.two.standby.replayed.next.get(topic, 0) for topic in (T.config, T.events)]
            return decided and nexts == ends

        await until(is_read)

    async def kill(self) -> None:
        """The one that runs is no more; what it had not written by then is not written."""
        await self.one.runner.stop()

    async def events(self, start=0):
        reader = self.journal.reader([T.events], {T.events: start})
        try:
            return [decode_event(r.value) for r in (await reader.fetch(max_records=100_000, timeout_s=0.01)).records]
        finally:
            await reader.close()

    async def decided(self):
        """Take over, and return what that decides of alarms."""
        start = await self.journal.end(T.events)
        await self.two.take_over()
        await until(lambda: not self.two.intake.backlog)
        return [(e.kind, e.path[-1], e.to_severity) for e in await self.events(start) if e.snapshot is not None]


@pytest.fixture
def pair():
    return Pair()


async def test_what_the_other_engine_decided_is_covered(pair):
    async with pair.running():
        for severity in (S.MAJOR, S.OK, S.MINOR):
            pair.put("a", severity)
        await pair.read()
        assert pair.two.intake.backlog == 0
        await pair.kill()
        assert await pair.decided() == []


async def test_a_blip_that_nobody_decided_is_an_alarm(pair):
    async with pair.running():
        await pair.kill()
        rise = pair.put("a", S.MAJOR, pair.two)
        pair.put("a", S.OK, pair.two)
        assert [kind for kind, *_ in await pair.decided()] == [EventKind.ALARM, EventKind.CHANGED]
        state = pair.two.runner.evaluator.tree.leaves["/Demo/S/a"]
        assert (state.logic.alarm.severity, state.logic.alarm.time, state.current.severity) == (S.MAJOR, rise, S.OK)


async def test_what_was_decided_to_the_last_moment_is_not_decided_again(pair):
    """The one that runs writes on until it is fenced, after the other has ceased to follow."""
    async with pair.running():
        await pair.two.standby.stop()
        pair.put("a", S.MAJOR)
        pair.put("a", S.OK)
        await until(lambda: not pair.one.intake.backlog)
        await pair.command(CommandKind.ACKNOWLEDGE, "/Demo/S/a")
        await until(lambda: pair.one.runner.evaluator.tree.leaves["/Demo/S/a"].logic.alarm.severity is S.OK)
        await until(lambda: not pair.one.runner._orders.waiting)
        await asyncio.sleep(0)
        await pair.kill()
        assert await pair.decided() == []


async def test_a_connection_that_only_the_standby_lost_is_no_alarm_of_long_ago(pair, monkeypatch):
    monkeypatch.setattr("alarm_engine.standby._DECIDED_NS", 0)
    async with pair.running():
        pair.two.source.disconnect("a")
        pair.two.source.connect("a")
        pair.put("a", S.OK, pair.two)  # its record was processed meanwhile: another time stamp, nothing else
        assert pair.two.intake.backlog == 2
        pair.put("b", S.MAJOR)
        await pair.read()
        await until(lambda: pair.two.intake.backlog == 0)
        await pair.kill()
        assert await pair.decided() == []


async def test_a_connection_lost_while_nobody_ran_is_an_alarm(pair):
    async with pair.running():
        await pair.kill()
        pair.two.source.disconnect("a")
        pair.put("a", S.OK, pair.two)
        assert (EventKind.ALARM, "a", S.UNDEFINED) in await pair.decided()


async def test_what_a_shelved_pv_does_is_not_kept_and_not_told_again(pair):
    async with pair.running(a=AlarmSettings(enabled=False), b=AlarmSettings()):
        for _ in range(20):
            pair.put("a", S.MAJOR)
            pair.put("a", S.OK)
        await pair.read()
        assert pair.two.intake.backlog == 0
        await pair.kill()
        assert len(await pair.decided()) <= 1


async def test_shelving_one_alarm_covers_nothing_of_another_on_the_same_pv(pair):
    async with pair.running():
        await pair.config("/Demo/T/a", AlarmSettings())
        await until(lambda: "/Demo/T/a" in pair.one.runner.evaluator.tree.leaves)
        blip = [pair.put("a", S.MAJOR, pair.two), pair.put("a", S.OK, pair.two)]
        await pair.config("/Demo/T/a", AlarmSettings(enabled=False))
        states = pair.two.standby.replayed.states
        await until(lambda: "/Demo/T/a" in states and states["/Demo/T/a"].alarm.message == "Disabled")
        assert [item.pv_time for item in pair.two.intake._uncovered.inputs()] == blip


async def test_the_tree_is_followed(pair):
    async with pair.running():
        await pair.config("/Demo/S/c", AlarmSettings())
        await pair.config("/Demo/S/a", None)
        await until(lambda: set(pair.two.source.subscriptions) == {"b", "c"})
        await until(lambda: pair.two.standby.pvs == 2)
        assert pair.two.standby.connected == 1
        pair.put("c", S.OK)
        assert pair.two.standby.connected == 2
        await pair.config("/Demo/S/a", AlarmSettings())
        await until(lambda: "a" in pair.two.source.subscriptions)
        assert pair.two.standby.connected == 2  # it has said nothing since


async def test_an_alarm_that_was_removed_at_the_last_moment_can_come_again(pair):
    """A subscription that stands says nothing again: whoever takes over must end it, or the PV would be missed then."""
    async with pair.running():
        await pair.two.standby.stop()
        await pair.config("/Demo/S/a", None)
        await until(lambda: "/Demo/S/a" not in pair.one.runner.evaluator.tree.leaves)
        await pair.kill()
        await pair.decided()
        assert set(pair.two.source.subscriptions) == {"b"}


async def test_topics_that_were_made_anew_are_read_from_their_beginning(pair):
    async with pair.running():
        standby = pair.two.standby
        former = standby.replayed
        standby.replayed.next[T.config] += 1000
        await pair.config("/Demo/S/c", AlarmSettings())
        await until(lambda: standby.replayed is not former and "c" in pair.two.source.subscriptions)
        assert not standby.problem


async def test_an_end_that_an_open_transaction_hides_is_an_end(pair, monkeypatch):
    """What a dead engine left undecided can be read by nobody, until another one takes over."""
    made = pair.journal.reader

    class Hiding:
        def __init__(self, reader):
            self._reader = reader

        def __getattr__(self, name):
            return getattr(self._reader, name)

        async def fetch(self, **limits):
            return Fetched((await self._reader.fetch(**limits)).records, False)

    monkeypatch.setattr("alarm_engine.standby._RETRY_S", 0.01)
    async with pair.running():
        await pair.two.standby.stop()
        monkeypatch.setattr(pair.journal, "reader", lambda *args: Hiding(made(*args)))
        third = Side(pair.journal)
        third.standby.start()
        try:
            await until(lambda: third.standby.caught_up)
            assert set(third.source.subscriptions) == {"a", "b"}
        finally:
            await third.standby.stop()
            monkeypatch.undo()


async def test_a_server_that_is_away_is_told_once_and_its_return_also_by_a_successor(pair):
    pvs = {f"p{number}": AlarmSettings() for number in range(12)}

    async def told():
        return [
            (e.reason, e.description.partition(": ")[2].partition(" after")[0]) for e in await pair.events() if e.kind is EventKind.SERVER
        ]

    async with pair.running(**pvs):
        for side in (pair.one, pair.two):
            for number, pv in enumerate(pvs):
                side.source.connect(pv, "ioc-a" if number else "ioc-b")
            for pv in list(pvs)[1:]:
                side.source.disconnect(pv, "ioc-a")
        went = [("server went", "11 of 11 PVs disconnected")]

        async def is_told(number):
            return len(await told()) >= number

        await until(lambda: is_told(1))
        await pair.read()
        await pair.kill()
        await pair.decided()
        # One that goes now is known to have been there, with all that it had.
        pair.two.source.disconnect("p0", "ioc-b")
        await until(lambda: is_told(2))
        assert await told() == [*went, ("server went", "1 of 1 PVs disconnected")]
        for pv in list(pvs)[1:]:
            pair.two.source.connect(pv, "ioc-a")
            pair.put(pv, S.OK, pair.two)
        await until(lambda: is_told(3))
        assert (await told())[2] == ("server is back", "11 of 11 PVs are back")


@pytest.mark.parametrize("seed", range(30))
async def test_whenever_one_dies_both_have_decided_together_what_one_alone_would_have(pair, seed):
    dice = random.Random(seed)
    alarms = {"a": AlarmSettings(latching=dice.random() < 0.7), "b": AlarmSettings(delay_s=dice.choice([0, 60]), count=dice.choice([0, 2]))}
    async with pair.running(**alarms), alone(alarms) as third:
        pair.put("a", S.OK, third)
        pair.put("b", S.OK, third)
        sides = [pair.one, pair.two, third]
        steps = dice.randint(2, 14)
        deaf_from, dead_from = dice.randint(0, 2 * steps), dice.randint(0, steps - 1)
        for step in range(steps):
            if step == deaf_from:
                await pair.two.standby.stop()
            if step == dead_from:
                await pair.kill()
                sides = [pair.two, third]
            pv = dice.choice("ab")
            if dice.random() < 0.8:
                pair.put(pv, dice.choice([S.OK, S.MINOR, S.MAJOR, S.INVALID]), *sides)
            else:
                for side in sides:
                    side.source.disconnect(pv)
            if step < dead_from and dice.random() < 0.5:
                await until(lambda: not pair.one.intake.backlog)
        await pair.two.take_over()
        await until(lambda: not pair.two.intake.backlog and not third.intake.backlog)
        assert pair.two.states() == third.states()
        assert await raised(pair.journal) == await raised(third.journal)


@asynccontextmanager
async def alone(alarms):
    """An engine that is told the same and never dies."""
    journal = MemoryJournal()
    await journal.start()
    await journal.ensure_topics(T.specs())
    for pv, settings in alarms.items():
        await journal.append([Record(T.config, key(RecordType.CONFIG, f"/Demo/S/{pv}"), encode_config(settings, "sam", "git", UTC))])
    side = Side(journal)
    await side.runner.start()
    try:
        yield side
    finally:
        await side.runner.stop()
        await journal.close()


async def raised(journal):
    """Each alarm that was raised, with the time of its PV if that is there."""
    reader = journal.reader([T.events])
    try:
        events = [decode_event(r.value) for r in (await reader.fetch(max_records=100_000, timeout_s=0.01)).records]
    finally:
        await reader.close()
    return sorted((e.path, e.to_severity.name, e.pv_time if e.snapshot.connected else 0) for e in events if e.kind is EventKind.ALARM)


async def test_nothing_is_given_up_before_the_tree_is_read_to_its_end(pair, monkeypatch):
    """An engine that was fenced begins to follow anew: what it has kept of a PV must not go because its alarm is not read yet."""
    made = pair.journal.reader
    goes_on = asyncio.Event()

    class Slow:
        """Ends in the middle, as a broker that has just begun, until the test says so."""

        def __init__(self, reader):
            self._reader = reader
            self._left = 1

        def __getattr__(self, name):
            return getattr(self._reader, name)

        async def fetch(self, **limits):
            if goes_on.is_set():
                return await self._reader.fetch(**limits)
            if not self._left:
                await asyncio.sleep(0.01)
                return Fetched((), False)
            self._left -= 1
            return Fetched((await self._reader.fetch(**{**limits, "max_records": 1})).records, False)

    monkeypatch.setattr("alarm_engine.standby._RARELY_NS", 1)
    async with pair.running():
        await pair.two.standby.stop()
        pair.put("b", S.MAJOR, pair.two)
        assert pair.two.intake.backlog == 1
        monkeypatch.setattr(pair.journal, "reader", lambda *args: Slow(made(*args)))
        again = Standby(SETTINGS, pair.journal, Inputs(pair.two.share, pair.two.intake), SystemClock())
        again.start()
        try:
            await until(lambda: again.caught_up)
            assert set(pair.two.source.subscriptions) == {"a", "b"}
            assert pair.two.intake.backlog == 1
            goes_on.set()
            await until(lambda: again.pvs == 2)
            assert pair.two.intake.backlog == 1
        finally:
            await again.stop()
