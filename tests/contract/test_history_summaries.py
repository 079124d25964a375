"""Figures through stored summaries are those of the events, whatever came late, and wherever work was interrupted."""

import asyncio
import contextlib
import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_engine.errors import HistoryError, HistoryUnavailable
from alarm_engine.model.event import Origin
from alarm_engine.model.times import Nanos
from backend.history.elastic_names import month_span
from backend.history.horizon import horizon, read_page
from backend.history.performance import Known, known, performance
from backend.history.summaries import Frontier, Stored, pack, unpack
from backend.history.summariser import Summariser, SummariserOptions, course_from
from backend.kpi.accumulator import Accumulator
from backend.kpi.definitions import DAY_NS, period_of
from backend.kpi.encoding import encode_summary
from backend.kpi.figures import figures
from backend.kpi.summary import merge
from backend.kpi.tally import Selection, Span, widened
from tests.contract.elastic_proxy import ElasticProxy
from tests.contract.histories import ADAPTERS, ElasticForTests, elastic_options, elastic_url
from tests.unit.kpi_events import DAY, Script, at
from tests.unit.test_kpi_accumulating import histories

pytestmark = pytest.mark.timeout(200)  # the first one starts a server

NOW = at(days=400)
"""A clock that is beyond all events."""
UNTIL = horizon(NOW)

MINUTES = st.sampled_from([0, 1, 475, 480, 489, 490, 520, 700, 1439, 1440, 1441, 2000, 2880, 3333, 5760])
SELECTIONS = st.sampled_from([Selection(), Selection("/Site/A"), Selection("/Site/B/z", lost_connections=True), Selection("/Site/X")])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 12)),
        st.just(("catch up",)),
        st.just(("restart",)),
        st.tuples(st.just("ask"), MINUTES, MINUTES, MINUTES, SELECTIONS),
    ),
    max_size=14,
)


@pytest.fixture(params=ADAPTERS)
async def store(request, tmp_path):
    store = ADAPTERS[request.param](tmp_path)
    await store.start()
    yield store
    await store.close()


def straight(events, span, known_until, selection):
    """From the events alone."""
    span = widened(*span)
    config = events[0].id.config
    accumulator = Accumulator(config, events[0].time)
    found = list(accumulator.feed(events))
    until = min(span.end, max(known_until, found[-1].end if found else Nanos(0)))
    if period_of(until) > (found[-1].end if found else 0):
        found += accumulator.close(period_of(until))
    found.append(accumulator.running(until))
    begin = span.start // DAY_NS * DAY_NS
    return figures(span.start, span.end, [one for one in found if one.end > begin], selection)


async def check(store, config, written, question):
    start, end, known, selection = question
    span, known_until = Span(at(minutes=min(start, end)), at(minutes=max(start, end))), at(minutes=known)
    found = await performance(store.summaries, config, span, Known(known_until, NOW), selection)
    if not written:
        assert (found.complete_from, found.complete_until) == (None, None)
        return
    expected = straight(sorted(written, key=lambda event: event.id), span, known_until, selection)
    for name in expected.__slots__:
        assert getattr(found.figures, name) == getattr(expected, name), name


async def play(store, config, events, order, steps):
    """Events are written in an order of their own; each question is about those that are there."""
    summariser, written, left = Summariser(store.summaries, [config]), [], [events[index] for index in order]
    for kind, *more in [*steps, ("write", 100), ("catch up",), ("ask", 0, 5760, 5760, Selection()), ("ask", 490, 2880, 700, Selection())]:
        match kind:
            case "write":
                batch, left = left[: more[0]], left[more[0] :]
                await store.write(batch)
                written += batch
            case "catch up":
                await summariser.was_cut(config)
                await summariser.catch_up(config)
            case "restart":
                summariser = Summariser(store.summaries, [config])
            case "ask":
                await check(store, config, written, more)


def check_any(store, examples):
    configs = (f"Site{n}" for n in itertools.count())

    @settings(max_examples=examples, deadline=None)
    @given(histories(), st.data(), STEPS)
    def run(events, data, steps):
        # A new configuration each time in one store: the others must not show through.
        config = next(configs)
        events = [replace(event, id=event.id._replace(config=config)) for event in events]
        late = data.draw(st.sets(st.integers(0, max(0, len(events) - 1)), max_size=3)) if events else set()
        order = sorted(range(len(events)), key=lambda index: (index + 7 * (index in late), index))
        runner.run(play(store, config, events, order, steps))

    with asyncio.Runner() as runner:
        runner.run(store.start())
        try:
            run()
        finally:
            runner.run(store.close())


