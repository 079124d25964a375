"""A small control room for tests of what Grafana is told: live trees from a journal in memory, a history in memory, a clock that stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC

import httpx
from fastapi import FastAPI

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event
from alarm_engine.model.path import name
from alarm_engine.model.settings import AlarmSettings, TitledText
from alarm_engine.model.severity import Severity
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Nanos
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.status import encode_status
from alarm_engine.wire.topics import status_topic
from backend.app import Services, create_app
from backend.history.memory import MemoryHistory
from backend.history.port import Interval
from backend.live import Live
from backend.queries.request import Sources
from backend.security import Security
from tests.unit.evaluating import TOPICS, Control

BASE = "http://127.0.0.1"
CELL = "cell"
ODD = 'Odd "A&B" $q+%41'
V1, V2, V3, V4 = (f"/Demo/Vacuum/Sector 1/V{n}" for n in (1, 2, 3, 4))
SAFE = "/Demo/Personnel Safety/DOOR"
GONE = "/Demo/RF/sim:\\/\\/cavity"
ODD_ONE = f"/Demo/{ODD}/X"
TOP = "/Demo/TOP"

ALARMS = {
    V1: AlarmSettings("*!Ion pump", guidance=(TitledText("Wiki", "https://wiki.example.org/ion pump".replace(" ", "-")),)),
    V2: AlarmSettings("Gauge", guidance=(TitledText("Steps", "1. Look.\n2. Call 4711."),)),
    V3: AlarmSettings("Valve"),
    V4: AlarmSettings("Leak rate"),
    SAFE: AlarmSettings("Door"),
    GONE: AlarmSettings("Cavity", guidance=(TitledText("Bad", "javascript:alert(1)"),)),
    ODD_ONE: AlarmSettings("Odd one"),
    TOP: AlarmSettings("Ring current"),
}


class StandingClock:
    """Tells one moment until it is moved."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment

    def now(self) -> Moment:
        return self.moment


class WatchedHistory(MemoryHistory):
    """Remembers which alarms were looked up, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.looked_up: list[str] = []

    def _of(self, config: str) -> list[Event]:
        if self.broken:
            raise HistoryUnavailable("the store is away")
        return super()._of(config)

    async def intervals(self, config: str, paths: Sequence[str], start: Nanos, end: Nanos) -> list[Interval]:
        self.looked_up += paths
        return await super().intervals(config, paths, start, end)


def scenario(alarms: Mapping[str, AlarmSettings] = ALARMS) -> Control:
    """Two hours: V1 chatters and stays MAJOR, V2 is acknowledged, V4 shelved, a PV gone, an odd name in alarm, the rest quiet."""
    control = Control(dict(alarms))
    for path in alarms:
        control.sample(name(path), Severity.OK)
    control.advance(3600)
    control.link("sim://cavity", False)
    control.sample("V2", Severity.MINOR, value="2.5 mbar")
    control.sample("V4", Severity.MAJOR)
    control.sample("X", Severity.INVALID)
    control.advance(600)
    control.command(CommandKind.ACKNOWLEDGE, V2, reason="known")
    control.command(CommandKind.SHELVE, V4, reason="pump exchange", until=Nanos(control.now.wall + 7200 * NANOS_PER_SECOND))
    for _ in range(4):
        control.sample("V1", Severity.MAJOR, value="49 µA")
        control.advance(5)
        control.command(CommandKind.ACKNOWLEDGE, V1)
        control.sample("V1", Severity.OK)
        control.advance(5)
    control.sample("V1", Severity.MAJOR, value="49 µA")
    control.advance(1800)
    return control


@dataclass(slots=True)
class Site:
    """What the routers need, and a client that asks them."""

    live: Live
    history: WatchedHistory
    clock: StandingClock
    client: httpx.AsyncClient
    app: FastAPI

    @property
    def sources(self) -> Sources:
        return Sources(self.live.trees, self.history, self.clock.now().wall)

    def later(self, seconds: float) -> None:
        """Time passes without a life sign."""
        self.clock.moment = self.clock.moment.plus_s(seconds)


def life_sign(control: Control, now: Moment) -> EngineStatus:
    events = [event for changes in control.history for event in changes.events]
    return EngineStatus(
        "ops7:1", "Demo", control.evaluator.emitter._epoch, now.wall, len(ALARMS), len(ALARMS) - 1, 1, 1, 1, 0, 0, str(events[-1].id)
    )


@asynccontextmanager
async def running_site(control: Control | None = None, *, alive: bool = True, security: Security | None = None) -> AsyncIterator[Site]:
    """The site, following its journal; with `alive` the engine has just given its life sign."""
    control = control or scenario()
    clock = StandingClock(control.now)
    journal = MemoryJournal()
    await journal.start()
    await journal.ensure_topics([*TOPICS.specs(), status_topic(CELL)])
    settings = {path: leaf.settings for path, leaf in control.evaluator.tree.leaves.items()}
    configs = [Record(TOPICS.config, key(RecordType.CONFIG, path), encode_config(one, "sam", "git", UTC)) for path, one in settings.items()]
    await journal.append([*configs, *(Record(r.topic, r.key, r.value, r.headers) for r in control.records)])
    if alive:
        status = Record(status_topic(CELL).name, key(RecordType.STATUS, "Demo"), encode_status(life_sign(control, clock.now())))
        await journal.append([status])
    live = Live(journal, {"Demo": UTC}, CELL, clock)
    history = WatchedHistory()
    await history.write([event for changes in control.history for event in changes.events])
    await live.start()
    try:
        await _caught_up(live, alive)
        app = create_app(Services(live, history, journal, security or Security(), clock))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
            yield Site(live, history, clock, client, app)
    finally:
        await live.stop()
        await journal.close()


async def _caught_up(live: Live, alive: bool) -> None:
    async with asyncio.timeout(5):
        while True:
            tree = live.trees["Demo"]
            if tree.alarms and not live.problems() and tree.freshness().stale is not alive:
                return
            await asyncio.sleep(0.005)
