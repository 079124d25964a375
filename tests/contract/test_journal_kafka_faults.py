"""A Kafka that is away, hangs, or dies at a bad moment."""

import asyncio
import contextlib
import threading
import time
import traceback
from collections import Counter
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from alarm_engine.errors import JournalError, JournalFenced, JournalUnavailable
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_consumer import FollowingConsumer, Got
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.kafka_transactions import Transactions
from alarm_engine.journal.port import Cleanup, Position, Record, TopicSpec
from tests.contract.journals import read_all, tried, until
from tests.contract.kafka_topics import alter

pytestmark = pytest.mark.timeout(120)


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


async def in_the_end(question, *values):
    """The answer, when Kafka is able to give one."""
    while True:
        try:
            return await question(*values)
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
    records = [record for record in records if not record.key.endswith("(transaction ended)")]  # see `kafka_mender`
    seen = list(dict.fromkeys(record.key for record in records))
    assert seen == [*acknowledged, "last"]
    if owns:
        assert Counter(record.key for record in records) == dict.fromkeys(acknowledged, 2) | {"last": 1}
    assert [record.offset for record in records] == sorted({record.offset for record in records})


async def test_a_consumer_that_delivers_nothing_any_more_is_replaced(opened, alive, impatient, topic, monkeypatch):
    monkeypatch.setattr("alarm_engine.journal.kafka_parts._PATIENCE_S", 2.5)
    journal = await opened(replace(impatient, owns=topic), TopicSpec(topic, Cleanup.DELETE))
    reader = journal.reader([topic])
    await journal.append([Record(topic, "first", b"")])
    await follow(reader, "first")
    real, lost = FollowingConsumer.poll, []

    def poll(self, timeout_s):
        if not lost:
            lost.append(self._consumer)
        if self._consumer is not lost[0]:
            return real(self, timeout_s)
        time.sleep(timeout_s)
        return Got()

    monkeypatch.setattr(FollowingConsumer, "poll", poll)
    await until(lambda: lost)
    await journal.append([Record(topic, "second", b""), Record(topic, "third", b"")])
    records, _ = await asyncio.wait_for(follow(reader, "third"), 30)
    assert [record.key for record in records] == ["second", "third"]


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


async def test_an_error_that_is_remembered_keeps_no_client_alive(opened, alive, impatient, topic):
    journal = await opened(replace(impatient, owns=topic), TopicSpec(topic, Cleanup.DELETE))
    await journal.append([Record(topic, "before", b"")])
    alive.brokers[0].kill()
    with pytest.raises(JournalUnavailable) as told:
        await journal.append([Record(topic, "k", b"")])
    frames = [frame.name for frame in traceback.extract_tb(told.value.__traceback__)]
    assert "append" in frames
    assert "_try" not in frames
    assert told.value.__cause__ is not None
    assert told.value.__cause__.__traceback__ is None


async def test_what_was_committed_without_an_answer_is_not_written_again(opened, alive, impatient, topic, monkeypatch):
    """Also not if something else of the same content was there before; and it is written again if it was undone."""
    journal = await opened(replace(impatient, owns=topic), TopicSpec(topic, Cleanup.DELETE))
    batch = [Record(topic, "one", b"1", (("h", b"x"),)), Record(topic, "two", None)]
    await journal.append(batch)
    ask, commit = Cluster.decided_ends, Producer.commit_transaction
    answers = iter([True, False])

    def silent(cluster, topics, patience_s):
        """Kafka went as soon as it had committed."""
        if next(answers, False):
            raise JournalUnavailable("away")
        return ask(cluster, topics, patience_s)

    monkeypatch.setattr(Cluster, "decided_ends", silent)
    with pytest.raises(JournalUnavailable, match="away"):
        await journal.append(batch)
    assert [record.key for record in await read_all(journal, topic)] == ["one", "two"] * 2
    await journal.append([Record(topic, "next", b"")])
    await journal.append(batch, [Position("g", topic, 1)])
    assert [record.key for record in await read_all(journal, topic)] == ["one", "two", "one", "two", "next"]
    monkeypatch.setattr("alarm_engine.journal.kafka_transactions.Transactions._insist", refuse_once(commit))
    with pytest.raises(JournalUnavailable):
        await journal.append(batch)
    await journal.append(batch)
    assert [record.key for record in await read_all(journal, topic)] == ["one", "two", "one", "two", "next", "one", "two"]


