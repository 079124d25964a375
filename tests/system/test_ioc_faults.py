"""IOCs that are killed, hang, are cut off and start again, with a whole site on them: what the history says, and what is kept."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import asynccontextmanager, closing
from pathlib import Path

import orjson
import pytest

from tests.chaos.network import Network
from tests.ioc import LOOPBACK, Ioc, start_ioc
from tests.system.site import Site

pytestmark = pytest.mark.system

NUMBER = 300
DB = "".join(
    f'record(ao, "$(P)S{n}") {{ field(HIHI, 10) field(HHSV, MAJOR) field(VAL, {20 if n < 3 else 1}) field(PINI, YES) }}\n'
    for n in range(NUMBER)
)
ELSEWHERE = "127.0.0.7"
"""Where a line to an IOC begins: its port is that of the IOC, since the answer to a search names the port alone."""


class Plant(Site):
    """A site with many PVs on one IOC."""

    def __init__(self, directory: Path, ioc: Ioc, name_server: str = "") -> None:
        super().__init__(directory, ioc, "")
        names = "\n".join(f'      "{ioc.prefix}S{n}": Sensor {n}' for n in range(NUMBER))
        (directory / "tree.yaml").write_text(f"config: {self.config}\nsystems:\n  Vacuum:\n    pvs:\n{names}\n", encoding="utf-8")
        text = (directory / "site.yaml").read_text(encoding="utf-8")
        found = "addr_list: [], name_servers: [" + name_server + "]" if name_server else f"addr_list: ['{ioc.addr}']"
        text, changed = re.subn(
            r"channel_access: \{addr_list: \[[^]]*\], auto_addr_list: false\}",
            "channel_access: {" + found + ", auto_addr_list: false, server_timeout_s: 1}",
            text,
        )
        assert changed == 1
        (directory / "site.yaml").write_text(text, encoding="utf-8")

    async def servers(self) -> list[dict]:
        """Events about IOCs, oldest first."""
        answer = await self.client.get("/api/v1/events", params={"start": "-1h", "kind": "server", "order": "oldest"})
        return answer.json()["events"] if answer.status_code == 200 else []

    async def until_told(self, number: int) -> dict:
        async def told():
            return len(await self.servers()) >= number

        await self.until(told, f"{number} events about IOCs", lambda: self.output("run"))
        found = await self.servers()
        assert len(found) == number
        return found[-1]

    async def until_all(self, severity: str) -> None:
        async def there():
            return list((await self.alarms("all")).values()).count(severity) >= NUMBER - 3

        await self.until(there, f"all {severity}", lambda: self.output("run"))

    @asynccontextmanager
    async def acknowledged(self):
        """Running, with three standing alarms that are acknowledged."""
        async with self.serving():
            await self.until_severity("S0", "MAJOR")
            await self.until_all("OK")
            await self.until_severity("S2", "MAJOR")
            answer = await self.command("acknowledge", f"/{self.config}", id="ack", reason="known")
            assert answer.json()["outcome"] == "done", answer.text
            yield

    async def until_kept(self) -> None:
        for name in ("S0", "S1", "S2"):
            await self.until_severity(name, "MAJOR_ACK", "acknowledged")

    def sentences(self) -> list[str]:
        """What was given to annunciators about PVs that went."""
        with closing(sqlite3.connect(f"file:{self.directory / 'tocsin.sqlite'}?mode=ro", uri=True)) as file:
            rows = file.execute(
                "SELECT value FROM record WHERE topic = (SELECT id FROM topic WHERE name = ?)", (f"{self.config}Talk",)
            ).fetchall()
        return [text for (value,) in rows if "disconnected" in (text := orjson.loads(value)["talk"]).lower()]


async def test_an_ioc_that_is_killed_and_started_again(tmp_path, iocs):
    ioc = iocs(DB)
    plant = Plant(tmp_path, ioc)
    async with plant.acknowledged():
        ioc.stop()
        went = await plant.until_told(1)
        await plant.until_all("UNDEFINED")
        assert went["reason"] == "server went"
        assert went["host"].endswith(f":{ioc.port}")
        assert went["description"] == f"{went['host']}: {NUMBER} of {NUMBER} PVs disconnected"
        assert plant.sentences() == [f" {NUMBER} alarms: PV disconnected"]
        await asyncio.to_thread(ioc.restart)
        back = await plant.until_told(2)
        assert (back["reason"], back["host"]) == ("server is back", went["host"])
        assert re.search(rf": {NUMBER} of {NUMBER} PVs are back after \d+ s$", back["description"])
        await plant.until_kept()
        # In the history as in the log, found by the name of the IOC.
        answer = await plant.client.get("/api/v1/events", params={"start": "-1h", "q": f":{ioc.port}"})
        assert {event["kind"] for event in answer.json()["events"]} == {"server"}
        assert plant.sentences() == [f" {NUMBER} alarms: PV disconnected"]


async def test_an_ioc_that_hangs_and_goes_on(tmp_path, iocs):
    ioc = iocs(DB)
    plant = Plant(tmp_path, ioc)
    async with plant.acknowledged():
        ioc.pause()
        try:
            went = await plant.until_told(1)
            assert went["description"].endswith(f"{NUMBER} of {NUMBER} PVs disconnected")
            await plant.until_all("UNDEFINED")
        finally:
            ioc.resume()
        await plant.until_told(2)
        await plant.until_kept()
        assert plant.sentences() == [f" {NUMBER} alarms: PV disconnected"]


@pytest.mark.parametrize("fault", ["cut", "deafen"])
async def test_a_network_that_is_cut_and_mended(tmp_path, fault):
    network = Network()
    try:
        with start_ioc(DB) as ioc:
            line = network.line((ELSEWHERE, ioc.port), (LOOPBACK, ioc.port))
            plant = Plant(tmp_path, ioc, f"'{ELSEWHERE}:{ioc.port}'")
            async with plant.acknowledged():
                await asyncio.to_thread(getattr(line, fault))
                went = await plant.until_told(1)
                assert went["description"].endswith(f"{NUMBER} of {NUMBER} PVs disconnected")
                await plant.until_all("UNDEFINED")
                await asyncio.to_thread(line.mend)
                await plant.until_told(2)
                await plant.until_kept()
                assert plant.sentences() == [f" {NUMBER} alarms: PV disconnected"]
    finally:
        network.close()
