"""An engine beside somebody else who writes states of its configuration."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.port import Record
from alarm_engine.logic.foreign import QUIET_S, ForeignWriter
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Moment
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.wire.state import decode_state
from tests.unit.test_engine import GC, Site, T

FOREIGN = (
    b'{"severity":"MAJOR_ACK","message":"HIHI_ALARM","value":"3.0","time":{"seconds":1,"nano":0},'
    b'"current_severity":"MAJOR","current_message":"HIHI_ALARM"}'
)


class Jumping(SystemClock):
    """The clocks of the machine, and whatever a test adds."""

    ahead_s = 0.0

    def now(self) -> Moment:
        return super().now().plus_s(self.ahead_s)


class Beside(Site):
    """A site with another writer."""

    @asynccontextmanager
    async def evaluated(self, policy: ForeignWriter):
        runner = RunnerSettings(EvaluatorSettings("Demo"), foreign_writer=policy)
        self.source, self.clock = MemorySource(), Jumping()
        ports = EnginePorts(self.journal, self.source, SoleOwnership(), self.clock)
        await self.begin(GC1=AlarmSettings("Pressure"))
        engine = Engine(EngineSettings("test", "cell", (runner,)), ports)
        await engine.start()
        try:
            self.source.connect("GC1")
            self.source.put("GC1", Severity.MAJOR, "HIHI_ALARM", value="3.0")
            await self.until(lambda e: e.kind is EventKind.ALARM)
            yield engine
        finally:
            await engine.stop()
            await self.journal.close()

    async def foreign(self, value: bytes = FOREIGN) -> None:
        await self.journal.append([Record(T.config, f"state:{GC}", value)])

    async def state(self):
        """The last state of the alarm on the topic."""
        found = [r for r in await self.read(T.config) if r.key == f"state:{GC}"]
        return found[-1], decode_state(found[-1].value)

    async def until_true(self, what) -> None:
        async with asyncio.timeout(2 * self.patience_s):
            while not await what():
                await asyncio.sleep(0.01)


async def test_it_is_told_and_written_over():
    site = Beside()
    async with site.evaluated(ForeignWriter.REASSERT) as engine:
        await site.foreign()
        event = await site.until(lambda e: e.kind is EventKind.FOREIGN)
        assert (event.path, event.reason) == ("/Demo", "foreign writer")
        record, state = await site.state()
        assert (record.header("tocsin-state") is not None, state.alarm.severity) == (True, Severity.MAJOR)
        assert "another server writes states of Demo" in engine.problems()["Demo"]
        assert engine.statuses()[0].foreign == engine.problems()["Demo"]
        # Its own are not, nor what clients write.
        number = engine.runners[0].foreign.number
        await site.command(CommandKind.ACKNOWLEDGE, GC)
        await site.config(GC, AlarmSettings("Pressure in front"))
        await site.until(lambda e: e.kind is EventKind.CONFIGURED)
        assert engine.runners[0].foreign.number == number == 1
        site.clock.ahead_s = QUIET_S
        await site.until(lambda e: e.reason == "foreign writer is quiet")
        assert engine.problems() == {}


async def test_one_that_yields_writes_nothing_until_it_is_quiet_and_goes_on_from_what_it_finds():
    await yields_until_it_is_quiet(Beside())


async def yields_until_it_is_quiet(site: Beside) -> None:
    """Also on a real broker: `tests/contract/test_foreign_kafka.py`."""
    async with site.evaluated(ForeignWriter.YIELD) as engine:
        await site.foreign()
        await site.until(lambda e: e.kind is EventKind.FOREIGN)
        assert "we write nothing" in engine.problems()["Demo"]
        end = await site.journal.end(T.events)
        site.source.put("GC1", Severity.INVALID, "LINK_ALARM")

        async def turned():
            return engine.runners[0].intake.backlog > 0

        await site.until_true(turned)
        for ahead_s in (2, 5, 10):  # alive all the time
            site.clock.ahead_s = ahead_s

            async def alive():
                return engine.statuses()[0].evaluator_age_ms < 1000

            await site.until_true(alive)
        assert await site.journal.end(T.events) == end
        assert (await site.state())[1].alarm.severity is Severity.MAJOR_ACK
        site.clock.ahead_s = 10 + QUIET_S
        # The acknowledgement of the other server is known, and what the PV said meanwhile is decided.
        event = await site.until(lambda e: e.kind is EventKind.ALARM and e.to_severity is Severity.INVALID)
        assert event.from_severity is Severity.MAJOR_ACK

        async def settled():
            return engine.problems() == {}

        await site.until_true(settled)
