"""A Kafka that is away, hangs, refuses us, or has changed its secrets."""

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from alarm_engine.errors import JournalError, JournalFenced, JournalUnavailable, SettingsError
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_settings import KafkaSecurity, KafkaSettings
from alarm_engine.journal.port import Cleanup, Position, Record, TopicSpec
from tests.contract.journals import read_all, until
from tests.kafka_broker import ClusterOptions, KafkaCluster, random_topic
from tests.kafka_certificates import make_certificate, make_certificates
from tests.kafka_jars import Missing

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def topic():
    return random_topic("Plant")


@pytest.fixture
async def opened():
    """Journals that are closed after the test."""
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


async def tried(action):
    """False if the journal is not available."""
    try:
        await action()
    except JournalUnavailable:
        return False
    return True


def write_secret(settings, text):
    Path(settings.security.password_file).write_text(text)


# ------------------------------------------------------------------ away


@pytest.fixture(scope="module")
def mortal():
    """A broker that may be killed."""
    options = ClusterOptions(properties={"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200"})
    try:
        cluster = KafkaCluster(options)
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
def impatient(alive):
    return KafkaSettings(alive.servers, name="tests", write_timeout_s=2.0, request_timeout_s=1.0)


async def insist(journal, records, positions=()):
    """As the publisher does."""
    while True:
        try:
            return await journal.append(records, positions)
        except JournalUnavailable:
            await asyncio.sleep(0.02)


async def follow(reader, wanted):
    """Until the wanted key has come; goes on when the journal is away. Returns all records and what it heard of the outage."""
    records, heard = [], []
    while not any(record.key == wanted for record in records):
        try:
            records += (await reader.fetch()).records
        except JournalUnavailable as problem:
            heard.append(str(problem))
            await asyncio.sleep(0.05)
    return records, heard


@pytest.mark.parametrize("owns", [True, False])
async def test_nothing_acknowledged_is_lost_when_the_broker_is_killed(opened, alive, impatient, topic, owns):
    journal = await opened(replace(impatient, owns=topic if owns else None), TopicSpec(topic, Cleanup.DELETE))
    reader = journal.reader([topic])
    following = asyncio.create_task(follow(reader, "last"))
    acknowledged = []

    async def write():
        for n in range(100_000):
            batch = [Record(topic, f"{n}", b"")] * (2 if owns else 1)
            await insist(journal, batch)
            acknowledged.append(f"{n}")
            if stop:
                return

    stop = False
    writing = asyncio.create_task(write())
    await until(lambda: len(acknowledged) > 50)
    alive.brokers[0].kill()
    before = len(acknowledged)
    alive.brokers[0].start()
    await until(lambda: len(acknowledged) > before + 50, 60)
    stop = True
    await writing
    await insist(journal, [Record(topic, "last", b"")])
    records, _ = await asyncio.wait_for(following, 60)
    seen = list(dict.fromkeys(record.key for record in records))
    assert seen == [*acknowledged, "last"]
    if owns:
        counts = [sum(record.key == key for record in records) for key in acknowledged]
        assert all(count % 2 == 0 for count in counts)
    assert [record.offset for record in records] == sorted({record.offset for record in records})


async def test_an_answer_that_was_cut_off_is_none(opened, alive, impatient, topic):
    """The library then gives the end of a topic as -1001, without an error: a topic would seem read to its end, and a record readable."""
    journal = await opened(replace(impatient, owns=topic), TopicSpec(topic, Cleanup.DELETE))
    await journal.append([Record(topic, "k", b"")])
    cluster = Cluster(replace(impatient, request_timeout_s=10.0))
    assert cluster.await_decided([topic], 1.0)  # connected
    alive.brokers[0].pause()
    asked = asyncio.create_task(asyncio.to_thread(cluster.await_decided, [topic], 1.0))
    await asyncio.wait([asked], timeout=0.3)  # it has been sent, and will not be answered
    alive.brokers[0].kill()
    with pytest.raises(JournalUnavailable, match="does not answer"):
        await asked


