"""Files of events from a real server: clients that are slow, that go away, a store that goes away."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from backend.past import export
from tests.system.test_backend_server import served
from tests.unit.backend_world import until
from tests.unit.test_api_past import ManyEvents

pytestmark = pytest.mark.system

EXPORT = "/api/v1/events/export?format=ndjson"


async def test_nothing_is_read_for_a_client_that_takes_nothing_or_is_gone():
    async with served(engine=False) as (site, client, _):
        store = ManyEvents(1_000_000)
        site.history.events = store.events
        async with client.stream("GET", EXPORT) as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            stood, calm = -1, 0
            while calm < 20:  # until the buffers between us are full
                calm = calm + 1 if stood == store.asked else 0
                stood = store.asked
                await asyncio.sleep(0.02)
            assert store.asked < 200
            for _ in range(stood * export.PAGE):
                await anext(lines)  # it goes on as soon as we do
            assert store.asked > stood
        gone = store.asked
        assert (await client.get("/healthz")).status_code == 200
        assert store.asked - gone <= 2
        assert store.asked < 1_000


async def test_a_store_that_goes_away_cuts_the_file(monkeypatch):
    monkeypatch.setattr(export, "_TRIES", 1)
    async with served(engine=False) as (site, client, _):
        store = ManyEvents(20_000)
        site.history.events = store.events
        store.fail_at = 5
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(EXPORT)
        await until(lambda: store.asked == 5)
        store.fail_at = None
        assert len((await client.get(EXPORT)).text.splitlines()) == 20_000
