"""What a Phoebus alarm logger has stored, imported from a real Elasticsearch into either store."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC
from itertools import pairwise

import pytest
from elasticsearch import AsyncElasticsearch
from typer.testing import CliRunner

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.event import Event, EventKind, Origin
from alarm_engine.model.path import canonical
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from alarm_engine.wire.state import LeafState, decode_state
from backend.history.elastic_options import ElasticOptions
from backend.history.port import EventQuery, HistoryStore
from backend.history.sqlite import SqliteHistory
from backend.phoebus.derivation import FOUND, Derivation
from backend.phoebus.importing import Import, Report, begin_of_own
from backend.phoebus.indices import LoggerIndices
from tests.contract.histories import ADAPTERS, elastic_url
from tests.contract.phoebus_logger import documents, fill, remove
from tests.unit.phoebus_records import Recorded, at, derive

pytestmark = pytest.mark.timeout(150)  # the first one starts a server


@dataclass
class Logger:
    client: AsyncElasticsearch
    config: str
    recorded: Recorded

    async def source(self) -> LoggerIndices:
        source = LoggerIndices(ElasticOptions((elastic_url(),)), self.config)
        await source.start()
        return source

    async def add(self, kind: str, body: dict) -> None:
        await fill(self.client, self.config, [(kind, body)])


def renamed(recorded: Recorded, config: str) -> Recorded:
    """Under a name of its own: tests share one server."""
    old = recorded.config

    def key(text: str) -> str:
        kind, colon, path = text.partition(":")
        return kind + colon + (path.replace(old, config, 1) if path.lstrip("/").startswith(old) else path)

    records = [r._replace(topic=r.topic.replace(old, config, 1), key=key(r.key)) for r in recorded.records]
    return Recorded(config, records)


@pytest.fixture
async def logger() -> AsyncIterator[Logger]:
    config = f"P{secrets.token_hex(4)}"
    client = AsyncElasticsearch(elastic_url())
    recorded = renamed(Recorded.load("tree_edits"), config)
    await fill(client, config, documents(recorded.records))
    yield Logger(client, config, recorded)
    await remove(client, config)
    await client.close()


@pytest.fixture(params=["sqlite", "elastic"])
async def store(request, tmp_path) -> AsyncIterator[HistoryStore]:
    store = ADAPTERS[request.param](tmp_path)
    await store.start()
    yield store
    await store.close()


async def run(logger: Logger, store: HistoryStore, report: Report | None = None, *, pages: int = 1_000, size: int = 40) -> Report:
    report = report or Report()
    source = await logger.source()
    try:
        async with aclosing(Import(source, store, logger.config, UTC).run(report, at(36_000), size)) as steps:
            async for _ in steps:
                pages -= 1
                if pages == 0:
                    break
    finally:
        await source.close()
    return report


async def stored(store: HistoryStore, config: str) -> list[Event]:
    query = EventQuery(config, at(-3600), at(36_000), oldest_first=True, limit=10_000)
    return list((await store.events(query)).events)


def transitions(recorded: Recorded) -> dict[str, list[tuple[object, ...]]]:
    found: dict[str, list[tuple[object, ...]]] = {}
    for record in recorded.keyed("state"):
        if record.value and b"current_severity" in record.value:
            state = decode_state(record.value)
            assert isinstance(state, LeafState)
            told = (state.alarm.severity, state.alarm.message, state.alarm.value, state.current_severity, state.current_message)
            found.setdefault(canonical(record.key.partition(":")[2]), []).append(told)
    return {path: [chain[0]] + [b for a, b in pairwise(chain) if a != b] for path, chain in found.items()}


async def test_each_transition_that_was_stored_is_an_event(logger, store):
    report = await run(logger, store)
    events = await stored(store, logger.config)
    assert (report.events, report.new) == (len(events), len(events))
    assert all(event.origin is Origin.IMPORTED for event in events)
    told: dict[str, list[tuple[object, ...]]] = {}
    for event in events:
        if event.snapshot is not None:
            alarm, now = event.snapshot.alarm, event.snapshot.current
            told.setdefault(event.path, []).append((alarm.severity, alarm.message, alarm.value, now.severity, now.message))
    assert {path: list(dict.fromkeys(chain)) for path, chain in told.items()} == {
        path: list(dict.fromkeys(chain)) for path, chain in transitions(logger.recorded).items()
    }
    live = derive(Derivation(logger.config, UTC), logger.recorded.records)
    for kind in (EventKind.ACKNOWLEDGED, EventKind.REMOVED, EventKind.DISABLED, EventKind.COMMAND, EventKind.CLEARED):
        # The logger stores no tombstone: a deletion is known by the note that came before, and without one not at all.
        imported, told_live = (
            [(e.path, e.kind is EventKind.REMOVED or e.time, e.user) for e in of if e.kind is kind] for of in (events, live)
        )
        assert set(imported) <= set(told_live), kind
        assert len(imported) >= (2 if kind is not EventKind.REMOVED else 1), kind


async def test_twice_is_once_and_an_interrupted_one_goes_on(logger, store):
    first = await run(logger, store, pages=3, size=20)
    assert first.documents == 60
    some = await stored(store, logger.config)
    whole = await run(logger, store, first)
    events = await stored(store, logger.config)
    assert len(events) > len(some)
    again = await run(logger, store)
    assert (again.new, await stored(store, logger.config)) == (0, events)
    assert again.documents <= whole.documents
    assert again.unmapped.keys() == whole.unmapped.keys()


async def test_two_states_of_an_alarm_in_one_millisecond_keep_their_order(logger, store):
    path = f"/{logger.config}/Sub/Quick"
    base = {
        "config": f"state:{path}", "pv": "Quick", "value": "1", "time": "2026-11-22 12:40:00.000", "latch": False, "notify": True,
        "message_time": "2026-11-22 12:40:00.000",
    }  # fmt: skip
    for severity, message in (("MAJOR", "HIHI_ALARM"), ("OK", "NO_ALARM"), ("MINOR", "LOW_ALARM"), ("OK", "NO_ALARM")):
        now = {"current_severity": severity, "current_message": message}
        await logger.add("state", {**base, "severity": severity, "message": message, **now})
    await run(logger, store)
    query = EventQuery(logger.config, at(-3600), at(36_000), path_prefix=path, oldest_first=True)
    events = (await store.events(query)).events
    assert [event.to_severity for event in events] == [Severity.MAJOR, Severity.OK, Severity.MINOR, Severity.OK]
    assert [event.from_severity for event in events] == [Severity.MAJOR, Severity.MAJOR, Severity.OK, Severity.MINOR]
    assert events[0].reason == FOUND


async def test_what_cannot_be_mapped_is_counted_with_examples(logger, store):
    good = await run(logger, store)
    state = {"config": f"state:/{logger.config}/A/B", "pv": "B", "message_time": "2026-11-22 12:40:00.000"}
    full = {**state, "severity": "MAJOR", "message": "m", "value": "1", "time": "2026-11-22 12:40:00.000", "current_severity": "MAJOR"}
    for kind, body in [
        ("state", state),
        ("state", {**full, "current_message": "m", "severity": "HUGE"}),
        ("state", {**full, "current_message": "m", "config": "state:/Other/A/B"}),
        ("state", {**full, "current_message": "m", "config": "nothing"}),
        ("state", {name: value for name, value in {**full, "current_message": "m"}.items() if name != "message_time"}),
        ("config", {**state, "config": f"config:/{logger.config}/A/B", "config_msg": "{"}),
        ("cmd", {**state, "config": f"command:/{logger.config}/A/B", "user": "u", "host": "h", "command": "dance"}),
    ]:
        body.pop("pv") if kind != "state" else None
        await logger.add(kind, body)
    report = await run(logger, store)
    assert report.unmapped.total() == good.unmapped.total() + 7
    new = report.unmapped - good.unmapped
    assert len(new) == 7, new
    assert all("_alarms_" in report.examples[reason][0] for reason in new)
    assert report.new == 0


async def test_a_protocol_in_the_name_of_a_pv_is_told_from_components(logger, store):
    await logger.add("state", {
        "config": f"state:/{logger.config}/Sub/sim://sine(0,1)", "pv": "sine(0,1)", "severity": "MINOR", "message": "LOW", "value": None,
        "time": "2026-11-22 12:40:00.000", "current_severity": "MINOR", "current_message": "LOW", "message_time": "2026-11-22 12:40:00.000",
    })  # fmt: skip
    await run(logger, store)
    path = rf"/{logger.config}/Sub/sim:\/\/sine(0,1)"
    (event,) = (await store.events(EventQuery(logger.config, at(-3600), at(36_000), path_prefix=path))).events
    assert event.snapshot.alarm.value == "null"


async def test_it_ends_where_our_own_history_begins(logger, store):
    assert await begin_of_own(store, logger.config, at(500)) == at(500)
    # Found as it stood, of long before: that is no begin.
    old, own = logger.recorded.records[:60], logger.recorded.records[60:]
    first = Derivation(logger.config, UTC, own[0].offset)
    derive(first, [record._replace(offset=0) for record in old if record.key.startswith("config:")])
    events = derive(first, own)
    await store.write(events)
    begin = await begin_of_own(store, logger.config, at(500))
    assert begin == min(event.time for event in events if event.reason != FOUND)
    await run(logger, store)
    assert await begin_of_own(store, logger.config, at(500)) == begin


async def test_a_source_that_is_away_is_said(store):
    source = LoggerIndices(ElasticOptions(("http://127.0.0.1:1",)), "Demo")
    await source.start()
    try:
        with pytest.raises(HistoryUnavailable, match=r"127\.0\.0\.1:1"):
            await source.count(Nanos(0), at(0))
    finally:
        await source.close()


def test_on_the_command_line(tmp_path, logger_of_thread):
    from tocsin.cli.main import app

    config, url = logger_of_thread
    (tmp_path / "site.yaml").write_text(
        f"configurations: [{{name: {config}, owner: phoebus}}]\njournal: kafka\nkafka: {{servers: 'a:1'}}\n", encoding="utf-8"
    )
    asyncio.run(_make(tmp_path / "tocsin.sqlite"))
    command = ["history", "import", "--settings", str(tmp_path / "site.yaml"), "--phoebus-indices", "--from", url, "--config", config]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 0, ended.output
    assert "all documents could be mapped" in ended.output
    again = CliRunner().invoke(app, [*command, "--again"])
    assert ", 0 of them were new" in again.output
    other = CliRunner().invoke(app, [*command[:-1], "Nothing"])
    assert other.exit_code != 0
    assert CliRunner().invoke(app, [*command, "--until", "soon"]).exit_code == 2


async def _make(file) -> None:
    history = SqliteHistory(SqliteFile(file))
    await history.start()
    await history.close()


@pytest.fixture
def logger_of_thread():
    config, url = f"P{secrets.token_hex(4)}", elastic_url()

    async def make(*, gone: bool) -> None:
        client = AsyncElasticsearch(url)
        if gone:
            await remove(client, config)
        else:
            await fill(client, config, documents(renamed(Recorded.load("latching"), config).records[:200]))
        await client.close()

    asyncio.run(make(gone=False))
    yield config, url
    asyncio.run(make(gone=True))
