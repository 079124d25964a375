"""What only Kafka can do and only Kafka can do to us, on a real broker. What every journal promises is in `test_journal`."""

import asyncio
import contextlib
import secrets
import threading
from dataclasses import replace

import pytest
import structlog.testing
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from alarm_engine.errors import JournalCorrupt, JournalError, JournalFenced, JournalUnavailable, SettingsError
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.kafka_transactions import Transactions
from alarm_engine.journal.kafka_watch import PERIOD_S
from alarm_engine.journal.port import Cleanup, Position, Record, TopicSpec
from alarm_engine.journal.reading import read_to_end
from tests.contract.journals import read_all, tried, until
from tests.contract.kafka_topics import alter, servers_or_skip
from tests.kafka_broker import random_topic

pytestmark = pytest.mark.timeout(120)  # the first one starts a broker

DAY_S = 86_400


@pytest.fixture
def settings():
    return KafkaSettings(servers_or_skip(), name="tests")


@pytest.fixture
def admin(settings):
    return AdminClient({"bootstrap.servers": settings.servers})


def make(admin, topic, partitions=1, **config):
    config = {name.replace("_", "."): value for name, value in config.items()}
    for future in admin.create_topics([NewTopic(topic, partitions, 1, config=config)]).values():
        future.result(20)


@contextlib.contextmanager
def foreign_transaction(settings, *topics):
    """Somebody else's transaction with a record in each topic, open within the block and then undone unless it was committed."""
    producer = Producer({"bootstrap.servers": settings.servers, "transactional.id": secrets.token_hex(8)})
    producer.init_transactions(30)
    producer.begin_transaction()
    for name in topics:
        producer.produce(name, b"foreign", b"foreign", 0)
    producer.flush(30)
    yield producer
    with contextlib.suppress(Exception):
        producer.abort_transaction(30)


async def keys(journal, *topics):
    return [record.key for record in await read_all(journal, *topics)]


# ------------------------------------------------------------------ transactions


async def test_what_is_undone_was_never_there(opened, settings, topic):
    journal = await opened(settings, TopicSpec(topic, Cleanup.COMPACT), TopicSpec(f"{topic}Events", Cleanup.DELETE))
    await journal.append([Record(topic, "before", b""), Record(f"{topic}Events", "before", b"")])
    with foreign_transaction(settings, topic, f"{topic}Events"):
        pass
    assert await keys(journal, topic, f"{topic}Events") == ["before", "before"]
    await journal.append([Record(topic, "after", b"")])
    assert await keys(journal, topic) == ["before", "after"]


async def test_a_reader_is_not_caught_up_before_an_open_transaction_is_decided(opened, settings, topic):
    journal = await opened(settings, TopicSpec(topic, Cleanup.COMPACT))
    await journal.append([Record(topic, "before", b"")])
    with foreign_transaction(settings, topic) as producer:
        reader = journal.reader([topic])
        fetched = await reader.fetch()
        assert ([record.key for record in fetched.records], fetched.caught_up) == (["before"], False)
        fetched = await reader.fetch(timeout_s=0.2)
        assert (list(fetched.records), fetched.caught_up) == ([], False)
        await asyncio.to_thread(producer.commit_transaction, 30)
        fetched = await asyncio.wait_for(reader.fetch(), 20)
        assert ([record.key for record in fetched.records], fetched.caught_up) == (["foreign"], True)


async def test_a_record_that_the_broker_refuses_takes_its_batch_with_it(opened, settings, topic, admin):
    journal = await opened(settings, TopicSpec(topic, Cleanup.COMPACT), TopicSpec(f"{topic}Events", Cleanup.DELETE))
    alter(admin, f"{topic}Events", max_message_bytes="1000")
    batch = [Record(topic, "k", b""), Record(f"{topic}Events", "k", b"x" * 2000)]

    async def refused():
        try:
            await journal.append(batch, [Position("history", topic, 7)])
        except JournalError as problem:
            return str(problem)
        return ""

    await until(refused)  # the broker takes a moment to heed its new limit
    assert f"entity-name {topic}Events --add-config max.message.bytes=" in await refused()
    others = [journal.append([Record(topic, "beside", b"")]), journal.append(batch), journal.append([Record(topic, "beside", b"")])]
    results = await asyncio.gather(*others, return_exceptions=True)
    assert [isinstance(result, JournalError) for result in results] == [False, True, False]
    assert (await keys(journal, topic))[-2:] == ["beside", "beside"]
    assert (await keys(journal, topic)).count("k") == (await keys(journal, f"{topic}Events")).count("k")


