"""A site on a real Kafka broker: everything in one process, each role in its own, a broker that comes late or goes away, two engines."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import ClusterOptions, KafkaCluster
from tests.kafka_jars import Missing
from tests.system.site import DB, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


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
