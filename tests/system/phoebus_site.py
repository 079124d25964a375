"""What a Phoebus server left in its topics when it was stopped, written there again, and our engine on top of it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Self

from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.model.event import Event, EventKind
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import Runner, RunnerSettings
from alarm_engine.sources.ca import CaSource
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.topics import Topics, status_topic
from tests.conformance.kafka_site import KafkaSite, PlainClient, as_phoebus_makes_them
from tests.ioc import Ioc, start_ioc
from tocsin.engine_thread import EngineThread

DATA = Path(__file__).parent.parent / "data/phoebus_sessions"
CELL = "takeover"
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Recording:
    """A session up to a moment."""

    config: str
    database: str
    puts: list[tuple[str, Any]]
    records: list[tuple[str, str, bytes | None]]
    """Topic, key and value, in the order of publication."""

    @classmethod
    def until(cls, session: str, seconds: float) -> Self:
        """All that happened up to that time of a session."""
        data = json.loads((DATA / f"{session}.json").read_text(encoding="utf-8"))
        records = sorted((r for r in data["records"] if r["created"] <= seconds), key=lambda r: r["created"])
        puts = [(step["pv"], step["value"]) for step in data["steps"] if step["do"] == "put" and step["at"] <= seconds]
        raw = [(r["topic"], r["key"], None if r["raw"] is None else r["raw"].encode()) for r in records]
        return cls(data["config"], data["ioc_db"], puts, raw)

    def start_ioc(self) -> Ioc:
        """With all its variables as they were then."""
        ioc = start_ioc(self.database, prefix="")
        for pv, value in self.puts:
            ioc.put(pv, value)
        return ioc


@dataclass(slots=True)
class Got:
    """A record with its place."""

    offset: int
    key: bytes
    value: bytes | None


@dataclass(slots=True)
class PhoebusTopics:
    """The topics of one configuration on the broker. A context manager that removes them."""

    servers: str
    config: str
    client: PlainClient = field(init=False)
    records: dict[str, list[Got]] = field(default_factory=dict)
    """All that was read so far, by topic."""

    def __post_init__(self) -> None:
        self.client = PlainClient(self.servers)

    @property
    def topics(self) -> Topics:
        return Topics(self.config)

    def __enter__(self) -> Self:
        self.make(as_phoebus_makes_them(self.topics))
        return self

    def __exit__(self, *_: object) -> None:
        self.client.remove([*(spec.name for spec in self.topics.specs()), status_topic(CELL).name])
        self.client.close()

    def make(self, topics: list[NewTopic]) -> None:
        self.client.make(topics)

    def write(self, records: Iterable[tuple[str, str | bytes | None, bytes | None]]) -> None:
        for topic, key, value in records:
            self.client.write(topic, key, value)

    def follow(self, *names: str) -> None:
        """From their beginnings."""
        self.records = {name: [] for name in names}
        self.client.follow(names)

    def read(self, wait_s: float = 0) -> None:
        for message in self.client.read(wait_s):
            value: bytes | None = message.value()
            self.records[message.topic() or ""].append(Got(message.offset() or 0, message.key() or b"", value))

    def last(self, kind: str) -> dict[str, bytes]:
        """The last value of each key of that kind in the configuration's topic, by path; removed ones are left out."""
        found: dict[str, bytes | None] = {}
        for record in self.records[self.topics.config]:
            key = record.key.decode("utf-8", "replace")
            if key.startswith(f"{kind}:"):
                found[key.partition(":")[2]] = record.value
        return {path: value for path, value in found.items() if value is not None}

    def events(self) -> list[Event]:
        return [decode_event(record.value or b"") for record in self.records[self.topics.events]]

    def command(self, path: str, command: str = "acknowledge", topic: str | None = None) -> None:
        """As a Phoebus client gives it."""
        value = json.dumps({"user": "mara", "host": "ops7", "command": command}).encode()
        self.client.write(topic or self.topics.command, f"command:{path}", value)


class Taken:
    """Our engine at work on the topics."""

    def __init__(self, site: PhoebusTopics, engine: Engine) -> None:
        self.site = site
        self.engine = engine
        self._marks = 0

    @property
    def runner(self) -> Runner:
        return self.engine.runners[0]

    def settle(self) -> None:
        """Until every PV has said what it is, or that it is not there, and what came of that can be read."""
        until(lambda: all(leaf.connected or leaf.current.message in ("Disconnected", "No PV") for leaf in self._leaves()), "all PVs")
        topics = self.site.topics
        for topic in (topics.command, topics.config, topics.command):
            self._marks += 1
            path = f"/{self.site.config}/nowhere/{self._marks}"
            self.site.command(path, topic=topic)
            self.until_event(lambda event, path=path: event.kind is EventKind.REFUSED and event.path == path)

    def until_event(self, wanted: Callable[[Event], bool]) -> Event:
        """The first such event."""

        def found() -> Event | None:
            self.site.read(0.02)
            return next(filter(wanted, self.site.events()), None)

        event = until(found, f"an event; there are {[(e.kind, e.path) for e in self.site.events()]}")
        self.site.read()
        return event

    def _leaves(self) -> list[Any]:
        return list(self.runner.evaluator.tree.leaves.values())


@asynccontextmanager
async def taken_over(site: PhoebusTopics, zone: tzinfo = UTC) -> AsyncIterator[Taken]:
    """Start our engine on the topics as they are."""
    ours = KafkaSite(site.servers)
    await ours.journal.start()
    settings = RunnerSettings(EvaluatorSettings(site.config, connection_timeout_s=2), zone)
    ports = EnginePorts(ours.journal, CaSource(), SoleOwnership(), SystemClock(), ours.writer)
    thread = EngineThread(EngineSettings("takeover", CELL, (settings,)), ports)
    try:
        await thread.start()
        topics = site.topics
        assert thread.engine is not None
        site.follow(topics.config, topics.talk, topics.events)
        site.read()
        yield Taken(site, thread.engine)
    finally:
        await thread.stop()
        await ours.close()


def until(condition: Callable[[], Any], what: str) -> Any:
    """What the condition says as soon as it is true."""
    deadline = time.monotonic() + _PATIENCE_S
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
    return answer


def shapes(values: Mapping[str, bytes]) -> Iterator[tuple[str, ...]]:
    """The fields of JSON objects, in their order."""
    return (tuple(json.loads(value)) for value in values.values())