async def test_what_cannot_be_read_is_not_acknowledged(opened, impatient, topic):
    """It could yet be undone: with a broker that is killed, by the next transaction of the same writer."""
    journal = await opened(replace(impatient, owns=topic), TopicSpec(topic, Cleanup.DELETE))
    other = Producer({"bootstrap.servers": impatient.servers, "transactional.id": topic + "other", "transaction.timeout.ms": 60_000})
    await asyncio.to_thread(other.init_transactions, 10)
    other.begin_transaction()
    other.produce(topic, b"", "theirs")
    await asyncio.to_thread(other.flush, 10)
    with pytest.raises(JournalUnavailable, match=f"open transaction hides them from readers .{topic}.$"):
        await journal.append([Record(topic, "ours", b"")])
    await asyncio.to_thread(other.commit_transaction, 10)
    await journal.append([Record(topic, "ours", b"")])


async def test_a_broker_that_is_not_there_yet(alive, impatient, topic):
    alive.brokers[0].kill()
    journal = KafkaJournal(replace(impatient, owns=topic))
    with pytest.raises(JournalUnavailable, match=f"Kafka at {alive.servers} does not answer.*Connection refused"):
        await journal.start()
    alive.brokers[0].start()
    await until(lambda: tried(journal.start), 60)
    await journal.ensure_topics([TopicSpec(topic, Cleanup.COMPACT)])
    await journal.append([Record(topic, "k", b"")])
    await journal.close()


async def test_an_outage_is_told_to_readers_and_writers(opened, alive, impatient, topic):
    journal = await opened(impatient, TopicSpec(topic, Cleanup.DELETE))
    await journal.append([Record(topic, "before", b"")])
    reader = journal.reader([topic])
    assert [record.key for record in (await reader.fetch()).records] == ["before"]
    alive.brokers[0].kill()
    for question in (reader.fetch(), journal.end(topic), journal.append([Record(topic, "lost?", b"")]), journal.position("g", topic)):
        with pytest.raises(JournalUnavailable, match="does not answer"):
            await question
    alive.brokers[0].start()
    following = asyncio.create_task(follow(reader, "after"))
    await insist(journal, [Record(topic, "after", b"")])
    await asyncio.wait_for(following, 60)


@pytest.mark.parametrize("owns", [True, False])
async def test_a_broker_that_hangs(opened, alive, impatient, topic, owns):
    """Its transaction runs out meanwhile: the broker fences the producer, but nobody has taken over."""
    journal = await opened(replace(impatient, owns=topic if owns else None), TopicSpec(topic, Cleanup.DELETE))
    await journal.append([Record(topic, "before", b""), Record(topic, "before", b"")])
    alive.brokers[0].pause()
    try:
        with pytest.raises(JournalUnavailable):
            await journal.append([Record(topic, "during", b""), Record(topic, "during", b"")])
    finally:
        alive.brokers[0].resume()
    await insist(journal, [Record(topic, "after", b""), Record(topic, "after", b"")], [Position("g", topic, 1)])
    keys = [record.key for record in await read_all(journal, topic)]
    assert keys[:2] == ["before", "before"]
    assert keys.count("after") in (2, 4)
    assert keys.count("during") in (0, 2)


async def test_a_transaction_that_was_open_for_too_long_is_no_take_over(opened, impatient, topic):
    journal = await opened(replace(impatient, owns=topic), TopicSpec(topic, Cleanup.DELETE))
    await journal.append([Record(topic, "before", b"")])
    producer = journal._transactions._producer
    producer.begin_transaction()
    producer.produce(topic, b"", b"slow", 0)
    producer.flush(10)

    async def undone():
        reader = journal.reader([topic])
        fetched = await reader.fetch()
        await reader.close()
        return fetched.caught_up

    await until(undone)
    with contextlib.suppress(Exception):
        producer.abort_transaction(5)  # the library must not think that one is open when the next begins
    await insist(journal, [Record(topic, "after", b"")])
    assert [record.key for record in await read_all(journal, topic)] == ["before", "after"]


