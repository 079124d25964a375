"""A real server on loopback: the stream resumes without a gap, and stopping is quick."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from alarm_engine.errors import SettingsError
from alarm_engine.model.severity import Severity
from backend.server import BackendServer
from backend.services import BackendSettings
from tests.unit.backend_world import number_notable, until, world

pytestmark = pytest.mark.system

GC1 = "/Acc/Vacuum/GC1"
P1 = "/Acc/RF/Cavity/P1"


@asynccontextmanager
async def served(**options: object):
    async with world(**options) as site:  # type: ignore[arg-type]
        server = BackendServer(site.app, "127.0.0.1", 0)
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
                yield site, client, server
        finally:
            await server.stop()


class Listener:
    """A client of the stream."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.last_id: str | None = None

    async def next(self, *names: str) -> tuple[str, dict]:
        """The next message of one of these names."""
        name, data = "message", ""
        async with asyncio.timeout(10):
            async for line in self._lines:
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif field == "id":
                    self.last_id = value
                elif not line:
                    if data and name in (names or (name,)):
                        return name, json.loads(data)
                    name, data = "message", ""
        raise AssertionError("the stream ended")


@asynccontextmanager
async def listening(client: httpx.AsyncClient, query: str = "", last_id: str | None = None):
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with client.stream("GET", f"/api/v1/stream?{query}", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Listener(response.aiter_lines())


async def test_events_and_life_signs_arrive():
    async with served() as (site, client, _), listening(client) as listener:
        _, status = await listener.next("status")
        assert (status["stale"], status["engine"]["pvs_total"], status["notify"]) == (False, 5, True)
        site.feed("GC1", Severity.MAJOR)
        _, event = await listener.next("event")
        assert (event["kind"], event["path"], event["to"], event["state"]["severity"]) == ("alarm", GC1, "MAJOR", "MAJOR")
        assert listener.last_id == event["id"] == str(site.tree.newest)
        site.clock.shift_s = 60
        await until(lambda: site.tree.freshness().stale)
        while not (await listener.next("status"))[1]["stale"]:
            pass


async def test_a_client_resumes_without_a_gap_out_of_memory():
    async with served() as (site, client, _):
        async with listening(client) as listener:
            await listener.next("status")
            site.feed("GC1", Severity.MAJOR)
            await listener.next("event")
        for pv in ("GC2", "GC10", "INTERLOCK"):
            site.feed(pv, Severity.MINOR)
        await until(lambda: number_notable(site.tree) == 4)
        async with listening(client, last_id=listener.last_id) as again:
            missed = [(await again.next("event"))[1]["path"] for _ in range(3)]
            assert missed == ["/Acc/Vacuum/GC2", "/Acc/Vacuum/GC10", "/Acc/INTERLOCK"]
            site.feed("P1", Severity.MINOR)
            assert (await again.next("event"))[1]["path"] == P1
        async with listening(client, f"after={listener.last_id}") as third:
            assert (await third.next("event"))[1]["path"] == "/Acc/Vacuum/GC2"


async def rises(site, number: int) -> None:
    """That many events of one alarm."""
    for n in range(number):
        site.feed("P1", (Severity.MINOR, Severity.MAJOR)[n % 2], value=str(n))
    await until(lambda: (snapshot := site.tree.alarms[P1].snapshot) and snapshot.current.value == str(number - 1))


async def test_a_gap_beyond_memory_is_filled_from_the_history():
    async with served() as (site, client, _):
        site.tree._tree.ring._kept = 8
        await site.raised(GC1)
        known = str(site.tree.newest)
        await rises(site, 60)
        assert site.tree.recent(site.tree.alarms[GC1].version) is None
        await site.copy_history()
        async with listening(client, last_id=known) as listener:
            values = [(await listener.next("event", "reset"))[1]["state"]["value"] for _ in range(60)]
            assert values == [str(n) for n in range(60)]
            site.feed("GC2", Severity.MAJOR)
            assert (await listener.next("event", "reset"))[1]["path"] == "/Acc/Vacuum/GC2"


async def test_a_gap_that_cannot_be_filled_is_told():
    async with served() as (site, client, _):
        site.tree._tree.ring._kept = 8
        await site.raised(GC1)
        known = str(site.tree.newest)
        await rises(site, 60)
        for last_id, word in ((known, "history"), ("Acc.1.1", "history"), ("nonsense", "nonsense"), ("Other.1.1", "Other")):
            async with listening(client, last_id=last_id) as listener:
                name, data = await listener.next("event", "reset")
                assert name == "reset"
                assert word in data["reason"]
                assert listener.last_id == str(site.tree.newest)
        assert "tocsin_stream_resets_total 4.0" in (await client.get("/metrics")).text


async def test_a_path_filters_but_the_id_goes_on():
    async with served() as (site, client, _), listening(client, "path=/Acc/Vacuum") as listener:
        await listener.next("status")
        await site.raised(P1)
        behind = str(site.tree.newest)
        while listener.last_id != behind:
            await listener.next("status")
        await site.raised(GC1)
        assert (await listener.next("event"))[1]["path"] == GC1
        await client.post("/api/v1/commands", json={"command": "acknowledge", "path": "/Acc"})
        kinds = [(await listener.next("event"))[1]["kind"] for _ in range(2)]
        assert kinds == ["acknowledged", "command"]


async def test_a_burst_arrives_whole_and_in_order():
    async with served() as (site, client, _), listening(client) as listener:
        await listener.next("status")
        await rises(site, 3000)
        values = [(await listener.next("event", "reset"))[1]["state"]["value"] for _ in range(3000)]
        assert values == [str(n) for n in range(3000)]


async def test_a_client_that_takes_nothing_is_let_go():
    async with served(settings=BackendSettings(slow_client_s=0.3)) as (site, client, server):
        with contextlib.closing(socket.create_connection(server.address)) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while "tocsin_streams 1.0" not in (await client.get("/metrics")).text:
                await asyncio.sleep(0.01)
            deadline = time.monotonic() + 30
            while "tocsin_streams 1.0" in (await client.get("/metrics")).text:
                assert time.monotonic() < deadline
                await rises(site, 500)


async def test_more_clients_than_admitted_are_told():
    async with served(settings=BackendSettings(max_streams=1)) as (_, client, _), listening(client) as listener:
        await listener.next("status")
        answer = await client.get("/api/v1/stream")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "clients" in answer.json()["message"]


async def test_it_stops_at_once_with_streams_and_commands_open():
    async with served(engine=False, settings=BackendSettings(command_timeout_s=60)) as (site, client, server):
        async with listening(client) as listener:
            await listener.next("status")
            command = asyncio.create_task(client.post("/api/v1/commands", json={"command": "acknowledge", "path": GC1}))
            await until(lambda: site.journal._ends.get(site.topics.command))
            async with asyncio.timeout(5):
                await server.stop()
            with contextlib.suppress(httpx.HTTPError):
                answer = await command
                assert answer.json()["outcome"] == "not_confirmed"
        await server.stop()
        with pytest.raises(httpx.TransportError):
            await client.get("/healthz")


async def test_a_port_in_use_is_told_with_what_to_do():
    async with served(engine=False) as (site, _, server):
        host, port = server.address
        for section, option in (("backend", "--port"), ("health", "--health-port")):
            second = BackendServer(site.app, host, port, section)
            with pytest.raises(SettingsError, match=rf"{port} .*\({option}, or {section}\.port in the settings"):
                await second.start()
            await second.stop()
        third = BackendServer(site.app, "203.0.113.7", 0)
        with pytest.raises(SettingsError, match=r"203\.0\.113\.7"):
            await third.start()


async def test_it_can_be_started_again_on_the_same_port():
    async with world(engine=False) as site:
        first = BackendServer(site.app, "127.0.0.1", 0)
        await first.start()
        await first.stop()
        second = BackendServer(site.app, *first.address)
        await second.start()
        assert second.failure() is None
        await second.stop()
