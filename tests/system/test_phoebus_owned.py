"""Configurations that a Phoebus server owns: what real servers were recorded writing, on a real broker, in our history and on our page."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from alarm_engine.errors import HistoryUnavailable, SettingsError, WireError
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.times import Nanos
from alarm_engine.wire.topics import Topics
from backend.history.port import EventQuery, HistoryStore
from backend.history.writer import HistoryWriter, WriterOptions
from backend.phoebus.derivation import Derivation
from backend.phoebus.journal import DerivingJournal
from tests.conformance.kafka_site import PlainClient, as_phoebus_makes_them
from tests.contract.histories import ADAPTERS
from tests.contract.kafka_topics import servers_or_skip
from tests.unit.phoebus_records import SECOND, Recorded, derive
from tocsin.application import ALL, Application, Role
from tocsin.settings import load

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

_PATIENCE_S = 20.0


class Plant:
    """The topics of a Phoebus server under a name of their own, written with the times that its records had, moved to now."""

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self.config = f"P{secrets.token_hex(4)}"
        self.topics = Topics(self.config)
        self._client = PlainClient(servers)
        self._producer = Producer({"bootstrap.servers": servers, "log_level": 0, "linger.ms": 0})

    def make(self) -> None:
        """As Phoebus makes them, but nothing is dropped from them while a test compares: what compaction does is tested by itself."""
        topics = as_phoebus_makes_them(self.topics)
        for topic in topics:
            topic.config |= {"min.compaction.lag.ms": "3600000", "retention.ms": "-1"}
        self._client.make(topics)

    def remove(self) -> None:
        self._client.remove([spec.name for spec in self.topics.specs()])

    def close(self) -> None:
        self.remove()
        self._client.close()

    def write(self, records: list[StoredRecord], ends: float | None = None) -> None:
        """Records of a session; the last one is written as of `ends` (Unix seconds), now if not given."""
        shift = (time.time() if ends is None else ends) * 1000 - records[-1].time // 1_000_000
        for record in records:
            topic, key = self.named(record)
            self._producer.produce(topic, record.value, key, 0, timestamp=round(record.time // 1_000_000 + shift))
        assert self._producer.flush(_PATIENCE_S) == 0

    def say(self, kind: str, path: str, value: str | None, topic: str | None = None) -> None:
        self._producer.produce(topic or self.config, value, f"{kind}:/{self.config}{path}", 0)
        assert self._producer.flush(_PATIENCE_S) == 0

    def named(self, record: StoredRecord) -> tuple[str, str]:
        old = record.topic.removesuffix("Command").removesuffix("Talk")
        kind, _, path = record.key.partition(":")
        return record.topic.replace(old, self.config, 1), f"{kind}:{path.replace('/' + old, '/' + self.config, 1)}"

    def read_back(self) -> list[StoredRecord]:
        """All that is there, as any client reads it; commands as far as the broker still has them."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": secrets.token_hex(4), "log_level": 0})
        names = [self.topics.config, self.topics.command]
        ends = self._client.ends(names)
        consumer.assign([TopicPartition(name, 0, 0) for name in names])
        found: list[StoredRecord] = []
        wanted = sum(ends.values())
        while len(found) < wanted:
            message = consumer.poll(_PATIENCE_S)
            assert message is not None
            assert message.error() is None
            key = (message.key() or b"").decode()
            stamp = Nanos(message.timestamp()[1] * 1_000_000)
            found.append(StoredRecord(message.topic() or "", message.offset() or 0, stamp, key, message.value(), ()))
        consumer.close()
        return sorted(found, key=lambda record: (record.time, record.topic != self.topics.command, record.offset))


@pytest.fixture
def plant() -> Iterator[Plant]:
    plant = Plant(servers_or_skip())
    plant.make()
    yield plant
    plant.close()


@pytest.fixture(params=["sqlite", "elastic"])
async def store(request, tmp_path) -> AsyncIterator[HistoryStore]:
    store = ADAPTERS[request.param](tmp_path)
    await store.start()
    yield store
    await store.close()