async def test_an_outage_does_not_take_back_what_another_took_over(opened, alive, impatient, topic):
    old = await opened(replace(impatient, owns=topic, name="engine-1"), TopicSpec(topic, Cleanup.DELETE))
    new = await opened(replace(impatient, owns=topic, name="engine-2"))
    assert (await new.owner()).name == "engine-2"
    alive.brokers[0].kill()
    with pytest.raises(JournalUnavailable):
        await new.append([Record(topic, "during", b"")])
    alive.brokers[0].start()
    alive.wait()
    with pytest.raises(JournalFenced, match="engine-2"):
        await insist(old, [Record(topic, "late", b"")])
    await insist(new, [Record(topic, "after", b"")])
    keys = [record.key for record in await read_all(new, topic)]
    assert "late" not in keys
    assert keys[-1] == "after"


def commit(servers, topics, group):
    """As the writer of `topics[0]` does, without waiting until readers can see it."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": f"tocsin-{topics[0]}"})
    producer.init_transactions(30)
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    for n in range(2):  # the second one is quick
        producer.begin_transaction()
        for topic in topics:
            producer.produce(topic, b"", f"committed {n}".encode(), 0)
        producer.send_offsets_to_transaction([TopicPartition(topics[1], 0, 7 + n)], consumer.consumer_group_metadata(), 30)
        producer.commit_transaction(30)
    consumer.close()


@pytest.mark.parametrize("attempt", range(2))
async def test_a_commit_whose_mark_the_broker_forgot(opened, alive, impatient, topic, attempt):
    """A race of the broker with its end: what was acknowledged is there in any case, and nobody waits for ever."""
    specs = [TopicSpec(topic, Cleanup.COMPACT), TopicSpec(f"{topic}Events", Cleanup.DELETE)]
    await opened(impatient, *specs)
    await asyncio.to_thread(commit, alive.servers, [topic, f"{topic}Events"], "tocsin-engine")
    alive.brokers[0].kill()
    alive.brokers[0].start()
    alive.wait()
    # Others wait, but not for ever; the next writer finds all of it.
    follower = KafkaJournal(impatient)
    await until(lambda: tried(follower.start), 30)
    following = asyncio.create_task(follow(follower.reader([topic]), "after"))
    writer = await opened(replace(impatient, owns=topic), *specs)
    for name in (topic, f"{topic}Events"):
        keys = [record.key for record in await asyncio.wait_for(read_all(writer, name), 30)]
        assert [key for key in keys if key.startswith("committed")] == ["committed 0", "committed 1"]
    assert await writer.position("engine", f"{topic}Events") == 8
    await insist(writer, [Record(topic, "after", b"")])
    records, _ = await asyncio.wait_for(following, 30)
    assert [record.key for record in records if record.value is not None] == ["committed 0", "committed 1", "after"]
    await follower.close()


@pytest.mark.parametrize("attempt", range(2))
async def test_a_writer_ends_what_was_forgotten_while_it_runs(opened, alive, impatient, topic, attempt):
    specs = [TopicSpec(topic, Cleanup.COMPACT), TopicSpec(f"{topic}Runtime", Cleanup.COMPACT)]
    writer = await opened(replace(impatient, owns=topic), *specs)
    await writer.append([Record(spec.name, "first", b"") for spec in specs])
    producer = writer._transactions._producer
    producer.begin_transaction()
    for spec in specs:
        producer.produce(spec.name, b"", b"second", 0)
    producer.commit_transaction(30)
    alive.brokers[0].kill()
    alive.brokers[0].start()
    alive.wait()
    for spec in specs:
        reader = writer.reader([spec.name])
        seen = []
        caught_up = False
        while not caught_up:
            with contextlib.suppress(JournalUnavailable):
                fetched = await asyncio.wait_for(reader.fetch(), 60)
                seen += [record.key for record in fetched.records if record.value is not None]
                caught_up = fetched.caught_up
        assert seen == ["first", "second"]


async def test_closing_while_the_broker_is_away(alive, impatient, topic):
    journal = KafkaJournal(impatient)
    await journal.start()
    await journal.ensure_topics([TopicSpec(topic, Cleanup.DELETE)])
    reader = journal.reader([topic])
    await reader.fetch()
    alive.brokers[0].kill()
    writing = [asyncio.create_task(journal.append([Record(topic, "k", b"")] * n)) for n in (1, 2)]
    await asyncio.sleep(0)
    begun = time.monotonic()
    await journal.close()
    assert time.monotonic() - begun < 30
    results = await asyncio.gather(*writing, return_exceptions=True)
    assert all(isinstance(result, JournalUnavailable) for result in results)


# ------------------------------------------------------------------ refused


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A broker with users, certificates and access rules."""
    try:
        certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
        cluster = KafkaCluster(ClusterOptions(users={"mara": "right", "tom": "other"}, certificates=certificates))
    except Missing as problem:
        pytest.skip(str(problem))
    yield cluster, certificates
    cluster.close()