def test_memory_has_the_figures_of_the_events(tmp_path):
    check_any(ADAPTERS["memory"](tmp_path), 40)


def test_sqlite_has_the_figures_of_the_events(tmp_path):
    check_any(ADAPTERS["sqlite"](tmp_path), 25)


def test_elastic_has_the_figures_of_the_events(tmp_path):
    check_any(ADAPTERS["elastic"](tmp_path), 5)


# ------------------------------------------------------------------ one by one


def five_days() -> Script:
    script = Script()
    for day in range(5):
        for hour in (1, 2, 9, 23):
            script.pulse(at(days=day, hours=hour), f"/Site/A/{hour}")
    script.rise(at(days=5), "/Site/A/x")
    return script


async def chain(store, days=False):
    return await store.summaries.between("Site", Nanos(0), at(days=30), days=days)


async def made(store, script):
    await store.write(script.events)
    summariser = Summariser(store.summaries, ["Site"])
    await summariser.catch_up("Site")
    return summariser


async def test_the_chain_has_no_holes_and_its_days_are_its_parts(store):
    await made(store, five_days())
    parts, days = await chain(store), await chain(store, days=True)
    assert [one.start for one in parts[1:]] == [one.end for one in parts[:-1]]
    assert [(one.start, one.end) for one in days] == [(at(hours=1 if day == 0 else 0, days=day), at(days=day + 1)) for day in range(5)]
    frontier = await store.summaries.frontier("Site")
    assert (frontier.end, frontier.next) == (at(days=5), (1, 41)) == (parts[-1].end, (1, 41))
    assert sum(sum(map(sum, one.totals)) for one in unpack(parts)) == sum(sum(map(sum, one.totals)) for one in unpack(days)) == 20


async def test_nothing_is_made_again_that_is_there(store):
    script = five_days()
    await made(store, script)
    before = await chain(store), await store.summaries.frontier("Site")
    await Summariser(store.summaries, ["Site"]).catch_up("Site")
    assert await store.summaries.following("Site", before[1].next, 10) == script.events[40:]
    assert (await chain(store), await store.summaries.frontier("Site")) == before


async def test_a_late_event_cuts_the_chain_back_to_a_day_before_it(store):
    script = five_days()
    late = script.events.pop(20)  # 09:00 of the third day
    summariser = await made(store, script)
    days = await chain(store, days=True)
    await store.write([late])
    assert (await store.summaries.frontier("Site")).end == at(days=2)
    assert await summariser.was_cut("Site")
    assert not await summariser.was_cut("Site")
    found = await performance(store.summaries, "Site", Span(at(), at(days=5)), Known(at(days=5), NOW))
    assert found.figures.figure("per_day").value == pytest.approx(20 / (5 - 1 / 24))
    await summariser.catch_up("Site")
    assert (await store.summaries.frontier("Site")).end == at(days=5)
    assert (await chain(store, days=True))[:2] == days[:2]
    assert (await chain(store, days=True))[2] != days[2]


async def test_a_part_that_misses_an_event_is_refused(store):
    script = five_days()
    late = script.events.pop(3)
    await store.write(script.events)
    course = await course_from(store.summaries, "Site", None, UNTIL)
    part = next(course.take(await read_page(store.summaries, "Site", course.next, UNTIL)))
    await store.write([late])  # after it was read, and before anything is said to be made of it
    assert not await store.summaries.append(replace(part, events=part.events, frontier=replace(part.frontier, next=(1, 6))))
    assert await store.summaries.frontier("Site") is None


async def test_a_part_that_does_not_go_on_where_the_chain_ends_is_refused(store):
    script = five_days()
    await store.write(script.events)
    one, other = [await course_from(store.summaries, "Site", None, UNTIL) for _ in range(2)]
    page = await read_page(store.summaries, "Site", one.next, UNTIL)
    first, second, *_ = one.take(page)
    assert not await store.summaries.append(second)
    assert await store.summaries.append(first)
    assert not await store.summaries.append(first)
    assert not await store.summaries.append(next(other.take(page)))
    assert await store.summaries.append(second)
    assert await store.summaries.frontier("Site") == second.frontier


