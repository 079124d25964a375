"""Somebody else who writes states: what those are told who look."""

from __future__ import annotations

import asyncio
from datetime import UTC

import pytest

from alarm_engine.clock import SystemClock
from alarm_engine.errors import WireError
from alarm_engine.foreign import BEGUN, ENDED
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import Nanos
from alarm_engine.wire.event import encode_event
from alarm_engine.wire.status import decode_status, encode_status
from alarm_engine.wire.topics import Topics, status_topic
from backend.api.stream import Streams, Wish
from backend.live.follower import Follower
from backend.live.tree import Tree
from backend.metrics import Metrics
from backend.queries.registry import QUERIES
from backend.queries.request import Sources, read_ask
from tests.unit.backend_world import world

T, CELL = Topics("Acc"), status_topic("cell")
TEXT = "another server writes states of Acc too, the first was /Acc/S/A at 2026-11-22T13:35:47.120Z: stop it; ..."


def event(n: int, reason: str, kind: EventKind = EventKind.FOREIGN, comment: str = TEXT) -> Record:
    value = encode_event(Event(EventId("Acc", 5, n), Nanos(n), kind, "/Acc", Severity.OK, Severity.OK, reason, comment=comment))
    return Record(T.events, "event:/Acc", value)


def status(foreign: str) -> Record:
    now = SystemClock().now().wall
    return Record(CELL.name, "status:Acc", encode_status(EngineStatus("e", "Acc", 5, now, 1, 1, 0, 0, 0, 0, 0, "Acc.5.1", foreign=foreign)))


@pytest.fixture
async def journal():
    journal = MemoryJournal()
    await journal.start()
    await journal.ensure_topics([*T.specs(), CELL])
    yield journal
    await journal.close()


async def followed(journal: MemoryJournal, records: list[Record], text: str) -> str:
    await journal.append(records)
    follower = Follower(journal, Tree("Acc", UTC), "cell", SystemClock())
    follower.start()
    try:
        async with asyncio.timeout(5):
            while follower.problem or follower.freshness().foreign != text:
                await asyncio.sleep(0.01)
        return follower.freshness().foreign
    finally:
        await follower.stop()


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([event(1, "took over", EventKind.ENGINE, "")], ""),
        ([event(1, BEGUN)], TEXT),
        ([event(1, BEGUN), event(2, ENDED, comment="quiet")], ""),
        ([event(1, BEGUN), event(2, "took over", EventKind.ENGINE, "")], ""),  # whoever takes over says it again if it is so
        ([status(TEXT)], TEXT),  # began so long ago that the event is not in memory
        ([status("")], ""),
    ],
)
async def test_what_is_known_of_it(journal, records, text):
    assert await followed(journal, records, text) == text


def test_a_life_sign_of_an_engine_that_does_not_know_of_it_is_read():
    value = status("").value or b""
    assert decode_status(value.replace(b',"foreign":""', b"")).foreign == ""
    with pytest.raises(WireError):
        decode_status(b'{"v":1,"engine":"e"}')


async def test_the_page_and_grafana_are_told_at_once_and_nothing_looks_calm():
    async with world() as site:
        assert site.engine is not None
        reader = Streams(site.services, Metrics(site.live)).messages(Wish(site.tree, None, None))
        assert b'"foreign":""' in await anext(reader)
        state = b'{"severity":"OK"}'
        await site.journal.append([Record(site.topics.config, "state:/Acc/RF", state)])
        async with asyncio.timeout(5):
            while b'"foreign":"another server writes states of Acc' not in (message := await anext(reader)):
                pass
        assert b'"kind":"foreign"' in message  # with the event, not with the next life sign
        await reader.aclose()
        sources = Sources(site.live.trees, site.history, site.clock.now().wall)
        (engine,) = await QUERIES["engine"].rows(sources, read_ask([], sources.now))
        assert engine["state"] == "SECOND WRITER"
        active = await QUERIES["active"].rows(sources, read_ask([], sources.now))
        assert active[0]["description"].startswith("Second writer: another server writes states of Acc")
        assert all("No active alarms" not in row["description"] for row in active)