@pytest.fixture
def as_mara(secured, tmp_path):
    cluster, _ = secured
    (tmp_path / "password").write_text("right\n")
    security = KafkaSecurity(user="mara", password_file=tmp_path / "password")
    return KafkaSettings(cluster.listener("SASL"), name="tests", security=security, request_timeout_s=3.0, write_timeout_s=5.0)


def allow(cluster, principal, *resources, operation=AclOperation.ALL):
    admin = AdminClient({"bootstrap.servers": cluster.servers})
    rules = [AclBinding(kind, name, how, principal, "*", operation, AclPermissionType.ALLOW) for kind, name, how in resources]
    for future in admin.create_acls(rules).values():
        future.result(20)


def ours(topic):
    prefixed = ResourcePatternType.PREFIXED
    return (
        (ResourceType.TOPIC, topic, prefixed),
        (ResourceType.GROUP, "tocsin-", prefixed),
        (ResourceType.TRANSACTIONAL_ID, "tocsin-", prefixed),
    )


async def use(journal, topic):
    """Everything that a journal does."""
    await journal.ensure_topics([TopicSpec(topic, Cleanup.COMPACT), TopicSpec(f"{topic}Events", Cleanup.DELETE)])
    await journal.append([Record(topic, "k", b"v"), Record(f"{topic}Events", "k", b"v")], [Position("engine", topic, 3)])
    await journal.append([Record(topic, "single", b"v")])
    assert [record.key for record in await read_all(journal, topic)] == ["k", "single"]
    assert await journal.position("engine", topic) == 3


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("listener", ["SASL", "SASLTLS"])
async def test_users_with_passwords(opened, secured, as_mara, topic, mechanism, listener):
    cluster, certificates = secured
    allow(cluster, "User:mara", *ours(topic))
    security = replace(as_mara.security, mechanism=mechanism, tls=listener == "SASLTLS")
    if security.tls:
        security = replace(security, ca_file=certificates / "ca.pem")
    await use(await opened(replace(as_mara, servers=cluster.listener(listener), security=security, owns=topic)), topic)


async def test_a_client_certificate(opened, secured, topic):
    cluster, certificates = secured
    allow(cluster, "User:CN=client", *ours(topic))
    files = KafkaSecurity(True, certificates / "ca.pem", certificates / "client.pem", certificates / "client.key")
    await use(await opened(KafkaSettings(cluster.listener("TLS"), security=files)), topic)