async def test_large_values(opened, settings, topic):
    journal = await opened(settings, TopicSpec(topic, Cleanup.COMPACT))
    await journal.append([Record(topic, str(n), bytes(1 << 20)) for n in range(3)])
    await journal.append([Record(topic, "alone", bytes(1 << 20))])
    assert [len(record.value) for record in await read_all(journal, topic)] == [1 << 20] * 4
    for batch in ([Record(topic, "k", bytes(9 << 20))], [Record(topic, "k", bytes(9 << 20)), Record(topic, "k", b"")]):
        with pytest.raises(JournalError, match="larger than the broker takes") as caught:
            await journal.append(batch)
        assert not isinstance(caught.value, JournalUnavailable)
    await journal.append([Record(topic, "after", b"")])


async def test_positions_are_those_of_a_consumer_group(opened, settings, topic):
    journal = await opened(settings, TopicSpec(topic, Cleanup.COMPACT))
    await journal.append([Record(topic, "k", b"")], [Position("history", topic, 41), Position("history", topic, 42)])
    await until(lambda: _committed(settings, "tocsin-history", topic) == 42)


def _committed(settings, group, topic):
    consumer = Consumer({"bootstrap.servers": settings.servers, "group.id": group})
    try:
        return consumer.committed([TopicPartition(topic, 0)], 20)[0].offset
    finally:
        consumer.close()


async def test_appends_wait_while_too_much_is_on_its_way(opened, settings, topic):
    journal = await opened(replace(settings, max_pending_bytes=1), TopicSpec(topic, Cleanup.COMPACT))
    await asyncio.gather(*(journal.append([Record(topic, f"{n}", b""), Record(topic, f"{n}", b"")]) for n in range(40)))
    assert len(await keys(journal, topic)) == 80


async def test_a_replay_of_many_records(opened, settings, topic):
    journal = await opened(settings, TopicSpec(topic, Cleanup.COMPACT))
    for part in range(4):
        await journal.append([Record(topic, f"{part}.{n}", b"x" * 100) for n in range(5000)])
    assert await keys(journal, topic) == [f"{part}.{n}" for part in range(4) for n in range(5000)]


# ------------------------------------------------------------------ one writer


async def test_a_second_owner_fences_the_first_who_says_who_it_was(opened, settings, topic):
    old = await opened(replace(settings, name="engine-1", owns=topic), TopicSpec(topic, Cleanup.COMPACT))
    await old.append([Record(topic, "old", b"")])
    other = await opened(replace(settings, name="engine-3", owns=f"{topic}Other"))
    new = await opened(replace(settings, name="engine-2", owns=topic))
    for _ in range(2):
        with pytest.raises(JournalFenced, match=f"'engine-2' on .* has taken over the configuration '{topic}'"):
            await old.append([Record(topic, "late", b"")])
    await new.append([Record(topic, "new", b"")])
    assert await keys(new, topic) == ["old", "new"]
    owner = await old.owner()
    assert owner is not None
    assert owner.name == "engine-2"
    await other.ensure_topics([TopicSpec(f"{topic}Other", Cleanup.COMPACT)])
    await other.append([Record(f"{topic}Other", "k", b"")])
    assert await keys(old, topic) == ["old", "new"]  # it can still read


async def test_an_owner_before_there_is_a_topic_is_known_from_its_first_record(opened, settings, topic):
    old = await opened(replace(settings, name="engine-1", owns=topic))
    new = await opened(replace(settings, name="engine-2", owns=topic), TopicSpec(topic, Cleanup.COMPACT))
    assert await new.owner() is None
    await new.append([Record(topic, "new", b"")])
    with pytest.raises(JournalFenced, match="engine-2"):
        await old.append([Record(topic, "late", b"")])


