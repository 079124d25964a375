"""A configuration of a Phoebus server read as one of ours: events between its records, for the history writer and for live trees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC

import pytest

from alarm_engine.errors import HistoryUnavailable, JournalUnavailable
from alarm_engine.journal.port import Fetched, StoredRecord
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Moment, Monotonic, Nanos
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.topics import Topics
from backend.history.memory import MemoryHistory
from backend.history.port import EventQuery
from backend.history.writer import HistoryWriter, WriterOptions
from backend.live import Live
from backend.phoebus.derivation import Derivation
from backend.phoebus.journal import DerivingJournal
from tests.contract.journals import until
from tests.unit.phoebus_records import SECOND, Recorded, at, derive
from tests.unit.topic_journal import TopicJournal

QUICK = WriterOptions(batch_records=20, first_pause_s=0.001, longest_pause_s=0.01)


@asynccontextmanager
async def writing(journal: TopicJournal, store: MemoryHistory, config: str) -> AsyncIterator[HistoryWriter]:
    writer = HistoryWriter(DerivingJournal(journal, {config: UTC}, store), store, [config], options=QUICK)
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


async def stored(store: MemoryHistory, config: str) -> dict[str, Event]:
    query = EventQuery(config, at(-3600), at(36_000), oldest_first=True, limit=10_000)
    return {str(event.id): event for event in (await store.events(query)).events}


def by_id(config: str, records: list[StoredRecord]) -> dict[str, Event]:
    return {str(event.id): event for event in derive(Derivation(config, UTC), records)}


async def has_all(store: MemoryHistory, config: str, wanted: dict[str, Event]) -> bool:
    return wanted.keys() <= (await stored(store, config)).keys()


@pytest.mark.parametrize("session", ["latching", "tree_edits", "modes_talk"])
async def test_a_writer_stores_what_follows_however_often_it_starts(session):
    recorded = Recorded.load(session)
    journal, store = TopicJournal(), MemoryHistory()
    for part in range(1, 4):
        records = recorded.records[len(recorded.records) * (part - 1) // 3 : len(recorded.records) * part // 3]
        journal.write(records)
        wanted = by_id(recorded.config, recorded.records[: len(recorded.records) * part // 3])
        async with writing(journal, store, recorded.config) as writer:
            await until(lambda wanted=wanted: has_all(store, recorded.config, wanted))
            assert (writer.problem, writer.failed) == ("", 0)
        found = await stored(store, recorded.config)
        assert found.keys() == wanted.keys()
        for name, event in wanted.items():
            assert (event.kind, event.from_severity, event.user, event.reason, event.snapshot and event.snapshot.alarm) == (
                found[name].kind, found[name].from_severity, found[name].user, found[name].reason,
                found[name].snapshot and found[name].snapshot.alarm,
            ), event  # fmt: skip
    assert journal.positions == {("history", recorded.config): journal.topics[recorded.config][-1].offset + 1} or journal.positions
    assert set(journal.topics) <= {recorded.config, f"{recorded.config}Command", f"{recorded.config}Talk"}


async def test_topics_that_are_made_anew_add_only_what_is_new():
    recorded = Recorded.load("latching")
    journal, store = TopicJournal(), MemoryHistory()
    journal.write(recorded.records[:200])
    before = by_id(recorded.config, recorded.records[:200])
    async with writing(journal, store, recorded.config):
        await until(lambda: has_all(store, recorded.config, before))
        # As an import does, and a server that starts with it: the same tree, and each alarm as it was.
        last = {record.key: record for record in recorded.records[:200] if record.topic == recorded.config}
        later = [state(n, 5000 + n, severity) for n, severity in enumerate(("OK", "MAJOR"), len(last))]
        moved = [r._replace(offset=n, time=at(4000 + n)) for n, r in enumerate(last.values())]
        journal.topics = {}
        journal.write([*moved, *(r._replace(topic=recorded.config, key="state:/Latch/Area2/L:num") for r in later)])
        wanted = {str(Derivation.id_of(recorded.config, one)) for one in later}
        await until(lambda: has_all(store, recorded.config, dict.fromkeys(wanted)))
    found = await stored(store, recorded.config)
    assert [e.kind for name, e in found.items() if name not in before] == [EventKind.CHANGED, EventKind.ALARM]


class WeakStore(MemoryHistory):
    """Does not answer every second time."""

    calls = 0

    async def last_before(self, config, paths, time):
        self.calls += 1
        if self.calls % 2:
            raise HistoryUnavailable("the store sleeps")
        return await super().last_before(config, paths, time)


async def test_a_history_that_does_not_answer_loses_nothing():
    recorded = Recorded.load("latching")
    journal, store = TopicJournal(), WeakStore()
    journal.write(recorded.records)
    wanted = by_id(recorded.config, recorded.records)
    async with writing(journal, store, recorded.config):
        await until(lambda: has_all(store, recorded.config, wanted))
    assert (await stored(store, recorded.config)).keys() == wanted.keys()
    assert store.calls >= 2


# ---------------------------------------------------------------------- live


class SetClock:
    def __init__(self, wall: Nanos) -> None:
        self.wall = wall
        self.monotonic = 0

    def now(self) -> Moment:
        return Moment(self.wall, Monotonic(self.monotonic))

    def advance(self, seconds: float) -> None:
        self.wall = Nanos(self.wall + round(seconds * SECOND))
        self.monotonic += round(seconds * SECOND)


def state(offset: int, seconds: float, severity: str, path: str = "/Demo/Vac/PV1") -> StoredRecord:
    text = (
        f'{{"severity":"{severity}","message":"HIHI_ALARM","value":"1","time":{{"seconds":5,"nano":0}},'
        f'"current_severity":"{severity.removesuffix("_ACK")}","current_message":"HIHI_ALARM"}}'
    )
    return StoredRecord("Demo", offset, at(seconds), f"state:{path}", text.encode(), ())


def config(offset: int, seconds: float, path: str = "/Demo/Vac/PV1") -> StoredRecord:
    return StoredRecord("Demo", offset, at(seconds), f"config:{path}", b'{"user":"mara","host":"ops7","description":"PV 1"}', ())


@asynccontextmanager
async def following(journal: TopicJournal, clock: SetClock) -> AsyncIterator[Live]:
    live = Live(DerivingJournal(journal, {"Demo": UTC}), {"Demo": UTC}, "cell", clock, phoebus={"Demo"})
    await live.start()
    try:
        await until(lambda: not live.problems())
        yield live
    finally:
        await live.stop()


async def test_a_live_tree_follows_and_its_stream_has_each_event_in_order():
    journal, clock = TopicJournal(), SetClock(at(10))
    journal.write([config(0, 0), state(1, 5, "OK")])
    async with following(journal, clock) as live:
        tree = live.trees["Demo"]
        alarm = tree.alarms["/Demo/Vac/PV1"]
        begin = tree.newest
        assert begin is not None
        journal.write([config(2, 900), state(3, 11, "MAJOR"), state(4, 12, "MAJOR")])  # an edit by a client whose clock is far ahead
        await until(lambda: alarm.severity is Severity.MAJOR)
        journal.write([state(5, 13, "MAJOR_ACK")])
        await until(lambda: alarm.severity is Severity.MAJOR_ACK)
        events = tree.recent(begin)
        assert [event.kind for event in events] == [EventKind.ALARM, EventKind.ACKNOWLEDGED]
        assert (alarm.version, alarm.snapshot.rise) == (events[-1].id, events[0].id)
        assert tree.freshness().as_of == events[-1].id


async def test_a_record_that_is_published_again_keeps_what_the_event_told():
    journal, clock = TopicJournal(), SetClock(at(10))
    journal.write([config(0, 0), state(1, 5, "OK"), state(2, 6, "MAJOR")])
    async with following(journal, clock) as live:
        alarm = live.trees["Demo"].alarms["/Demo/Vac/PV1"]
        await until(lambda: alarm.severity is Severity.MAJOR)
        rise, since = alarm.snapshot.rise, alarm.snapshot.since
        assert (rise, since) == (Derivation.id_of("Demo", state(2, 6, "MAJOR")), at(6))
        journal.write([state(3, 9, "MAJOR"), state(4, 9, "OK", "/Demo/Vac/PV2"), config(5, 9, "/Demo/Vac/PV2")])
        await until(lambda: "/Demo/Vac/PV2" in live.trees["Demo"].alarms)
        assert (alarm.snapshot.rise, alarm.snapshot.since) == (rise, since)


async def test_each_state_record_is_a_life_sign_for_half_a_minute():
    journal, clock = TopicJournal(), SetClock(at(500))
    journal.write([config(0, 0), state(1, 5, "OK")])
    async with following(journal, clock) as live:
        tree = live.trees["Demo"]
        assert tree.freshness().stale  # that was long ago
        journal.write([StoredRecord("Demo", 2, at(5), "state:/Demo", b'{"severity":"OK"}', ())])  # its clock is wrong, but it lives
        await until(lambda: not tree.freshness().stale)
        clock.advance(29)
        assert not tree.freshness().stale
        clock.advance(2)
        assert tree.freshness().stale


async def test_a_command_is_an_event_at_once_and_its_giver_stands_at_what_it_caused():
    journal = TopicJournal()
    journal.write([config(0, 0), state(1, 5, "OK"), state(2, 6, "MAJOR")])
    reader = DerivingJournal(journal, {"Demo": UTC}).reader([Topics("Demo").events])
    try:
        await until(lambda: _delivered(reader, EventKind.ALARM))
        # The clock of the client is behind, the command is read first all the same.
        text = b'{"user":"mara","host":"ops7","command":"acknowledge"}'
        journal.write([StoredRecord("DemoCommand", 7, at(40), "command:/Demo/Vac", text, ())])
        await until(lambda: _delivered(reader, EventKind.COMMAND))
        journal.write([state(3, 20, "MAJOR_ACK")])
        (event,) = [decode_event(record.value or b"") for record in (await reader.fetch()).records]
        assert (event.kind, event.user, event.snapshot.acknowledgement.user) == (EventKind.ACKNOWLEDGED, "mara", "mara")
    finally:
        await reader.close()


class LateJournal(TopicJournal):
    """Commands come by a connection of their own, three turns later than their topic shows them."""

    def reader(self, topics, start=None):
        reader = super().reader(topics, start)
        if Topics("Demo").command in topics:
            inner, delivered, turns = reader.fetch, 0, 0

            async def fetch(*, max_records=5000, timeout_s=None):
                nonlocal delivered, turns
                if delivered == await self.end("DemoCommand"):
                    return await inner(max_records=max_records, timeout_s=timeout_s)
                turns += 1
                if turns < 3:
                    await asyncio.sleep(timeout_s or 0)
                    return Fetched((), False)
                turns, fetched = 0, await inner(max_records=max_records, timeout_s=timeout_s)
                delivered += len(fetched.records)
                return fetched

            reader.fetch = fetch
        return reader


async def test_a_command_that_comes_later_than_what_it_caused_stands_at_it_all_the_same():
    journal = LateJournal()
    journal.write([config(0, 0), state(1, 5, "OK"), state(2, 6, "MAJOR")])
    reader = DerivingJournal(journal, {"Demo": UTC}).reader([Topics("Demo").events])
    try:
        await until(lambda: _delivered(reader, EventKind.ALARM))
        text = b'{"user":"mara","host":"ops7","command":"acknowledge"}'
        journal.write([StoredRecord("DemoCommand", 0, at(19), "command:/Demo/Vac", text, ()), state(3, 20, "MAJOR_ACK")])
        order, effect = [decode_event(record.value or b"") for record in (await reader.fetch()).records]
        assert (order.kind, order.user) == (EventKind.COMMAND, "mara")
        assert (effect.kind, effect.user, effect.snapshot.acknowledgement.user) == (EventKind.ACKNOWLEDGED, "mara", "mara")
    finally:
        await reader.close()


async def _delivered(reader, kind: EventKind) -> bool:
    return any(decode_event(record.value or b"").kind is kind for record in (await reader.fetch(timeout_s=0.1)).records)


async def test_a_reader_that_is_made_anew_tells_only_later_events():
    """A client whose clock was ahead has moved the ids on: those of the next alarms must not be before what a page has."""
    journal = TopicJournal()
    deriving = DerivingJournal(journal, {"Demo": UTC})
    events = Topics("Demo").events
    journal.write([config(0, 0), state(1, 5, "OK"), config(2, 900, "/Demo/Vac/PV2")])
    reader = deriving.reader([events])
    first = [decode_event(record.value or b"") for record in (await reader.fetch()).records]
    await reader.close()
    journal.write([state(3, 6, "MAJOR")])
    reader = deriving.reader([events], {events: 3})
    (rise,) = [decode_event(record.value or b"") for record in (await reader.fetch()).records]
    await reader.close()
    assert rise.kind is EventKind.ALARM
    assert rise.id > first[-1].id
    assert rise.snapshot.rise == rise.id


class DeafJournal(TopicJournal):
    """Whoever reads may not read commands."""

    def reader(self, topics, start=None):
        reader = super().reader(topics, start)
        if Topics("Demo").command in topics:

            async def fetch(**_):
                await asyncio.sleep(0)
                raise JournalUnavailable("topic 'DemoCommand' may not be read")

            reader.fetch = fetch
        return reader


async def test_commands_that_may_not_be_read_hold_nothing_up():
    journal, store = DeafJournal(), MemoryHistory()
    journal.write([config(0, 0), state(1, 5, "OK"), state(2, 6, "MAJOR"), state(3, 7, "MAJOR_ACK")])
    async with writing(journal, store, "Demo"):
        await until(lambda: has_all(store, "Demo", by_id("Demo", journal.topics["Demo"])))
    acknowledged = [event for event in (await stored(store, "Demo")).values() if event.kind is EventKind.ACKNOWLEDGED]
    assert [event.user for event in acknowledged] == [""]


@pytest.mark.parametrize("uncommitted", [0, 60, 150])
async def test_what_was_stored_and_not_committed_is_derived_again_as_it_was(uncommitted):
    recorded = Recorded.load("latching")
    journal, store = TopicJournal(), MemoryHistory()
    journal.write(recorded.records)
    wanted = by_id(recorded.config, recorded.records)
    async with writing(journal, store, recorded.config):
        await until(lambda: has_all(store, recorded.config, wanted))
    before = await stored(store, recorded.config)
    journal.positions = {("history", recorded.config): uncommitted}
    # Of what compaction has dropped since, only the history knows; a record that repeats another is no event now either.
    journal.topics[recorded.config] = [
        r for r in journal.topics[recorded.config] if r.offset >= uncommitted or not r.key.startswith("state:")
    ]
    journal.write([state(10_000, 5000, "MAJOR", "/Latch/Area2/L:num")._replace(topic=recorded.config)])
    async with writing(journal, store, recorded.config):
        await until(lambda: _has_more(store, recorded.config, len(before)))
    after = await stored(store, recorded.config)
    assert [event.path for name, event in after.items() if name not in before] == ["/Latch/Area2/L:num"]
    assert {name: after[name] for name in before} == before


async def _has_more(store: MemoryHistory, config: str, number: int) -> bool:
    return len(await stored(store, config)) > number


async def test_a_writer_that_began_in_the_middle_reads_a_topic_that_is_made_anew_from_its_beginning():
    recorded = Recorded.load("latching")
    journal, store = TopicJournal(), MemoryHistory()
    journal.write(recorded.records[:200])
    before = by_id(recorded.config, recorded.records[:200])
    async with writing(journal, store, recorded.config):
        await until(lambda: has_all(store, recorded.config, before))
    async with writing(journal, store, recorded.config):
        new = [state(n, 5000 + n, severity, "/Latch/Area2/L:num") for n, severity in enumerate(("OK", "MAJOR"))]
        last = config(10_000, 4000, "/Latch/Last")._replace(topic=recorded.config)
        journal.write([last])
        await until(lambda: _has_more(store, recorded.config, len(before)))  # it has read to the end
        journal.topics = {}
        journal.write([r._replace(topic=recorded.config) for r in new])
        await until(lambda: _has_more(store, recorded.config, len(before) + 2))
    found = await stored(store, recorded.config)
    kinds = [event.kind for name, event in found.items() if name not in before]
    assert kinds == [EventKind.CONFIGURED, EventKind.CHANGED, EventKind.ALARM]


async def test_what_came_later_is_not_taken_for_what_was_before():
    """Of two alarms met in one batch, one had been stored beyond its first record."""
    journal, store = TopicJournal(), MemoryHistory()
    two = "/Demo/Vac/PV2"
    journal.write([config(0, 0), config(1, 0, two), state(2, 1, "OK"), state(3, 2, "MAJOR"), state(4, 3, "OK"), state(5, 4, "MAJOR", two)])
    wanted = by_id("Demo", journal.topics["Demo"])
    async with writing(journal, store, "Demo"):
        await until(lambda: has_all(store, "Demo", wanted))
    before = await stored(store, "Demo")
    journal.positions = {("history", "Demo"): 3}
    del journal.topics["Demo"][2]
    journal.write([state(6, 5, "OK", two)])
    async with writing(journal, store, "Demo"):
        await until(lambda: _has_more(store, "Demo", len(before)))
    after = await stored(store, "Demo")
    assert [(event.path, event.kind) for name, event in after.items() if name not in before] == [(two, EventKind.CLEARED)]