async def test_appends_that_went_together_without_an_answer_are_there_once(opened, alive, impatient, topic, monkeypatch):
    journal = await opened(replace(impatient, owns=topic), TopicSpec(topic, Cleanup.DELETE))
    ask, sizes = Cluster.decided_ends, []

    def silent(cluster, topics, patience_s):
        """Only the answer to the first transaction is lost, in which there may be several of them."""
        sizes.append(patience_s)
        if len(sizes) == 1:
            raise JournalUnavailable("away")
        return ask(cluster, topics, patience_s)

    monkeypatch.setattr(Cluster, "decided_ends", silent)
    await asyncio.gather(*(insist(journal, [Record(topic, f"{n}", b""), Record(topic, f"{n}", b"")]) for n in range(5)))
    keys = [record.key for record in await read_all(journal, topic)]
    assert Counter(keys) == {f"{n}": 2 for n in range(5)}
    await journal.append([Record(topic, "0", b""), Record(topic, "0", b"")])  # the same again, for a reason of its own
    assert len(await read_all(journal, topic)) == 12


async def test_what_is_there_is_found_though_a_topic_beside_it_stays_hidden(opened, alive, impatient, topic, monkeypatch):
    """A mark that the broker forgot in a topic of short life: nobody mends that one, and its next record does."""
    talk = f"{topic}Talk"
    passing = TopicSpec(talk, Cleanup.DELETE, retention_s=600)
    journal = await opened(replace(impatient, owns=topic), TopicSpec(topic, Cleanup.COMPACT), passing)
    batch = [Record(topic, "state", b"1"), Record(talk, "talk", b"1")]
    ask = Cluster.decided_ends
    monkeypatch.setattr(Cluster, "decided_ends", lambda cluster, topics, s: None if talk in topics else ask(cluster, topics, s))
    with pytest.raises(JournalUnavailable, match="hides them"):
        await journal.append(batch)
    await journal.append(batch)
    assert [record.key for record in await read_all(journal, topic)] == ["state"]
    assert [record.key for record in await read_all(journal, talk)] == ["talk"]


def refuse_once(step):
    """The library's answer to a commit that it could not send, once."""
    insist = Transactions._insist
    refused = []

    def insist_or_refuse(self, asked, deadline, reasons):
        if getattr(asked, "__name__", "") == step.__name__ and not refused:
            refused.append(True)
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer"))
        return insist(self, asked, deadline, reasons)

    return insist_or_refuse


class Hanging(Producer):
    """A producer of whose calls one does not return, once: what it was to do is done (`done`) or not."""

    which = ""
    done = False
    over: threading.Event

    def _hang(self, name, call):
        if Hanging.which != name:
            return call()
        Hanging.which = ""
        result = call() if Hanging.done else None
        self.over.wait()
        return result

    def init_transactions(self, timeout):
        return self._hang("init", lambda: super(Hanging, self).init_transactions(timeout))

    def send_offsets_to_transaction(self, positions, group, timeout):
        return self._hang("positions", lambda: super(Hanging, self).send_offsets_to_transaction(positions, group, timeout))

    def commit_transaction(self, timeout):
        return self._hang("commit", lambda: super(Hanging, self).commit_transaction(timeout))


@pytest.fixture
def hanging(monkeypatch):
    monkeypatch.setattr("alarm_engine.journal.kafka_transactions.Producer", Hanging)
    Hanging.over, Hanging.done = threading.Event(), False
    yield Hanging
    Hanging.which = ""
    Hanging.over.set()


@pytest.mark.parametrize("owns", [True, False])
@pytest.mark.parametrize("call", [("positions", False), ("positions", True), ("commit", False), ("commit", True)])
async def test_a_call_of_the_library_that_does_not_return_holds_nobody_up(opened, impatient, topic, hanging, owns, call):
    """And what was written is there once, whether or not the call had done it."""
    settings = replace(impatient, owns=topic if owns else None, request_timeout_s=5.0)
    journal = await opened(settings, TopicSpec(topic, Cleanup.DELETE))
    await insist(journal, [Record(topic, "before", b"1"), Record(topic, "before", b"2")])
    hanging.which, hanging.done = call
    batch = [Record(topic, "during", b"1"), Record(topic, "during", b"2")]
    while hanging.which:  # it may fail earlier for another reason
        with pytest.raises(JournalUnavailable):
            await asyncio.wait_for(journal.append(batch, [Position("g", topic, 2)]), impatient.write_timeout_s + 8)
    await insist(journal, batch, [Position("g", topic, 2)])
    await insist(journal, [Record(topic, "after", b"1"), Record(topic, "after", b"2")])
    keys = [record.key for record in await in_the_end(read_all, journal, topic) if record.value is not None]
    assert keys == ["before"] * 2 + ["during"] * 2 + ["after"] * 2
    assert await in_the_end(journal.position, "g", topic) == 2


