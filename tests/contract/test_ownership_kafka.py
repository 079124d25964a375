"""Election in Kafka: who is told what, who gets what when, with engines that end, are killed, hang, and do not reach the broker."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from alarm_engine.errors import JournalFenced, SettingsError
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_ownership import Owner
from alarm_engine.journal.kafka_settings import KafkaSecurity, KafkaSettings
from alarm_engine.journal.port import Cleanup, Record, TopicSpec
from alarm_engine.ownership.kafka import KafkaOwnership
from alarm_engine.ownership.kafka_holders import GONE_S
from alarm_engine.ownership.kafka_member import RELEASE_S, SESSION_S
from tests.contract.journals import until
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import ClusterOptions, KafkaCluster, random_topic
from tests.kafka_jars import Missing

pytestmark = pytest.mark.timeout(120)

QUICK_S = SESSION_S - 2
"""Less than it takes the group to miss a member: who was told gets what he waits for within that time."""


@pytest.fixture
def config():
    return random_topic("Plant")


@pytest.fixture
def settings():
    return KafkaSettings(servers_or_skip(), name="engine-a", cell=random_topic("cell"))


@asynccontextmanager
async def taking_part(settings, *configs):
    ownership = KafkaOwnership(settings, configs)
    await ownership.start()
    try:
        yield ownership
    finally:
        await ownership.close()


@asynccontextmanager
async def writing(settings, config):
    """The journal as the one writer of a configuration: it leaves the mark."""
    journal = KafkaJournal(replace(settings, owns=config))
    await journal.start()
    try:
        yield journal
    finally:
        await journal.close()


async def lease_of(ownership, config, heard=None, within_s=30):
    async with asyncio.timeout(within_s):
        return await ownership.acquire(config, lambda wait: None if heard is None else heard.append(wait.why))


def is_lost(lease):
    return lease._ended.is_set()


# ------------------------------------------------------------------ two engines


async def test_the_second_says_who_holds_it_and_gets_it_at_once_when_that_one_ends(settings, config):
    first = KafkaOwnership(settings, [config])
    await first.start()
    lease = await lease_of(first, config)
    async with taking_part(replace(settings, name="engine-b"), config) as second:
        heard: list[str] = []
        waiting = asyncio.create_task(lease_of(second, config, heard))
        holder = rf"'engine-a' on \S+ \(process {os.getpid()}\) since \d{{4}}-\S+"
        await until(lambda: heard)
        assert re.fullmatch(rf"configuration '{config}' is held by {holder}; this engine waits", heard[0])
        await lease.release()
        assert not waiting.done()
        begun = time.monotonic()
        await first.close()
        await (await waiting).release()
        assert time.monotonic() - begun < QUICK_S
        assert len(heard) == 1


async def test_configurations_are_shared_and_what_is_kept_is_not_touched(settings):
    configs = [random_topic("Plant") for _ in range(2)]
    async with taking_part(settings, *configs) as first:
        leases = {config: await lease_of(first, config) for config in configs}
        async with taking_part(replace(settings, name="engine-b"), *configs) as second:
            waiting = [asyncio.create_task(lease_of(second, config)) for config in configs]
            ended = [asyncio.create_task(lease.lost()) for lease in leases.values()]
            done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED, timeout=30)
            (moved,) = [config for config, lease in leases.items() if is_lost(lease)]
            assert [task.result() for task in done] == [f"configuration {moved!r} goes to another engine of cell {settings.cell!r}"]
            # We are still writing: the group waits for us.
            written, _ = await asyncio.wait(waiting, timeout=RELEASE_S - 1)
            assert not written
            await leases[moved].release()
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=QUICK_S)
            assert [task.result().config for task in done] == [moved]
            await done.pop().result().release()
            (kept,) = [config for config in configs if config != moved]
            assert not is_lost(leases[kept])
            for task in (*waiting, *ended):
                task.cancel()
            await leases[kept].release()


async def test_the_group_does_not_wait_for_ever_for_a_release(settings):
    configs = [random_topic("Plant") for _ in range(2)]
    async with taking_part(settings, *configs) as first:
        leases = [await lease_of(first, config) for config in configs]
        async with taking_part(replace(settings, name="engine-b"), *configs) as second:
            begun = time.monotonic()
            waiting = [asyncio.create_task(lease_of(second, config)) for config in configs]
            done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=30)
            assert len(done) == 1
            assert RELEASE_S - 1 < time.monotonic() - begun < RELEASE_S + QUICK_S
            for task in rest:
                task.cancel()
        for lease in leases:
            await lease.release()


# ------------------------------------------------------------------ processes that end badly


class Holder:
    """See `ownership_holder`."""

    def __init__(self, settings, config, name):
        command = [sys.executable, "-m", "tests.contract.ownership_holder", settings.servers, settings.cell, config, name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parents[2]
        )

    async def says(self, word):
        """Waits for a line that begins so; lines of the log may lie between."""
        while True:
            line = await asyncio.to_thread(self.process.stdout.readline)
            assert line, f"it ended without {word!r}"
            if line.startswith(word):
                return line.strip()

    def hang(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def end(self):
        self.process.kill()
        self.process.communicate()


@contextmanager
def holder(settings, config, name="engine-p"):
    made = Holder(settings, config, name)
    try:
        yield made
    finally:
        made.end()


async def test_what_a_killed_engine_had_goes_to_another_after_its_session(settings, config):
    with holder(settings, config) as first:
        await first.says("holds")
        async with taking_part(settings, config) as second:
            heard: list[str] = []
            waiting = asyncio.create_task(lease_of(second, config, heard))
            await until(lambda: heard)
            assert f"is held by 'engine-p' on {socket.gethostname()} (process {first.process.pid})" in heard[0]
            begun = time.monotonic()
            first.end()
            await (await waiting).release()
            assert time.monotonic() - begun < SESSION_S + QUICK_S


async def test_an_engine_whose_event_loop_hangs_loses_what_it_has_and_learns_it(settings, config):
    with holder(settings, config) as first:
        await first.says("holds")
        async with taking_part(settings, config) as second:
            heard: list[str] = []
            waiting = asyncio.create_task(lease_of(second, config, heard))
            await until(lambda: heard)
            first.hang(10)
            lease = await waiting
            assert re.match("lost this engine hung for more than 6 s: another engine .* may begin", await first.says("lost"))
            assert "is held by 'engine-a'" in await first.says("waits")
            await lease.release()
        await first.says("holds")


# ------------------------------------------------------------------ another cell


async def test_an_engine_of_another_cell_is_left_alone_while_it_lives(settings, config):
    other = replace(settings, name="engine-b", cell=random_topic("cell"))
    async with taking_part(other, config) as second:
        async with taking_part(settings, config) as first:
            lease = await lease_of(first, config)
            async with writing(settings, config) as journal:
                await journal.ensure_topics([TopicSpec(config, Cleanup.COMPACT)])
                heard: list[str] = []
                waiting = asyncio.create_task(lease_of(second, config, heard))
                await until(lambda: heard)
                holder = rf"'engine-a' on \S+ \(process \d+\) since \S+, an engine of cell '{settings.cell}'"
                waits = rf"this engine of cell '{other.cell}' waits. A configuration belongs to one cell only"
                assert re.fullmatch(rf"configuration '{config}' is held by {holder}; {waits}", heard[-1])
                await journal.append([Record(config, "still", b"ours")])
                assert not waiting.done()
            await lease.release()
        begun = time.monotonic()
        lease = await waiting
        assert time.monotonic() - begun < QUICK_S  # it was given back, so nobody has to wait until it is seen to be gone
        async with writing(other, config) as journal:
            assert (await journal.owner()).cell == other.cell
        await lease.release()


async def test_an_engine_of_another_cell_that_was_killed_is_waited_for_only_until_it_is_gone(settings, config):
    with holder(settings, config) as other:
        await other.says("holds")
        async with writing(replace(settings, name="engine-p"), config):
            pass
        other.end()
        ours = replace(settings, cell=random_topic("cell"))
        async with taking_part(ours, config) as ownership:
            heard: list[str] = []
            begun = time.monotonic()
            await (await lease_of(ownership, config, heard)).release()
            assert GONE_S < time.monotonic() - begun < GONE_S + QUICK_S
            assert "is held by 'engine-p'" in heard[0]


async def test_one_that_was_fenced_by_another_cell_waits_for_it(settings, config):
    """Both began at the same moment, when there was no mark."""
    other = replace(settings, name="engine-b", cell=random_topic("cell"))
    async with taking_part(settings, config) as first, taking_part(other, config) as second:
        ours, theirs = await lease_of(first, config), await lease_of(second, config)
        async with writing(settings, config) as fenced, writing(other, config) as journal:
            with pytest.raises(JournalFenced, match="engine-b"):
                await fenced.append([Record(config, "late", b"")])
            await ours.release()
            heard: list[str] = []
            waiting = asyncio.create_task(lease_of(first, config, heard))
            await until(lambda: heard)
            assert "is held by 'engine-b'" in heard[0]
            await journal.append([Record(config, "still", b"theirs")])
            waiting.cancel()
        await theirs.release()


async def test_a_mark_without_a_cell_keeps_nobody_out(settings, config):
    async with taking_part(settings, config) as ownership:
        await (await lease_of(ownership, config)).release()
        async with writing(replace(settings, cell=""), config) as journal:
            assert (await journal.owner()).cell == ""
            await (await lease_of(ownership, config, within_s=QUICK_S)).release()


def test_a_mark_of_an_earlier_version_has_no_cell():
    mark = '{"name":"a","host":"h","process":7,"since":"2026-01-01T00:00:00+00:00","id":"x"}'
    assert Owner.decode(mark) == Owner("a", "h", 7, "2026-01-01T00:00:00+00:00", "x")
    assert Owner.decode(Owner("a", "h", 7, cell="c").encode()).cell == "c"


# ------------------------------------------------------------------ settings and topics


async def test_a_configuration_of_no_cell_of_ours(settings, config):
    async with taking_part(settings, config) as ownership:
        with pytest.raises(SettingsError, match="'Other' is none of cell"):
            await lease_of(ownership, "Other")


async def test_a_file_that_cannot_be_read_is_told_at_the_start(settings, config, tmp_path):
    security = KafkaSecurity(user="mara", password_file=tmp_path / "nowhere")
    ownership = KafkaOwnership(replace(settings, security=security), [config])
    with pytest.raises(SettingsError, match="nowhere cannot be read"):
        await ownership.start()
    await ownership.close()


async def test_a_topic_of_no_use_is_said_and_holds_up_no_other(settings, config):
    split = random_topic("Split")
    admin = AdminClient({"bootstrap.servers": settings.servers})
    await asyncio.to_thread(admin.create_topics([NewTopic(split, 2)])[split].result, 20)
    async with taking_part(settings, split, config) as ownership:
        heard: list[str] = []
        waiting = asyncio.create_task(lease_of(ownership, split, heard))
        await (await lease_of(ownership, config)).release()
        await until(lambda: heard)
        assert f"topic '{split}' has 2 partitions and must have 1" in heard[0]
        await asyncio.to_thread(admin.delete_topics([split])[split].result, 20)
        await (await waiting).release()
        assert len(heard) == 1


async def test_partitions_that_are_added_make_nobody_an_owner(settings, config):
    """The group gives them to whoever has least; the configuration is with the first one, as before."""
    async with taking_part(settings, config) as first:
        lease = await lease_of(first, config)
        async with taking_part(replace(settings, name="engine-b"), config) as second:
            heard: list[str] = []
            waiting = asyncio.create_task(lease_of(second, config, heard))
            await until(lambda: heard)
            admin = AdminClient({"bootstrap.servers": settings.servers})
            await asyncio.to_thread(admin.create_partitions([NewPartitions(config, 2)])[config].result, 20)
            await until(second._member._consumer.assignment)
            await until(lambda: "has 2 partitions" in heard[-1])
            assert not waiting.done()
            assert not is_lost(lease)
            waiting.cancel()
        await lease.release()


async def test_a_topic_that_was_deleted_is_made_anew_for_who_had_it(settings, config):
    async with taking_part(settings, config) as ownership:
        lease = await lease_of(ownership, config)
        admin = AdminClient({"bootstrap.servers": settings.servers})
        await asyncio.to_thread(admin.delete_topics([config])[config].result, 20)
        await until(lambda: config not in ownership._mine)
        await until(lambda: config in ownership._mine)
        assert not is_lost(lease)
        await lease.release()
        await (await lease_of(ownership, config)).release()


# ------------------------------------------------------------------ a broker that is away


@pytest.fixture(scope="module")
def mortal():
    """A broker that may be killed."""
    try:
        cluster = KafkaCluster()
    except Missing as problem:
        pytest.skip(str(problem))
    yield cluster
    cluster.close()


@pytest.fixture
def alive(mortal):
    """It runs at the beginning and at the end of a test."""
    yield mortal
    if not mortal.brokers[0].running:
        mortal.brokers[0].start()
    mortal.wait()


@pytest.fixture
def lonely(alive):
    return KafkaSettings(alive.servers, name="engine-a", cell=random_topic("cell"), request_timeout_s=1.0)


async def test_a_broker_that_comes_after_the_engine(alive, lonely, config):
    alive.brokers[0].kill()
    begun = time.monotonic()
    async with taking_part(lonely, config) as ownership:
        assert time.monotonic() - begun < 1
        heard: list[str] = []
        waiting = asyncio.create_task(lease_of(ownership, config, heard, within_s=100))
        await until(lambda: heard)
        assert f"Kafka at {alive.servers} does not answer" in heard[0]
        views = [ownership._view]

        def looked_again():
            if ownership._view is not views[-1]:
                views.append(ownership._view)
            return len(views) > 3

        await until(looked_again)  # it stays away for a while, and that is not told in ever new words
        assert len(set(heard)) <= 3
        alive.brokers[0].start()
        await (await waiting).release()


async def test_a_lease_outlasts_an_outage_that_hits_everybody(alive, lonely, config):
    async with taking_part(lonely, config) as ownership:
        lease = await lease_of(ownership, config)
        alive.brokers[0].kill()
        await until(lambda: config not in ownership._mine)
        alive.brokers[0].start()
        await until(lambda: config in ownership._mine, 60)
        assert not is_lost(lease)
        await lease.release()


async def test_after_an_outage_one_has_it(alive, lonely, config):
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(taking_part(lonely, config))
        leases = [await lease_of(first, config)]
        second = await stack.enter_async_context(taking_part(replace(lonely, name="engine-b"), config))
        waiting = asyncio.create_task(lease_of(second, config, within_s=100))
        alive.brokers[0].pause()
        await until(lambda: config not in first._mine)
        alive.brokers[0].resume()
        await until(lambda: config in first._mine | second._mine)
        if config in second._mine:
            async with asyncio.timeout(30):
                assert "another one" in await leases[0].lost()
            await leases[0].release()
            leases = [await waiting]
        assert (config in first._mine) != (config in second._mine)
        waiting.cancel()
        await leases[0].release()


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_closing_takes_no_longer_than_three_seconds_while_the_broker_is_away(alive, lonely, config, how):
    broker = alive.brokers[0]
    ownership = KafkaOwnership(lonely, [config])
    await ownership.start()
    lease = await lease_of(ownership, config)
    broker.kill() if how == "killed" else broker.pause()
    try:
        await lease.release()
        begun = time.monotonic()
        await ownership.close()
        assert time.monotonic() - begun < 3.5
    finally:
        if how == "hung":
            broker.resume()


# ------------------------------------------------------------------ rights


@pytest.fixture
def secured():
    try:
        cluster = KafkaCluster(ClusterOptions(users={"mara": "right"}))
    except Missing as problem:
        pytest.skip(str(problem))
    yield cluster
    cluster.close()


def allow(cluster, kind, name, operation):
    admin = AdminClient({"bootstrap.servers": cluster.servers})
    rule = AclBinding(kind, name, ResourcePatternType.PREFIXED, "User:mara", "*", operation, AclPermissionType.ALLOW)
    for future in admin.create_acls([rule]).values():
        future.result(20)


async def test_rights_that_are_missing_are_named_with_what_gives_them(secured, config, tmp_path):
    (tmp_path / "password").write_text("right\n")
    security = KafkaSecurity(user="mara", password_file=tmp_path / "password")
    settings = KafkaSettings(secured.listener("SASL"), name="engine-a", cell="main", security=security)
    heard: list[str] = []
    async with taking_part(settings, config) as ownership:
        waiting = asyncio.create_task(lease_of(ownership, config, heard, within_s=90))
        command = f"kafka-acls.sh --bootstrap-server {settings.servers} --add --allow-principal User:mara --operation All"
        group = "User:mara has no right to keep positions or to be elected; an administrator can give it with"
        await until(lambda: any(f"{group} `{command} --group tocsin-" in text for text in heard))
        # May look at the group, but not join it.
        allow(secured, ResourceType.GROUP, "tocsin-", AclOperation.DESCRIBE)
        topic = f"no right to do that on topic {config}; an administrator can give it with `{command} --topic {config}`"
        await until(lambda: any(topic in text for text in heard))
        allow(secured, ResourceType.TOPIC, config, AclOperation.ALL)
        joining = f"take part in group 'tocsin-cell-main': {group}"
        await until(lambda: any(joining in text for text in heard))
        allow(secured, ResourceType.GROUP, "tocsin-", AclOperation.ALL)
        await (await waiting).release()
    assert not [text for text in heard if "does not answer" in text]
    assert len(heard) < 10