@asynccontextmanager
async def writing(plant: Plant, store: HistoryStore, batch: int = 50) -> AsyncIterator[HistoryWriter]:
    journal = KafkaJournal(KafkaSettings(plant.servers, name="test"))
    await journal.start()
    options = WriterOptions(batch_records=batch, first_pause_s=0.01)
    writer = HistoryWriter(DerivingJournal(journal, {plant.config: UTC}, store), store, [plant.config], options=options)
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()
        await journal.close()


async def until(condition, what: str, lacking=None) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not await condition():
        if time.monotonic() > deadline:
            different = [both for both in (lacking or {}).values() if both[0] != both[1]]
            pytest.fail(f"waited in vain for {what}: " + "\n".join(map(str, different[:8])))
        await asyncio.sleep(0.05)


async def stored(store: HistoryStore, config: str) -> list[Event]:
    now = time.time_ns()
    query = EventQuery(config, Nanos(now - 3600 * SECOND), Nanos(now + 3600 * SECOND), oldest_first=True, limit=10_000)
    try:
        return list((await store.events(query)).events)
    except HistoryUnavailable:
        return []  # an index is being made


def expected(plant: Plant) -> dict[str, tuple[object, ...]]:
    """What follows from the topics as they are, by id."""
    derivation = Derivation(plant.config, UTC)
    found: dict[str, tuple[object, ...]] = {}
    for record in plant.read_back():
        try:
            found |= {str(event.id): told(event) for event in derivation.feed(record)}
        except WireError:
            continue
    return found


def told(event: Event) -> tuple[object, ...]:
    return event.kind, event.path, event.from_severity, event.to_severity, event.snapshot and event.snapshot.alarm, event.user, event.origin


@pytest.mark.parametrize("session", ["latching", "tree_edits"])
async def test_a_session_comes_to_history_once_whatever_the_writer_goes_through(plant, store, session):
    recorded = Recorded.load(session)
    half = len(recorded.records) // 2
    plant.write(recorded.records[:half], time.time() - 100)

    async def all_there():
        found = {str(event.id): told(event) for event in await stored(store, plant.config)}
        lacking.update({i: (found.get(i), wanted.get(i)) for i in found.keys() | wanted.keys()})
        return found == wanted

    lacking = {}
    wanted = expected(plant)
    async with writing(plant, store, batch=20):
        await until(all_there, "the first half", lacking)
    plant.write(recorded.records[half:])
    wanted = expected(plant)
    kinds = {kind for kind, *_ in wanted.values()}
    assert {EventKind.ALARM, EventKind.ACKNOWLEDGED, EventKind.CLEARED, EventKind.CONFIGURED, EventKind.COMMAND} <= kinds
    async with writing(plant, store) as writer:  # it was stopped, and goes on
        lacking.clear()
        await until(all_there, "the second half", lacking)
        assert (writer.healthy, writer.failed) == (True, 0)
    plant.say("config", "/Last", "{}")
    wanted = expected(plant)
    async with writing(plant, store) as writer:
        await until(all_there, "the last record", lacking)
        assert (writer.written, writer.failed) == (1, 0)


async def test_a_history_that_was_lost_is_filled_again(plant, tmp_path):
    recorded = Recorded.load("latching")
    plant.write(recorded.records)
    wanted = expected(plant)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        store = ADAPTERS["sqlite"](tmp_path / name)
        await store.start()

        async def all_there(store=store):
            return {str(event.id): told(event) for event in await stored(store, plant.config)} == wanted

        async with writing(plant, store):
            await until(all_there, "all of it")
        await store.close()


