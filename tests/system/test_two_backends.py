"""Two backends behind one address: a client that is cut from one goes on at the other, and misses nothing and gets nothing twice.

Real processes on a real broker; the address is a line that the test leads now to the one, now to the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import uuid
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.model.state import EventId
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.topics import Topics
from tests.chaos.network import Network
from tests.contract.journals import read_all
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import free_ports
from tests.system.site import DB, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


class Pair:
    """Two backends, and the address before them."""

    def __init__(self, site: Site, network: Network) -> None:
        self.site = site
        self.ports = free_ports(3)
        self.line = network.line(("127.0.0.1", self.ports[2]), ("127.0.0.1", self.ports[0]))
        self.url = f"http://127.0.0.1:{self.ports[2]}"
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def direct(self, which: int) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.ports[which]}", timeout=20)

    @asynccontextmanager
    async def backend(self, which: int, name: str = ""):
        async with self.site.running("backend", "--port", str(self.ports[which]), name=name or f"backend-{which}") as process:
            self.processes[which] = process
            yield process

    async def until_ready(self, which: int) -> None:
        async def ready():
            async with self.direct(which) as client:
                try:
                    missing = (await client.get("/readyz")).json()["missing"]
                except httpx.TransportError:
                    return False
                return not [why for what, why in missing.items() if "history" not in what]

        await self.site.until(ready, f"backend {which}", lambda: self.site.output(f"backend-{which}"))

    def lead_to(self, which: int) -> None:
        """Every connection is cut; the next ones come to that backend."""
        self.line.cut()
        self.line.target = ("127.0.0.1", self.ports[which])
        self.line.mend()


class Client:
    """Follows the events at the address, and goes on wherever it comes to."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.events: list[dict] = []
        self.newest = ""
        """Newest id of any message, as a browser keeps it."""
        self.resets: list[dict] = []
        self.connections = 0
        self.told = 0
        """Events of this connection."""

    async def follow(self) -> None:
        async with httpx.AsyncClient(base_url=self.pair.url, timeout=5) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    await self._once(client)
                await asyncio.sleep(0.02)

    async def _once(self, client: httpx.AsyncClient) -> None:
        self.connections, self.told = self.connections + 1, 0
        given: dict = {"params": {"config": self.pair.site.config}}
        if self.newest and self.connections % 2:
            given["params"]["after"] = self.newest
        elif self.newest:
            given["headers"] = {"Last-Event-ID": self.newest}
        async with client.stream("GET", "/api/v1/stream", **given) as answer:
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                else:
                    self._take(fields)
                    fields = {}

    def _take(self, fields: dict[str, str]) -> None:
        self.newest = fields.get("id", self.newest)
        if fields.get("event") == "event":
            self.told += 1
            self.events.append(json.loads(fields["data"]))
        elif fields.get("event") == "reset":
            self.resets.append(json.loads(fields["data"]))

    def about(self, correlation: str) -> list[dict]:
        return [event for event in self.events if event.get("correlation") == correlation]


async def published(site: Site, servers: str) -> list[str]:
    journal = KafkaJournal(KafkaSettings(servers))
    await journal.start()
    try:
        return [str(decode_event(record.value).id) for record in await read_all(journal, Topics(site.config).events) if record.value]
    finally:
        await journal.close()


@pytest.fixture
async def site(tmp_path, iocs):
    site = Site(tmp_path, iocs(DB), servers_or_skip())
    assert await site.config_command("sync") == 0, site.output("sync")
    return site


@pytest.fixture
async def pair(site):
    """Both are there, and an engine."""
    with Network() as network:
        pair = Pair(site, network)
        async with AsyncExitStack() as stack:
            pair.engine = await stack.enter_async_context(site.running("engine"))
            await stack.enter_async_context(pair.backend(0))
            await stack.enter_async_context(pair.backend(1))
            for which in (0, 1):
                await pair.until_ready(which)
            site.client = await stack.enter_async_context(pair.direct(1))
            await site.until_severity("GV1", "OK", "all")
            yield pair


@asynccontextmanager
async def following(pair):
    """A client that has been told its first event."""
    client = Client(pair)
    task = asyncio.create_task(client.follow())
    try:

        async def connected():
            return client.newest

        await pair.site.until(connected, "the stream", lambda: pair.site.output("backend-0"))
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def change(site: Site, times: int) -> None:
    """It is in alarm at each second time, and OK at the end."""
    for n in range(times):
        await asyncio.to_thread(site.put, "GV1", (n + 1) % 2)