async def test_who_was_fenced_may_take_over_again(opened, settings, topic):
    first = await opened(replace(settings, name="engine-1", owns=topic), TopicSpec(topic, Cleanup.COMPACT))
    second = await opened(replace(settings, name="engine-2", owns=topic))
    await first.close()
    await first.start()
    await first.append([Record(topic, "again", b"")])
    with pytest.raises(JournalFenced, match="engine-1"):
        await second.append([Record(topic, "late", b"")])
    await first.append([Record(topic, "still", b"")])
    assert await keys(first, topic) == ["again", "still"]


async def test_taking_over_undoes_what_was_not_committed(opened, settings, topic):
    await opened(settings, TopicSpec(topic, Cleanup.COMPACT))
    hung = Producer({"bootstrap.servers": settings.servers, "transactional.id": f"tocsin-{topic}"})
    hung.init_transactions(30)
    hung.begin_transaction()
    hung.produce(topic, b"", b"undecided", 0)
    hung.flush(30)
    new = await opened(replace(settings, owns=topic))
    assert await keys(new, topic) == []
    await new.append([Record(topic, "new", b"")])
    assert await keys(new, topic) == ["new"]


async def test_what_was_taken_back_is_known_to_whoever_takes_over(opened, settings, topic):
    """Readers that wait for no decision have seen it."""
    first = await opened(replace(settings, owns=topic), TopicSpec(topic, Cleanup.COMPACT))
    await first.append([Record(topic, "state:/a", b"1"), Record(topic, "state:/b", b"1")])
    client = await opened(settings)
    with foreign_transaction(settings, topic):
        await client.append([Record(topic, "config:/c", b"2")])
    second = await opened(replace(settings, owns=topic))
    assert await second.retracted(topic, 0) == {"foreign"}
    assert await second.retracted(topic, await second.end(topic)) == frozenset()
    assert await second.retracted(f"{topic}Missing", 0) == frozenset()


async def test_a_take_over_that_was_given_up_takes_nothing_from_who_came_next(opened, settings, topic, monkeypatch):
    began, goes_on = threading.Event(), threading.Event()
    begin = Transactions._insist

    def hanging(self, step, deadline, *refused):
        if self._settings.name == "slow" and not began.is_set():
            began.set()
            goes_on.wait(30)
        begin(self, step, deadline, *refused)

    monkeypatch.setattr(Transactions, "_insist", hanging)
    new = await opened(replace(settings, owns=topic), TopicSpec(topic, Cleanup.COMPACT))
    starting = asyncio.create_task(KafkaJournal(replace(settings, owns=topic, name="slow")).start())
    await asyncio.to_thread(began.wait, 30)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    goes_on.set()
    await until(lambda: all(thread.name != "kafka-request" for thread in threading.enumerate()))
    while True:
        try:
            await new.append([Record(topic, "still ours", b"")])
            break
        except JournalUnavailable:
            await asyncio.sleep(0.05)
    assert (await new.owner()).name == settings.name


# ------------------------------------------------------------------ topics


async def test_topics_get_the_settings_they_need(opened, settings, topic, admin):
    events = TopicSpec(f"{topic}Events", Cleanup.DELETE, retention_s=30 * DAY_S, retention_bytes=4_000_000_000)
    talk = TopicSpec(f"{topic}Talk", Cleanup.DELETE, retention_s=20)
    await opened(settings, TopicSpec(topic, Cleanup.COMPACT), events, talk)
    assert values(admin, topic, "cleanup.policy", "segment.ms", "max.compaction.lag.ms") == ["compact", "60000", "60000"]
    assert values(admin, events.name, "cleanup.policy", "retention.ms", "retention.bytes") == ["delete", "2592000000", "4000000000"]
    assert values(admin, talk.name, "retention.ms", "retention.bytes", "segment.ms") == ["20000", "-1", "10000"]
    again = await opened(settings, TopicSpec(topic, Cleanup.COMPACT), events, talk)
    assert again.topic_faults == ()


def values(admin, topic, *names):
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    found = admin.describe_configs([resource])[resource].result(20)
    return [found[name].value for name in names]