async def test_topics_that_are_made_anew_add_only_what_is_new(plant, store):
    recorded = Recorded.load("latching")
    plant.write(recorded.records[:200], time.time() - 60)
    async with writing(plant, store):
        first = expected(plant)

        async def all_there():
            return len(await stored(store, plant.config)) == len(first)

        await until(all_there, "the first topic")
        before = await stored(store, plant.config)
        plant.remove()
        plant.make()
        # As an import does, and a server that starts with it: the same tree, and each alarm as it was.
        last = {record.key: record for record in recorded.records[:200] if record.topic == recorded.config}
        again = [*last.values(), *recorded.records[200:230]]
        plant.write([record._replace(time=Nanos(again[0].time + n * 1_000_000)) for n, record in enumerate(again)])

        async def new_ones():
            return [event for event in await stored(store, plant.config) if event not in before]

        async def there():
            return any(event.kind is EventKind.ALARM for event in await new_ones())

        await until(there, "what came after")
        found = await new_ones()

    def sign(event: Event) -> tuple[object, ...]:
        return event.kind, event.path, event.from_severity, event.to_severity

    config = recorded.config
    real = derive(Derivation(config, UTC), recorded.records[:230])[len(derive(Derivation(config, UTC), recorded.records[:200])) :]
    wanted = Counter((e.kind, e.path.replace(config, plant.config, 1), e.from_severity, e.to_severity) for e in real)
    assert Counter(sign(event) for event in found if event.kind is not EventKind.COMMAND) <= wanted


# ---------------------------------------------------------------------- a whole site


@dataclass
class SmallServer:
    """Answers acknowledgements as the recorded server does: each alarm below is published again, then the root."""

    plant: Plant
    states: dict[str, str]

    def __post_init__(self) -> None:
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.commands: list[tuple[str, dict[str, str]]] = []

    def __enter__(self) -> SmallServer:
        for path, severity in self.states.items():
            self.plant.say("config", path, '{"user":"sam","host":"ops7","description":"Alarm"}')
            self.publish(path, severity)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def publish(self, path: str, severity: str) -> None:
        self.states[path] = severity
        now = severity.removesuffix("_ACK")
        state = {"severity": severity, "message": "HIHI_ALARM", "value": "12.0", "time": {"seconds": int(time.time()), "nano": 0}}
        self.plant.say("state", path, json.dumps({**state, "current_severity": now, "current_message": "HIHI_ALARM"}))
        self.plant.say("state", "", '{"severity":"MAJOR"}')

    def _run(self) -> None:
        group = {"bootstrap.servers": self.plant.servers, "group.id": secrets.token_hex(4), "log_level": 0}
        consumer = Consumer(group)
        consumer.assign([TopicPartition(self.plant.topics.command, 0, 0)])
        while not self._ending.is_set():
            message = consumer.poll(0.05)
            if message is None or message.error():
                continue
            path = (message.key() or b"").decode().removeprefix(f"command:/{self.plant.config}")
            command = json.loads(message.value() or b"")
            self.commands.append((path, command))
            for below, severity in list(self.states.items()):
                if below == path or below.startswith(path + "/"):
                    plain = severity.removesuffix("_ACK")
                    self.publish(below, plain + "_ACK" if command["command"] == "acknowledge" and plain != "OK" else plain)
        consumer.close()


@asynccontextmanager
async def serving(plant: Plant, directory: Path, roles=ALL) -> AsyncIterator[tuple[Application, httpx.AsyncClient]]:
    text = f"""
configurations: [{{name: {plant.config}, owner: phoebus, time_zone: UTC}}]
cell: {plant.config}cell
journal: kafka
kafka: {{servers: "{plant.servers}"}}
backend: {{port: 0}}
"""
    (directory / "site.yaml").write_text(text, encoding="utf-8")
    application = Application(load(directory / "site.yaml"), roles=roles)
    await application.start()
    try:
        async with httpx.AsyncClient(base_url=application.url, timeout=30) as client:
            yield application, client
    finally:
        await application.stop()


