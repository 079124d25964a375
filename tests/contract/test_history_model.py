"""Any question answered by a store and by a plain list of events has the same answer."""

import asyncio
import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import Severity
from backend.history.elastic import ElasticHistory
from backend.history.elastic_names import month_span
from backend.history.memory import MemoryHistory
from backend.history.port import CountBy, EventQuery
from tests.contract.histories import ADAPTERS, SECOND, at, event, snapshot

pytestmark = pytest.mark.timeout(400)  # the first one starts a server

S, K = Severity, EventKind
ALL = EventQuery("Demo", at(0), at(1000))

PATHS = ["/Demo/A/P1", "/Demo/A0", "/Demo/A/P2", "/Demo/A/B/P1", "/Demo/A2/p1", "/Demo/Ä/x\\/y", "/Demo/P9", "/Demo"]
STATES = st.none() | st.builds(
    snapshot,
    st.sampled_from(S),
    st.sampled_from(["HIHI", "lolo x"]),
    suppressed=st.booleans(),
    until=st.sampled_from([None, at(99)]),
    connected=st.booleans(),
)
EVENTS = st.builds(
    event,
    st.integers(1, 40),
    st.integers(0, 30),
    st.sampled_from(PATHS),
    st.sampled_from([K.ALARM, K.ALARM, K.CLEARED, K.CHANGED, K.REMOVED, K.COMMAND]),
    epoch=st.integers(1, 2),
    severity=st.sampled_from(S),
    state=STATES,
    user=st.sampled_from(["", "op"]),
    description=st.sampled_from(["", "Pump", "ßtop"]),
    comment=st.sampled_from(["", "why x"]),
)
TIMES = st.integers(-5, 35).map(at)
PREFIXES = st.none() | st.sampled_from([*PATHS, "/", "/Demo/A", "/Demo/A/B", "/Demo/X"])
QUERIES = st.builds(
    EventQuery,
    st.just("Demo"),
    TIMES,
    TIMES,
    path_prefix=PREFIXES,
    pv=st.none() | st.sampled_from(["P*", "?1", "p1", "*/y", "[Pp]1"]),
    severities=st.frozensets(st.sampled_from(S), max_size=3),
    kinds=st.frozensets(st.sampled_from([K.ALARM, K.CLEARED, K.COMMAND]), max_size=2),
    user=st.none() | st.sampled_from(["", "op"]),
    text=st.none() | st.sampled_from(["", "PUMP", "SS", "a/b", "x", "hihi", "disabled"]),
    oldest_first=st.booleans(),
    limit=st.integers(1, 12),
    after=st.none() | st.builds(lambda epoch, n: event(n, 0, epoch=epoch).id, st.integers(1, 2), st.integers(0, 41)),
)
QUESTIONS = st.one_of(
    st.tuples(st.just("events"), QUERIES),
    st.tuples(st.just("events"), QUERIES.map(lambda query: replace(query, pv=None, text=None, kinds=frozenset(), user=None))),
    st.tuples(
        st.just("events"), QUERIES.map(lambda query: replace(ALL, after=query.after, limit=query.limit, oldest_first=query.oldest_first))
    ),
    st.tuples(st.just("last_before"), st.just("Demo"), st.just(PATHS), TIMES),
    st.tuples(st.just("states_at"), st.just("Demo"), TIMES, PREFIXES),
    st.tuples(st.just("states_at"), st.just("Demo"), TIMES, st.none()),
    st.tuples(st.just("intervals"), st.just("Demo"), st.just(PATHS), TIMES, TIMES),
    st.tuples(st.just("counts"), st.just("Demo"), TIMES, TIMES, st.integers(1, 9), st.sampled_from(CountBy), PREFIXES),
    st.tuples(st.just("most_frequent"), st.just("Demo"), TIMES, TIMES, st.integers(1, 4), PREFIXES),
    st.tuples(st.just("delete_before"), st.just("Demo"), TIMES),
)


def in_order(events):
    """The same with times that grow with the ids, as the engine gives them."""
    times = sorted(event.time for event in events)
    return [replace(event, time=time) for event, time in zip(sorted(events, key=lambda event: event.id), times, strict=True)]


