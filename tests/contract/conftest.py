"""Brokers that tests of the Kafka adapters share, and journals that are closed after the test."""

from __future__ import annotations

import pytest

from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from tests.contract.journals import tried, until
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import ClusterOptions, KafkaCluster, random_topic
from tests.kafka_certificates import make_certificates
from tests.kafka_jars import Missing


def start_or_skip(options: ClusterOptions) -> KafkaCluster:
    try:
        return KafkaCluster(options)
    except Missing as problem:
        pytest.skip(str(problem))


@pytest.fixture
def topic():
    return random_topic("Plant")


@pytest.fixture
def config(topic):
    """A configuration, by the name of its topic."""
    return topic


@pytest.fixture
def settings():
    """An engine on the broker of the session, in a cell of its own."""
    return KafkaSettings(servers_or_skip(), name="engine-a", cell=random_topic("cell"))


@pytest.fixture
async def opened():
    """Starts journals."""
    journals = []

    async def start(settings, *specs):
        journal = KafkaJournal(settings)
        journals.append(journal)
        await until(lambda: tried(journal.start))  # a fresh broker takes a while to answer everything
        await journal.ensure_topics(specs)
        return journal

    yield start
    for journal in journals:
        await journal.close()


@pytest.fixture(scope="module")
def mortal():
    """A broker that may be killed; its listener `DETOUR` is for a proxy of the test."""
    properties = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200"}
    with start_or_skip(ClusterOptions(properties=properties, behind=("DETOUR",))) as cluster:
        yield cluster


@pytest.fixture
def alive(mortal):
    """It runs at the beginning and at the end of a test."""
    yield mortal
    if not mortal.brokers[0].running:
        mortal.brokers[0].start()
    mortal.wait()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(certificates):
    """A broker with users, certificates and access rules."""
    with start_or_skip(ClusterOptions(users={"mara": "right", "tom": "other"}, certificates=certificates)) as cluster:
        yield cluster
