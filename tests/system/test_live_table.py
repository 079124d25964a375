"""`tocsin alarms` in a pseudo-terminal, over a real engine and a real IOC."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import free_ports
from tests.system.site import DB, Site
from tests.system.terminal import terminal

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

PATIENT = "engine: {watchdog_s: 0}\n"
"""A machine that does something else for a while must not end what is tested here."""

ESCAPE, ENTER = "\x1b", "\r"


@pytest.fixture
def site(tmp_path, iocs):
    return Site(tmp_path, iocs(DB), "", PATIENT)


def address(site):
    return ("--url", str(site.client.base_url).rstrip("/"))


async def acknowledge(screen, reason):
    """As an operator does: what rose a moment ago is left alone, and then he looks again."""
    while True:
        screen.type("a")
        await screen.shows("Reason, if there is one")
        screen.type(reason + ENTER)
        if (await screen.shows("Left alone|Done: "))[0] == "Done: ":
            return
        screen.type(ESCAPE)
        await screen.lacks("Left alone")


async def test_an_alarm_rises_is_acknowledged_by_key_and_ends_in_the_history(site):
    async with site.serving(), terminal("alarms", *address(site), "--user", "mara") as screen:
        await screen.shows(r"LIVE .* 2 of 2 PVs")
        await screen.shows("No alarms. The engine is live.")
        site.put("GC1", 12)
        await screen.shows(r"MAJOR +\S*GC1 .*HIHI_ALARM +12")
        await acknowledge(screen, "pump is being changed")
        await screen.shows(r"Done: /\S+GC1 acknowledged\.")
        await screen.shows(r"major ✓ +\S*GC1 .* mara")
        (event,) = await site.events("acknowledged")
        assert (event["user"], event["comment"]) == ("mara", "pump is being changed")
        screen.type("q")
        assert await screen.ended() == 0
        assert screen.restored()


async def test_shelving_asks_for_what_is_missing_and_what_is_shelved_comes_back(site):
    async with site.serving(), terminal("alarms", *address(site), "--user", "sam") as screen:
        await screen.shows("LIVE")
        site.put("GV1", 1)
        await screen.shows(r"MAJOR +\S*GV1")
        screen.type("s")
        await screen.shows("For how long")
        screen.type("soon" + ENTER)
        await screen.shows("That is no span of time")
        screen.type("\x01\x0b")  # from the beginning, delete to the end
        await screen.lacks("soon")
        screen.type("2h" + ENTER)
        await screen.lacks("no span of time")
        screen.type(ENTER)
        await screen.shows("Please give a reason")
        screen.type("valve is being tested" + ENTER)
        await screen.shows(r"Done: /\S+GV1 shelved\.")
        await screen.shows("No alarms. The engine is live.")
        screen.type("4")
        await screen.shows(r"shelved +\S*GV1 .*in 1 h 59 min +sam +valve is being tested")
        screen.type("b")
        await screen.shows("Unshelve")
        screen.type(ENTER)
        await screen.shows(r"Done: /\S+GV1 unshelved\.")
        screen.type("1")
        await screen.shows(r"MAJOR +\S*GV1")
        screen.type("\x03")
        assert await screen.ended() == 0
        assert screen.restored()


async def test_details_guidance_filter_and_any_size(site):
    tree = (site.directory / "tree.yaml").read_text("utf-8")
    guidance = '    guidance: [{title: Who, details: "Vacuum on call, **4711**"}]\n'
    (site.directory / "tree.yaml").write_text(tree.replace("  Vacuum:\n", "  Vacuum:\n" + guidance), "utf-8")
    async with site.serving(), terminal("alarms", *address(site)) as screen:
        site.put("GC1", 12)
        site.put("GV1", 1)
        await screen.shows(r"MAJOR +\S*GV1[^$]*\n.*MAJOR +\S*GC1|MAJOR +\S*GC1[^$]*\n.*MAJOR +\S*GV1")
        screen.type("/gc1")
        await screen.shows(r"FILTER  1 of 2: with gc1")
        await screen.lacks(r"MAJOR +\S*GV1")
        screen.type(ENTER + ENTER)
        await screen.shows("Vacuum on call, 4711")
        await screen.shows("stays until acknowledged")
        screen.type(ESCAPE)
        await screen.lacks("Vacuum on call")
        screen.type(ESCAPE)
        await screen.shows(r"MAJOR +\S*GV1")
        for columns, lines in ((40, 12), (200, 50), (80, 24)):
            screen.resize(columns, lines)
            await screen.shows(r"MAJOR +\S*GC1[\s\S]*q End" if columns > 60 else r"MAJOR +\S*GC1")
            assert max(map(len, screen.text().splitlines())) <= columns
        screen.type("?")
        await screen.shows("nobody acknowledges what he has not seen")


async def test_a_backend_that_is_killed_is_told_at_once_and_it_comes_back(site):
    (port,) = free_ports(1)
    async with serving_at(site, port) as first:
        site.put("GC1", 12)
        async with terminal("alarms", "--url", f"http://127.0.0.1:{port}", "--user", "mara") as screen:
            await screen.shows(r"MAJOR +\S*GC1")
            os.kill(first.pid, signal.SIGKILL)
            await screen.shows(r"(STALE|NO CONNECTION)  [\s\S]*OLD")
            screen.type("/nothing has this name" + ENTER)
            await screen.shows("NOT KNOWN")
            screen.type(ESCAPE)
            async with serving_at(site, port):
                await screen.shows("LIVE")
                site.put("GV1", 1)
                await screen.shows(r"MAJOR +\S*GV1")
                await screen.shows(r"MAJOR +\S*GC1")


@asynccontextmanager
async def serving_at(site, port):
    """Everything in one process, behind an address that stays."""
    async with (
        site.running("run", "--port", str(port), name=f"run {len(list(site.directory.glob('run*')))}") as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as site.client,
    ):

        async def answers():
            try:
                return (await site.client.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await site.until(answers, "the web side")
        yield process


@pytest.fixture
def kafka_site(tmp_path, iocs):
    return Site(tmp_path, iocs(DB), servers_or_skip(), PATIENT)


async def test_a_killed_engine_shows_stale_and_switches_commands_off(kafka_site):
    site = kafka_site
    async with site.serving("backend"), terminal("alarms", *address(site)) as screen:
        await screen.shows("STALE|CONNECTING|NO CONNECTION")
        async with site.running("config", "sync", name="sync") as process:
            assert await asyncio.to_thread(process.wait, 120) == 0, site.output("sync")
        async with site.running("engine") as engine:
            await screen.shows(r"LIVE .* 2 of 2 PVs")
            await screen.shows("No alarms. The engine is live.")
            os.kill(engine.pid, signal.SIGKILL)
            await screen.shows(r"STALE  Not the present since [\s\S]*What is shown below is OLD")
            await screen.shows("NOT KNOWN")
            assert "The engine is live" not in screen.text()
            screen.type("a")
            await screen.shows("Commands are off")
        async with site.running("engine"):
            await screen.shows(r"LIVE .* 2 of 2 PVs")
            await screen.lacks("STALE")