def test_what_was_stored_before_it_was_compressed_is_read():
    script = five_days()
    summaries = list(Accumulator("Site", script.events[0].time).feed(script.events))
    plain = b"\n".join(map(encode_summary, summaries))
    for body in (plain, pack(summaries)):
        assert list(unpack([Stored(at(), at(days=5), body)])) == summaries
    for broken in (b"", plain[:-9], pack(summaries)[:-9], b"\x78\x01"):
        with pytest.raises(HistoryError, match="stored figures cannot be read"):
            list(unpack([Stored(at(), at(days=5), broken)]))


async def test_parts_are_taken_together_or_not_at_all(store):
    script = five_days()
    await store.write(script.events)
    course = await course_from(store.summaries, "Site", None, UNTIL)
    parts = list(course.take(await read_page(store.summaries, "Site", course.next, UNTIL)))
    for wrong in ([parts[0], parts[2]], [parts[0], replace(parts[1], events=parts[1].events + 1)]):
        assert not await store.summaries.append(*wrong)
        assert await store.summaries.frontier("Site") is None
    assert await store.summaries.append(*parts[:5])
    assert await store.summaries.frontier("Site") == parts[4].frontier
    assert await chain(store) == [part.summaries for part in parts[:5]]
    assert await store.summaries.append(*parts[5:])
    assert await chain(store) == [part.summaries for part in parts]


@pytest.mark.parametrize("at_once", [1, 7, 1000])
async def test_days_are_the_same_however_many_parts_are_stored_at_once(store, monkeypatch, at_once):
    monkeypatch.setattr("backend.history.horizon.PAGE", 5)
    monkeypatch.setattr("backend.history.summariser.STORED_AT_ONCE", at_once)
    await made(store, five_days())
    days = await chain(store, days=True)
    assert [(one.start, one.end) for one in days] == [(at(hours=1 if day == 0 else 0, days=day), at(days=day + 1)) for day in range(5)]
    parts = await chain(store)
    for day in days:
        assert list(unpack([day])) == [merge(unpack(one for one in parts if day.start <= one.start < day.end))]


async def test_what_retention_deletes_is_no_longer_answered(store):
    script = Script()
    for day in range(70):
        script.pulse(at(days=day, hours=3), "/Site/A/x")
        script.pulse(at(days=day, hours=4), "/Site/A/y")
    script.rise(at(days=70), "/Site/A/x")
    await made(store, script)
    edge = month_span(at(days=60))[0]  # of whole months, as one store deletes
    assert await store.delete_before("Site", edge)
    assert await store.summaries.begin("Site") == edge
    found = await performance(store.summaries, "Site", Span(at(), at(days=70)), Known(at(days=70), NOW))
    assert found.complete_from == edge
    days = (at(days=70) - edge) / DAY
    assert found.figures.figure("per_day").value == pytest.approx(2)
    assert found.figures.covered_s == days * 86_400
    # Made again from what is left: the same, and nothing is said of the time of which only last states are kept.
    await store.write([replace(script.events[0], id=script.events[0].id._replace(epoch=0))])
    await Summariser(store.summaries, ["Site"]).catch_up("Site")
    again = await performance(store.summaries, "Site", Span(at(), at(days=70)), Known(at(days=70), NOW))
    assert (again.complete_from, again.figures.counts) == (edge, found.figures.counts)


