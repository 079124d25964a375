"""What one client of the stream is sent, at the edges of what this server knows."""

from __future__ import annotations

import asyncio
import json

import pytest

from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from backend.api import stream
from backend.api.stream import Streams
from backend.live.ring import EventRing
from backend.metrics import Metrics
from tests.unit.backend_world import World, standing_alarms, until, world

GC1, GC2 = "/Acc/Vacuum/GC1", "/Acc/Vacuum/GC2"


async def first(site: World, name: str, after: EventId | None) -> dict:
    """Data of the first message of that name which a client is sent that has everything up to an event."""
    streams = Streams(site.services, Metrics(site.live))
    messages = streams.messages(stream.Wish(site.tree, None, after))
    try:
        async with asyncio.timeout(10):
            async for message in messages:
                for text in message.split(b"\n\n"):
                    if text.startswith(f"event: {name}\n".encode()):
                        return json.loads(text.rpartition(b"data: ")[2])
    finally:
        await messages.aclose()
    raise AssertionError("the stream ended")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(stream, "UNKNOWN_S", 0.05)


async def test_a_client_that_has_more_than_the_journal_loads_everything_anew(impatient):
    """The journal was replaced by an older one: no event would ever be newer than what that client has."""
    async with world() as site:
        await site.raised(GC1)
        newest = site.tree.newest
        assert newest
        reset = await first(site, "reset", newest._replace(epoch=newest.epoch + 1000))
        assert "not known here" in reset["reason"]
        assert not reset["stale"]


async def test_a_client_that_was_told_more_by_another_server_waits_until_this_one_has_read_it(impatient):
    async with world() as site:
        await site.raised(GC1)
        newest = site.tree.newest
        assert newest
        site.tree._lagging_since = 1
        reading = asyncio.create_task(first(site, "reset", newest._replace(epoch=newest.epoch + 1000)))
        done, _ = await asyncio.wait([reading], timeout=5 * stream.UNKNOWN_S)
        assert not done
        site.tree._lagging_since = None
        assert "not known here" in (await reading)["reason"]


async def test_a_client_of_another_server_is_told_what_it_missed_once_this_one_has_read_the_journal():
    async with world() as site:
        await site.raised(GC1)
        known = site.tree.newest
        assert known
        site.feed("GC2", Severity.MAJOR)
        await site.shows(GC2, Severity.MAJOR)
        ring, site.tree._tree.ring = site.tree._tree.ring, EventRing()
        site.tree.problem = "not read yet"
        reading = asyncio.create_task(first(site, "event", known))
        done, _ = await asyncio.wait([reading], timeout=0.2)
        assert not done
        site.tree._tree.ring, site.tree.problem = ring, ""
        assert (await reading)["path"] == GC2


async def test_a_client_of_another_past_loads_everything_anew():
    async with world() as site:
        await site.raised(GC1)
        before = site.tree.newest
        assert before
        await site.stop_engine()
        await site.start_engine()
        site.feed("GC2", Severity.MAJOR)
        await site.shows(GC2, Severity.MAJOR)
        assert (await first(site, "event", before))["path"]  # the true past goes on
        assert "not known here" in (await first(site, "reset", before._replace(n=before.n + 1)))["reason"]


async def test_who_comes_before_the_journal_is_read_loads_anew_once_it_is():
    """Alarms that stand for long have no event to tell of them: state records do, and those are not in the stream."""
    async with world({}, engine=False) as site:
        site.tree.problem = "not read yet"
        reading = asyncio.create_task(first(site, "reset", None))
        await asyncio.sleep(0)
        await site.journal.append(standing_alarms(3))
        await until(lambda: not site.tree.problem)
        assert "read to its end" in (await reading)["reason"]


async def test_a_history_that_hangs_does_not_hold_a_client_up(monkeypatch):
    monkeypatch.setattr(stream, "HISTORY_S", 0.05)
    async with world() as site:
        await site.raised(GC1)
        newest = site.tree.newest
        assert newest

        async def hang(_: object) -> None:
            await asyncio.Event().wait()

        site.history.events = hang  # type: ignore[method-assign,assignment]
        assert "history" in (await first(site, "reset", newest._replace(epoch=newest.epoch - 9)))["reason"]
