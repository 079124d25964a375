"""A whole small site in memory for tests of the backend: journal, engine, live trees, history, application."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC

import httpx

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.settings import AlarmSettings, Settings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, EventId, Sample
from alarm_engine.model.times import Moment, Monotonic, Nanos
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.headers import STATE
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.state import StateExtras, encode_extras, encode_leaf_state
from alarm_engine.wire.topics import Topics, status_topic
from backend.app import create_app
from backend.history.memory import MemoryHistory
from backend.history.port import HistoryStore
from backend.live import Live
from backend.live.follower import Follower
from backend.security import Security
from backend.services import BackendSettings, Services

CELL = "cell"


class ShiftedClock:
    """The clocks of the machine, moved by hand."""

    def __init__(self) -> None:
        self.shift_s = 0.0

    def now(self) -> Moment:
        return Moment(Nanos(time.time_ns()), Monotonic(time.monotonic_ns())).plus_s(self.shift_s)


async def until(condition: Callable[[], object], deadline_s: float = 10.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


def number_notable(tree: Follower) -> int:
    """Alarms in alarm or suppressed."""
    return sum(len(alarms) for alarms in tree.notable.values())


class World:
    """One configuration, `Acc`, with an engine over a source in memory."""

    def __init__(
        self, settings: BackendSettings | None = None, security: Security | None = None, history: HistoryStore | None = None
    ) -> None:
        self.topics = Topics("Acc")
        self.journal = MemoryJournal()
        self.history = history or MemoryHistory()
        self.clock = ShiftedClock()
        self.live = Live(self.journal, {"Acc": UTC}, CELL, self.clock)
        self.source = MemorySource()
        self.engine: Engine | None = None
        self.services = Services(
            self.live, self.history, self.journal, security or Security(), self.clock, settings=settings or BackendSettings()
        )
        self.app = create_app(self.services)

    @property
    def tree(self):
        return self.live.trees["Acc"]

    async def configure(self, alarms: dict[str, Settings | None]) -> None:
        def value(settings: Settings | None) -> bytes | None:
            return encode_config(settings, "sam", "git", UTC) if settings is not None else None

        records = [Record(self.topics.config, key(RecordType.CONFIG, path), value(settings)) for path, settings in alarms.items()]
        await self.journal.append(records)

    async def start_engine(self) -> None:
        settings = EngineSettings("engine", CELL, (RunnerSettings(EvaluatorSettings("Acc")),))
        self.source = MemorySource()
        self.engine = Engine(settings, EnginePorts(self.journal, self.source, SoleOwnership(), SystemClock()))
        await self.engine.start()

    async def stop_engine(self) -> None:
        if self.engine is not None:
            await self.engine.stop()
            self.engine = None

    def feed(self, pv: str, severity: Severity, message: str = "HIHI_ALARM", value: str = "1.5") -> None:
        self.source.put(pv, severity, message, value=value)

    async def raised(self, path: str, severity: Severity = Severity.MAJOR) -> None:
        """Put an alarm into alarm, and wait until it shows."""
        self.feed(path.rpartition("/")[2], severity)
        await self.shows(path, severity)

    async def shows(self, path: str, severity: Severity) -> None:
        await until(lambda: (alarm := self.tree.alarms.get(path)) and alarm.snapshot and alarm.severity is severity)

    async def copy_history(self, but: EventId | None = None) -> None:
        """What the history writer does, one event left out."""
        reader = self.journal.reader([self.topics.events])
        fetched = await reader.fetch(max_records=1_000_000, timeout_s=0.01)
        await reader.close()
        events = [decode_event(record.value or b"") for record in fetched.records]
        await self.history.write([event for event in events if event.id != but])

    def client(self, **options: object) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://localhost", **options)  # type: ignore[arg-type]


PVS = {
    "/Acc/Vacuum/GC1": AlarmSettings("Pressure of sector 1"),
    "/Acc/Vacuum/GC2": AlarmSettings("Pressure of sector 2"),
    "/Acc/Vacuum/GC10": AlarmSettings("Pressure of sector 10"),
    "/Acc/RF/Cavity/P1": AlarmSettings("Forward power", latching=False),
    "/Acc/INTERLOCK": AlarmSettings("Main interlock"),
}


@asynccontextmanager
async def world(alarms: dict[str, Settings] | None = None, engine: bool = True, **options: object):
    """A running site; everything is stopped at the end."""
    site = World(**options)  # type: ignore[arg-type]
    await site.journal.start()
    await site.journal.ensure_topics([*site.topics.specs(), status_topic(CELL)])
    await site.configure(dict(alarms if alarms is not None else PVS))
    if engine:
        await site.start_engine()
    await site.live.start()
    await until(lambda: not site.live.problems())
    if engine:
        await until(lambda: not site.tree.freshness().stale)
    try:
        yield site
    finally:
        site.app.state.close()
        await site.live.stop()
        await site.stop_engine()
        await site.journal.close()


def standing_alarms(number: int, config: str = "Acc", step_ns: int = 1) -> list[Record]:
    """Records of that many alarms in alarm, one each `step_ns`, as an engine writes them: settings and state."""
    topic, settings = Topics(config).config, encode_config(AlarmSettings("Something that may go wrong"), "sam", "git", UTC)
    records = []
    for n in range(number):
        path, time_ns = f"/{config}/S{n % 8}/PV:{n}", Nanos(1_790_000_000_000_000_000 + n * step_ns)
        severity = (Severity.MINOR, Severity.MAJOR, Severity.INVALID)[n % 3]
        extras = StateExtras(EventId(config, 1, n + 1), EventId(config, 1, n + 1), time_ns, True, str(n), time_ns)
        sample = Sample(severity, "HIHI_ALARM", str(n), time_ns)
        value = encode_leaf_state(Alarm(*sample), sample)
        records.append(Record(topic, key(RecordType.CONFIG, path), settings))
        records.append(Record(topic, key(RecordType.STATE, path), value, ((STATE, encode_extras(extras)),)))
    return records