async def test_small_days_are_read_many_at_a_time_and_large_ones_few(store, monkeypatch):
    script = Script()
    for day in range(60):
        script.pulse(at(days=day, hours=3), "/Site/A/x")
    await made(store, script)
    asked, found = [], []
    between = store.summaries.between

    async def recorded(config, start, end, *, days):
        asked.append((end - start) // DAY)
        return await between(config, start, end, days=days)

    monkeypatch.setattr(store.summaries, "between", recorded)
    for size in (2_000_000, 1_000, 1):
        monkeypatch.setattr("backend.history.performance.BYTES_AT_ONCE", size)
        asked.clear()
        found.append((await performance(store.summaries, "Site", Span(at(), at(days=60)), Known(at(days=60), NOW))).figures)
        assert sum(asked) == 59  # and some hours of the last day
        assert (max(asked), len(asked)) == {2_000_000: (12, 8), 1: (3, 58)}.get(size, (max(asked), len(asked)))
    assert found[0] == found[1] == found[2]


async def test_the_open_part_is_read_from_events_up_to_a_bound(store, monkeypatch):
    monkeypatch.setattr("backend.history.performance.MOST_EVENTS", 4)
    monkeypatch.setattr("backend.history.horizon.PAGE", 2)
    script = five_days()
    await store.write(script.events)
    found = await performance(store.summaries, "Site", Span(at(), at(days=5)), Known(at(days=5), NOW))
    assert (found.complete_from, found.complete_until) == (at(hours=1), script.events[3].time)
    assert found.figures.figure("per_hour").value == pytest.approx(2 / (found.figures.covered_s / 3600))
    assert "holes" not in " ".join(found.figures.remarks)


async def test_what_is_not_written_yet_is_not_taken_for_quiet(store):
    await made(store, five_days())
    found = await performance(store.summaries, "Site", Span(at(days=4), at(days=7)), Known(at(days=5, hours=2), NOW))
    assert (found.complete_from, found.complete_until) == (at(days=4), at(days=5, hours=2))
    nothing = await performance(store.summaries, "Other", Span(at(days=4), at(days=7)), Known(at(days=5), NOW))
    assert (nothing.complete_from, nothing.complete_until) == (None, None)


async def test_the_task_follows_what_is_written(store):
    summariser = Summariser(store.summaries, ["Site", "Nothing"], SummariserOptions(period_s=0.01, pause_s=0.02))
    await summariser.start()
    try:
        script = five_days()
        await store.write(script.events[5:])
        await until_end(store, at(days=5))
        await store.write(script.events[:5])
        await until_end(store, at(days=5))
        assert sum(sum(map(sum, one.totals)) for one in unpack(await chain(store))) == 20
        assert summariser.failure() is None
    finally:
        await summariser.stop()


async def until_end(store, end):
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(HistoryUnavailable):  # an index is being made
                frontier = await store.summaries.frontier("Site")
                if frontier is not None and frontier.end == end:
                    return
            await asyncio.sleep(0.01)


async def test_a_chain_that_changes_all_the_time_is_told(store, monkeypatch):
    await made(store, five_days())
    ends = itertools.count()

    async def moving(config):
        return Frontier(Nanos(at(days=3) + next(ends)), (1, 25), b"")

    monkeypatch.setattr(store.summaries, "frontier", moving)

    async def nothing(store, config, frontier, until):
        return None

    monkeypatch.setattr("backend.history.performance.course_from", nothing)
    with pytest.raises(HistoryUnavailable, match="worked out anew"):
        await performance(store.summaries, "Site", Span(at(), at(days=5)), Known(at(days=5), NOW))


async def test_many_parts_cost_elasticsearch_a_few_requests():
    script = Script()
    for hour in range(100):
        script.pulse(at(hours=hour), "/Site/A/x")
    async with ElasticProxy(elastic_url()) as proxy:
        store = ElasticForTests(elastic_options(hosts=(proxy.url,)))
        await store.start()
        try:
            await store.write(script.events)
            proxy.calls.clear()
            await Summariser(store.summaries, ["Site"]).catch_up("Site")
            assert len(proxy.calls) < 20
            assert len(await chain(store)) == 99
        finally:
            await store.close()


# ------------------------------------------------------------------ a clock that was ahead

FAR = 9_000
"""Days: beyond the clock of this machine."""


async def counted(store, end, now=NOW):
    """Alarms by the minute in which they count."""
    found = await performance(store.summaries, "Site", Span(at(), end), Known(end, now))
    return {round((time - at()) / 60e9): count for time, count in found.figures.counts}, found


@pytest.mark.parametrize("page", [2, 2_000])
async def test_what_a_clock_that_was_ahead_has_written_is_counted_when_it_is_right_again(store, monkeypatch, page):
    monkeypatch.setattr("backend.history.horizon.PAGE", page)
    script = Script()
    for minute in (60, 70, 80):
        script.rise(at(minutes=minute), f"/Site/A/{minute}")
    for number in range(5):
        script.rise(at(number, days=FAR), f"/Site/A/ahead{number}")
    for minute in (95, 200, 1600):
        script.rise(at(minutes=minute), f"/Site/A/{minute}")
    await store.write(script.events)
    expected = {60: 1, 70: 1, 80: 1, 90: 6, 200: 1, 1600: 1}
    for _ in range(2):  # from events, then from what is stored
        numbers, found = await counted(store, at(days=2))
        assert numbers == expected
        assert found.complete_until == at(days=2)
        assert "The clock was ahead: 5 times an event is counted at the time of the next one that can be right." in found.figures.remarks
        await Summariser(store.summaries, ["Site"]).catch_up("Site")
    assert (await store.summaries.frontier("Site")).end == at(minutes=1600)


async def test_while_the_clock_of_the_engine_holds_at_a_time_to_come_that_is_said(store):
    script = Script()
    for minute in (60, 130, 200):
        script.rise(at(minutes=minute), f"/Site/A/{minute}")
    for number in range(5):
        script.rise(at(days=FAR), f"/Site/A/held{number}")  # the engine lets no time run back
    await store.write(script.events)
    for _ in range(2):
        numbers, found = await counted(store, at(days=2))
        assert numbers == {60: 1, 130: 1, 200: 1}
        assert found.complete_until == at(minutes=200)
        assert found.figures.remarks[-1].startswith("The clock of the engine was ahead: what it has recorded since stands at 2049-")
        await Summariser(store.summaries, ["Site"]).catch_up("Site")
    assert (await store.summaries.frontier("Site")).next == (1, 3)  # no quiet day of a time to come is summed up
    # A range that ends before all that is complete, and has nothing to be said about it.
    numbers, found = await counted(store, at(minutes=200))
    assert (numbers, found.complete_until) == ({60: 1, 130: 1}, at(minutes=200))
    assert "ahead" not in " ".join(found.figures.remarks)


async def test_only_what_a_clock_that_was_ahead_wrote_is_there(store):
    script = Script()
    script.rise(at(days=FAR), "/Site/A/x")
    await store.write(script.events)
    await Summariser(store.summaries, ["Site"]).catch_up("Site")
    assert await store.summaries.frontier("Site") is None
    numbers, found = await counted(store, at(days=2))
    assert (numbers, found.complete_from, found.complete_until) == ({}, None, None)
    script.rise(at(minutes=5), "/Site/A/y")
    await store.write(script.events)
    numbers, found = await counted(store, at(days=2))
    assert (numbers, found.complete_from) == ({0: 2}, at(minutes=5))


# ------------------------------------------------------------------ what is not known for certain


async def test_what_was_imported_is_counted_and_never_complete(store):
    script = Script()
    for hour in (1, 3, 5):
        script.add(at(hours=hour), "alarm", "/Site/A/x", "MAJOR", origin=Origin.IMPORTED)
    for hour in (30, 40, 50, 100):
        script.rise(at(hours=hour), "/Site/A/y")
    await store.write(script.events)
    for known_from in (at(hours=30, minutes=10), at(days=2)):  # days are stored as a whole
        _, found = await counted(store, at(hours=72))
        assert found.figures.figure("per_day").value == pytest.approx(6 / (71 / 24))
        assert (found.complete_from, found.complete_until) == (known_from, at(hours=72))
        assert any(remark.startswith("Some of this is imported") for remark in found.figures.remarks)
        _, before = await counted(store, at(hours=4))
        assert (before.complete_from, before.figures.covered_s) == (None, 3 * 3600)
        await Summariser(store.summaries, ["Site"]).catch_up("Site")


@pytest.mark.parametrize(("since", "lasted"), [(None, ""), (at(hours=4.99), " (36 s at the most)")])
async def test_that_an_engine_took_over_is_said(store, since, lasted):
    script = Script()
    script.rise(at(hours=1), "/Site/A/x")
    script.add(at(hours=5), "engine", "/Site", "OK", bare=True)
    script.events[-1] = replace(script.events[-1], since=since)
    script.rise(at(hours=6), "/Site/A/x")
    await store.write(script.events)
    span = Span(at(), at(hours=7))
    found = await performance(store.summaries, "Site", span, await known(store, "Site", span, at(hours=7), NOW))
    assert found.figures.remarks[-1].startswith("An engine took over, the last one at 2024-10-04T05:00:00")
    assert f"what happened while none ran{lasted} is not known" in found.figures.remarks[-1]
    span = Span(at(), at(hours=5))
    found = await performance(store.summaries, "Site", span, await known(store, "Site", span, at(hours=5), NOW))
    assert "took over" not in " ".join(found.figures.remarks)
