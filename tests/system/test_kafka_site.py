"""A site on a real Kafka broker: everything in one process, each role in its own, a broker that comes late or goes away, two engines."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.contract.kafka_topics import servers_or_skip
from tests.ioc import Ioc, port_pool
from tests.kafka_broker import ClusterOptions, KafkaCluster, free_ports, random_topic
from tests.kafka_jars import Missing

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

DB = """
record(ao, "$(P)GC1") { field(HIGH, 5) field(HSV, MINOR) field(HIHI, 10) field(HHSV, MAJOR) field(PINI, YES) }
record(bi, "$(P)GV1") { field(ZNAM, "Open") field(ONAM, "Closed") field(OSV, MAJOR) field(PINI, YES) }
"""
_PATIENCE = 1500


class Site:
    """Files of a site, and processes that serve it."""

    def __init__(self, directory: Path, ioc: Ioc, servers: str) -> None:
        self.directory, self.ioc, self.config = directory, ioc, random_topic("Plant")
        self.client = httpx.AsyncClient()
        names = "\n".join(f'      "{ioc.prefix}{name}": {name} of the site' for name in ("GC1", "GV1"))
        (directory / "tree.yaml").write_text(f"config: {self.config}\nsystems:\n  Vacuum:\n    pvs:\n{names}\n", encoding="utf-8")
        addresses = json.dumps(port_pool().environment()["EPICS_CA_ADDR_LIST"].split())
        (directory / "site.yaml").write_text(
            f"configurations: [{{tree: tree.yaml, name: {self.config}, time_zone: Europe/Berlin}}]\n"
            f"cell: {self.config}\njournal: kafka\nkafka: {{servers: '{servers}'}}\n"
            f"channel_access: {{addr_list: {addresses}, auto_addr_list: false}}\nlog: {{form: json}}\n",
            encoding="utf-8",
        )

    def output(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(encoding="utf-8")

    @asynccontextmanager
    async def running(self, role: str, *options: str, name: str = ""):
        """A real process of a role; it is ended by its id."""
        name = name or role
        with (self.directory / f"{name}.log").open("w", encoding="utf-8") as output:
            process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                [sys.executable, "-m", "tocsin", role, *options, "-s", str(self.directory / "site.yaml")],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "COLUMNS": "400"},
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            await asyncio.to_thread(process.wait, 20)

    async def config_command(self, command: str) -> int:
        """`tocsin config ...` to its end; returns its exit status."""
        async with self.running("config", command, name=command) as process:
            return await asyncio.to_thread(process.wait, 30)

    async def said(self, name: str, pattern: str) -> re.Match[str]:
        async def found():
            return re.search(pattern, self.output(name))

        return await self.until(found, f"{pattern} of {name}", lambda: self.output(name))

    async def until(self, condition, what: str, more=lambda: ""):
        for _ in range(_PATIENCE):
            if result := await condition():
                return result
            await asyncio.sleep(0.02)
        pytest.fail(f"waited in vain for: {what}\n{more()}")

    @asynccontextmanager
    async def serving(self, role: str = "run"):
        (port,) = free_ports(1)
        async with (
            self.running(role, "--port", str(port)) as process,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as self.client,
        ):

            async def answers():
                try:
                    return (await self.client.get("/healthz")).status_code == 200
                except httpx.TransportError:
                    assert process.poll() is None, self.output(role)
                    return False

            await self.until(answers, "the web side", lambda: self.output(role))
            yield process

    async def ready(self) -> bool:
        return (await self.client.get("/readyz")).status_code == 200

    async def alarms(self, state: str = "active") -> dict[str, str]:
        answer = await self.client.get("/api/v1/alarms", params={"state": state})
        return {a["path"]: a["severity"] for a in answer.json()["alarms"]} if answer.status_code == 200 else {}

    def path(self, name: str) -> str:
        return f"/{self.config}/Vacuum/{self.ioc.prefix}{name}"

    def put(self, name: str, value: float) -> None:
        self.ioc.put(f"{self.ioc.prefix}{name}", value)

    async def until_severity(self, name: str, severity: str, state: str = "active") -> None:
        async def there():
            return (await self.alarms(state)).get(self.path(name)) == severity

        await self.until(there, f"{name} {severity}", lambda: "\n".join(log.read_text() for log in self.directory.glob("*.log")))

    async def events(self, kind: str) -> list[dict]:
        answer = await self.client.get("/api/v1/events", params={"path": self.path("GC1"), "start": "-1h", "kind": kind})
        return answer.json()["events"] if answer.status_code == 200 else []

    async def command(self, command: str, path: str, **fields: str) -> httpx.Response:
        return await self.client.post("/api/v1/commands", json={"command": command, "path": path, "user": "mara", **fields}, timeout=20)


@pytest.fixture
def site(tmp_path, iocs):
    return Site(tmp_path, iocs(DB), servers_or_skip())


@pytest.fixture
def broker():
    try:
        cluster = KafkaCluster(ClusterOptions())
    except Missing as problem:
        pytest.skip(str(problem))
    with cluster:
        yield cluster


async def test_everything_in_one_process_and_over_a_restart(site):
    async with site.serving():
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        answer = await site.command("acknowledge", site.path("GC1"), reason="pump is being changed")
        assert (answer.status_code, answer.json()["outcome"]) == (200, "done")
        await site.until_severity("GC1", "MAJOR_ACK", "acknowledged")
    async with site.serving():
        await site.until_severity("GC1", "MAJOR_ACK", "acknowledged")
        (event,) = await site.events("acknowledged")
        assert (event["user"], event["comment"]) == ("mara", "pump is being changed")
        site.put("GC1", 0)

        async def cleared():
            return site.path("GC1") not in {**await site.alarms("active"), **await site.alarms("acknowledged")} and await site.ready()

        await site.until(cleared, "cleared")


async def test_each_role_in_its_own_process_and_a_second_engine(site):
    assert await site.config_command("sync") == 0, site.output("sync")
    assert await site.config_command("diff") == 0, site.output("diff")
    (site.directory / "tree.yaml").unlink()  # the tree is in the journal, and nobody needs the file any more
    text = (site.directory / "site.yaml").read_text(encoding="utf-8")
    (site.directory / "site.yaml").write_text(text.replace("tree: tree.yaml, ", ""), encoding="utf-8")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(site.running("engine", "--health-port", "0"))
        health = (await site.said("engine", r"(http://\S+)/readyz"))[1]
        await stack.enter_async_context(site.running("history"))
        await stack.enter_async_context(site.serving("backend"))
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")

        await site.until(site.ready, "the backend", lambda: site.output("backend") + site.output("history"))
        async with httpx.AsyncClient(base_url=health) as client:
            figures = (await client.get("/metrics")).text
            assert f'tocsin_engine_pvs_connected{{config="{site.config}"}} 2.0' in figures
            assert (await client.get("/readyz")).json() == {"ready": True, "missing": {}}

        await stack.enter_async_context(site.running("engine", name="second"))
        await site.said("second", rf"held by[^\n]*{first.pid}")
        assert (await site.command("acknowledge", site.path("GC1"))).json()["outcome"] == "done"
        assert await site.config_command("export") == 0, site.output("export")
        assert f"{site.ioc.prefix}GC1" in site.output("export")
        os.kill(first.pid, signal.SIGTERM)
        await site.said("second", "configuration restored")
        site.put("GV1", 1)
        await site.until_severity("GV1", "MAJOR")
        assert (await site.alarms("acknowledged"))[site.path("GC1")] == "MAJOR_ACK"


async def test_a_broker_that_comes_late_and_goes_away_for_a_while(tmp_path, iocs, broker):
    site = Site(tmp_path, iocs(DB), broker.servers)
    broker.brokers[0].kill()
    async with site.serving():
        await site.said("run", "does not answer.*waiting for the journal")
        assert not await site.ready()
        broker.brokers[0].start()
        await site.until(site.ready, "all is there", lambda: site.output("run"))
        site.put("GC1", 7)
        await site.until_severity("GC1", "MINOR")

        broker.brokers[0].kill()
        site.put("GV1", 1)
        site.put("GV1", 0)  # a blip that nobody could write down

        async def stale():
            return (await site.client.get("/api/v1/alarms")).json()["stale"]

        await site.until(stale, "stale", lambda: site.output("run"))
        answer = await site.command("acknowledge", site.path("GC1"))
        assert answer.status_code in (202, 503), answer.text
        assert answer.json().get("outcome", "not_confirmed") == "not_confirmed"
        broker.brokers[0].start()
        await site.until_severity("GV1", "MAJOR")  # latched

        async def fresh():
            return not await stale() and await site.ready()

        await site.until(fresh, "fresh again", lambda: site.output("run"))
        assert (await site.command("acknowledge", site.path("GC1"))).json()["outcome"] == "done"


async def test_roles_alone_need_kafka(tmp_path):
    (tmp_path / "site.yaml").write_text("configurations: [{name: Plant}]\n", encoding="utf-8")
    command = [sys.executable, "-m", "tocsin", "engine", "-s", str(tmp_path / "site.yaml")]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "journal: sqlite" in ended.stderr
    assert "Traceback" not in ended.stderr
