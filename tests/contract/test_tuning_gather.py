"""What is read from a history store to judge an alarm, from each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from backend.history.port import HistoryStore
from backend.tuning.gather import Gatherer, Range
from backend.tuning.recording import Recording
from backend.tuning.replay import play
from tests.contract.histories import ADAPTERS
from tests.unit.evaluating import START, Control
from tests.unit.test_tuning_replay import events_of, told, whole

pytestmark = pytest.mark.timeout(150)  # the first one starts a server

PATH, PV, OTHER = "/Demo/A/p0", "p0", "/Demo/B/p1"
OK, MAJOR = Severity.OK, Severity.MAJOR


class Past:
    """A control room whose events are in a store."""

    def __init__(self, history: HistoryStore) -> None:
        self.history = history
        self.control = Control({PATH: AlarmSettings("pump"), OTHER: AlarmSettings("valve")})

    async def gatherer(self, start: int, **options: int) -> Gatherer:
        await self.history.write(events_of([self.control]))
        return Gatherer(self.history, Range("Demo", start, self.control.now.wall + 1), **options)  # type: ignore[arg-type]

    async def recording(self, start: int = START.wall, **options: int) -> Recording:
        return await (await self.gatherer(start, **options)).recording(PATH)

    def wait(self) -> int:
        self.control.advance(100)
        return self.control.now.wall


@pytest.fixture(params=sorted(ADAPTERS))
async def past(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Past]:
    history = ADAPTERS[request.param](tmp_path)
    await history.start()
    yield Past(history)
    await history.close()


async def test_all_that_decides_about_an_alarm_and_nothing_else(past: Past) -> None:
    past.control.sample(PV, MAJOR)
    past.control.sample("p1", MAJOR)
    past.control.command(CommandKind.ACKNOWLEDGE, "/Demo")
    past.control.command(CommandKind.MAINTENANCE, "/Demo")
    found = await past.recording()
    assert found.events == whole(past.control).events
    assert {event.path for event in found.events} == {PATH, "/Demo"}
    assert EventKind.MODE in {event.kind for event in found.events}


async def test_how_things_stood_at_the_begin(past: Past) -> None:
    past.control.sample(PV, MAJOR)
    past.control.command(CommandKind.MAINTENANCE, "/Demo")
    past.control.command(CommandKind.DISABLE_NOTIFY, "/Demo")
    start = past.wait()
    past.control.sample(PV, OK)
    found = await past.recording(start)
    assert found.maintenance
    assert found.before is not None
    assert found.before.to_severity is MAJOR
    assert [event.kind for event in found.events] == [EventKind.CHANGED]
    assert told(play(found, AlarmSettings("pump")).events) == told(found.own)
    past.control.command(CommandKind.NORMAL, "/Demo")
    assert not (await past.recording(past.wait())).maintenance


async def test_an_alarm_that_was_removed_before_does_not_stand(past: Past) -> None:
    past.control.sample(PV, MAJOR)
    past.control.remove(PATH)
    start = past.wait()
    past.control.configure(PATH, AlarmSettings("pump"))
    past.control.sample(PV, OK)
    found = await past.recording(start)
    assert found.before is None
    assert told(play(found, AlarmSettings("pump")).events) == told(found.own)


async def test_of_too_many_events_the_newest(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.tuning.gather.MAX_PAGE", 4)
    for _ in range(10):
        past.control.sample(PV, MAJOR)
        past.control.sample(PV, OK)
    found = await past.recording(most_events=10)
    assert found.is_cut
    own = list(found.own)
    assert len(own) == 12  # full pages
    assert found.start == own[0].time
    assert own[-1].id == list(whole(past.control).own)[-1].id
    assert found.before is not None
    assert found.breaks == 0


async def test_worst_and_touched(past: Past) -> None:
    for pv in (PV, "p1"):
        past.control.sample(pv, OK)
    start = past.wait()
    for pv, times in ((PV, 1), ("p1", 2)):
        for _ in range(times):
            past.control.sample(pv, MAJOR)
            past.control.sample(pv, OK)
            past.control.command(CommandKind.ACKNOWLEDGE, "/Demo")
    gatherer = await past.gatherer(start)
    assert await gatherer.worst("/Demo", 5) == [OTHER, PATH]
    assert await gatherer.worst("/Demo", 1) == [OTHER]
    assert await gatherer.worst("/Demo/A", 5) == [PATH]
    later = await past.gatherer(past.wait())
    assert await gatherer.touched([PATH, OTHER, "/Demo/unknown"]) == [PATH, OTHER]
    assert await later.touched([PATH, OTHER]) == []


async def test_it_begins_where_the_commands_and_switches_that_are_read_begin(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.tuning.gather.MOST_EVENTS", 1)
    monkeypatch.setattr("backend.tuning.gather.MAX_PAGE", 1)
    past.control.sample(PV, MAJOR)
    past.wait()
    past.control.command(CommandKind.MAINTENANCE, "/Demo")
    past.wait()
    past.control.command(CommandKind.NORMAL, "/Demo")
    begin = past.control.now.wall
    past.wait()
    past.control.sample(PV, OK)
    found = await past.recording(most_events=100)
    assert found.is_cut
    assert found.start == begin
    assert all(event.time >= begin for event in found.events)
