"""The past read from a topic when it is asked for: the answers are those of a history that has it all, and nothing unread looks quiet."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_engine.errors import HistoryUnavailable, JournalUnavailable
from alarm_engine.journal.port import Fetched, StoredRecord
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import name
from alarm_engine.model.severity import Severity
from alarm_engine.wire.event import encode_event
from alarm_engine.wire.keys import RecordType, key
from backend.history import topic_past
from backend.history.journal_history import JournalHistory, Keeping
from backend.history.memory import MemoryHistory
from backend.history.port import CountBy, EventQuery
from backend.history.read_past import PastOptions
from backend.history.topic_past import STOOD, TopicPast
from tests.contract.histories import at, event, snapshot
from tests.unit.backend_world import until
from tests.unit.topic_journal import TopicJournal

TOPIC = "DemoEvents"
K, S = EventKind, Severity
ALL = EventQuery("Demo", at(-1000), at(100_000), limit=10_000)


def record(offset: int, one: Event) -> StoredRecord:
    return StoredRecord(TOPIC, offset, one.time, key(RecordType.EVENT, one.path), encode_event(one), ())


class Reading:
    """A history over a topic, and how often the topic was read."""

    def __init__(self, events: list[Event], begin: int = 0, alarms: dict[str, Event] | None = None, **options: int) -> None:
        """`begin`: records before that offset are forgotten. Every third offset is none of a record, as the ends of transactions."""
        self.journal = TopicJournal()
        self.offsets = [n + n // 2 for n in range(len(events))]
        kept = [record(offset, one) for offset, one in zip(self.offsets, events, strict=True) if offset >= begin]
        self.journal.write(kept)
        self.stores = 0
        live = {
            path: SimpleNamespace(path=path, pv=name(path), version=one.id, snapshot=one.snapshot) for path, one in (alarms or {}).items()
        }
        self.tree = SimpleNamespace(config="Demo", newest=events[-1].id if events else None, alarms=live, problem="")
        self.options = PastOptions(**{"patience_s": 10, "first_chunk": 3, "largest_chunk": 8} | options)
        self.keeping = Keeping(patience_s=self.options.patience_s)
        self.history = JournalHistory(self.make, self.keeping)

    def make(self):
        self.stores += 1
        store = MemoryHistory()
        return store, {"Demo": TopicPast(self.journal, store, self.tree, self.options)}

    def add(self, one: Event) -> None:
        self.offsets.append(self.offsets[-1] + 1 if self.offsets else 0)
        self.journal.write([record(self.offsets[-1], one)])
        self.tree.newest = one.id

    @property
    def progress(self):
        return self.history.progress("Demo")


@asynccontextmanager
async def reading(events: list[Event], **options):
    found = Reading(events, **options)
    await found.history.start()
    try:
        yield found
    finally:
        await found.history.close()


def chain(number: int, path: str = "/Demo/A/P1") -> list[Event]:
    return [event(n, n, path, severity=S.MAJOR if n % 2 else S.MINOR) for n in range(1, number + 1)]


PATHS = ["/Demo/A/P1", "/Demo/A/P2", "/Demo/A0", "/Demo/B/P1"]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(PATHS),
        st.sampled_from([K.ALARM, K.CLEARED, K.CHANGED, K.REMOVED, K.COMMAND]),
        st.sampled_from(S),
        st.booleans(),
    ),
    max_size=40,
)
TIMES = st.integers(-3, 70).map(at)
PREFIX = st.none() | st.sampled_from(["/Demo/A", "/Demo", "/Demo/A/P1", "/Demo/X"])
QUERIES = st.builds(
    EventQuery,
    st.just("Demo"),
    TIMES,
    TIMES,
    path_prefix=PREFIX,
    kinds=st.frozensets(st.sampled_from([K.ALARM, K.COMMAND]), max_size=1),
    oldest_first=st.booleans(),
    limit=st.integers(1, 9),
)
SPANS = st.tuples(TIMES, TIMES).map(lambda both: (min(both), max(both)))
QUESTIONS = st.one_of(
    st.tuples(st.just("events"), QUERIES.map(lambda query: (query,))),
    st.tuples(st.just("last_before"), st.tuples(st.just("Demo"), st.just(PATHS), TIMES)),
    st.tuples(st.just("states_at"), st.tuples(st.just("Demo"), TIMES, PREFIX)),
    st.tuples(st.just("intervals"), SPANS.map(lambda span: ("Demo", PATHS, *span))),
    st.tuples(st.just("counts"), SPANS.map(lambda span: ("Demo", *span, 10, CountBy.KIND))),
    st.tuples(st.just("most_frequent"), SPANS.map(lambda span: ("Demo", *span, 5))),
)


def told(steps) -> list[Event]:
    found, seconds = [], 0
    for n, (more, path, kind, severity, suppressed) in enumerate(steps, 1):
        seconds += more
        state = None if kind in (K.COMMAND, K.REMOVED) else snapshot(severity, suppressed=suppressed)
        found.append(event(n, seconds, path, kind, severity=severity, state=state))
    return found


@given(STEPS, st.lists(QUESTIONS, min_size=1, max_size=4), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_any_questions_have_the_answers_of_a_history_that_has_it_all(steps, questions, later):
    async def ask() -> None:
        events = told(steps)
        whole = MemoryHistory()
        await whole.write(events)
        first = events[: len(events) - later]
        async with reading(first) as found:
            for question, arguments in questions:
                for one in events[len(first) :]:
                    found.add(one)
                first = events
                assert await getattr(found.history, question)(*arguments) == await getattr(whole, question)(*arguments), question

    asyncio.run(ask())


@given(STEPS, st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_pages_follow_each_other_without_gap_or_double(steps, limit):
    async def ask() -> None:
        events = told(steps)
        async with reading(events) as found:
            read: list[Event] = []
            query = replace(ALL, limit=limit)
            while True:
                page = await found.history.events(query)
                read += page.events
                if page.next is None:
                    break
                query = replace(query, after=page.next)
            assert read == events[::-1]

    asyncio.run(ask())


async def test_nothing_is_read_before_the_first_question_and_no_more_than_it_needs():
    async with reading(chain(200)) as found:
        assert found.stores == 0
        assert found.progress.total == 0
        page = await found.history.events(replace(ALL, start=at(195)))
        assert [one.id.n for one in page.events] == [200, 199, 198, 197, 196, 195]
        assert not found.progress.whole
        assert 0 < found.progress.read < 20
        assert (await found.history.counts("Demo", at(150), at(160), 10, CountBy.SEVERITY))[0].counts
        assert not found.progress.whole
        assert (await found.history.states_at("Demo", at(3))).complete
        assert found.progress.whole


async def test_what_comes_is_there_with_what_the_live_tree_shows():
    async with reading(chain(20)) as found:
        await found.history.events(replace(ALL, limit=1))
        for n in range(21, 60):
            found.add(event(n, n))
            (newest,) = (await found.history.events(replace(ALL, limit=1))).events
            assert newest.id.n == n


async def test_a_question_that_takes_long_is_told_how_far_it_is_and_the_reading_goes_on():
    async with reading(chain(300), patience_s=0.05) as found:
        go_on = asyncio.Event()
        slow_down(found.journal, go_on, after=4)
        with pytest.raises(HistoryUnavailable, match=r"past of Demo is being read from Kafka: \d+ of 449 records so far, back to 2023-"):
            await found.history.states_at("Demo", at(5))
        with pytest.raises(HistoryUnavailable, match="being read"):
            await found.history.events(replace(ALL, path_prefix="/Demo/Never"))
        go_on.set()
        await until(lambda: found.progress.whole)
        assert len((await found.history.events(ALL)).events) == 300


def slow_down(journal: TopicJournal, go_on: asyncio.Event, after: int) -> None:
    """The next readers wait, after some that do not."""
    make, made = journal.reader, []

    def reader(topics, start=None):
        inner = make(topics, start)
        made.append(inner)
        if len(made) > after:
            fetch = inner.fetch

            async def wait(**arguments):
                await go_on.wait()
                return await fetch(**arguments)

            inner.fetch = wait
        return inner

    journal.reader = reader


async def test_a_page_has_no_hole_while_what_lies_before_is_being_read(monkeypatch):
    """Half of a stretch is stored, its older half: between that and what was read before events are missing."""
    monkeypatch.setattr(topic_past, "BATCH", 2)
    async with reading(chain(100), first_chunk=12, largest_chunk=12) as found:
        await found.history.events(replace(ALL, limit=1))
        make, go_on, halfway = found.journal.reader, asyncio.Event(), asyncio.Event()

        def reader(topics, start=None):
            inner = make(topics, start)
            fetch, calls = inner.fetch, []

            async def wait(**arguments):
                calls.append(arguments)
                if len(calls) == 2:
                    halfway.set()
                    await go_on.wait()
                return await fetch(**arguments)

            inner.fetch = wait
            return inner

        found.journal.reader = reader
        whole = asyncio.create_task(found.history.states_at("Demo", at(3)))
        await halfway.wait()
        asked = asyncio.create_task(found.history.events(replace(ALL, limit=9)))
        for _ in range(100):  # it has every chance to answer too early
            await asyncio.sleep(0)
        go_on.set()
        assert [one.id.n for one in (await asked).events] == list(range(100, 91, -1))
        await whole


async def test_a_journal_that_is_away_is_told_and_asked_again():
    async with reading(chain(50)) as found:
        end = found.journal.end

        async def away(topic):
            raise JournalUnavailable("Kafka at x:1 does not answer")

        found.journal.end = away
        with pytest.raises(HistoryUnavailable, match="cannot be read from Kafka: Kafka at x:1 does not answer"):
            await found.history.events(ALL)
        found.journal.end = end
        make = found.journal.reader

        def broken(topics, start=None):
            inner = make(topics, start)
            fetch = inner.fetch

            async def fail(**arguments) -> Fetched:
                if arguments.get("max_records") == 1:
                    return await fetch(**arguments)
                raise JournalUnavailable("the broker went")

            inner.fetch = fail
            return inner

        found.journal.reader = broken
        with pytest.raises(HistoryUnavailable, match="the broker went"):
            await found.history.events(ALL)
        found.journal.reader = make
        assert len((await found.history.events(ALL)).events) == 50


async def test_of_a_topic_that_forgot_its_begin_it_is_known_how_alarms_stood_there():
    """P1 was heard of before and after, P2 only before, P3 begins within, P4 and P5 are heard of later, P5 is shelved until then."""
    events = [
        event(1, 1, "/Demo/A/P1"),
        event(2, 2, "/Demo/A/P2", severity=S.MINOR),
        event(3, 3, "/Demo/A/P4"),
        event(4, 40, "/Demo/A/P1", K.CLEARED, severity=S.OK),
        event(5, 50, "/Demo/A/P3", K.CONFIGURED, severity=S.OK, reason="added"),
        replace(event(6, 60, "/Demo/A/P4", K.CLEARED, severity=S.OK), from_severity=S.MAJOR_ACK),
        event(7, 65, "/Demo/A/P5", K.UNSHELVED, severity=S.MAJOR),
        event(8, 70, "/Demo/A/P1"),
    ]
    alarms = {one.path: one for one in events}
    async with reading(events, begin=4, alarms=alarms) as found:
        then = await found.history.states_at("Demo", at(45))
        assert {one.path: (one.severity, one.suppressed) for one in then.alarms} == {
            "/Demo/A/P1": (S.OK, False),
            "/Demo/A/P2": (S.MINOR, False),
            "/Demo/A/P4": (S.MAJOR_ACK, False),
            "/Demo/A/P5": (S.OK, True),
        }
        assert then.complete
        assert not (await found.history.states_at("Demo", at(30))).complete
        assert found.progress.begin == at(40)
        listed = (await found.history.events(ALL)).events
        assert [one.id.n for one in listed] == [8, 7, 6, 5, 4]
        assert not any(one.reason == STOOD for one in listed)
        assert not await found.history.summaries.is_whole("Demo", at(39))
        assert await found.history.summaries.is_whole("Demo", at(45))
        line = await found.history.intervals("Demo", ["/Demo/A/P2", "/Demo/A/P4"], at(41), at(80))
        assert [(one.severity, one.start, one.end) for one in line] == [
            (S.MINOR, at(41), at(80)),
            (S.MAJOR_ACK, at(41), at(60)),
            (S.OK, at(60), at(80)),
        ]


async def test_whether_a_list_of_events_is_whole_is_known_without_reading_all_that_was():
    async with reading(chain(200), begin=50) as found:
        assert await found.history.summaries.has_events_from("Demo", at(195))
        assert not found.progress.whole
        assert 0 < found.progress.read < 20
        assert await found.history.summaries.has_events_from("Demo", at(60))
        assert not await found.history.summaries.has_events_from("Demo", at(20))
        assert not await found.history.summaries.is_whole("Demo", at(20))


async def test_who_is_first_heard_of_while_it_is_read_was_not_silent():
    events = chain(30)
    silent = event(3, 3, "/Demo/A/P9")
    async with reading(events, begin=10, alarms={"/Demo/A/P9": silent}) as found:
        await found.history.events(replace(ALL, limit=1))
        risen = replace(event(31, 31, "/Demo/A/P9"), from_severity=S.MINOR)
        found.tree.alarms["/Demo/A/P9"].version = risen.id
        found.add(risen)
        then = await found.history.states_at("Demo", at(20))
        assert then.complete
        assert {one.path: one.severity for one in then.alarms}["/Demo/A/P9"] is S.MINOR


async def test_an_alarm_of_which_no_event_tells_is_not_forgotten():
    """The live tree has it from an event that the topic does not tell."""
    async with reading(chain(30), begin=10, alarms={"/Demo/A/P9": event(25, 25, "/Demo/A/P9")}) as found:
        assert not (await found.history.states_at("Demo", at(29))).complete


async def test_what_is_forgotten_while_it_is_read_is_noticed():
    async with reading(chain(100)) as found:
        make, made = found.journal.reader, []

        def reader(topics, start=None):
            made.append(topics)
            if len(made) == 6:
                found.journal.topics[TOPIC] = found.journal.topics[TOPIC][40:]
            return make(topics, start)

        found.journal.reader = reader
        assert not (await found.history.states_at("Demo", at(5))).complete
        listed = (await found.history.events(ALL)).events
        assert [one.id.n for one in listed] == list(range(100, 40, -1))
        assert found.progress.begin == at(41)


async def test_a_tree_that_is_not_read_yet_is_no_tree_without_silent_alarms():
    async with reading(chain(30), begin=10) as found:
        found.tree.problem = "not read yet"
        with pytest.raises(HistoryUnavailable, match="not read yet"):
            await found.history.states_at("Demo", at(20))
        found.tree.problem = ""
        await found.history.states_at("Demo", at(20))


async def test_no_more_records_are_read_than_is_said():
    async with reading(chain(200), most_records=60) as found:
        listed = (await found.history.events(ALL)).events
        assert 35 < len(listed) <= 60
        assert found.progress.whole
        assert found.progress.total == 60
        assert found.progress.begin == listed[-1].time
        assert not (await found.history.states_at("Demo", at(3))).complete


async def test_a_topic_that_has_forgotten_everything_says_so():
    async with reading(chain(20), begin=100) as found:
        found.journal.topics[TOPIC] = []
        found.journal.end = lambda _: asyncio.sleep(0, 31)
        assert not (await found.history.states_at("Demo", at(3))).complete
        assert (await found.history.events(ALL)).events == ()


async def test_what_was_read_is_thrown_away_when_nobody_asks():
    found = Reading(chain(30))
    found.history = JournalHistory(found.make, Keeping(idle_s=0.05, look_s=0.01))
    await found.history.start()
    await found.history.events(ALL)
    await until(lambda: found.progress.total == 0)
    assert len((await found.history.events(ALL)).events) == 30
    assert found.stores == 2
    await found.history.close()


async def test_what_has_grown_too_much_is_thrown_away():
    found = Reading(chain(3))
    found.history = JournalHistory(found.make, Keeping(most_followed=5, look_s=0.01))
    await found.history.start()
    await found.history.events(ALL)
    for n in range(4, 15):
        found.add(event(n, n))
    await until(lambda: found.progress.total == 0)
    assert len((await found.history.events(ALL)).events) == 14
    await found.history.close()


async def test_figures_wait_for_all_of_it():
    async with reading(chain(200)) as found:
        assert await found.history.summaries.frontier("Demo") is None or found.progress.whole
        assert found.progress.whole
        assert len(await found.history.summaries.following("Demo", (-1, -1), 1000)) == 200
        assert await found.history.summaries.begin("Demo") is None


async def test_a_record_that_is_no_event_stops_nothing():
    found = Reading(chain(30))
    found.journal.topics[TOPIC][20] = found.journal.topics[TOPIC][20]._replace(value=b"{")
    await found.history.start()
    assert len((await found.history.events(ALL)).events) == 29
    await found.history.close()