async def test_wrong_settings_are_reported_with_what_mends_them(opened, settings, topic, admin):
    make(admin, topic, cleanup_policy="delete")
    make(admin, f"{topic}Events", retention_ms="3600000")
    events = TopicSpec(f"{topic}Events", Cleanup.DELETE, retention_s=30 * DAY_S)
    journal = await opened(settings, TopicSpec(topic, Cleanup.COMPACT), events)
    config, retention = journal.topic_faults
    assert "cleanup.policy=delete (expected compact)" in config
    assert (
        f"kafka-configs.sh --bootstrap-server {settings.servers} --alter --entity-type topics --entity-name {topic} --add-config" in config
    )
    assert retention.endswith(f"--entity-name {topic}Events --add-config retention.ms=2592000000")
    assert values(admin, topic, "cleanup.policy") == ["delete"]


async def test_topics_of_a_phoebus_server_are_as_they_should_be(opened, settings, topic, admin):
    common = {"segment_ms": "10000", "min_cleanable_dirty_ratio": "0.01", "min_compaction_lag_ms": "1000"}
    make(admin, topic, cleanup_policy="compact", **common)
    short = {"retention_ms": "20000", "delete_retention_ms": "1000", "file_delete_delay_ms": "1000"}
    make(admin, f"{topic}Command", cleanup_policy="delete", **common, **short)
    command = TopicSpec(f"{topic}Command", Cleanup.DELETE, retention_s=600)
    assert (await opened(settings, TopicSpec(topic, Cleanup.COMPACT), command)).topic_faults == ()


async def test_topics_with_several_partitions_are_refused_together(opened, settings, topic, admin):
    make(admin, topic, partitions=2)
    make(admin, f"{topic}Talk", partitions=3)
    journal = await opened(settings)
    with pytest.raises(JournalCorrupt, match=f"'{topic}' has 2 partitions and must have 1.*'{topic}Talk' has 3 partitions") as caught:
        await journal.ensure_topics([TopicSpec(topic, Cleanup.COMPACT), TopicSpec(f"{topic}Talk", Cleanup.DELETE, retention_s=20)])
    assert f"kafka-topics.sh --bootstrap-server {settings.servers} --delete --topic {topic}" in str(caught.value)


async def test_partitions_that_are_added_to_a_topic_are_noticed_by_who_reads_it(opened, settings, topic, admin):
    """A client that writes by key, as Phoebus does, may write into them."""
    journal = await opened(settings, TopicSpec(topic, Cleanup.DELETE))
    reader = journal.reader([topic])
    await reader.fetch()
    assert reader.fault == ""
    admin.create_partitions([NewPartitions(topic, 2)])[topic].result(20)
    with structlog.testing.capture_logs() as said:
        await until(lambda: reader.fault)
        await journal.append([Record(topic, "k", b"still read")])
        assert [record.value for record in (await reader.fetch()).records] == [b"still read"]
        await asyncio.wait_for(reader.fetch(timeout_s=2 * PERIOD_S), 30)
    assert f"topic '{topic}' has 2 partitions and must have 1" in reader.fault
    assert f"`kafka-topics.sh --bootstrap-server {settings.servers} --delete --topic {topic}`" in reader.fault
    assert [(line["log_level"], line["problem"]) for line in said if "problem" in line] == [("error", reader.fault)]
    admin.delete_topics([topic])[topic].result(20)
    await until(lambda: tried(journal.ensure_topics, [TopicSpec(topic, Cleanup.DELETE)]))
    await until(lambda: reader.fault == "")


async def test_a_topic_with_several_partitions_is_not_taken_for_wholly_read(opened, settings, topic, admin):
    make(admin, topic, partitions=2)
    journal = await opened(settings)
    with pytest.raises(JournalCorrupt, match=f"'{topic}' has 2 partitions and must have 1"):
        assert [record async for record in read_to_end(journal, [topic])] == []


def test_topics_that_were_just_made_can_be_looked_at(settings, admin):
    """Their leaders do not know yet that they are that."""
    for _ in range(15):
        names = [random_topic() for _ in range(6)]
        for future in admin.create_topics([NewTopic(name, 1) for name in names]).values():
            future.result(20)
        cluster = Cluster(settings)
        for _ in range(3):
            cluster.look(names)