async def test_a_take_over_whose_call_does_not_return_can_be_tried_again(impatient, topic, hanging):
    journal = KafkaJournal(replace(impatient, owns=topic, request_timeout_s=5.0))
    hanging.which = "init"
    with pytest.raises(JournalUnavailable, match="its client hangs"):
        await journal.start()
    await until(lambda: tried(journal.start))
    await journal.close()


class Detour:
    """A way to a broker that sees what is asked of it; `seen` is called with the number of each request before it is passed on."""

    def __init__(self, ports, seen):
        self._told, self._own = ports
        self._seen = seen

    async def __aenter__(self):
        self._open, self._tasks = [], []
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._told)

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._open:
            writer.close()
        await asyncio.gather(*self._tasks)

    async def _connected(self, asking, answering):
        self._tasks.append(asyncio.current_task())
        self._open.append(answering)
        with contextlib.suppress(OSError):  # the broker is away
            answered, asked = await asyncio.open_connection("127.0.0.1", self._own)
            self._open.append(asked)
            await asyncio.gather(self._there(asking, asked), self._back(answered, answering))
        answering.close()

    async def _there(self, asking, asked):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                size = await asking.readexactly(4)
                request = await asking.readexactly(int.from_bytes(size, "big"))
                self._seen(int.from_bytes(request[:2], "big"))
                asked.write(size + request)
        asked.close()

    async def _back(self, answered, answering):
        with contextlib.suppress(OSError):
            while data := await answered.read(65536):
                answering.write(data)
        answering.close()


async def test_a_broker_that_is_killed_while_it_takes_positions(opened, alive, impatient, topic):
    """librdkafka 2.15 waits for the coordinator of the group then, whatever time limit it was given (its issue 5456)."""
    takes_positions, aimed = 28, threading.Event()

    def seen(request):
        if request == takes_positions and aimed.is_set():
            aimed.clear()
            alive.brokers[0].kill()

    (ports,) = alive.detours("DETOUR")
    async with Detour(ports, seen):
        settings = replace(impatient, owns=topic, servers=f"127.0.0.1:{ports[0]}", request_timeout_s=5.0)
        journal = await opened(settings, TopicSpec(topic, Cleanup.DELETE))
        await insist(journal, [Record(topic, "before", b"")], [Position("g", topic, 1)])
        aimed.set()
        batch = [Record(topic, "during", b"1"), Record(topic, "during", b"2")]
        with pytest.raises(JournalUnavailable):
            await asyncio.wait_for(journal.append(batch, [Position("g", topic, 2)]), impatient.write_timeout_s + 8)
        alive.brokers[0].start()
        await asyncio.to_thread(alive.wait)
        async with asyncio.timeout(60):
            await insist(journal, batch, [Position("g", topic, 2)])
            await insist(journal, [Record(topic, "after", b"")])
        keys = [record.key for record in await in_the_end(read_all, journal, topic) if record.value is not None]
        assert keys == ["before", "during", "during", "after"]
        assert await in_the_end(journal.position, "g", topic) == 2
        await journal.close()
        # The call that was left behind returns now that there is a broker again.
        await until(lambda: all(not thread.name.startswith("kafka-calls") for thread in threading.enumerate()), 60)


