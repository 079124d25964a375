"""What an operator asks and commands at the prompt, of a real site."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from alarm_engine.errors import TocsinError
from tests.contract.kafka_topics import servers_or_skip
from tests.system.site import DB, Site
from tests.system.terminal import terminal
from tocsin.cli.main import app

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

PATIENT = "engine: {watchdog_s: 0}\n"


@pytest.fixture
def site(tmp_path, iocs):
    return Site(tmp_path, iocs(DB), "", PATIENT)


@pytest.fixture
def kafka_site(tmp_path, iocs):
    return Site(tmp_path, iocs(DB), servers_or_skip(), PATIENT)


async def tocsin(site, *arguments, code=0, url=None):
    """`tocsin ARGUMENTS` to its end: standard output and error. What it raises is a sentence, as the program prints it."""
    environment = {"TOCSIN_URL": url or str(site.client.base_url), "COLUMNS": "200"}
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=environment)
    said = result.stderr
    if isinstance(result.exception, TocsinError):
        said, found = f"{said} {result.exception}", 2
    else:
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        found = result.exit_code
    assert found == code, (arguments, result.stdout, said)
    return result.stdout, " ".join(said.split())


async def live(site):
    """Wait until the engine has given a life sign: before it, everything is stale."""

    async def is_live():
        answer = await site.client.get("/api/v1/summary")
        return answer.status_code == 200 and not answer.json()["stale"]

    await site.until(is_live, "a life sign")


async def test_looking(site):
    async with site.serving():
        await live(site)
        output, said = await tocsin(site, "alarms", code=1)
        assert (output, said) == ("", "No alarms. The engine is live.")
        site.put("GC1", 12)
        site.put("GV1", 1)
        await site.until_severity("GC1", "MAJOR")
        await site.until_severity("GV1", "MAJOR")
        output, _ = await tocsin(site, "alarms")
        assert [line.split()[0] for line in output.splitlines()] == ["severity", "MAJOR", "MAJOR"]
        assert "\x1b" not in output
        output, _ = await tocsin(site, "alarms", f"{site.ioc.prefix}GC1", "--format", "plain")
        (fields,) = [line.split("\t") for line in output.splitlines()]
        assert [*fields[:2], *fields[3:6]] == ["MAJOR", "active", site.path("GC1"), "HIHI_ALARM", "12.0"]
        found = json.loads((await tocsin(site, "alarms", "Vacuum", "--format", "json", "--limit", "1"))[0])
        assert (found["total"], len(found["alarms"]), found["stale"]) == (2, 1, False)
        rows = [json.loads(line) for line in (await tocsin(site, "alarms", "--format", "ndjson", "--sort", "pv"))[0].splitlines()]
        assert [row["path"] for row in rows] == [site.path("GC1"), site.path("GV1")]
        assert (await tocsin(site, "alarms", "--severity", "minor", code=1))[1] == "No alarms with this filter. The engine is live."
        assert "2 active of 2" in (await tocsin(site, "tree"))[0]
        assert site.ioc.prefix + "GV1" in (await tocsin(site, "tree", "--alarms"))[0]
        assert (await tocsin(site, "summary", "--format", "plain"))[0].split("\t")[:3] == [f"/{site.config}/Vacuum", "MAJOR", "2"]


async def test_commands_for_one_for_several_and_for_what_a_pattern_names(site):
    async with site.serving():
        await live(site)
        site.put("GC1", 12)
        site.put("GV1", 1)
        await site.until_severity("GC1", "MAJOR")
        await site.until_severity("GV1", "MAJOR")
        output, _ = await tocsin(site, "ack", site.path("GC1"), "--reason", "pump is changed", "--user", "mara")
        assert output == f"Done: {site.path('GC1')} acknowledged.\n"

        async def is_told():
            return [(one["user"], one["comment"]) for one in await site.events("acknowledged")] == [("mara", "pump is changed")]

        await site.until(is_told, "the event")
        assert "Nothing to do" in (await tocsin(site, "ack", f"{site.ioc.prefix}GC1"))[0]
        await tocsin(site, "unack", site.path("GC1"))
        _, said = await tocsin(site, "ack", f"{site.ioc.prefix}*", code=2)
        assert "names 2 alarms, and nobody can be asked here" in said
        assert "HIHI_ALARM" in said, "what it names is listed"
        assert "Done: 2 of 2 acknowledged." in (await tocsin(site, "ack", f"{site.ioc.prefix}*", "--yes"))[0]
        _, said = await tocsin(site, "ack", f"{site.ioc.prefix}G?1", "--yes")
        assert said == f"Nothing to do: no unacknowledged alarm: none of 2 alarms that {site.ioc.prefix}G?1 names."
        _, said = await tocsin(site, "ack", f"{site.ioc.prefix}X*", "--yes", code=2)
        assert "names no alarm of the tree, so it may be misspelt" in said
        targets = (site.path("GC1"), site.path("GV1"))
        results = json.loads((await tocsin(site, "shelve", *targets, "--for", "1h", "-r", "test", "--format", "json"))[0])
        assert [(one["outcome"], one["count"]) for one in results] == [("done", 1), ("done", 1)]
        output, _ = await tocsin(site, "alarms", "--state", "shelved", "--once")
        assert output.count("shelved") == 2
        assert "acknowledged by" not in output, "it is who shelved it"
        assert "Done: 2 of 2 unshelved." in (await tocsin(site, "unshelve", *targets))[0]
        await tocsin(site, "disable", site.path("GV1"), "-r", "taken out")
        assert "out of service" in (await tocsin(site, "alarms", "--state", "disabled"))[0]
        await tocsin(site, "enable", site.path("GV1"))


async def test_what_rose_after_it_was_seen_is_left_alone(site):
    async with site.serving():
        await live(site)
        seen = json.loads((await tocsin(site, "summary", "--format", "json"))[0])["as_of"]
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        _, said = await tocsin(site, "ack", f"/{site.config}", "--seen", seen, code=1)
        assert f"Left alone, because they rose after what you had seen: {site.path('GC1')}" in said
        await site.until_severity("GC1", "MAJOR")


async def test_events_and_what_happens(site):
    async with site.serving():
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        await tocsin(site, "ack", site.path("GC1"), "--user", "mara", "--reason", "seen")
        output, _ = await tocsin(site, "events", site.path("GC1"), "--since", "1h", "--kind", "alarm", "--kind", "acknowledged")
        assert [line.split()[3] for line in output.splitlines()[1:]] == ["alarm", "acknowledged"]
        rows = [json.loads(line) for line in (await tocsin(site, "events", "--user", "mara", "--format", "ndjson"))[0].splitlines()]
        assert {row["user"] for row in rows} == {"mara"}
        assert {"from", "to"} <= rows[0].keys()
        _, said = await tocsin(site, "events", "--text", "nobody wrote this", code=1)
        assert "nothing was found in the last day" in said
        arguments = ("events", "--follow", "--kind", "alarm", "--url", str(site.client.base_url))
        async with terminal(*arguments, columns=160) as screen:
            await screen.shows(r"MAJOR +alarm +/\S+GC1 +HIHI_ALARM")
            site.put("GV1", 1)
            await screen.shows(r"MAJOR +alarm +/\S+GV1 +STATE_ALARM")
            assert screen.text().count("GC1") == 1
            screen.type("\x03")
            assert await screen.ended() == 130
        assert "Traceback" not in screen.output


async def test_mistakes_are_told_in_a_sentence(site):
    async with site.serving():
        await live(site)
        prefix = site.ioc.prefix
        for arguments, words in (
            (("alarms", f"/{site.config}/Vacum"), ["Vacum", f"did you mean /{site.config}/Vacuum"]),
            (("alarms", f"{prefix}GC"), ["is no PV", f"did you mean {site.path('GC1')}"]),
            (("tree", site.path("GC1")), ["an alarm, not a component: `tocsin explain", site.path("GC1")]),
            (("ack", f"{prefix}GX1"), ["is no PV", "did you mean"]),
            (("ack", "/"), ["is no path"]),
            (("shelve", prefix + "GC1", "-r", "x"), ["--for", "one of them"]),
            (("shelve", prefix + "GC1", "-r", "x", "--for", "soon"), ["no span of time", "15m"]),
            (("shelve", prefix + "GC1", "-r", "x", "--until", "1h"), ["has passed"]),
            (("shelve", prefix + "GC1", "-r", "x", "--until", "yesterday"), ["is no time", "+2h (from now)"]),
            (("shelve", prefix + "GC1", "-r", "x", "--for", "401d"), ["more than 400 days", "tocsin disable"]),
            (("shelve", prefix + "GC1", "-r", "x", "--until", "2060-01-01"), ["more than 400 days", "tocsin disable"]),
            (("ack", prefix + "GC1", "--seen", "nonsense"), ["--seen", "nonsense", "CONFIG.EPOCH.N"]),
            (("shelve", prefix + "GC1", "--for", "1h"), ["--reason"]),
            (("disable", prefix + "GC1"), ["--reason"]),
            (("events", "--since", "yesterday"), ["is no time", "ISO 8601"]),
            (("events", "--since", "1h", "--until", "2h"), ["is not before"]),
            (("events", "--kind", "party"), ["party", "acknowledged"]),
            (("events", "--severity", "awful"), ["awful", "MAJOR"]),
            (("events", "--follow", "--until", "now"), ["--follow"]),
            (("alarms", "--config", "Other"), ["Other", site.config]),
            (("alarms", "--url", "nonsense"), ["nonsense", "http://127.0.0.1:8080"]),
            (("alarms", "--token-file", str(site.directory / "none")), ["none"]),
            (("alarms", "--via", "kafka"), ["--settings"]),
            (("alarms", "--settings", str(site.directory / "none.yaml")), ["none.yaml", "cannot be read"]),
        ):
            output, said = await tocsin(site, *arguments, code=2)
            assert [word for word in words if word not in said.replace("│ ", "")] == [], (arguments, said)
            assert output == ""
            assert "did you mean /" not in said or arguments[0] != "tree"
        _, said = await tocsin(site, "unshelve", f"/{site.config}/Vacuum/none", code=1)
        assert "Refused: Unshelve" in said
        assert "there is no alarm" in said.lower()


async def test_a_backend_that_is_away(site):
    for command in (["alarms"], ["alarms", "--once"], ["tree"], ["summary"], ["events"], ["ack", "X:1"], ["ack", "/A/B/C"]):
        _, said = await tocsin(site, *command, url="http://127.0.0.1:9", code=1 if command[-1] == "/A/B/C" else 2)
        assert "cannot be reached" in said


async def test_where_the_backend_is_says_the_settings_file(site):
    async with site.serving():
        await live(site)
        port = site.client.base_url.port
        file = site.directory / "with port.yaml"
        file.write_text((site.directory / "site.yaml").read_text("utf-8") + f"backend: {{port: {port}}}\n", "utf-8")
        assert "2 alarms" in (await tocsin(site, "tree", "-s", str(file), url="http://127.0.0.1:9"))[0]


async def test_an_engine_that_is_silent_is_told_and_makes_exit_code_3(kafka_site):
    site = kafka_site
    async with site.serving("backend"):
        for command in (("alarms",), ("summary",), ("tree",), ("alarms", "--format", "json")):
            output, said = await tocsin(site, *command, "--config", site.config, code=3)
            assert "STALE: the engine has given no life sign" in said
            assert "live" not in said
        assert json.loads(output)["stale"]
        _, said = await tocsin(site, "alarms", code=3)
        assert "NOT KNOWN whether there are alarms." in said


async def test_without_a_backend_straight_from_kafka(kafka_site):
    site = kafka_site
    settings = ("--via", "kafka", "-s", str(site.directory / "site.yaml"))
    async with site.running("config", "sync", name="sync") as process:
        assert await asyncio.to_thread(process.wait, 120) == 0, site.output("sync")
    async with site.running("engine"):
        await site.said("engine", "PVs|connected|holds|at work")
        site.put("GC1", 12)

        async def risen():
            environment = {"COLUMNS": "200"}
            result = await asyncio.to_thread(CliRunner().invoke, app, ["alarms", "--format", "plain", *settings], env=environment)
            return "MAJOR\tactive" in result.stdout and result.exit_code == 0

        await site.until(risen, "the alarm", lambda: site.output("engine"))
        output, _ = await tocsin(site, "ack", site.path("GC1"), "--reason", "seen", "--user", "mara", *settings)
        assert output == f"Done: {site.path('GC1')} acknowledged.\n"
        assert "MAJOR_ACK\tacknowledged" in (await tocsin(site, "alarms", "--format", "plain", *settings))[0]
        async with terminal("alarms", *settings) as screen:
            await screen.shows(r"LIVE .* 2 of 2 PVs")
            await screen.shows(r"major ✓ +\S*GC1")
            screen.type("q")
            assert await screen.ended() == 0
