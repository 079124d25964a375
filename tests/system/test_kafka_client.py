"""A client straight from Kafka, on a real broker with real engines and no backend: what it shows, what it writes, what it survives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.model.severity import Severity
from alarm_engine.wire.topics import Topics
from tests.contract.journals import until as until_within
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import KafkaCluster, random_topic
from tests.kafka_jars import Missing
from tests.system.machines import Machine, configure, machine
from tocsin import AsyncKafkaClient, KafkaClient
from tocsin.client import Change, Fresh, NotFound, Snapshot, Stale

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
until = partial(until_within, deadline_s=120)
PATIENT = {"write_timeout_s": 60.0, "request_timeout_s": 20.0, "session_s": 20.0}
"""Of the engines: the machine may have much else to do."""


@pytest.fixture
def settings() -> KafkaSettings:
    return KafkaSettings(servers_or_skip(), name="engine-a", cell=random_topic("cell"), **PATIENT)


@asynccontextmanager
async def client_of(settings: KafkaSettings, config: str, **options) -> AsyncIterator[AsyncKafkaClient]:
    async with AsyncKafkaClient(settings.servers, config=config, cell=settings.cell, user="mara", start_s=60, **options) as client:
        yield client


@asynccontextmanager
async def site(settings: KafkaSettings) -> AsyncIterator[tuple[Machine, AsyncKafkaClient]]:
    """An engine that serves two alarms, and a client that has read them."""
    config = random_topic("Plant")
    await configure(settings, config)
    async with machine(settings, config) as engine:
        await until(lambda: engine.engine.runners)
        for pv in ("GC1", "GC2"):
            engine.source.put(pv, Severity.OK, "NO_ALARM", value="1")
        async with client_of(settings, config) as client:
            await client.wait_ready(60)
            await until(lambda: heard_of(client, 2))
            yield engine, client


async def heard_of(client: AsyncKafkaClient, number: int) -> bool:
    await asyncio.sleep(0.02)
    return (await client.alarms(state="all")).total == number


async def until_severity(client: AsyncKafkaClient, path: str, severity: str) -> None:
    async def there() -> bool:
        await asyncio.sleep(0.02)
        return (await client.alarm(path)).severity == severity

    await until(there)


def groups(servers: str) -> set[str]:
    found = AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_consumer_groups(request_timeout=20).result()
    return {group.group_id for group in found.valid}


def topics(servers: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=20).topics)


def ends(servers: str, names: list[str]) -> dict[str, int]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "tests", "log_level": 0})
    found = {name: consumer.get_watermark_offsets(TopicPartition(name, 0), timeout=20)[1] for name in names}
    consumer.close()
    return found


def written(servers: str, topic: str) -> list[tuple[str, dict, dict[str, str]]]:
    """Key, value and headers of all records of a topic."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "tests", "log_level": 0, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while (message := consumer.poll(20)) is not None and message.error() is None:
        headers = {name: (value or b"").decode() for name, value in message.headers() or []}
        found.append(((message.key() or b"").decode(), json.loads(message.value() or b"{}"), headers))
    consumer.close()
    return found


async def test_alarms_commands_and_past_without_a_backend(settings):
    async with site(settings) as (engine, client):
        config, path = engine.config, f"/{engine.config}/Vacuum/GC1"
        (status,) = await client.status()
        assert (status.config, status.caught_up, status.stale, status.server_gone, status.problem) == (config, True, False, False, "")
        engine.source.put("GC1", Severity.MAJOR, "HIHI_ALARM")
        await until_severity(client, path, "MAJOR")
        seen = (await client.alarms()).as_of
        engine.source.put("GC2", Severity.MAJOR, "HIHI_ALARM")
        await until_severity(client, f"/{config}/Vacuum/GC2", "MAJOR")
        done = await client.acknowledge(f"/{config}", reason="pump is being changed", seen=seen)
        assert (done.outcome, done.count, done.left_alone) == ("done", 1, (f"/{config}/Vacuum/GC2",))
        assert (await client.alarm(path)).severity == "MAJOR_ACK"
        assert (await client.shelve(path, duration="1h", reason="noisy")).outcome == "done"
        assert (await client.unshelve(path)).outcome == "done"
        assert (await client.unshelve(path)).outcome in ("done", "refused")
        with pytest.raises(NotFound):
            await client.acknowledge(f"/{config}/Vacuum/GC9")
        events = [event async for event in client.events(kind="acknowledged,shelved,unshelved", oldest_first=True)]
        assert [(one.kind, one.user, one.comment) for one in events] == [
            ("acknowledged", "mara", "pump is being changed"),
            ("shelved", "mara", "noisy"),
            ("unshelved", "mara", ""),
        ]
        assert all(one.host for one in events)
        (rise,) = [event async for event in client.events(path, kind="alarm")]
        then = await client.alarms_at(rise.time + timedelta(milliseconds=1))  # times in answers are cut to milliseconds
        assert (then.complete, [one.path for one in then.alarms]) == (True, [path])
        before = await client.alarms_at(rise.time - timedelta(milliseconds=1))
        assert (before.complete, before.total) == (True, 0)