async def goes_on(pair, client) -> None:
    """Something happens until the client, which was just cut off, is told of it in a new connection."""
    connections = client.connections

    async def told():
        await change(pair.site, 2)
        return client.connections > connections and client.told

    logs = pair.site.directory.glob("*.log")
    await pair.site.until(told, "the stream goes on", lambda: "\n".join(log.read_text() for log in logs))


async def has_all_once(pair, client, first) -> None:
    """What the client was told is what was published since it came, in order."""
    everything: list[str] = []

    async def whole():
        nonlocal everything
        everything = await published(pair.site, servers_or_skip())
        return bool(client.events) and client.events[-1]["id"] == everything[-1]

    more = lambda: f"{client.resets}\n{len(client.events)}\n" + pair.site.output("backend-0") + pair.site.output("backend-1")  # noqa: E731
    await pair.site.until(whole, "all that was published", more)
    assert not client.resets, client.resets
    told = [event["id"] for event in client.events]
    since = everything.index(told[0])
    assert since <= everything.index(first) + 1
    assert told == everything[since:]


async def test_a_client_changes_from_one_to_the_other_in_the_middle_of_a_stream(pair):
    async with following(pair) as client:
        first = client.newest
        for turn in range(8):
            changing = asyncio.create_task(change(pair.site, 20))
            pair.lead_to((turn + 1) % 2)
            await goes_on(pair, client)
            await changing
        await has_all_once(pair, client, first)
        assert client.connections > 8


async def test_another_engine_takes_over_while_a_client_changes(pair):
    site = pair.site
    async with site.running("engine", name="engine-2"), following(pair) as client:
        first = client.newest
        await change(site, 20)
        await site.said("engine-2", "is held by")
        pair.engine.kill()
        pair.lead_to(1)
        correlation = str(uuid.uuid4())
        body = {"command": "acknowledge", "path": site.path("GV1"), "user": "mara", "id": correlation}
        # Sent through one, which is killed before there is an answer, and sent again through the other.
        async with pair.direct(0) as early:
            sending = asyncio.create_task(early.post("/api/v1/commands", json=body))

            async def written():
                return await commands(site, correlation)

            await site.until(written, "the command in the journal")
            pair.processes[0].kill()
            with contextlib.suppress(httpx.TransportError):
                await sending
        async with pair.direct(1) as other:

            async def done():
                answer = await other.post("/api/v1/commands", json=body)
                assert answer.status_code in {200, 202}, answer.text
                return answer.json() if answer.status_code == 200 else None

            answer = await site.until(done, "an answer", lambda: site.output("engine-2"))
        assert answer["outcome"] == "done"

        async def told():
            return client.about(correlation)

        await site.until(told, "the answer in the stream")
        await change(site, 20)
        await has_all_once(pair, client, first)
        assert len({EventId.parse(event["id"]).epoch for event in client.events}) == 2
        assert [event["path"] for event in client.about(correlation) if event["kind"] == "acknowledged"] == [site.path("GV1")]
        assert [event["id"] for event in client.about(correlation)].count(answer["event"]) == 1
        # Asked once more, the other backend knows the answer that it did not ask for itself.
        async with pair.backend(0, "backend-again"), pair.direct(0) as again:
            await pair.until_ready(0)
            repeated = (await again.post("/api/v1/commands", json=body)).json()
            assert (repeated["outcome"], repeated["event"]) == ("done", answer["event"])


async def commands(site: Site, correlation: str) -> bool:
    journal = KafkaJournal(KafkaSettings(servers_or_skip()))
    await journal.start()
    try:
        return any(correlation in repr(record) for record in await read_all(journal, Topics(site.config).command))
    finally:
        await journal.close()


async def test_a_client_comes_to_a_backend_that_has_just_been_started(pair):
    async with following(pair) as client:
        first = client.newest
        pair.processes[0].kill()
        for turn in range(3):
            pair.lead_to(0)
            await change(pair.site, 20)
            async with pair.backend(0, f"fresh-{turn}"):
                await goes_on(pair, client)
                pair.lead_to(1)
                await goes_on(pair, client)
        await has_all_once(pair, client, first)
