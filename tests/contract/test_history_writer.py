"""Every event of the journal comes to history, once, whatever fails on the way."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
import structlog

from alarm_engine.errors import HistoryUnavailable, JournalUnavailable, QueryTooLarge
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Cleanup, Position, Record, TopicSpec
from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.times import Moment, Monotonic, Nanos
from alarm_engine.wire.event import encode_event
from backend.history.memory import MemoryHistory
from backend.history.port import EventQuery
from backend.history.rebuild import rebuild
from backend.history.sqlite import SqliteHistory
from backend.history.writer import GROUP, HistoryWriter, WriterOptions
from tests.contract.histories import SECOND, at, command, event
from tests.contract.journals import until

pytestmark = pytest.mark.timeout(60)

QUICK = WriterOptions(
    batch_records=7,
    first_pause_s=0.001,
    longest_pause_s=0.01,
    look_period_s=0.01,
    retention_period_s=0.01,
    checkpoint_period_s=0.01,
)
SPECS = [TopicSpec(f"{config}{end}", Cleanup.DELETE) for config in ("Demo", "Other") for end in ("Events", "Talk")]


class SetClock:
    def __init__(self, wall):
        self.wall = wall
        self.set_by = 0

    def now(self):
        return Moment(self.wall, Monotonic(self.wall + self.set_by))


class FlakyStore(MemoryHistory):
    """Refuses while it is told to, and counts."""

    def __init__(self):
        super().__init__()
        self.broken = False
        self.refused = 0
        self.batches = []

    async def write(self, events):
        if self.broken:
            self.refused += 1
            raise HistoryUnavailable("the store sleeps")
        self.batches.append(len(events))
        return await super().write(events)


class FlakyJournal(MemoryJournal):
    """Fails every second time."""

    calls = 0

    async def append(self, records, positions=()):
        self.calls += 1
        if positions and self.calls % 2:
            raise JournalUnavailable("the journal sleeps")
        await super().append(records, positions)

    async def position(self, group, topic):
        self.calls += 1
        if self.calls % 2:
            raise JournalUnavailable("the journal sleeps")
        return await super().position(group, topic)


def records(events):
    return [Record(f"{event.id.config}Events", str(event.id), encode_event(event)) for event in events]


async def stored(store, config="Demo"):
    return [
        event.id.n for event in (await store.events(EventQuery(config, at(-1), at(10_000_000), oldest_first=True, limit=10_000))).events
    ]


@pytest.fixture
async def journal():
    journal = MemoryJournal()
    await journal.ensure_topics(SPECS)
    yield journal
    await journal.close()


@pytest.fixture
async def started():
    """Starts writers, and stops them at the end."""
    writers = []

    async def start(journal, store, configs=("Demo",), **more):
        writer = HistoryWriter(journal, store, configs, options=QUICK, **more)
        writers.append(writer)
        await writer.start()
        return writer

    yield start
    for writer in writers:
        await writer.stop()


async def test_copies_what_is_there_and_then_follows(journal, started):
    store = FlakyStore()
    await journal.append(records([event(n, n) for n in range(1, 31)]))
    writer = await started(journal, store, ["Demo", "Other"])
    await until(lambda: writer.written == 30 and writer.lag == 0)
    assert max(store.batches) <= 7
    await journal.append([*records([event(31, 31), event(1, 5, config="Other"), command(32, 32)]), Record("DemoTalk", "talk:/Demo", b"{}")])
    await until(lambda: writer.written == 33)
    assert await stored(store) == list(range(1, 33))
    assert await stored(store, "Other") == [1]
    assert writer.healthy
    assert (writer.problem, writer.failed, writer.failure()) == ("", 0, None)


async def test_a_store_that_is_away_does_not_look_well_while_nothing_happens(journal, started, monkeypatch):
    store = FlakyStore()
    frontier = store.summaries.frontier

    async def asked(config):
        if store.broken:
            raise HistoryUnavailable("the store sleeps")
        return await frontier(config)

    monkeypatch.setattr(store.summaries, "frontier", asked)
    await journal.append(records([event(1, 1)]))
    writer = await started(journal, store)
    await until(lambda: writer.reached_end and writer.healthy)
    store.broken = True
    await until(lambda: writer.problem == "cannot reach the history: the store sleeps")
    store.broken = False
    await until(lambda: writer.healthy)
    await journal.append(records([event(2, 2)]))
    await until(lambda: writer.written == 2)


async def test_goes_on_where_the_last_one_ended(journal, started):
    store = FlakyStore()
    await journal.append(records([event(n, n) for n in range(1, 11)]))
    writer = await started(journal, store)
    await until(lambda: writer.written == 10 and writer.lag == 0)
    await writer.stop()
    await writer.stop()
    assert not writer.healthy
    assert await journal.position(GROUP, "DemoEvents") == await journal.end("DemoEvents")
    await journal.append(records([event(11, 11)]))
    writer = await started(journal, store)
    await until(lambda: writer.written == 1)
    assert writer.read == 1
    assert await stored(store) == list(range(1, 12))


async def test_a_store_that_lost_everything_while_nobody_looked_is_filled_again(journal, started):
    await journal.append(records([event(n, n) for n in range(1, 31)]))
    await journal.append([Record("DemoEvents", "odd", b"{")])
    await journal.append(records([event(n, n, config="Other") for n in range(1, 4)]))
    store = FlakyStore()
    writer = await started(journal, store, ["Demo", "Other"])
    await until(lambda: writer.reached_end)
    await writer.stop()
    await journal.append(records([event(31, 31)]))
    empty = FlakyStore()
    await empty.write([event(n, n, config="Other") for n in range(1, 4)])
    with structlog.testing.capture_logs() as logs:
        writer = await started(journal, empty, ["Demo", "Other"])
        await until(lambda: writer.reached_end)
    assert await stored(empty) == list(range(1, 32))
    assert [line["topics"] for line in logs if "has lost" in line["event"]] == [["DemoEvents"]]
    await writer.stop()
    writer = await started(journal, empty, ["Demo", "Other"])
    await until(lambda: writer.reached_end)
    assert writer.read == 0


@pytest.mark.parametrize("more", [1, 0])
async def test_a_store_that_says_that_something_is_gone_is_filled_again(journal, started, more):
    """Also while nothing happens: it must not look well until something does."""

    class Losing(FlakyStore):
        losses = 0

    await journal.append(records([event(n, n) for n in range(1, 31)]))
    store = Losing()
    writer = await started(journal, store)
    await until(lambda: writer.reached_end)
    for n in range(1, 21):
        store._events.pop(event(n, n).id)
    store.losses = 1
    if more:
        await journal.append(records([event(31, 31)]))
    await until(lambda: writer.written == 50 + more)
    assert await stored(store) == list(range(1, 31 + more))
    assert writer.read == 30 + more + 30 + more


async def test_what_was_deleted_because_it_is_old_is_not_missed(journal, started):
    day = 86_400
    await journal.append(records([event(n, n) for n in range(1, 31)]), [Position(GROUP, "DemoEvents", 31)])
    writer = await started(journal, FlakyStore(), keep_days=10, clock=SetClock(at(11 * day)))
    await until(lambda: writer.reached_end)
    assert writer.read == 0


async def test_a_position_is_committed_only_after_the_store_has_answered(journal, started):
    store = FlakyStore()
    store.broken = True
    await journal.append(records([event(n, n) for n in range(1, 21)]))
    with structlog.testing.capture_logs() as logs:
        writer = await started(journal, store)
        await until(lambda: store.refused > 5)
        assert await journal.position(GROUP, "DemoEvents") is None
        assert not writer.healthy
        assert "cannot write history: the store sleeps" in writer.problem
        assert writer.lag >= 20
        await journal.append(records([event(21, 21)]))
        await until(lambda: writer.lag >= 21)
        store.broken = False
        await until(lambda: writer.written == 21 and writer.healthy)
    assert await stored(store) == list(range(1, 22))
    store.broken = True
    await journal.append(records([event(22, 22), event(23, 23)]))
    await until(lambda: writer.lag == 2)
    store.broken = False
    await until(lambda: writer.written == 23 and writer.lag == 0)
    assert [line["event"] for line in logs[:2]] == ["history falls behind, trying again", "history is written again"]


@pytest.mark.parametrize("wrong", [Nanos(5), Nanos((1 << 62) - 10)])
async def test_a_clock_that_was_decades_off_stops_nobody(journal, started, wrong):
    store = MemoryHistory()
    await journal.append(records([event(1, 1), replace(event(2, 2), time=wrong), event(3, 3)]))
    first = await started(journal, store)
    await until(lambda: first.written == 3 and first.lag == 0)
    await first.stop()
    await journal.append(records([event(4, 4)]))
    second = await started(journal, store)
    await until(lambda: second.written == 1)
    assert second.read == 1


async def test_stopped_while_the_store_is_away_nothing_is_lost(journal, started):
    store = FlakyStore()
    store.broken = True
    await journal.append(records([event(1, 1)]))
    writer = await started(journal, store)
    await until(lambda: store.refused > 0)
    await writer.stop()
    store.broken = False
    await started(journal, store)
    await until(lambda: store.batches)
    assert await stored(store) == [1]


async def test_a_journal_that_fails_now_and_then(started):
    journal, store = FlakyJournal(), FlakyStore()
    await journal.ensure_topics(SPECS)
    writer = await started(journal, store)
    for n in range(1, 30):
        await journal.append(records([event(n, n)]))
        await asyncio.sleep(0)
    await until(lambda: writer.written == 29 and writer.healthy)
    assert await stored(store) == list(range(1, 30))
    assert await MemoryJournal.position(journal, GROUP, "DemoEvents") is not None
    await writer.stop()


ODD = {
    "no JSON": b"{",
    "no value": None,
    "newer form": encode_event(event(1, 1)).replace(b'"v":1', b'"v":2'),
    "other configuration": encode_event(event(1, 1, config="Else")),
    "time is a text": encode_event(event(1, 1)).replace(b'"time":', b'"time":"soon","was":'),
    "time is too large": encode_event(event(1, 1)).replace(b'"time":1', b'"time":1800000000'),
    "path is a number": encode_event(event(1, 1)).replace(b'"path":', b'"path":7,"was":'),
    "message is a number": encode_event(event(1, 1)).replace(b'"HIHI_ALARM"', b"5"),
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
async def test_a_record_that_is_no_event_is_counted_named_and_skipped(journal, started, value):
    store = SqliteLikeStore()
    await journal.append([*records([event(1, 1)]), Record("DemoEvents", "odd", value), *records([event(2, 2)])])
    with structlog.testing.capture_logs() as logs:
        writer = await started(journal, store)
        await until(lambda: writer.written == 2)
    await until(lambda: writer.lag == 0)
    assert writer.failed == 1
    assert [(line["event"], line["topic"], line["offset"]) for line in logs] == [("record is no event and was put aside", "DemoEvents", 2)]
    (letter,) = await store.dead_letters("Demo")
    assert (letter.key, letter.body) == ("DemoEvents@2", value or b"")
    assert letter.reason
    assert writer.healthy


class SqliteLikeStore(MemoryHistory):
    """Chokes on anything that a real store would choke on."""

    async def write(self, events):
        for one in events:
            assert 0 <= one.time < 1 << 62
            encode_event(one)
            one.path.casefold()
        return await super().write(events)


async def test_a_topic_that_was_made_anew_is_copied_from_its_beginning(journal, started):
    await journal.append(records([event(1, 1), event(2, 2)]), [Position(GROUP, "DemoEvents", 5_000)])
    store = FlakyStore()
    with structlog.testing.capture_logs() as logs:
        writer = await started(journal, store)
        await until(lambda: writer.written == 2 and writer.lag == 0)
    assert await journal.position(GROUP, "DemoEvents") == await journal.end("DemoEvents")
    assert logs[0]["event"] == "topic was made anew, history is filled from its beginning"


async def test_old_events_are_deleted_in_time(journal, started):
    day = 86_400
    clock = SetClock(at(10 * day))
    store = FlakyStore()
    await journal.append(records([event(n, n * day) for n in range(1, 10)]))
    writer = await started(journal, store, keep_days=30, clock=clock)
    await until(lambda: writer.written == 9)
    clock.wall = at(35.5 * day)

    async def gone():
        return len(await stored(store)) < 9

    await until(gone)
    page = await store.events(EventQuery("Demo", at(0), at(100 * day)))
    assert [event.id.n for event in page.events] == [9, 8, 7, 6, 5]
    assert writer.healthy


async def test_a_clock_that_jumps_ahead_deletes_nothing(journal, started):
    day = 86_400
    clock = SetClock(at(10 * day))
    store = FlakyStore()
    asked = []
    delete_before, events = store.delete_before, store.events

    async def deleting(config, time):
        return asked.append(time) or await delete_before(config, time)

    async def looking(query):
        looked.append(query)
        return await events(query)

    looked = []
    store.delete_before, store.events = deleting, looking
    await journal.append(records([event(n, n * day) for n in range(1, 10)]))
    writer = await started(journal, store, keep_days=30, clock=clock)
    await until(lambda: writer.written == 9 and asked)  # something was recorded lately: the clock can be trusted
    clock.set_by = -390 * day * SECOND
    clock.wall = at(400 * day)  # it was set: no time has gone by
    del looked[:]
    await until(lambda: sum(query.limit == 1 and query.start > at(300 * day) for query in looked) > 3)
    assert max(asked) == at(-20 * day)
    assert await stored(store) == list(range(1, 10))
    clock.wall = at(401 * day)  # it has gone on like that for a day
    await until(lambda: asked[-1] == at(371 * day))


async def test_a_deletion_that_was_interrupted_is_finished_whatever_the_clock_says(journal, started):
    day = 86_400
    store = FlakyStore()
    await store.write([event(n, n * day) for n in range(1, 10)])
    asked = []
    delete_before = store.delete_before

    async def deleting(config, time):
        asked.append(time)
        if len(asked) == 1:
            raise HistoryUnavailable("the store sleeps")
        return await delete_before(config, time)

    async def begin(config):
        return at(5 * day) if config == "Demo" else None

    store.delete_before, store.summaries.begin = deleting, begin
    await started(journal, store, keep_days=1, clock=SetClock(at(400 * day)))
    await until(lambda: len(asked) > 2)
    assert set(asked) == {at(5 * day)}
    assert await stored(store) == [4, 5, 6, 7, 8, 9]


async def test_a_fault_of_ours_is_seen(journal, started):
    class Broken(MemoryHistory):
        async def write(self, events):
            raise ZeroDivisionError("ours")

    await journal.append(records([event(1, 1)]))
    writer = await started(journal, Broken())
    await until(lambda: writer.failure() is not None)
    assert not writer.healthy
    assert "ours" in writer.problem


async def test_journal_and_history_in_one_file(tmp_path, started):
    file = SqliteFile(tmp_path / "tocsin.db")
    journal, store = SqliteJournal(file), SqliteHistory(file)
    await journal.start()
    await store.start()
    await journal.ensure_topics(SPECS)
    writer = await started(journal, store, keep_days=30, clock=SetClock(at(0)))
    for n in range(1, 101):
        await journal.append(records([event(n, n)]))
    await until(lambda: writer.written == 100 and writer.lag == 0)
    assert await stored(store) == list(range(1, 101))
    await writer.stop()
    await journal.close()
    await store.close()
    journal, store = SqliteJournal(file), SqliteHistory(file)
    await store.start()
    await journal.start()
    writer = await started(journal, store)
    await journal.append(records([event(101, 101)]))
    await until(lambda: writer.written == 1 and writer.lag == 0)
    assert len(await stored(store)) == 101
    await writer.stop()
    await store.close()
    await journal.close()


async def test_checkpoints_are_made_as_they_come_due(journal, started, tmp_path, monkeypatch):
    for module in ("checkpoints", "sqlite_past"):
        monkeypatch.setattr(f"backend.history.{module}.MOST_REPLAYED", 9)
    monkeypatch.setattr("backend.history.sqlite_past.EVENTS_BETWEEN", 4)
    store = SqliteHistory(SqliteFile(tmp_path / "history.db"))
    await store.start()

    async def newest(until):
        with contextlib.suppress(QueryTooLarge):
            return [alarm.time for alarm in (await store.states_at("Demo", until)).alarms]

    try:
        writer = await started(journal, store)
        for first in (1, 51):
            await journal.append(records([event(n, n) for n in range(first, first + 50)]))
            async with asyncio.timeout(20):
                while await newest(at(first + 49)) != [at(first + 49)]:
                    await asyncio.sleep(0.01)
        await writer.stop()
    finally:
        await store.close()


async def test_a_rebuild_does_not_leave_out_what_was_lost_since_another_one_was_interrupted(journal):
    class Interrupted(Exception):
        pass

    def interrupt(progress):
        if progress.new == 30:
            raise Interrupted

    store = MemoryHistory()
    await journal.append(records([event(n, n) for n in range(1, 31)]))
    with pytest.raises(Interrupted):
        await rebuild(journal, store, ["Demo"], interrupt)
    for n in range(1, 21):
        store._events.pop(event(n, n).id)
    done = await rebuild(journal, store, ["Demo"], lambda progress: None)
    assert (done.read, done.new, done.left) == (30, 20, 0)
    assert await stored(store) == list(range(1, 31))