async def test_it_writes_nothing_but_commands(settings):
    """No topic, no group, no position; and to no topic of the site but that of commands."""
    async with site(settings) as (engine, _):
        names, servers = Topics(engine.config), settings.servers
        others = [names.settings, names.runtime]
        before = await asyncio.to_thread(lambda: (topics(servers), groups(servers), ends(servers, others)))
        async with client_of(settings, engine.config) as client:
            await client.wait_ready(60)
            await client.read_past()
            await client.figures()
            await client.disable(f"/{engine.config}/Vacuum/GC1", reason="maintenance")
            await client.enable(f"/{engine.config}/Vacuum/GC1")
            after = await asyncio.to_thread(lambda: (topics(servers), groups(servers)))
        assert after == before[:2]
        commands = await asyncio.to_thread(written, servers, names.command)
        assert [(key, value["user"], value["command"]) for key, value, _ in commands] == [
            (f"command:/{engine.config}/Vacuum/GC1", "mara", "disable"),
            (f"command:/{engine.config}/Vacuum/GC1", "mara", "enable"),
        ]
        assert any("maintenance" in value for value in commands[0][2].values())


async def test_a_plain_client_does_the_same(settings):
    async with site(settings) as (engine, _):
        config = engine.config

        def ask() -> list[str]:
            with KafkaClient(settings.servers, config=config, cell=settings.cell, user="mara", start_s=60) as client:
                client.wait_ready(60)
                assert client.url == f"kafka://{settings.servers}"
                assert config in {one.name for one in client.configurations()}
                assert client.past().total == 0
                assert client.read_past().whole
                assert client.ready().ready
                engine.source.put("GC1", Severity.MAJOR, "HIHI_ALARM")
                updates = client.subscribe()
                first = next(updates)
                assert isinstance(first, Snapshot)
                found = {one.path for one in first.alarms}
                while f"/{config}/Vacuum/GC1" not in found:
                    if isinstance(update := next(updates), Change) and update.event.kind == "alarm":
                        found.add(update.event.path)
                return [event.kind for event in client.events(f"/{config}/Vacuum/GC1", start=datetime.now(UTC) - timedelta(hours=1))]

        assert "alarm" in await asyncio.to_thread(ask)


async def test_a_subscriber_misses_nothing_while_another_engine_takes_over(settings):
    """The leader is told to go in the middle of a stream of changes: all of them come, in their order, and none twice."""
    config = random_topic("Plant")
    await configure(settings, config)
    async with machine(settings, config) as first, machine(replace(settings, name="engine-b"), config) as second:
        await until(lambda: first.engine.runners or second.engine.runners)
        leader, other = (first, second) if first.engine.runners else (second, first)
        async with client_of(settings, config) as client:
            await client.wait_ready(60)
            subscription = client.subscribe()
            seen: list[str] = []
            assert isinstance(await anext(subscription), Snapshot)
            reading = asyncio.create_task(collect(subscription, seen))
            flipping = asyncio.create_task(flip((leader, other)))
            await until(lambda: len(seen) > 100)
            await leader.engine.stop()
            await until(lambda: other.engine.runners)
            number = len(seen)
            await until(lambda: len(seen) > number + 100)
            flipping.cancel()
            await asyncio.gather(flipping, return_exceptions=True)
            events = [str(event.id) for event in await other.events()]
            await until(lambda: seen[-1] == events[-1])
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await subscription.aclose()
        assert len({identity.rsplit(".", 2)[1] for identity in seen}) == 2
        assert seen == events[events.index(seen[0]) :]


async def collect(subscription, seen: list[str]) -> None:
    async for update in subscription:
        if isinstance(update, Change):
            seen.append(update.event.id)


async def flip(machines: tuple[Machine, ...]) -> None:
    number = 0
    while True:
        number += 1
        for one in machines:
            one.source.put("GC1", Severity.MAJOR if number % 2 else Severity.MINOR, "HIHI_ALARM", value=str(number))
        await asyncio.sleep(0.005)


async def test_a_broker_that_is_started_again_under_a_subscriber():
    try:
        cluster = KafkaCluster()
    except Missing as problem:
        pytest.skip(str(problem))
    with cluster:
        settings = KafkaSettings(cluster.servers, name="engine-a", cell=random_topic("cell"), **PATIENT)
        async with site(settings) as (engine, client):
            path = f"/{engine.config}/Vacuum/GC1"
            updates: list = []
            subscription = client.subscribe()
            reading = asyncio.create_task(gather(subscription, updates))
            await until(lambda: updates)
            await asyncio.to_thread(cluster.brokers[0].kill)
            await until(lambda: any(isinstance(one, Stale) for one in updates))
            assert (await client.alarms()).stale
            (status,) = await client.status()
            assert status.stale
            engine.source.put("GC1", Severity.MAJOR, "HIHI_ALARM")
            await asyncio.to_thread(cluster.brokers[0].start)
            await asyncio.to_thread(cluster.wait)
            await until(lambda: any(isinstance(one, Change) and one.event.path == path and one.event.kind == "alarm" for one in updates))
            await until(lambda: any(isinstance(one, Fresh) for one in updates))
            ids = [one.event.id for one in updates if isinstance(one, Change)]
            assert len(ids) == len(set(ids))

            async def acknowledged() -> bool:
                return (await client.acknowledge(path)).outcome == "done"

            await until(acknowledged)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await subscription.aclose()


async def gather(subscription, updates: list) -> None:
    async for update in subscription:
        updates.append(update)
