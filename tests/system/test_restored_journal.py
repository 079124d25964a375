"""Kafka is lost with all that was in it: the tree comes back from its files, and all else from the history."""

from __future__ import annotations

import asyncio
import re

import pytest

from alarm_engine.wire.topics import Topics
from tests.conformance.kafka_site import PlainClient
from tests.contract.kafka_topics import servers_or_skip
from tests.system.site import DB, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def lose(servers: str, config: str) -> None:
    """All topics of a configuration, and what the broker knew of their readers."""
    client = PlainClient(servers)
    client.remove([spec.name for spec in Topics(config).specs()])
    client.close()


async def command(site: Site, *words: str) -> tuple[int, str]:
    """A `tocsin` command to its end: exit code, and what it said."""
    async with site.running(*words, name=words[-1]) as process:
        code = await asyncio.to_thread(process.wait, 40)
    return code, re.sub(r"\s+", " ", site.output(words[-1]))


async def alarm(site: Site, name: str) -> dict:
    answer = await site.client.get(f"/api/v1/alarms{site.path(name)}")
    assert answer.status_code == 200, answer.text
    return answer.json()["alarm"]


async def test_what_operators_did_is_there_again(tmp_path, iocs):
    servers = servers_or_skip()
    site = Site(tmp_path, iocs(DB), servers)
    async with site.serving():
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        answer = await site.command("acknowledge", site.path("GC1"), reason="pump is being changed")
        assert answer.json()["outcome"] == "done", answer.text
        assert (await site.command("disable", site.path("GV1"), reason="being repaired")).json()["outcome"] == "done"

        async def stored():
            return await site.events("acknowledged") and await site.events("disabled", "GV1")

        await site.until(stored, "both in the history", lambda: site.output("run"))
        (risen,) = await site.events("alarm")
    await asyncio.to_thread(lose, servers, site.config)

    assert (await command(site, "config", "sync"))[0] == 0
    code, said = await command(site, "history", "restore")
    assert code == 0, said
    assert f"{site.config}: 2 alarms restored, 1 of them acknowledged, 1 shelved or out of service" in said

    async with site.serving():
        await site.until(site.ready, "the site", lambda: site.output("run"))
        gauge, valve = await alarm(site, "GC1"), await alarm(site, "GV1")
        assert gauge["severity"] == "MAJOR_ACK"
        assert (gauge["acknowledgement"]["user"], gauge["acknowledgement"]["reason"]) == ("mara", "pump is being changed")
        assert gauge["rise"] == risen["id"]
        assert valve["suppression"]["user"] == "mara"
        assert valve["suppression"]["reason"] == "being repaired"
        assert len(await site.events("alarm")) == 1, "no alarm rose again"
        # It goes on as ever, and with new ids.
        site.put("GC1", 0)

        async def cleared():
            return await site.events("cleared")

        (event,) = await site.until(cleared, "that the alarm cleared", lambda: site.output("run"))
        assert int(event["id"].split(".")[1]) > int(risen["id"].split(".")[1])
