"""Election in Kafka: who is told what, who gets what when, with engines that end, are killed, or hang."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import time
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from alarm_engine.errors import SettingsError
from alarm_engine.journal.kafka_settings import KafkaSecurity
from alarm_engine.ownership.kafka import KafkaOwnership
from alarm_engine.ownership.kafka_member import RELEASE_S
from tests.contract.journals import until
from tests.contract.ownerships import QUICK_S, SESSION_S, holder, is_lost, lease_of, taking_part
from tests.kafka_broker import random_topic

pytestmark = pytest.mark.timeout(120)


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


async def test_one_that_only_stood_by_leaves_the_group_when_it_ends(settings, config):
    """Else the next election would wait for it until its session is over."""
    group, admin = settings.group(f"cell-{settings.cell}"), AdminClient({"bootstrap.servers": settings.servers})

    def members():
        return len(admin.describe_consumer_groups([group])[group].result().members)

    async with taking_part(settings, config) as first:
        lease = await lease_of(first, config)
        async with taking_part(replace(settings, name="engine-b"), config) as second:
            waiting = asyncio.create_task(lease_of(second, config))
            await until(lambda: members() == 2)
            waiting.cancel()
        assert members() == 1
        await lease.release()


async def test_the_group_does_not_wait_for_one_that_ended_while_it_was_joining(settings, config, monkeypatch):
    monkeypatch.setattr("alarm_engine.ownership.kafka_member.JOIN_S", 20)
    monkeypatch.setattr("alarm_engine.ownership.kafka._CLOSE_S", 25)
    with holder(settings, config) as first:
        await first.says("holds")
        first.process.send_signal(signal.SIGSTOP)  # so it is not asked yet to make room for another one
        second = KafkaOwnership(replace(settings, name="engine-b", session_s=40.0), [config])
        await second.start()
        waiting = asyncio.create_task(lease_of(second, config))
        await until(second._member._consumer.memberid)  # the group has given it an id, with which it asks to be taken
        waiting.cancel()
        closing = asyncio.create_task(second.close())
        await until(lambda: second._member is None)
        first.process.send_signal(signal.SIGCONT)
        await closing
        async with taking_part(replace(settings, name="engine-c"), config) as third:
            waiting = asyncio.create_task(lease_of(third, config, within_s=60))
            async with asyncio.timeout(25):
                while third._member._id is None:
                    await asyncio.sleep(0.01)
            waiting.cancel()


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