async def test_what_compaction_has_removed_is_not_written_again(opened, alive, impatient, topic, monkeypatch):
    """Kafka tidied up while the answer to a commit was missing: of a batch with two states of one alarm the newer one is left."""
    specs = [TopicSpec(topic, Cleanup.COMPACT), TopicSpec(f"{topic}Events", Cleanup.DELETE)]
    patient = replace(impatient, request_timeout_s=5.0)
    writer, other = await opened(replace(patient, owns=topic), *specs), await opened(patient)
    alter(AdminClient({"bootstrap.servers": alive.servers}), topic, segment_ms="50", min_cleanable_dirty_ratio="0.0")
    ask, answers = Cluster.decided_ends, iter([True])

    def silent(cluster, topics, patience_s):
        if cluster is writer._cluster and next(answers, False):
            raise JournalUnavailable("away")
        return ask(cluster, topics, patience_s)

    batch = [Record(topic, "state", b"1"), Record(f"{topic}Events", "event", b"1"), Record(topic, "state", b"2")]
    monkeypatch.setattr(Cluster, "decided_ends", silent)
    with pytest.raises(JournalUnavailable, match="away"):
        await writer.append(batch)

    async def tidied_up():
        await other.append([Record(topic, "other", b"")])
        return [record.value for record in await read_all(other, topic) if record.key == "state"] == [b"2"]

    await until(tidied_up, 60)
    await insist(writer, batch)
    assert [record.value for record in await read_all(writer, topic) if record.key == "state"] == [b"2"]
    assert len(await read_all(writer, f"{topic}Events")) == 1


@pytest.mark.parametrize("owns", [True, False])
async def test_a_writer_that_rested_while_the_broker_was_started_again(opened, alive, impatient, topic, owns):
    """Nobody wrote meanwhile, so nothing told the client that its connections are of no use: librdkafka 2.16.0 waits for ever then."""
    journal = await opened(replace(impatient, owns=topic if owns else None), TopicSpec(topic, Cleanup.DELETE))
    batch = [Record(topic, "before", b""), Record(topic, "before", b"")]
    await journal.append(batch, [Position("g", topic, 1)])
    alive.brokers[0].kill()
    alive.brokers[0].start()
    alive.wait()
    async with asyncio.timeout(60):
        await insist(journal, [Record(topic, "after", b""), Record(topic, "after", b"")], [Position("g", topic, 2)])
    assert [record.key for record in await read_all(journal, topic)] == ["before", "before", "after", "after"]


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
    assert keys.count("after") == 2
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


@pytest.mark.parametrize("owns", [True, False])
@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_closing_does_not_wait_for_a_broker_that_is_away(alive, impatient, topic, how, owns):
    """Whoever waits for a confirmation hears that there is none."""
    journal = KafkaJournal(replace(impatient, owns=topic if owns else None, request_timeout_s=12.0, write_timeout_s=12.0))
    await journal.start()
    await journal.ensure_topics([TopicSpec(topic, Cleanup.DELETE)])
    reader = journal.reader([topic])
    await reader.fetch()
    broker = alive.brokers[0]
    broker.kill() if how == "killed" else broker.pause()
    try:
        waiting = [asyncio.create_task(journal.append([Record(topic, "k", b"")] * n, [Position("g", topic, 1)] * (n - 1))) for n in (1, 2)]
        waiting.append(asyncio.create_task(journal.append([], [Position("g", topic, 1)])))
        waiting.append(asyncio.create_task(journal.position("g", topic)))
        await asyncio.sleep(0)
        begun = time.monotonic()
        await journal.close()
        assert time.monotonic() - begun < 8
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, JournalUnavailable) for result in results), results
    finally:
        if how == "hung":
            broker.resume()


@pytest.mark.parametrize("owns", [True, False])
async def test_a_start_that_is_given_up_leaves_nothing_behind(alive, impatient, topic, owns):
    journal = KafkaJournal(replace(impatient, owns=topic if owns else None, request_timeout_s=60.0, write_timeout_s=60.0))
    alive.brokers[0].pause()
    try:
        starting = asyncio.create_task(journal.start())
        await until(lambda: any(thread.name == "kafka-request" for thread in threading.enumerate()))
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await until(lambda: all(thread.name != "kafka-request" for thread in threading.enumerate()), 20)
    finally:
        alive.brokers[0].resume()
    await until(lambda: tried(journal.start), 60)
    await journal.close()


async def test_a_journal_that_is_not_open(topic):
    journal = KafkaJournal(KafkaSettings("127.0.0.1:1"))
    with pytest.raises(JournalUnavailable, match="is not open"):
        await journal.append([Record(topic, "k", b"")])
    with pytest.raises(JournalError):
        journal.reader([topic])
    await journal.close()
