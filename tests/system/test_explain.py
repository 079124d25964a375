"""`tocsin explain` and `tocsin at` against a site with a real IOC: what an operator reads at 3 am is what is the case."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime

import pytest

from tests.contract.kafka_topics import servers_or_skip
from tests.system.site import DB, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


async def run(site: Site, *arguments: str, **environment: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tocsin", *arguments, cwd=site.directory,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TOCSIN_URL": str(site.client.base_url), "TZ": "Europe/Berlin", **environment},
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    assert b"Traceback" not in err
    return process.returncode, out.decode(), err.decode()


async def explained(site: Site, what: str, *arguments: str) -> dict:
    code, out, err = await run(site, "explain", what, "--json", *arguments)
    assert code in (0, 3), err
    return json.loads(out)


def causes(story: dict) -> dict[str, str]:
    return {one["code"]: one["text"] for one in story["why"]}


@pytest.fixture
def site(tmp_path, iocs):
    return Site(tmp_path, iocs(DB), "")


def with_settings(site: Site, name: str, settings: str) -> None:
    """Other settings for an alarm."""
    file = site.directory / "tree.yaml"
    file.write_text(file.read_text().replace(f"{name} of the site", settings))


async def test_the_life_of_an_alarm(site):
    pv = f"{site.ioc.prefix}GC1"
    async with site.serving():
        await site.until_severity("GC1", "OK", "ok")
        story = await explained(site, pv)
        assert story["path"] == site.path("GC1"), "a PV name alone is enough"
        assert "is not in alarm" in story["answer"]
        assert story["often"] == ["It did not rise in the last 7 days."]

        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        story = await explained(site, site.path("GC1"), "-s", "site.yaml", "--url", str(site.client.base_url))
        assert "nobody has acknowledged it: MAJOR" in story["answer"]
        assert "MAJOR (HIHI_ALARM), value 12.0" in causes(story)["pv"]
        assert {one["name"]: one["source"] for one in story["settings"]} == {"latching": "by default, or as the tree says"}

        site.put("GC1", 1)

        async def latched():
            return "latched" in causes(await explained(site, pv))

        await site.until(latched, "the latch")
        story = await explained(site, pv)
        assert "the PV was MAJOR (HIHI_ALARM) with value 12.0" in causes(story)["latched"]
        assert "as soon as somebody acknowledges it" in story["next"][0]
        assert any("OK → MAJOR, PV MAJOR with value 12.0; raised" in one["what"] for one in story["transitions"])

        site.put("GC1", 7)
        answer = await site.command("acknowledge", site.path("GC1"), reason="pump is being changed")
        assert answer.json()["outcome"] == "done"
        await site.until_severity("GC1", "MINOR_ACK", "acknowledged")
        story = await explained(site, pv)
        assert "by mara" in causes(story)["acknowledged"]
        assert "pump is being changed" in causes(story)["acknowledged"]
        assert "rises again if the PV gets worse than MINOR" in story["next"][0]

        answer = await site.command("shelve", site.path("GC1"), reason="vented", duration="1h")
        assert answer.json()["outcome"] == "done", answer.text
        await site.until_severity("GC1", "OK", "shelved")
        story = await explained(site, pv)
        assert "by mara" in causes(story)["shelved"]
        assert "vented" in causes(story)["shelved"]
        assert "tocsin unshelve" in story["next"][0]
        code, out, _ = await run(site, "explain", "Vacuum")
        assert code == 0
        assert "is hidden and does not count" in out
        assert "shelved by mara" in out


async def test_a_delay_a_place_in_the_files_and_a_filter(site):
    with_settings(site, "GC1", '{description: Gauge, delay: 300, filter: "X > 1"}')
    async with site.serving():
        await site.until_severity("GC1", "OK", "ok")
        site.put("GC1", 12)

        async def delayed():
            return "delayed" in causes(await explained(site, f"{site.ioc.prefix}GC1"))

        await site.until(delayed, "the delay")
        story = await explained(site, site.path("GC1"), "-s", "site.yaml", "--url", str(site.client.base_url))
        assert "its delay of 300 s is running: the alarm rises at" in causes(story)["delayed"]
        assert "does not evaluate them" in causes(story)["filter"]
        delay = next(one for one in story["settings"] if one["name"] == "delay")
        assert delay["source"].split(":")[0].endswith("tree.yaml"), delay


async def test_a_pv_that_is_gone(site):
    async with site.serving():
        await site.until_severity("GC1", "OK", "ok")
        site.ioc.stop()
        await site.until_severity("GC1", "UNDEFINED")
        story = await explained(site, site.path("GC1"))
        assert "is its IOC up?" in causes(story)["disconnected"]
        assert "also when the PV is back" in story["next"][0]


async def test_what_is_not_there_gets_proposals_and_a_backend_that_is_away_a_sentence(site):
    async with site.serving():
        await site.until_severity("GC1", "OK", "ok")
        code, out, err = await run(site, "explain", f"{site.ioc.prefix}GC2")
        assert (code, out) == (2, "")
        assert f"did you mean {site.path('GC1')}" in err
        code, _, err = await run(site, "explain", site.path("GC1") + "x")
        assert code == 2
        assert f"did you mean {site.path('GC1')}" in err
    code, _, err = await run(site, "explain", site.path("GC1"))
    assert code == 2
    assert "cannot be reached" in err


async def test_an_engine_that_is_gone_is_said_first_of_all(tmp_path, iocs):
    site = Site(tmp_path, iocs(DB), servers_or_skip())
    assert await site.config_command("sync") == 0, site.output("sync")
    async with site.running("engine") as engine, site.serving("backend"):
        await site.until_severity("GC1", "OK", "ok")

        async def fresh():
            return (await run(site, "explain", site.path("GC1")))[0] == 0

        await site.until(fresh, "a life sign")
        engine.kill()
        await asyncio.to_thread(engine.wait, 20)

        async def stale():
            return (await run(site, "explain", site.path("GC1")))[0] == 3

        await site.until(stale, "an answer that says it is old")
        code, out, _ = await run(site, "explain", site.path("GC1"))
        assert out.startswith("STALE: There was no life sign of the engine for")
        assert "it can not be trusted" in out.splitlines()[0]
        assert "The history can not be asked" in out, "no history runs here, and the rest is told all the same"
        assert code == 3
        assert "can not be trusted" in (await explained(site, "Vacuum"))["doubt"]


async def test_without_a_backend_the_topics_tell_the_same(tmp_path, iocs):
    site = Site(tmp_path, iocs(DB), servers_or_skip())
    async with site.serving():
        await site.until_severity("GC1", "OK", "ok")
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        site.put("GC1", 1)
    assert await site.config_command("sync") == 0, site.output("sync")
    async with site.running("engine"):
        kafka = ("--via", "kafka", "-s", "site.yaml")

        async def latched():
            code, out, _ = await run(site, "explain", f"{site.ioc.prefix}GC1", "--json", *kafka)
            return json.loads(out) if code == 0 else None

        story = await site.until(latched, "an engine that evaluates", lambda: site.output("engine"))
        assert "with value 12.0" in causes(story)["latched"]
        assert "It rose once" in story["often"][0]
        code, out, err = await run(site, "at", "now", *kafka)
        assert code == 0, err
        assert site.path("GC1") in out


# ---------------------------------------------------------------------------------------------------------------- the past


async def test_the_tree_as_it_was_and_what_differs(site):
    async with site.serving():
        await site.until_severity("GC1", "OK", "ok")
        calm = datetime.now(UTC)
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")

        async def recorded():
            return await site.events("alarm")

        await site.until(recorded, "the event")
        moment = calm.isoformat()

        async def complete():
            code, out, _ = await run(site, "at", "now", "--format", "json")
            return json.loads(out) if code == 0 else None

        body = await site.until(complete, "a life sign")
        assert [one["path"] for one in body["alarms"]] == [site.path("GC1")]
        assert (body["complete"], body["remark"]) == (True, "")
        assert body["root"]["severity"] == "MAJOR"

        code, out, err = await run(site, "at", moment)
        assert (code, err) == (0, "")
        assert "No alarm stood." in out
        assert "CET" in out or "CEST" in out, "times are those of this machine"

        code, out, err = await run(site, "at", moment, "--diff", "now")
        assert (code, err) == (0, "")
        assert "changed" in out
        assert site.path("GC1") in out
        code, out, _ = await run(site, "at", moment, "GV1", "--diff", "now")
        assert code == 2, "there is no such name"
        code, out, err = await run(site, "at", moment, site.path("GV1"), "--diff", "now")
        assert (code, err) == (1, "")
        assert "No alarm differs" in out

        code, out, err = await run(site, "at", "-2h")
        assert code == 3
        assert "NOT COMPLETE" in err
        assert "Do not read silence as calm" in err
        assert "NOT KNOWN whether an alarm stood." in out
        code, _, err = await run(site, "at", "+2h")
        assert code == 2
        assert "lies in the future" in err
        code, _, err = await run(site, "at", "yesterday")
        assert code == 2
        assert "is no time: expected" in err


async def test_a_time_without_a_zone_is_that_of_this_machine(site):
    async with site.serving():
        await site.until_severity("GC1", "OK", "ok")
        code, out, _ = await run(site, "at", "2026-07-20 14:00", "--format", "json")
        assert json.loads(out)["at"].startswith("2026-07-20T12:00:00"), "summer time, as it was on that day"
        assert code == 3
