"""The whole path on real parts: an IOC over Channel Access, the engine, one SQLite file, the web side."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.ioc import Ioc, port_pool
from tocsin.application import Application
from tocsin.settings import Settings
from tocsin.settings_sections import (
    BackendSection,
    ChannelAccessSection,
    ConfigurationSettings,
    DashboardsSection,
    EngineSection,
)

pytestmark = pytest.mark.system

DB = """
record(ao, "$(P)GC1") { field(HIGH, 5) field(HSV, MINOR) field(HIHI, 10) field(HHSV, MAJOR) field(PINI, YES) }
record(bi, "$(P)GV1") { field(ZNAM, "Open") field(ONAM, "Closed") field(OSV, MAJOR) field(PINI, YES) }
"""
TREE = """
config: Site
systems:
  Vacuum:
    guidance: [{title: Who, details: "Vacuum on call, **4711**"}]
    pvs:
      "%(P)sGC1": Pressure in sector 1
      "%(P)sGV1": {description: Gate valve 1, latching: false}
      "%(P)sNONE": Never there
"""


class Site:
    """A running application and a client."""

    def __init__(self, directory: Path, ioc: Ioc) -> None:
        self.directory, self.ioc = directory, ioc
        (directory / "tree.yaml").write_text(TREE % {"P": ioc.prefix}, encoding="utf-8")
        addresses = tuple(port_pool().environment()["EPICS_CA_ADDR_LIST"].split())
        self.settings = Settings(
            configurations=(ConfigurationSettings(tree=directory / "tree.yaml", time_zone=None),),
            store=directory / "tocsin.sqlite",
            engine=EngineSection(connection_timeout_s=1.5),
            channel_access=ChannelAccessSection(addr_list=addresses, auto_addr_list=False),
            backend=BackendSection(port=0),
            dashboards=DashboardsSection(out=directory / "grafana"),
        )
        self.client = httpx.AsyncClient()

    @asynccontextmanager
    async def running(self):
        application = Application(self.settings)
        try:
            await application.start()
            async with httpx.AsyncClient(base_url=application.url, timeout=10) as self.client:
                yield self
        finally:
            await application.stop()

    def path(self, name: str) -> str:
        return f"/Site/Vacuum/{self.ioc.prefix}{name}"

    async def get(self, url: str, **params: str) -> dict:
        answer = await self.client.get("/api/v1/" + url, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def alarms(self, state: str = "active") -> dict[str, str]:
        return {a["path"]: a["severity"] for a in (await self.get("alarms", state=state))["alarms"]}

    async def until(self, condition, what: str):
        for _ in range(500):
            if result := await condition():
                return result
            await asyncio.sleep(0.02)
        pytest.fail(f"waited in vain for: {what}; alarms are {await self.alarms('all')}")

    async def until_severity(self, name: str, severity: str, state: str = "active") -> None:
        async def there():
            return (await self.alarms(state)).get(self.path(name)) == severity

        await self.until(there, f"{name} {severity}")

    async def command(self, command: str, path: str, **fields: str) -> httpx.Response:
        return await self.client.post("/api/v1/commands", json={"command": command, "path": path, "user": "mara", **fields})


@pytest.fixture
def site(tmp_path, iocs):
    return Site(tmp_path, iocs(DB))


async def test_from_caput_to_acknowledged_and_over_a_restart(site):
    async with site.running():
        site.ioc.put(f"{site.ioc.prefix}GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        await site.until_severity("NONE", "UNDEFINED")
        detail = await site.get("alarms" + site.path("GC1"))
        assert "<strong>4711</strong>" in json.dumps(detail)
        assert detail["stale"] is False
        answer = await site.command("acknowledge", site.path("GC1"), reason="pump is being changed")
        assert (answer.status_code, answer.json()["outcome"]) == (200, "done")
        await site.until_severity("GC1", "MAJOR_ACK", "acknowledged")
        assert list((site.directory / "grafana/dashboards").rglob("*.json"))
    async with site.running():
        await site.until_severity("GC1", "MAJOR_ACK", "acknowledged")

        async def connected():
            status = (await site.get("configurations"))["configurations"][0]
            return "2" in json.dumps(status) and status

        await site.until(connected, "connections")
        events = (await site.get("events", path=site.path("GC1"), start="-1h", kind="acknowledged"))["events"]
        assert [(e["user"], e["comment"]) for e in events] == [("mara", "pump is being changed")]
        site.ioc.put(f"{site.ioc.prefix}GC1", 0)

        async def cleared():
            return site.path("GC1") not in {**await site.alarms("active"), **await site.alarms("acknowledged")}

        await site.until(cleared, "cleared")


async def test_an_acknowledgement_survives_the_restart_of_the_ioc(site):
    async with site.running():
        site.ioc.put(f"{site.ioc.prefix}GV1", 1)
        await site.until_severity("GV1", "MAJOR")
        assert (await site.command("acknowledge", "/Site")).status_code == 200
        await site.until_severity("GV1", "MAJOR_ACK", "acknowledged")
        site.ioc.stop()
        await site.until_severity("GV1", "UNDEFINED")
        site.ioc.restart()
        site.ioc.put(f"{site.ioc.prefix}GV1", 1)
        await site.until_severity("GV1", "MAJOR_ACK", "acknowledged")


async def test_an_edit_of_the_tree_is_in_force_without_a_restart(site):
    async with site.running():
        site.ioc.put(f"{site.ioc.prefix}GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        await site.command("acknowledge", site.path("GC1"))
        tree = site.directory / "tree.yaml"
        text = tree.read_text(encoding="utf-8").replace("Pressure in sector 1", "Pressure, edited").replace("NONE", "NOTHING")
        tree.write_text(text, encoding="utf-8")

        async def edited():
            return site.path("NOTHING") in await site.alarms("all")

        await site.until(edited, "the edited tree")
        assert site.path("NONE") not in await site.alarms("all")
        detail = await site.get("alarms" + site.path("GC1"))
        assert "Pressure, edited" in json.dumps(detail)
        assert (await site.alarms("acknowledged"))[site.path("GC1")] == "MAJOR_ACK"


async def test_a_broken_edit_keeps_what_was_there(site):
    async with site.running():
        await site.until_severity("NONE", "UNDEFINED")
        (site.directory / "tree.yaml").write_text("config: Site\nsystems: {Vacuum: {pvs: [", encoding="utf-8")

        async def told():
            return "tocsin_tree_files_faulty 1.0" in (await site.client.get("/metrics")).text

        await site.until(told, "the gauge")
        assert site.path("GC1") in await site.alarms("all")


async def test_the_stream_tells_of_a_change(site):
    async with site.running():
        seen: list[str] = []

        async def listen():
            async with site.client.stream("GET", "/api/v1/stream", params={"config": "Site"}, timeout=20) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        seen.append(line)

        listening = asyncio.create_task(listen())

        async def open_():
            return bool(seen)

        await site.until(open_, "the first words of the stream")
        site.ioc.put(f"{site.ioc.prefix}GC1", 7)

        async def told():
            return any("MINOR" in line and "GC1" in line for line in seen)

        await site.until(told, "the event in the stream")
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