async def test_page_and_history_serve_such_a_site_and_pass_acknowledgements_on(plant, tmp_path):
    one, two, three = "/Vac/G1", "/Vac/G2", "/RF/K1"
    with SmallServer(plant, {one: "OK", two: "OK", three: "OK"}) as server:
        async with serving(plant, tmp_path) as (_, client):

            async def alarms():
                rows = (await client.get("/api/v1/alarms", params={"state": "all"})).json()["alarms"]
                return {row["path"].removeprefix(f"/{plant.config}"): row for row in rows}

            async def severities(**wanted):
                now = await alarms()
                return all(now.get(path, {}).get("severity", "OK") == severity for path, severity in wanted.items())

            async def fresh():
                answer = (await client.get("/api/v1/alarms")).json()
                return not answer["stale"]

            await until(fresh, "a life sign")
            server.publish(one, "MAJOR")
            server.publish(two, "MAJOR")
            await until(lambda: severities(**{one: "MAJOR", two: "MAJOR"}), "two alarms")
            seen = (await client.get("/api/v1/alarms")).json()["as_of"]
            server.publish(three, "MAJOR")
            await until(lambda: severities(**{three: "MAJOR"}), "the third")

            order = {"command": "acknowledge", "path": f"/{plant.config}", "user": "mara", "reason": "known", "seen": seen, "id": "a1"}
            answer = (await client.post("/api/v1/commands", json=order)).json()
            assert (answer["outcome"], answer["count"], answer["left_alone"]) == ("done", 2, [f"/{plant.config}{three}"])
            assert sorted(server.commands) == [
                (path, {"user": "mara", "host": server.commands[0][1]["host"], "command": "acknowledge"}) for path in (one, two)
            ]
            assert (await client.post("/api/v1/commands", json=order)).json()["count"] == 2  # told again, given once
            assert len(server.commands) == 2
            now = await alarms()
            assert [now[path]["severity"] for path in (one, two, three)] == ["MAJOR_ACK", "MAJOR_ACK", "MAJOR"]
            assert now[one]["acknowledgement"]["user"] == "mara"

            back = {"command": "unacknowledge", "path": f"/{plant.config}/Vac"}
            assert (await client.post("/api/v1/commands", json=back)).json()["outcome"] == "done"
            refused = await client.post("/api/v1/commands", json={"command": "shelve", "path": f"/{plant.config}{one}", "duration": "1h"})
            assert refused.status_code == 409
            assert "belongs to a Phoebus alarm server" in refused.json()["message"]

            async def in_history():
                events = (await client.get("/api/v1/events", params={"kind": "acknowledged,unacknowledged"})).json()["events"]
                return len(events) == 4 and {event["origin"] for event in events} == {"derived"}

            await until(in_history, "the history")
            rows = (await client.get("/api/v1/events", params={"kind": "alarm"})).json()["events"]
            assert {(row["path"].removeprefix(f"/{plant.config}"), row["from"], row["to"]) for row in rows} == {
                (path, "OK", "MAJOR") for path in (one, two, three)
            }
    wrote = {name for name in plant._client.admin.list_topics(timeout=10).topics if name.startswith(plant.config)}
    assert wrote == {plant.topics.config, plant.topics.command, plant.topics.talk}


async def test_an_order_to_a_server_that_is_gone_is_not_confirmed(plant, tmp_path):
    recorded = Recorded.load("latching")
    plant.write(recorded.records[:60], time.time() - 300)
    async with serving(plant, tmp_path) as (_, client):

        async def ready():
            return (await client.get("/readyz")).status_code == 200

        await until(ready, "the topics read")
        answer = (await client.get("/api/v1/alarms")).json()
        assert answer["stale"]
        order = await client.post("/api/v1/commands", json={"command": "acknowledge", "path": f"/{plant.config}"})
        assert (order.status_code, order.json()["outcome"]) == (202, "not_confirmed")
        assert "no life sign" in order.json()["reason"]


async def test_an_engine_takes_no_configuration_of_a_phoebus_server(plant, tmp_path):
    with pytest.raises(SettingsError, match="nothing to evaluate"):
        async with serving(plant, tmp_path, {Role.ENGINE}):
            pass