def of_config(config, events):
    return [replace(event, id=event.id._replace(config=config)) for event in events]


def stretched(days, events, questions):
    """The same over months: what was a second becomes some days. One id has one time, as the port asks for."""
    times = {}
    factor = days * 86_400

    def later(time):
        return at((time - at(0)) // SECOND * factor)

    def ask(kind, first, *rest):
        if isinstance(first, EventQuery):
            return kind, replace(first, start=later(first.start), end=later(first.end)), *rest
        if kind == "counts":
            start, end, bucket_s, *rest = rest
            return kind, first, later(start), later(end), bucket_s * factor, *rest
        return kind, first, *(later(item) if isinstance(item, int) and item > SECOND else item for item in rest)

    return [replace(event, time=times.setdefault(event.id, later(event.time))) for event in events], [ask(*one) for one in questions]


def of_whole_months(name, arguments):
    """What a store that deletes by months makes of the question."""
    config, *times = arguments
    return (config, *(month_span(time)[0] for time in times)) if name == "delete_before" else arguments


async def compare(store, config, batches, questions):
    model = MemoryHistory()
    for batch in batches:
        assert await store.write(batch) == await model.write(batch)
        await checkpoints(store, config)
    for name, *arguments in questions:
        asked = of_whole_months(name, arguments) if isinstance(store, ElasticHistory) else arguments
        assert await getattr(store, name)(*arguments) == await getattr(model, name)(*asked), (name, arguments)
        if name == "delete_before":
            await checkpoints(store, config)


async def checkpoints(store, config):
    """What the history writer does now and then."""
    while await store.checkpoint(config):
        pass


def check_against_model(store, examples, days):
    configs = (f"Demo{n}" for n in itertools.count())

    @settings(max_examples=examples, deadline=None)
    @given(
        events=st.lists(EVENTS, max_size=30),
        ordered=st.booleans(),
        cut=st.integers(0, 30),
        questions=st.lists(QUESTIONS, max_size=8),
        days=st.sampled_from(days),
    )
    def check(events, ordered, cut, questions, days):
        # A new configuration each time in one store: the others must not show through.
        config = next(configs)
        events = of_config(config, in_order(events) if ordered else events)
        asked = [
            (kind, replace(first, config=config), *rest) if isinstance(first, EventQuery) else (kind, config, *rest)
            for kind, first, *rest in questions
        ]
        if days:
            events, asked = stretched(days, events, asked)
        runner.run(compare(store, config, [events[:cut], events[cut:], events[: cut // 2]], asked))

    with asyncio.Runner() as runner:
        runner.run(store.start())
        try:
            check()
        finally:
            runner.run(store.close())


@pytest.mark.parametrize("few_paths", [0, 2, 500])
def test_sqlite_answers_as_a_list_of_events_would(few_paths, tmp_path, monkeypatch):
    monkeypatch.setattr("backend.history.sqlite_page.FEW_PATHS", few_paths)
    monkeypatch.setattr("backend.history.sqlite_past.EVENTS_BETWEEN", 3)
    check_against_model(ADAPTERS["sqlite"](tmp_path), 60, [0, 3])


@pytest.mark.parametrize("hits_a_page", [3, 2000])
def test_elasticsearch_answers_as_a_list_of_events_would(hits_a_page, tmp_path, monkeypatch):
    monkeypatch.setattr("backend.history.elastic_reader.HITS_A_PAGE", hits_a_page)
    monkeypatch.setattr("backend.history.elastic_past.EVENTS_BETWEEN", 8)
    monkeypatch.setattr("backend.history.elastic_past.STATES_A_PAGE", hits_a_page)
    monkeypatch.setattr("backend.history.elastic_reader.PATHS_AT_ONCE", hits_a_page)
    monkeypatch.setattr("backend.history.elastic_reader.FEW_PATHS", hits_a_page - 3)
    monkeypatch.setattr("backend.history.elastic_query.GROUPS_A_PAGE", hits_a_page)
    check_against_model(ADAPTERS["elastic"](tmp_path), 25, [0, 3])