async def test_a_topic_is_compacted(opened, settings, topic, admin):
    journal = await opened(settings, TopicSpec(topic, Cleanup.COMPACT))
    alter(admin, topic, segment_ms="50", min_cleanable_dirty_ratio="0.0")
    written = 0

    async def shorter():
        nonlocal written
        await journal.append([Record(topic, "same", b"%d" % written), Record(topic, "gone", b"" if written == 0 else None)])
        written += 1
        found = await read_all(journal, topic)
        assert [record.value for record in found if record.key == "same"][-1] == b"%d" % (written - 1)
        return len(found) < written

    await until(shorter, 60)


async def test_a_topic_that_is_made_anew_is_read_from_its_beginning(opened, settings, topic, admin):
    journal = await opened(settings, TopicSpec(topic, Cleanup.COMPACT), TopicSpec(f"{topic}Other", Cleanup.COMPACT))
    await journal.append([Record(topic, f"old {n}", b"") for n in range(5)])
    await journal.append([Record(f"{topic}Other", "other", b"")], [Position("history", topic, 5)])
    reader = journal.reader([topic, f"{topic}Other"])
    seen = []
    while len(seen) < 6:
        seen += [record.key for record in (await reader.fetch()).records]
    admin.delete_topics([topic])[topic].result(20)

    async def made_anew():
        with contextlib.suppress(JournalError):
            await journal.ensure_topics([TopicSpec(topic, Cleanup.COMPACT)])
            return await journal.end(topic) == 0
        return False

    await until(made_anew)

    async def appended():
        with contextlib.suppress(JournalUnavailable):
            await journal.append([Record(topic, "new", b"")])
            return True
        return False

    await until(appended)
    await journal.append([Record(f"{topic}Other", "other", b"")])
    seen = []
    while len(seen) < 2:
        seen += [record.key for record in (await reader.fetch()).records]
    assert sorted(seen) == ["new", "other"]
    assert await journal.position("history", topic) is None


async def test_a_position_beyond_the_end_is_read_from_the_beginning(opened, settings, topic):
    journal = await opened(settings, TopicSpec(topic, Cleanup.COMPACT))
    await journal.append([Record(topic, "k", b"")])
    assert [record.key for record in await read_all(journal, topic, start={topic: 1000})] == ["k"]


async def test_a_topic_whose_records_are_all_forgotten_is_caught_up(opened, settings, topic, admin):
    journal = await opened(settings, TopicSpec(topic, Cleanup.DELETE))
    await journal.append([Record(topic, str(n), b"") for n in range(10)])
    await until(lambda: journal.end(topic))
    admin.delete_records([TopicPartition(topic, 0, -1)])
    reader = journal.reader([topic])

    async def forgotten():
        return await keys(journal, topic) == []

    await until(forgotten)
    await reader.close()
    await journal.append([Record(topic, "later", b"")])
    assert await keys(journal, topic) == ["later"]


# ------------------------------------------------------------------ records that are not ours


async def test_records_of_others(opened, settings, topic):
    journal = await opened(settings, TopicSpec(topic, Cleanup.DELETE))
    producer = Producer({"bootstrap.servers": settings.servers})
    producer.produce(topic, b"1", b"config:/\xff", 0)
    producer.produce(topic, b"2", None, 0)
    producer.produce(topic, None, b"state:/x", 0, headers=[("a", None), ("b", "text")])
    producer.flush(20)
    records = await read_all(journal, topic)
    assert [(record.offset, record.key, record.value, record.headers) for record in records] == [
        (0, "config:/\ufffd", b"1", ()),
        (1, "", b"2", ()),
        (2, "state:/x", None, (("a", b""), ("b", b"text"))),
    ]


async def test_a_property_that_does_not_exist(settings):
    with pytest.raises(SettingsError, match=r"no\.such\.property"):
        await KafkaJournal(replace(settings, properties={"no.such.property": "1"})).start()


async def test_any_client_property_can_be_given(opened, settings, topic):
    journal = await opened(replace(settings, properties={"compression.type": "lz4"}), TopicSpec(topic, Cleanup.COMPACT))
    await journal.append([Record(topic, "k", b"x" * 10_000)])
    assert [record.value for record in await read_all(journal, topic)] == [b"x" * 10_000]