async def test_a_broker_whose_certificate_is_not_trusted(secured, tmp_path):
    cluster, _ = secured
    strangers = make_certificates(tmp_path / "strangers")
    security = KafkaSecurity(tls=True, ca_file=strangers / "ca.pem")
    with pytest.raises(JournalUnavailable, match=r"does not let .* in.*certificate verify failed"):
        await KafkaJournal(KafkaSettings(cluster.listener("SASLTLS"), security=security, request_timeout_s=2.0)).start()


async def test_a_wrong_password(as_mara):
    write_secret(as_mara, "not5o")
    with pytest.raises(JournalUnavailable, match=r"does not let User:mara with SCRAM-SHA-512 in.*Check user, password") as caught:
        await KafkaJournal(as_mara).start()
    assert "not5o" not in str(caught.value)


async def test_a_password_file_that_is_not_there(as_mara, tmp_path):
    security = replace(as_mara.security, password_file=tmp_path / "nowhere")
    with pytest.raises(SettingsError, match=f"{tmp_path}/nowhere cannot be read"):
        await KafkaJournal(replace(as_mara, security=security)).start()


async def test_no_right_on_a_topic(opened, secured, as_mara, topic):
    cluster, _ = secured
    allow(cluster, "User:mara", *ours(f"{topic}A"))
    plain = replace(as_mara, servers=cluster.servers, security=KafkaSecurity())
    await opened(plain, TopicSpec(f"{topic}B", Cleanup.DELETE))
    journal = await opened(as_mara, TopicSpec(f"{topic}A", Cleanup.DELETE))
    both = [Record(f"{topic}A", "k", b""), Record(f"{topic}B", "k", b"")]
    command = f"kafka-acls.sh --bootstrap-server {as_mara.servers} --add --allow-principal User:mara --operation All --topic {topic}B"
    for question in (
        lambda: journal.append(both),
        lambda: journal.append(both[1:]),
        lambda: journal.end(f"{topic}B"),
        lambda: journal.reader([f"{topic}A", f"{topic}B"]).fetch(),
        lambda: journal.ensure_topics([TopicSpec(f"{topic}B", Cleanup.DELETE)]),
    ):
        with pytest.raises(JournalUnavailable, match=f"no right to do that on topic {topic}B") as caught:
            await question()
        assert command in str(caught.value)
    allow(cluster, "User:mara", (ResourceType.TOPIC, f"{topic}C", ResourcePatternType.LITERAL), operation=AclOperation.READ)
    with pytest.raises(JournalUnavailable, match=f"{topic}C.*by hand: kafka-topics.sh .* --create --topic {topic}C"):
        await journal.ensure_topics([TopicSpec(f"{topic}C", Cleanup.DELETE)])
    await journal.append(both[:1])
    assert len(await read_all(journal, f"{topic}A")) == 1


async def test_a_right_that_is_taken_away_stops_nobody_else(opened, secured, as_mara, topic):
    cluster, _ = secured
    allow(cluster, "User:mara", *ours(topic))
    journal = await opened(as_mara, TopicSpec(f"{topic}A", Cleanup.DELETE), TopicSpec(f"{topic}B", Cleanup.DELETE))
    stays, loses = journal.reader([f"{topic}A"]), journal.reader([f"{topic}B"])
    await stays.fetch()
    await loses.fetch()
    admin = AdminClient({"bootstrap.servers": cluster.servers})
    deny = AclBinding(
        ResourceType.TOPIC, f"{topic}B", ResourcePatternType.LITERAL, "User:mara", "*", AclOperation.ALL, AclPermissionType.DENY
    )
    admin.create_acls([deny])[deny].result(20)
    with pytest.raises(JournalUnavailable, match=f"no right to do that on topic {topic}B"):
        await asyncio.wait_for(loses.fetch(), 30)
    with pytest.raises(JournalUnavailable, match=f"no right to do that on topic {topic}B"):
        await journal.append([Record(f"{topic}A", "k", b""), Record(f"{topic}B", "k", b"")])
    await journal.append([Record(f"{topic}A", "k", b"")])
    assert [record.key for record in (await asyncio.wait_for(stays.fetch(), 30)).records] == ["k"]


