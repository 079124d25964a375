"""Transactions whose marks the broker has forgotten in some topics: ended as they were in the others, and nothing acknowledged undone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.kafka_transactions import Transactions
from alarm_engine.journal.port import Cleanup, Record, TopicSpec
from tests.contract.journals import read_all
from tests.contract.kafka_forgery import PROPERTIES, hide
from tests.kafka_broker import ClusterOptions, KafkaCluster
from tests.kafka_jars import Missing

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def careless():
    try:
        cluster = KafkaCluster(ClusterOptions(properties=PROPERTIES))
    except Missing as problem:
        pytest.skip(str(problem))
    with cluster:
        yield cluster


class Plant:
    """Four topics of a configuration, with a transaction in all of them, of which the broker forgets what it is told to."""

    def __init__(self, cluster: KafkaCluster, name: str) -> None:
        self.cluster = cluster
        self.settings = replace(KafkaSettings(cluster.servers, name="tests"), owns=name)
        self.states, self.events, self.runtime, self.talk = self.names = [f"{name}{part}" for part in ("", "Events", "Runtime", "Talk")]
        compacted = [TopicSpec(topic, Cleanup.COMPACT) for topic in (self.states, self.runtime)]
        self.specs = [*compacted, TopicSpec(self.events, Cleanup.DELETE), TopicSpec(self.talk, Cleanup.DELETE, retention_s=20)]

    def producer(self) -> Producer:
        name = self.settings.group(self.settings.owns or "")
        made = Producer({"bootstrap.servers": self.cluster.servers, "transactional.id": name, "log_level": 0})
        made.init_transactions(30)
        return made

    def transaction(self, producer: Producer, committed: bool) -> None:
        producer.begin_transaction()
        stamp_ms = time.time_ns() // 1_000_000
        for topic in self.names:
            producer.produce(topic, b"1", "k", 0, timestamp=stamp_ms)
        assert producer.flush(10) == 0
        producer.commit_transaction(10) if committed else producer.abort_transaction(10)
        assert Cluster(self.settings).await_decided(self.names, 10)

    def hide(self, topic: str) -> None:
        (log,) = self.cluster.brokers[0].data.glob(f"**/{topic}-0/00000000000000000000.log")
        hide(self.cluster, log, self.settings.group(self.settings.owns or ""))

    @property
    def hidden(self) -> set[str]:
        return set(Cluster(self.settings).undecided(self.names))


@pytest.fixture
async def plant(careless, opened, topic):
    made = Plant(careless, topic)
    await (await opened(replace(made.settings, owns=None), *made.specs)).close()
    return made


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("also_talk", [True, False])
async def test_it_is_ended_as_it_was_in_another_topic(opened, plant, committed, also_talk):
    """Also where something is hidden in a topic of short life, which nobody mends: the next record does, or its end."""
    hidden = [plant.states, plant.events, *([plant.talk] if also_talk else [])]
    producer = await asyncio.to_thread(plant.producer)
    await asyncio.to_thread(plant.transaction, producer, committed)
    for topic in hidden:
        await asyncio.to_thread(plant.hide, topic)
    assert plant.hidden == set(hidden)
    journal = await opened(plant.settings, *plant.specs)
    assert plant.hidden == ({plant.talk} if also_talk else set())
    for topic in (plant.states, plant.events):
        keys = [record.key for record in await read_all(journal, topic)]
        assert keys.count("k") == (2 if committed else 0)


async def test_where_nothing_tells_it_is_committed(opened, plant):
    producer = await asyncio.to_thread(plant.producer)
    await asyncio.to_thread(plant.transaction, producer, True)
    for topic in plant.names:
        await asyncio.to_thread(plant.hide, topic)
    journal = await opened(plant.settings, *plant.specs)
    assert [record.key for record in await read_all(journal, plant.events)].count("k") == 2


async def test_what_is_hidden_in_one_topic_is_not_acknowledged_because_another_has_it(plant):
    """What follows could fail, and undo it."""
    producer = await asyncio.to_thread(plant.producer)
    await asyncio.to_thread(plant.transaction, producer, True)
    await asyncio.to_thread(plant.hide, plant.states)
    batch = [Record(plant.states, "k", b"1"), Record(plant.events, "k", b"1")]
    cluster = Cluster(plant.settings)
    transactions = Transactions(cluster)
    transactions.cover(plant.specs)
    await asyncio.to_thread(transactions.take_over)
    cluster.look(plant.names)
    transactions._doubt._ends = dict.fromkeys(plant.names, 0)
    transactions._doubt.commits([batch])  # as after a commit without an answer
    with pytest.raises(JournalUnavailable, match="hides them from readers"):
        await asyncio.to_thread(transactions.write, [batch], [], time.monotonic() + 5)
    assert transactions.in_doubt(batch)
    await asyncio.to_thread(transactions.close)
