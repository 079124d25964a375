"""The whole system on a real Kafka, each role with the rights of its manifest only: they are enough, and none too many."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack

import pytest

from tests.conformance.kafka_site import PlainClient
from tests.k8s.building import overlay
from tests.system.k8s_rights import denied, elastic, give_rights, made_for, make_topics, secured, site, unused

__all__ = ["elastic", "secured", "site"]  # fixtures

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture
def objects(site):
    return made_for(site)


async def test_the_system_needs_these_rights_and_no_others(secured, site, objects, monkeypatch):
    def become(role):
        monkeypatch.setenv("TOCSIN_KAFKA__USER", f"tocsin-{role}")

    give_rights(secured, objects)
    async with AsyncExitStack() as stack:
        become("engine")
        first = await stack.enter_async_context(site.running("engine"))
        await site.said("engine", f"cannot make topic '{site.config}'.*no right")  # and waits for whoever may
        make_topics(secured, objects)
        become("sync")
        await stack.enter_async_context(site.running("config", "sync", "--watch", name="sync"))
        become("history")
        await stack.enter_async_context(site.running("history"))
        become("backend")
        await stack.enter_async_context(site.serving("backend"))
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        answer = await site.command("acknowledge", site.path("GC1"), reason="pump is being changed")
        assert answer.json()["outcome"] == "done", answer.text
        await site.until_severity("GC1", "MAJOR_ACK", "acknowledged")
        become("engine")
        await stack.enter_async_context(site.running("engine", name="second"))
        await site.said("second", rf"held by[^\n]*{first.pid}")
        become("history")
        await stack.enter_async_context(site.running("history", name="writer"))
        os.kill(first.pid, signal.SIGTERM)
        await site.said("second", "configuration restored")
        answer = await site.command("disable", site.path("GV1"))
        assert answer.json()["outcome"] == "done", answer.text

        async def kept():
            return await site.events("acknowledged")

        (event,) = await site.until(kept, "the history", lambda: site.output("history"))
        assert (event["user"], event["comment"]) == ("mara", "pump is being changed")
        await site.until(site.ready, "all is there", lambda: site.output("backend"))
        text = (site.directory / "tree.yaml").read_text("utf-8").replace("GV1 of the site", "Gate valve")
        (site.directory / "tree.yaml").write_text(text, "utf-8")

        async def edited():
            found = (await site.client.get(f"/api/v1/alarms{site.path('GV1')}")).json()
            return "Gate valve" in json.dumps(found)

        await site.until(edited, "an edit of the files", lambda: site.output("sync"))
    await restored_by_its_job(secured, site, objects, become)
    # Only before there were topics, an engine was refused something: to make them itself.
    assert denied(secured, site) == {("tocsin-engine", "CreateTopics")}
    # An engine writes into the settings when it gives up a revision that was never closed, half a minute after its sync has died.
    seldom = {("tocsin-engine", "topic", f"{site.config}Settings", "Write")}
    assert unused(secured, objects) == seldom


async def restored_by_its_job(secured, site, objects, become):
    """The journal is lost. Strimzi makes the topics, the sync brings the tree, and the job of the manifests what the history knows."""
    client = PlainClient(secured.servers)
    client.remove([one["spec"]["topicName"] for one in objects if one["kind"] == "KafkaTopic"])
    client.close()
    make_topics(secured, objects)
    become("sync")
    assert await site.config_command("sync") == 0, site.output("sync")
    become("restore")
    (job,) = [one for one in overlay("demo") if one["kind"] == "CronJob" and one["metadata"]["name"] == "tocsin-restore"]
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    words = [word for word in container["args"] if word != "--settings" and "/" not in word]
    async with site.running(*words, name="restore") as process:
        assert await asyncio.to_thread(process.wait, 40) == 0, site.output("restore")
    assert f"{site.config}: 2 alarms restored, 1 of them acknowledged, 1 shelved or out of service" in " ".join(
        site.output("restore").split()
    )
