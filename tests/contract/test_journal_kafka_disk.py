"""A broker whose disk is full, and clocks that differ."""

import asyncio
import os
import resource

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.port import Cleanup, Record, TopicSpec
from tests.contract.journals import read_all, until
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import ClusterOptions, KafkaCluster, random_topic, shared_broker
from tests.kafka_jars import Missing

pytestmark = pytest.mark.timeout(120)

VALUE = b"x" * 900_000
FULL_BYTES = 14_000_000
"""No file may become larger: to the broker that is a disk without room. Its index files are 10 MB from the beginning."""


@pytest.fixture
def topic():
    return random_topic("Plant")


async def written(journal, record):
    """As the publisher does: False if it is to be tried again."""
    try:
        await journal.append([record])
    except JournalUnavailable:
        return False
    return True


async def opened(settings, topic):
    journal = KafkaJournal(settings)
    while True:
        try:
            await journal.start()
            break
        except JournalUnavailable:
            await asyncio.sleep(0.05)
    await journal.ensure_topics([TopicSpec(topic, Cleanup.DELETE)])
    return journal


async def test_a_disk_that_is_full_for_a_while(topic):
    try:
        cluster = KafkaCluster(ClusterOptions())
    except Missing as problem:
        pytest.skip(str(problem))
    with cluster:
        (broker,) = cluster.brokers
        journal = await opened(KafkaSettings(cluster.servers, owns=topic, write_timeout_s=2.0, request_timeout_s=1.0), topic)
        kept = []
        try:
            resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, resource.RLIM_INFINITY))

            async def fill():
                for n in range(40):
                    await journal.append([Record(topic, f"k{n}", VALUE)])
                    kept.append(f"k{n}")

            with pytest.raises(JournalUnavailable, match=r"disk|does not answer|not confirmed"):
                await fill()
            assert kept
            # A broker gives up the disk that it could not write to, and ends if it has no other: whoever makes room starts it again.
            broker.kill()
            broker.start()

            await until(lambda: written(journal, Record(topic, "after", b"there is room")))
            found = [record.key for record in await read_all(journal, topic)]
        finally:
            await journal.close()
    assert [key for key in found if key in kept] == kept
    assert found.count("after") == 1


def test_a_broker_never_waits_for_whoever_reads_what_it_says():
    servers_or_skip()
    (broker,) = shared_broker().brokers
    assert os.readlink(f"/proc/{broker.pid}/fd/1").endswith("broker.log")


async def test_a_clock_that_differs_more_than_the_broker_takes(topic):
    journal = await opened(KafkaSettings(servers_or_skip(), owns=topic), topic)
    admin = AdminClient({"bootstrap.servers": servers_or_skip()})
    limit = ConfigEntry("message.timestamp.before.max.ms", "2000", incremental_operation=AlterConfigOpType.SET)
    resource_ = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[limit])
    (broker,) = shared_broker().brokers
    try:
        await asyncio.to_thread(admin.incremental_alter_configs([resource_])[resource_].result, 10)
        await journal.append([Record(topic, "k", b"in time")])
        broker.pause()  # what we write now is old when the broker looks at it, as if our clock were behind
        try:
            writing = asyncio.create_task(journal.append([Record(topic, "k", b"late")]))
            await until(lambda: journal._writer.waiting_s > 2.5)
        finally:
            broker.resume()
        with pytest.raises(JournalUnavailable, match="the clocks of this machine and of the broker differ"):
            await writing
        await until(lambda: written(journal, Record(topic, "k", b"in time again")))
        assert [record.value for record in await read_all(journal, topic)] == [b"in time", b"in time again"]
    finally:
        await journal.close()
