"""A site on a real IOC, served by real processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.ioc import Ioc, port_pool
from tests.kafka_broker import free_ports, random_topic

DB = """
record(ao, "$(P)GC1") { field(HIGH, 5) field(HSV, MINOR) field(HIHI, 10) field(HHSV, MAJOR) field(PINI, YES) }
record(bi, "$(P)GV1") { field(ZNAM, "Open") field(ONAM, "Closed") field(OSV, MAJOR) field(PINI, YES) }
"""
_PATIENCE = 1500


class Site:
    """Files of a site, and processes that serve it."""

    def __init__(self, directory: Path, ioc: Ioc, servers: str, more: str = "") -> None:
        """`servers` of Kafka, empty: the journal is embedded; `more`: further lines of the settings."""
        self.directory, self.ioc, self.config = directory, ioc, random_topic("Plant")
        self.client = httpx.AsyncClient()
        names = "\n".join(f'      "{ioc.prefix}{name}": {name} of the site' for name in ("GC1", "GV1"))
        (directory / "tree.yaml").write_text(f"config: {self.config}\nsystems:\n  Vacuum:\n    pvs:\n{names}\n", encoding="utf-8")
        journal = f"journal: kafka\nkafka: {{servers: '{servers}'}}\n" if servers else ""
        addresses = json.dumps(port_pool().environment()["EPICS_CA_ADDR_LIST"].split())
        (directory / "site.yaml").write_text(
            f"configurations: [{{tree: tree.yaml, name: {self.config}, time_zone: Europe/Berlin}}]\n"
            f"cell: {self.config}\n{journal}"
            f"channel_access: {{addr_list: {addresses}, auto_addr_list: false}}\nlog: {{form: json}}\n{more}",
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

    async def events(self, kind: str, name: str = "GC1") -> list[dict]:
        answer = await self.client.get("/api/v1/events", params={"path": self.path(name), "start": "-1h", "kind": kind})
        return answer.json()["events"] if answer.status_code == 200 else []

    async def command(self, command: str, path: str, **fields: str) -> httpx.Response:
        return await self.client.post("/api/v1/commands", json={"command": command, "path": path, "user": "mara", **fields}, timeout=20)
