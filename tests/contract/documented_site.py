"""The small site that the examples of the Python client are about, behind a real server in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import structlog

from alarm_engine.model.settings import Action, AlarmSettings, Settings, TitledText
from alarm_engine.model.severity import Severity
from tests.contract.clients import served
from tests.unit.backend_world import PVS, World
from tocsin import client as client_package
from tocsin.client import Client, State

GC1, GC10, P1, INTERLOCK = "/Acc/Vacuum/GC1", "/Acc/Vacuum/GC10", "/Acc/RF/Cavity/P1", "/Acc/INTERLOCK"
ALARMS: dict[str, Settings] = PVS | {
    GC1: AlarmSettings(
        "Pressure of sector 1",
        guidance=(TitledText("What to do", "Call **4411**"),),
        actions=(Action("Tell the group", "mailto:vacuum@lab.example", 0),),
    ),
    P1: AlarmSettings("Forward power"),
}


class DocumentedSite:
    """GC1 is in alarm, P1 is acknowledged by mara, GC10 is shelved by jo, the rest is OK."""

    def __init__(self, url: str, silent_url: str, site: World, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self.silent_url = silent_url
        """Where somebody listens and never answers."""
        self.site = site
        self._loop = loop
        self.client = Client(url, user="docs")

    def names(self) -> dict[str, Any]:
        """What examples may use without saying where it comes from."""
        public = {name: getattr(client_package, name) for name in client_package.__all__ if "Kafka" not in name}
        return {
            **public,
            "client": self.client,
            "url": self.url,
            "silent_url": self.silent_url,
            "httpx": httpx,
            "datetime": datetime,
            "timedelta": timedelta,
            "UTC": UTC,
        }

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    def begin(self) -> None:
        """How it is at the begin."""
        self.run(self._begin())
        self.client.acknowledge(P1, user="mara", reason="klystron group is informed").raise_for_outcome()
        self.client.shelve(GC10, duration="2h", user="jo", reason="gauge is being changed").raise_for_outcome()
        self.run(self.site.copy_history())

    async def _begin(self) -> None:
        for pv in ("GC2", "GC10", "INTERLOCK"):
            self.site.feed(pv, Severity.OK, "NO_ALARM")
        await self.site.raised(P1, Severity.MINOR)
        await self.site.raised(GC1)

    def restore(self) -> None:
        """As it was, after an example that gave commands; in the history they are not."""
        wanted = {GC1: State.ACTIVE, P1: State.ACKNOWLEDGED, GC10: State.SHELVED}
        for alarm in self.client.alarms(state="all").alarms:
            state = wanted.get(alarm.path, State.OK)
            if alarm.state is state:
                continue
            self.client.unshelve(alarm.path)
            self.client.enable(alarm.path)
            if state is State.ACKNOWLEDGED:
                self.client.acknowledge(alarm.path, user="mara", reason="klystron group is informed")
            elif state is State.SHELVED:
                self.client.shelve(alarm.path, duration="2h", user="jo", reason="gauge is being changed")
            else:
                self.client.unacknowledge(alarm.path)


@contextmanager
def documented_site() -> Iterator[DocumentedSite]:
    """It, at its begin; everything is stopped at the end."""
    ready, sites, loops = threading.Event(), list[tuple[World, str]](), list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()

    async def serve() -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        await asyncio.to_thread(int)  # its thread belongs to the site, not to the example that needs it first
        loops.append((asyncio.get_running_loop(), stopping))
        async with served(alarms=ALARMS) as found:
            sites.append(found)
            ready.set()
            await stopping.wait()

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))  # it would be read as an answer
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    [(site, url)], [(loop, stopping)] = sites, loops
    silent = socket.create_server(("127.0.0.1", 0))
    documented = DocumentedSite(url, f"http://127.0.0.1:{silent.getsockname()[1]}", site, loop)
    try:
        documented.begin()
        yield documented
    finally:
        documented.client.close()
        silent.close()
        loop.call_soon_threadsafe(stopping.set)
        thread.join(60)
        structlog.reset_defaults()
