"""A small control room for tests of what Grafana is told: live trees from a journal in memory, a history in memory, a clock that stands."""

from __future__ import annotations

import asyncio
import fnmatch
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC

import httpx
from fastapi import FastAPI

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import is_below, name, system
from alarm_engine.model.settings import AlarmSettings, TitledText
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Nanos
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.status import encode_status
from alarm_engine.wire.topics import status_topic
from backend.api.grafana import grafana_router
from backend.api.rows import rows_router
from backend.history.port import Bucket, CountBy, EventPage, EventQuery, Frequency, Interval
from backend.live import Live
from backend.queries.request import Sources
from tests.unit.evaluating import START, TOPICS, Control

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


class MemoryHistory:
    """Events in a list; as plain as the port allows."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self.stored = list(events)
        self.broken = False
        self.looked_up: list[str] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def write(self, events: Sequence[Event]) -> int:
        self.stored += events
        return len(events)

    async def delete_before(self, config: str, time: Nanos) -> int:
        raise NotImplementedError

    def _select(self, config: str, start: Nanos, end: Nanos, prefix: str | None) -> list[Event]:
        if self.broken:
            raise HistoryUnavailable("the store is away")
        return [
            event
            for event in self.stored
            if event.id.config == config and start <= event.time < end and (prefix is None or is_below(event.path, prefix))
        ]

    async def events(self, query: EventQuery) -> EventPage:
        found = [
            event
            for event in self._select(query.config, query.start, query.end, query.path_prefix)
            if (not query.severities or event.to_severity in query.severities)
            and (not query.kinds or event.kind in query.kinds)
            and (query.pv is None or fnmatch.fnmatchcase(name(event.path), query.pv))
            and (not query.text or query.text.casefold() in f"{event.path}\n{event.description}\n{event.comment}".casefold())
        ]
        found.sort(key=lambda event: event.id, reverse=not query.oldest_first)
        return EventPage(tuple(found[: query.limit]), None)

    async def last_before(self, config: str, paths: Sequence[str], time: Nanos) -> dict[str, Event]:
        found = self._select(config, Nanos(0), time, None)
        return {event.path: event for event in found if event.path in paths and event.snapshot}

    async def intervals(self, config: str, paths: Sequence[str], start: Nanos, end: Nanos) -> list[Interval]:
        self.looked_up += paths
        found: list[Interval] = []
        for path in paths:
            before = (await self.last_before(config, [path], start)).get(path)
            steps = [event for event in self._select(config, start, end, path) if event.snapshot and event.path == path]
            time, state = start, before
            for event in [*steps, None]:
                until = end if event is None else event.time
                if time < until:
                    found.append(_interval(path, time, until, state))
                time, state = until, event
        return found

    async def counts(
        self, config: str, start: Nanos, end: Nanos, bucket_s: int, by: CountBy, path_prefix: str | None = None
    ) -> list[Bucket]:
        size = bucket_s * NANOS_PER_SECOND
        rises = [event for event in self._select(config, start, end, path_prefix) if event.kind is EventKind.ALARM]
        buckets = []
        for begin in range(start // size * size, end, size):
            mine = [event for event in rises if begin <= event.time < begin + size]
            labels = Counter(event.to_severity.name if by is CountBy.SEVERITY else system(event.path) for event in mine)
            buckets.append(Bucket(Nanos(begin), dict(labels)))
        return buckets

    async def most_frequent(self, config: str, start: Nanos, end: Nanos, limit: int, path_prefix: str | None = None) -> list[Frequency]:
        rises = [event for event in self._select(config, start, end, path_prefix) if event.kind is EventKind.ALARM]
        counted = Counter(event.path for event in rises)
        return [Frequency(path, name(path), n) for path, n in sorted(counted.items(), key=lambda item: (-item[1], item[0]))][:limit]


def _interval(path: str, start: Nanos, end: Nanos, event: Event | None) -> Interval:
    snapshot = event.snapshot if event else None
    if snapshot is None:
        return Interval(path, start, end, None, suppressed=False, connected=False)
    return Interval(path, start, end, snapshot.alarm.severity, snapshot.suppression is not None, snapshot.connected)


def scenario() -> Control:
    """Two hours: V1 chatters and stays MAJOR, V2 is acknowledged, V4 shelved, a PV gone, an odd name in alarm, the rest quiet."""
    control = Control(ALARMS)
    for pv in ("V1", "V2", "V3", "V4", "DOOR", "X", "TOP", "sim://cavity"):
        control.sample(pv, Severity.OK)
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
    history: MemoryHistory
    clock: StandingClock
    client: httpx.AsyncClient

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
async def running_site(control: Control | None = None, *, alive: bool = True) -> AsyncIterator[Site]:
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
    history = MemoryHistory([event for changes in control.history for event in changes.events])
    await live.start()
    try:
        await _caught_up(live, len(ALARMS), alive)
        yield_site = Site(live, history, clock, httpx.AsyncClient())
        app = FastAPI(redirect_slashes=False)
        app.include_router(rows_router(yield_site))
        app.include_router(grafana_router(yield_site))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://backend") as client:
            yield replace(yield_site, client=client)
    finally:
        await live.stop()
        await journal.close()


async def _caught_up(live: Live, alarms: int, alive: bool) -> None:
    async with asyncio.timeout(5):
        while True:
            tree = live.trees["Demo"]
            known = [alarm for alarm in tree.alarms.values() if alarm.snapshot]
            if len(tree.alarms) == alarms and known and tree.freshness().stale is not alive:
                return
            await asyncio.sleep(0.005)


__all__ = ["ALARMS", "START", "EventId", "MemoryHistory", "Site", "running_site", "scenario"]
