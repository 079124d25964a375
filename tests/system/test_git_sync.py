"""Alarms changed by git: a commit comes into force beside running engines, as a whole, or not at all."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC
from functools import partial

import pytest

from alarm_engine.journal.port import Record
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.headers import REVISION, headers
from alarm_engine.wire.revision import Revision, RevisionState, encode_revision
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import KafkaCluster
from tests.system.git_site import GitSite
from tests.system.site import DB

pytestmark = pytest.mark.system

TWO = {"GC1": "Gauge", "GV1": "Valve"}


@pytest.fixture
def site(tmp_path, iocs):
    return GitSite(tmp_path, iocs(DB), servers_or_skip())


async def test_a_commit_comes_into_force_with_its_author_and_touches_nothing_else(site):
    site.turn(site.commit(site.tree(**TWO), "Begin"))
    async with site.syncing(), site.engine():
        site.put("GC1", 20)
        site.put("GV1", 1)
        for name in TWO:
            await site.event(_raised(site, name))
        before = len(await site.all_events())
        begun = time.monotonic()
        commit, answer = await site.push(site.tree(GC1="Gauge of the ring", GV1="Valve"), "Say which gauge")
        assert (answer.status_code, answer.json()["done"]) == (200, True)
        event = await site.event(lambda e: e.kind is EventKind.CONFIGURED and e.path == site.path("GC1") and "changed" in e.reason)
        assert time.monotonic() - begun < 5
        assert (event.user, event.reason) == ("Mara", "changed: description")
        assert event.comment == f"commit {commit[:12]}: Say which gauge"
        summary = await site.event(lambda e: e.path == f"/{site.config}" and e.reason.startswith("revision 2: 1 edited"))
        assert summary.comment == event.comment
        after = [e for e in (await site.all_events())[before:] if e.kind is not EventKind.ENGINE]
        assert {e.path for e in after} == {site.path("GC1"), f"/{site.config}"}
        status = await site.status()
        assert (status["state"], status["commit"], status["author"]) == ("in force", commit, "Mara")
        assert (status["last_revision"]["edited"], status["last_revision"]["commit"]) == (1, commit)
        assert not [r for r in await site.records(site.topics.config) if b"tocsin" in (r.value or b"") and r.key.startswith("state:")]


async def test_a_bad_commit_is_refused_and_the_next_good_one_is_taken(site):
    good = site.commit(site.tree(**TWO), "Begin")
    site.turn(good)
    async with site.syncing():
        await site.until(lambda: _is(site, "in force"), "the first tree")
        configs = await site.configs()
        bad, answer = await site.push(site.tree(GC1="{description: Gauge, delay: soon}", GV1="{latchng: no}", NEW="New"), "Oops")
        assert answer.status_code == 422
        status = await site.status()
        assert (status["state"], status["fault_count"], status["commit"]) == ("refused", 2, bad)
        assert "delay" in status["faults"][0]
        assert status["last_revision"]["commit"] == good
        assert await site.configs() == configs
        report = (await site.records(site.topics.settings))[-1]
        assert report.key == f"report:/{site.config}"
        assert bad.encode() in report.value
        _, answer = await site.push(site.tree(**TWO, NEW="New"), "Mend")
        assert answer.status_code == 200
        await site.until(lambda: _is(site, "in force"), "the better tree")
        assert (await site.status())["last_revision"]["added"] == 1


def _raised(site: GitSite, name: str):
    return lambda event: event.kind is EventKind.ALARM and event.path == site.path(name) and event.to_severity is Severity.MAJOR


async def _is(site: GitSite, state: str) -> bool:
    return (await site.status())["state"] == state


async def test_a_renamed_alarm_of_a_real_ioc_keeps_its_acknowledgement(site):
    site.turn(site.commit(site.tree(**TWO), "Begin"))
    async with site.syncing(), site.engine():
        site.put("GC1", 20)
        await site.event(_raised(site, "GC1"))
        await site.acknowledge("GC1", "is being pumped")
        await site.push(site.tree(**{"Hall_GC1": "Gauge", "GV1": "Valve"}), "Move the gauge")
        to = f"/{site.config}/Hall/{site.ioc.prefix}GC1"
        event = await site.event(lambda e: e.path == to and e.reason == f"moved from {site.path('GC1')}")
        assert event.snapshot.acknowledgement.user == "mara"
        assert event.snapshot.acknowledgement.reason == "is being pumped"
        assert event.to_severity is Severity.MAJOR_ACK
        site.put("GC1", 0)  # and its PV is still heard
        await site.event(lambda e: e.path == to and e.kind is EventKind.CLEARED)
        assert not [e for e in await site.all_events() if e.kind is EventKind.ALARM and e.path == to]


async def test_an_engine_that_dies_in_the_middle_of_a_revision_goes_on_with_the_old_tree(site):
    site.turn(site.commit(site.tree(**TWO), "Begin"))
    async with site.syncing():
        await site.until(lambda: _is(site, "in force"), "the first tree")
    async with site.running("engine", name="first") as engine:
        await site.said("first", "configuration restored")
        mark = Revision(7, RevisionState.BEGUN, 0)
        ours = headers(revision="7")
        half = encode_config(AlarmSettings("half"), "sam", "git", UTC)
        async with site.journal() as journal:
            await journal.append([
                Record(site.topics.settings, f"revision:/{site.config}", encode_revision(mark)),
                Record(site.topics.config, f"config:{site.path('GC1')}", half, ours),
                Record(site.topics.config, f"config:{site.path('GV1')}", None, ours),
            ])  # fmt: skip
            engine.send_signal(signal.SIGKILL)
            await asyncio.to_thread(engine.wait)
            async with site.engine():
                site.put("GV1", 1)
                await site.event(_raised(site, "GV1"))
                assert not [e for e in await site.all_events() if e.kind is EventKind.REMOVED]
                records = await site.records(site.topics.config)
                end = max(r.offset for r in records if r.header(REVISION) == "7") + 1
                closed = replace(mark, state=RevisionState.CLOSED, config_end=end, records=2)
                await journal.append([Record(site.topics.settings, f"revision:/{site.config}", encode_revision(closed))])
                await site.event(lambda e: e.kind is EventKind.REMOVED and e.path == site.path("GV1"))
                await site.event(lambda e: e.path == site.path("GC1") and e.reason == "changed: description")


async def test_a_sync_that_is_killed_in_the_middle_has_changed_nothing_and_the_next_one_does_it(site):
    many = {f"P{n}": f"Signal {n}" for n in range(4000)}
    site.turn(site.commit(site.tree(**TWO), "Begin"))
    async with site.engine():
        async with site.syncing():
            await site.until(lambda: _is(site, "in force"), "the first tree")
        site.turn(site.commit(site.tree(**many), "Replace all"))
        async with site.running("config", "sync", "--watch", name="second") as sync:
            await site.record(site.topics.settings, lambda r: r.key.startswith("revision:") and b'"number":2' in r.value)
            sync.send_signal(signal.SIGKILL)
            await asyncio.to_thread(sync.wait)
        marks = await site.marks()
        if marks[-1].state is RevisionState.BEGUN:  # else it was faster than the signal
            assert not [e for e in await site.all_events() if e.kind is EventKind.REMOVED]
        async with site.syncing():
            await site.until(lambda: _is(site, "in force"), "all of it")
            await site.event(lambda e: e.path == f"/{site.config}" and e.reason.endswith(": 4000 added, 2 removed"))
        left = {path for path, value in (await site.configs()).items() if value is not None}
        assert left == {f"/{site.config}/Vacuum", *(site.path(name) for name in many)}


async def test_a_sync_whose_broker_is_killed_in_the_middle_goes_on_when_it_is_back(tmp_path, iocs):
    servers_or_skip()
    many = {f"P{n}": f"Signal {n}" for n in range(3000)}
    with KafkaCluster() as kafka:
        site = GitSite(tmp_path, iocs(DB), kafka.servers)
        site.turn(site.commit(site.tree(**TWO), "Begin"))
        await site.until(partial(_has_synced, site), "the first tree")  # a fresh broker takes a while to answer everything
        site.turn(site.commit(site.tree(**many), "Replace all"))
        async with site.running("config", "sync", name="second") as sync:
            await site.record(site.topics.settings, lambda r: r.key.startswith("revision:") and b'"number":2' in r.value)
            await asyncio.to_thread(kafka.brokers[0].kill)
            kafka.brokers[0].start()
            ended = await asyncio.to_thread(sync.wait, 100)
        if ended:  # on a machine that is much too busy the broker takes too long to start: then it says what to do, and that helps
            assert (ended, "Run the same again" in site.output("second")) == (2, True), site.output("second")
            await site.until(partial(_has_synced, site), "what was left to do")
        left = {path for path, value in (await site.configs()).items() if value is not None}
        assert left == {f"/{site.config}/Vacuum", *(site.path(name) for name in many)}
        assert (await site.marks())[-1].state is RevisionState.CLOSED
        assert await site.config_command("diff") == 0, site.output("diff")


async def _has_synced(site: GitSite) -> bool:
    return await site.config_command("sync") == 0


async def test_two_syncs_at_once_leave_one_whole_tree(site):
    trees = [{f"P{n}": f"{text} {n}" for n in range(1500)} for text in ("first", "second")]
    site.turn(site.commit(site.tree(**TWO), "Begin"))
    assert await site.config_command("sync") == 0
    async with asyncio.TaskGroup() as group:
        for number, pvs in enumerate(trees):
            file = site.directory / f"tree-{number}.yaml"
            file.write_text(site.tree(**pvs))
            text = (site.directory / "site.yaml").read_text().replace(f"{site.link}/tree.yaml", str(file))
            (site.directory / f"site-{number}.yaml").write_text(text)
            group.create_task(_sync_until_done(site, number))
    left = {path: value for path, value in (await site.configs()).items() if value is not None}
    assert {path for path in left if path.count("/") == 3} == {site.path(f"P{n}") for n in range(1500)}
    words = {value.split(b'"description":"')[1].split(b" ")[0] for value in left.values() if b'"description"' in value}
    assert len(words) == 1
    marks = await site.marks()
    assert marks[-1].state is RevisionState.CLOSED


async def _sync_until_done(site: GitSite, number: int) -> None:
    """One of the two is refused by Kafka in the middle, and says so: then once more."""
    command = [sys.executable, "-m", "tocsin", "config", "sync", "-s", str(site.directory / f"site-{number}.yaml")]
    for _ in range(5):
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            return
        assert done.returncode == 2
        assert re.search("taken over|cannot write: the transaction was open for too long", done.stderr), done.stderr
    pytest.fail(done.stderr)