@pytest.mark.parametrize("missing", [ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID])
async def test_no_right_on_what_is_ours(opened, secured, as_mara, topic, missing):
    cluster, _ = secured
    prefix = f"{topic}-"
    rights = [(kind, prefix if kind is not ResourceType.TOPIC else name, how) for kind, name, how in ours(topic) if kind is not missing]
    allow(cluster, "User:mara", *rights)
    journal = await opened(replace(as_mara, prefix=prefix), TopicSpec(topic, Cleanup.DELETE))
    named = f"no right to .*{prefix} --resource-pattern-type prefixed"
    questions = [lambda: journal.append([Record(topic, "k", b"")], [Position("engine", topic, 1)])]
    if missing is ResourceType.GROUP:
        questions += 2 * [lambda: journal.append([], [Position("engine", topic, 1)]), lambda: journal.position("engine", topic)]
    for question in questions:
        with pytest.raises(JournalUnavailable, match=named):
            await question()
    await journal.append([Record(topic, "single", b"")])


async def test_a_changed_password_is_picked_up(opened, secured, as_mara, topic):
    cluster, _ = secured
    allow(cluster, "User:tom", *ours(topic))
    write_secret(as_mara, "other")
    settings = replace(as_mara, security=replace(as_mara.security, user="tom"))
    journal = await opened(settings, TopicSpec(topic, Cleanup.DELETE))
    reader = journal.reader([topic])
    await journal.append([Record(topic, "a", b"")])
    assert len((await reader.fetch()).records) == 1
    admin = AdminClient({"bootstrap.servers": cluster.servers})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        change = UserScramCredentialUpsertion("tom", ScramCredentialInfo(mechanism, 4096), b"newer")
        admin.alter_user_scram_credentials([change])["tom"].result(20)
    write_secret(as_mara, "newer")
    await until(lambda: journal._cluster.generation == 1)
    await journal.append([Record(topic, "b", b"")])
    await journal.append([Record(topic, "c", b""), Record(topic, "d", b"")])
    seen = []
    while len(seen) < 3:
        seen += [record.key for record in (await asyncio.wait_for(reader.fetch(), 30)).records]
    assert seen == ["b", "c", "d"]
    assert [record.key for record in await read_all(journal, topic)] == ["a", "b", "c", "d"]


async def test_a_renewed_certificate_is_picked_up_and_a_broken_one_is_not(opened, secured, topic):
    cluster, certificates = secured
    allow(cluster, "User:CN=client", *ours(topic))
    files = KafkaSecurity(True, certificates / "ca.pem", certificates / "client.pem", certificates / "client.key")
    journal = await opened(KafkaSettings(cluster.listener("TLS"), security=files, owns=topic), TopicSpec(topic, Cleanup.DELETE))
    reader = journal.reader([topic])
    await reader.fetch()
    make_certificate(certificates, "client")
    await until(lambda: journal._cluster.generation >= 1)
    await journal.append([Record(topic, "renewed", b"")])
    assert [record.key for record in (await asyncio.wait_for(reader.fetch(), 30)).records] == ["renewed"]
    kept = (certificates / "client.pem").read_text()
    (certificates / "client.pem").write_text("no certificate")
    await journal.append([Record(topic, "broken", b"")])
    assert [record.key for record in (await asyncio.wait_for(reader.fetch(), 30)).records] == ["broken"]
    (certificates / "client.pem").write_text(kept)


def test_secrets_do_not_show(as_mara):
    assert "right" not in repr(as_mara)


async def test_a_journal_that_is_not_open(topic):
    journal = KafkaJournal(KafkaSettings("127.0.0.1:1"))
    with pytest.raises(JournalUnavailable, match="is not open"):
        await journal.append([Record(topic, "k", b"")])
    with pytest.raises(JournalError):
        journal.reader([topic])
    await journal.close()
