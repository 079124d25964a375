"""An engine in shadow mode beside a server: real PVs, a real broker, and what a real Phoebus server was recorded publishing."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from alarm_engine.errors import SettingsError
from alarm_engine.shadowed import Patience
from tests.conformance.kafka_site import PlainClient
from tests.contract.kafka_topics import servers_or_skip
from tests.ioc import Ioc, start_ioc
from tests.kafka_broker import free_ports
from tests.system.phoebus_site import DATA, PhoebusTopics
from tests.system.site import DB, Site
from tocsin.settings import Settings
from tocsin.shadow import ShadowApplication, summary

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

_PATIENCE_S = 30.0
_SLACK_S = 0.05
"""A record may bear a time that is so much before the step that caused it."""


@dataclass
class Recorded:
    """A session of a real server, played as fast as both sides follow, under the name of a configuration of this test."""

    data: dict[str, Any]
    site: PhoebusTopics
    ioc: Ioc

    @classmethod
    def of(cls, session: str, site: PhoebusTopics) -> Recorded:
        data = json.loads((DATA / f"{session}.json").read_text(encoding="utf-8"))
        return cls(data, site, start_ioc(data["ioc_db"], prefix=""))

    def records(self, begin: float, end: float) -> list[tuple[str, str, bytes | None]]:
        """Those of the main topic that were made in that span of the session."""
        old, new = self.data["config"], self.site.config
        found = sorted((r for r in self.data["records"] if begin <= r["created"] < end), key=lambda r: r["created"])
        return [
            (new, r["key"].replace(f"/{old}", f"/{new}", 1), None if r["raw"] is None else r["raw"].encode())
            for r in found
            if r["topic"] == old
        ]

    def steps(self) -> list[tuple[dict[str, Any], list[tuple[str, str, bytes | None]]]]:
        """Each with what the server published before the next one."""
        steps = self.data["steps"]
        ends = [step["ran_at"] - _SLACK_S for step in steps[1:]] + [float("inf")]
        return [(step, self.records(step["ran_at"] - _SLACK_S, end)) for step, end in zip(steps, ends, strict=True)]


@pytest.fixture
def topics():
    with PhoebusTopics(servers_or_skip(), f"S{secrets.token_hex(4)}") as site:
        yield site


@asynccontextmanager
async def beside(site: PhoebusTopics, patience: Patience | None = None) -> AsyncIterator[ShadowApplication]:
    settings = Settings.model_validate(
        {
            "configurations": [{"name": site.config, "owner": "phoebus", "time_zone": "UTC"}],
            "cell": f"C{site.config}",
            "journal": "kafka",
            "kafka": {"servers": site.servers, "prefix": f"{site.config}-"},
            "health": {"port": 0},
        }
    )
    application = ShadowApplication(settings, patience or Patience(settles_s=1.0))
    try:
        await application.start()
        await until(lambda: application.shadows[0].alarms and application.shadows[0].connected == application.shadows[0].alarms, "all PVs")
        yield application
    finally:
        await application.stop()


async def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.005)


async def play(recorded: Recorded, application: ShadowApplication) -> None:
    """Every step, with what the real server published of it."""
    (shadow,) = application.shadows
    for step, records in recorded.steps():
        expected = shadow.compared + sum(key.startswith("state:") for _, key, _ in records)
        if step["do"] == "put":
            await asyncio.to_thread(recorded.ioc.put, step["pv"], step["value"])
        await asyncio.to_thread(recorded.site.write, records)
        deadline = time.monotonic() + 6
        while (shadow.compared < expected or shadow.comparison.paths) and not shadow.comparison.settled and time.monotonic() < deadline:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("session", "settles_s"), [("latching", 1.0), ("modes_talk", 5.0)])
async def test_what_a_phoebus_server_did_makes_no_difference(topics, session, settles_s):
    """Each acknowledgement, its end and each switch is followed from what the server published, though no command is read.

    The second session has an alarm with a delay, which the recording skips.
    """
    recorded = Recorded.of(session, topics)
    with recorded.ioc:
        topics.write(recorded.records(float("-inf"), -_SLACK_S))
        async with beside(topics, Patience(settles_s)) as application:
            await play(recorded, application)
            (shadow,) = application.shadows
            assert [(one.path, str(one.ours), str(one.theirs), one.why) for one in shadow.comparison.standing] == []
            assert shadow.comparison.settled == 0
            assert shadow.compared > 150


async def test_a_difference_is_told_with_its_end_and_nothing_is_written(topics):
    recorded = Recorded.of("latching", topics)
    path = f"/{topics.config}/Area/Sys1/L:lat"
    with recorded.ioc:
        topics.write(recorded.records(float("-inf"), -_SLACK_S))
        before = topics.client.ends([topics.topics.config])
        async with beside(topics) as application, httpx.AsyncClient(base_url=application.url) as client:
            (shadow,) = application.shadows
            assert (await client.get("/readyz")).status_code == 200
            recorded.ioc.put("L:lat", 12)  # the server says nothing of it
            await until(lambda: shadow.comparison.settled, "the difference")
            (told,) = (await client.get("/differences")).json()["configurations"]
            (row,) = told["list"]
            assert (row["path"], row["ours"], row["theirs"], row["why"]) == (path, "MAJOR HIHI_ALARM", "OK", "raised")
            assert f'tocsin_shadow_differences_standing{{config="{topics.config}"}} 1.0' in (await client.get("/metrics")).text
            said = "\n".join(summary(application.shadows))
            assert "1 differences, 1 of them stand" in said
            assert f"  {path}: we decide MAJOR HIHI_ALARM (raised), the server published OK, since " in said
            state = b'{"severity":"MAJOR","latch":true,"message":"HIHI_ALARM","value":"12.0","time":{"seconds":1,"nano":0},'
            state += b'"current_severity":"MAJOR","current_message":"HIHI_ALARM"}'
            written = [(topics.config, f"state:{path}", state)]
            for node in (f"/{topics.config}/Area/Sys1", f"/{topics.config}/Area", f"/{topics.config}"):
                written.append((topics.config, f"state:{node}", b'{"severity":"MAJOR"}'))
            await asyncio.to_thread(topics.write, written)
            await until(lambda: not shadow.comparison.standing, "its end")
            (told,) = (await client.get("/differences")).json()["configurations"]
            assert (told["differences"], told["list"]) == (1, [])
        assert topics.client.ends([topics.topics.config])[topics.config] == before[topics.config] + len(written)
        there = topics.client.admin.list_topics(timeout=20).topics
        assert topics.topics.events not in there
        assert f"C{topics.config}Status" not in there
        groups = topics.client.admin.list_consumer_groups().result(20)
        assert [group.group_id for group in groups.valid if group.group_id.startswith(f"{topics.config}-")] == []
        assert not await asyncio.to_thread(transactions, topics.servers, f"{topics.config}-")


def transactions(servers: str, prefix: str) -> list[bytes]:
    """Transactional ids that were ever used on the broker, and begin so."""
    client = PlainClient(servers)
    known = client.admin.list_topics(timeout=20).topics.get("__transaction_state")
    client.close()
    if known is None:
        return []
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "none", "enable.partition.eof": True, "log_level": 0})
    try:
        consumer.assign([TopicPartition("__transaction_state", number, 0) for number in known.partitions])
        found, left = [], len(known.partitions)
        while left:
            message = consumer.poll(20)
            assert message is not None
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF
                left -= 1
            elif prefix.encode() in (message.key() or b""):
                found.append(message.key() or b"")
        return found
    finally:
        consumer.close()


async def test_a_server_that_says_nothing_any_more_is_not_compared_with(topics):
    recorded = Recorded.of("latching", topics)
    with recorded.ioc:
        topics.write(recorded.records(float("-inf"), -_SLACK_S))
        async with beside(topics, Patience(1.0, silent_s=2.0)) as application, httpx.AsyncClient(base_url=application.url) as client:
            (shadow,) = application.shadows
            await until(lambda: shadow.problem, "that it is noticed")
            recorded.ioc.put("L:lat", 12)
            answer = await client.get("/readyz")
            assert answer.status_code == 503
            assert "has written no state" in answer.text
            await until(shadow.evaluator.tree.root.tally.highest, "our own decision")
            assert shadow.comparison.paths == []


async def test_beside_our_own_engine_what_operators_do_there_is_no_difference(tmp_path, iocs):
    """Acknowledge, shelve and its end; the process says at its end what came of it."""
    site = Site(tmp_path, iocs(DB), servers_or_skip(), "engine: {idle_s: 1.5}\n")
    (port,) = free_ports(1)
    async with AsyncExitStack() as stack:
        assert await site.config_command("sync") == 0, site.output("sync")
        await stack.enter_async_context(site.running("engine"))
        await stack.enter_async_context(site.serving("backend"))
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        options = ("--shadow", "--settles", "2", "--health-port", str(port))
        shadow = await stack.enter_async_context(site.running("engine", *options, name="shadow"))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def told() -> dict[str, Any]:
                try:
                    found = (await client.get("/differences")).json()["configurations"]
                except httpx.TransportError:
                    return {}
                return found[0] if found and found[0]["connected"] == 2 else {}

            async def compared(more: int) -> bool:
                return (await told()).get("compared", 0) >= more

            await site.until(told, "the shadow", lambda: site.output("shadow"))
            await site.command("acknowledge", site.path("GC1"))
            await site.until_severity("GC1", "MAJOR_ACK", "acknowledged")
            await site.command("disable", site.path("GV1"))
            site.put("GV1", 1)
            await site.command("enable", site.path("GV1"))
            await site.until_severity("GV1", "MAJOR")
            site.put("GC1", 0)
            # Two life signs of the root later, all that was said before has been compared, and had time to settle.
            now = (await told())["compared"]
            await site.until(lambda: compared(now + 2), "more states", lambda: site.output("shadow"))
            assert (await told())["differences"] == 0, site.output("shadow")
        shadow.terminate()
        assert await asyncio.to_thread(shadow.wait, 20) == 0, site.output("shadow")
        assert "2 alarms, 2 of them connected" in site.output("shadow")
        assert "0 differences, 0 of them stand" in site.output("shadow")


def test_the_embedded_journal_has_no_server_to_stand_beside():
    with pytest.raises(SettingsError, match="set `journal: kafka`"):
        ShadowApplication(Settings.model_validate({"configurations": [{"name": "Site"}]}), Patience())


def test_who_compared_nothing_does_not_say_that_all_agrees(tmp_path):
    (port,) = free_ports(1)
    (tmp_path / "site.yaml").write_text(
        f"configurations: [{{name: Plant}}]\njournal: kafka\nkafka: {{servers: '127.0.0.1:{port}'}}\nhealth: {{port: null}}\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "tocsin", "engine", "--shadow", "-s", str(tmp_path / "site.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "does not answer" in line:
                process.terminate()
        assert process.wait(30) == 2, "".join(lines)
    assert "Nothing was compared" in "".join(lines)
