"""Election in Kafka while the broker is away, and without the rights that are needed."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from confluent_kafka.admin import AclOperation, ResourcePatternType, ResourceType

from alarm_engine.journal.kafka_settings import KafkaSecurity, KafkaSettings
from alarm_engine.ownership.kafka import KafkaOwnership
from tests.contract.journals import until
from tests.contract.ownerships import is_lost, lease_of, taking_part
from tests.kafka_broker import random_topic

pytestmark = pytest.mark.timeout(120)


PREFIXED = ResourcePatternType.PREFIXED


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
        secured.allow("User:mara", (ResourceType.GROUP, "tocsin-", PREFIXED), operation=AclOperation.DESCRIBE)
        topic = f"no right to do that on topic {config}; an administrator can give it with `{command} --topic {config}`"
        await until(lambda: any(topic in text for text in heard))
        secured.allow("User:mara", (ResourceType.TOPIC, config, PREFIXED))
        joining = f"take part in group 'tocsin-cell-main': {group}"
        await until(lambda: any(joining in text for text in heard))
        secured.allow("User:mara", (ResourceType.GROUP, "tocsin-", PREFIXED))
        await (await waiting).release()
    assert not [text for text in heard if "does not answer" in text]
    assert len(heard) < 10


async def test_a_session_shorter_than_the_broker_allows_is_told_with_what_mends_it(settings, config):
    short = replace(settings, session_s=1)  # the brokers of tests take no less than 2 s
    async with taking_part(short, config) as ownership:
        heard: list[str] = []
        waiting = asyncio.create_task(lease_of(ownership, config, heard))
        await until(lambda: any("group.min.session.timeout.ms" in said and "kafka.session_s" in said for said in heard))
        waiting.cancel()
