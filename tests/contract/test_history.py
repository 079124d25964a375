"""What every history store promises."""

import random
from dataclasses import replace

import pytest

from alarm_engine.errors import HistoryUnavailable, QueryTooLarge
from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import Severity
from backend.history.port import MAX_PAGE, MAX_PATTERN, Bucket, CountBy, DeadLetter, EventQuery, Frequency, Interval
from tests.contract.histories import ADAPTERS, at, command, event, months, snapshot

pytestmark = pytest.mark.timeout(150)  # the first one starts a server

S, K = Severity, EventKind
ALL = EventQuery("Demo", at(0), at(1000))
YEARS = replace(ALL, end=at(months(30)))


@pytest.fixture(params=ADAPTERS)
async def store(request, tmp_path):
    store = ADAPTERS[request.param](tmp_path)
    await store.start()
    yield store
    await store.close()


async def numbers(store, query=ALL, **changes):
    return [event.id.n for event in (await store.events(replace(query, **changes))).events]


async def test_events_come_back_as_they_were(store):
    written = [
        event(1, 1, description="*Größe!", user="möller", host="cr1", comment="ä\n", correlation="c", annunciated=True, pv_time=at(0.5)),
        command(2, 2),
        event(3, 3, "/Demo/a\\/b/PV", K.SHELVED, state=snapshot(S.MAJOR, suppressed=True)),
        event(4, 4, kind=K.REMOVED, state=None, severity=S.OK),
    ]
    assert await store.write(written) == 4
    page = await store.events(replace(ALL, oldest_first=True))
    assert (page.events, page.next) == (tuple(written), None)
    assert (await store.events(ALL)).events == tuple(reversed(written))


async def test_writing_twice_is_writing_once(store):
    assert await store.write([event(1, 1), event(2, 2)]) == 2
    assert await store.write([event(2, 2, user="other"), event(3, 3), event(3, 3, user="other")]) == 1
    assert await store.write([]) == 0
    assert [event.user for event in (await store.events(ALL)).events] == ["", "", ""]
    assert await numbers(store) == [3, 2, 1]


async def test_ids_of_other_epochs_and_configurations_are_others(store):
    assert await store.write([event(1, 1), event(1, 2, epoch=2), event(1, 3, config="Other", path="/Other/PV")]) == 3
    assert [event.id.epoch for event in (await store.events(ALL)).events] == [2, 1]
    assert len((await store.events(replace(ALL, config="Other"))).events) == 1
    assert (await store.events(replace(ALL, config="Nothing"))).events == ()


async def test_ranges_are_half_open(store):
    await store.write([event(n, n) for n in range(1, 6)])
    assert await numbers(store, start=at(2), end=at(4)) == [3, 2]
    assert await numbers(store, start=at(4), end=at(4)) == []
    assert await numbers(store, start=at(5), end=at(4)) == []


async def test_filters(store):
    await store.write(
        [
            event(1, 1, "/Demo/Vac/PV1", description="Ion Pump", comment="STRASSE"),
            event(2, 2, "/Demo/Vac 2/PV1", user="op", severity=S.MINOR),
            event(3, 3, "/Demo/Vac/Sub/XX:pv[2]", state=snapshot(S.INVALID, "Ünder Test"), severity=S.INVALID),
            event(4, 4, "/Demo/Vac/Sub/XX:PV3", K.CLEARED, severity=S.OK, state=snapshot(S.OK, "NO_ALARM")),
            command(5, 5, user="op", comment="50%_done"),
        ]
    )
    assert await numbers(store, path_prefix="/Demo/Vac") == [5, 4, 3, 1]
    assert await numbers(store, path_prefix="/Demo/Vac/PV1") == [1]
    assert await numbers(store, path_prefix="/Demo") == await numbers(store, path_prefix="/") == [5, 4, 3, 2, 1]
    assert await numbers(store, path_prefix="/Nowhere") == []
    assert await numbers(store, pv="PV1") == [2, 1]
    assert await numbers(store, pv="XX:*") == [4, 3]
    assert await numbers(store, pv="XX:PV?") == [4]
    assert await numbers(store, pv="xx:*") == []
    assert await numbers(store, pv="*[2]") == [3]
    assert await numbers(store, pv="XX:pv2") == []
    assert await numbers(store, severities=frozenset({S.MINOR, S.OK})) == [5, 4, 2]
    assert await numbers(store, kinds=frozenset({K.CLEARED, K.COMMAND})) == [5, 4]
    assert await numbers(store, user="op") == [5, 2]
    assert await numbers(store, user="OP") == []
    assert await numbers(store, text="ion pump") == [1]
    assert await numbers(store, text="straße") == [1]
    assert await numbers(store, text="VAC/SUB") == [4, 3]
    assert await numbers(store, text="üNDER") == [3]
    assert await numbers(store, text="%_d") == [5]
    assert await numbers(store, text="*") == []
    assert await numbers(store, text="vac", severities=frozenset({S.MAJOR}), pv="PV*", limit=5) == [1]


async def test_a_component_is_not_one_whose_name_begins_alike(store):
    paths = [f"/Demo/A{more}/PV" for more in ("", " ", ".", "0", "A", "\\/b", "\U0010ffff")]
    await store.write([event(n, n, path) for n, path in enumerate(paths, 1)])
    assert await numbers(store, path_prefix="/Demo/A") == [1]
    assert [one.path for one in await store.most_frequent("Demo", at(0), at(100), 9, "/Demo/A")] == ["/Demo/A/PV"]
    assert sum(sum(bucket.counts.values()) for bucket in await store.counts("Demo", at(0), at(100), 60, CountBy.SYSTEM, "/Demo/A")) == 1


async def test_paging_has_no_gaps_or_doubles_while_new_events_arrive(store):
    chance = random.Random(5)
    # Several events share one time, as those of one command do.
    times = sorted(chance.randrange(20) for _ in range(50))
    await store.write([event(n + 1, time, f"/Demo/V{n % 3}/PV{n % 7}") for n, time in enumerate(times)])
    late = 100
    for oldest_first in (False, True):
        known = await numbers(store, oldest_first=oldest_first)
        seen, cursor = [], None
        while True:
            page = await store.events(replace(ALL, limit=7, after=cursor, oldest_first=oldest_first))
            seen += [event.id.n for event in page.events]
            if page.next is None:
                break
            cursor = page.next
            late += 1
            await store.write([event(late, 21)])
        assert seen[: len(known)] == known
        assert len(seen) == len(set(seen))
        assert set(seen) - set(known) == (set(await numbers(store)) - set(known) if oldest_first else set())


async def test_a_page_that_just_fits_is_the_last(store):
    await store.write([event(n, n) for n in range(1, 5)])
    assert (await store.events(replace(ALL, limit=4))).next is None
    assert (await store.events(replace(ALL, limit=3))).next == event(2, 2).id


async def test_the_cursor_may_have_been_deleted(store):
    await store.write([event(n, months(n)) for n in range(1, 9)])
    await store.delete_before("Demo", at(months(5)))
    assert await numbers(store, YEARS, after=event(3, 0).id, oldest_first=True) == [4, 5, 6, 7, 8]
    assert await numbers(store, YEARS, after=event(3, 0).id) == []


async def test_order_is_that_of_ids_even_if_a_clock_ran_back(store):
    for n, (seconds, severity) in enumerate([(10, S.MAJOR), (5, S.MINOR), (7, S.OK), (20, S.INVALID), (18, S.MAJOR)], 1):
        await store.write([event(n, seconds, severity=severity)])
    assert await numbers(store) == [5, 4, 3, 2, 1]
    assert await numbers(store, limit=2, after=event(3, 0).id) == [2, 1]
    assert await numbers(store, oldest_first=True, after=event(1, 0).id) == [2, 3, 4, 5]
    assert await numbers(store, start=at(7), end=at(20)) == [5, 3, 1]
    assert (await store.last_before("Demo", ["/Demo/Vac/PV1"], at(30)))["/Demo/Vac/PV1"].id.n == 5
    pieces = await store.intervals("Demo", ["/Demo/Vac/PV1"], at(0), at(30))
    assert [(piece.start, piece.severity) for piece in pieces] == [(at(0), None), (at(5), S.MINOR), (at(7), S.OK), (at(18), S.MAJOR)]


async def test_the_last_state_before_a_time(store):
    await store.write(
        [
            event(1, 1),
            event(2, 2, severity=S.MINOR),
            command(3, 3, "/Demo/Vac/PV1"),
            event(4, 4, "/Demo/Vac/PV2"),
            event(5, 5, "/Demo/Vac/PV2", K.REMOVED, state=None),
        ]
    )
    found = await store.last_before("Demo", ["/Demo/Vac/PV1", "/Demo/Vac/PV2", "/Demo/None"], at(9))
    assert {path: event.id.n for path, event in found.items()} == {"/Demo/Vac/PV1": 2, "/Demo/Vac/PV2": 4}
    assert {event.id.n for event in (await store.last_before("Demo", ["/Demo/Vac/PV1"], at(2))).values()} == {1}
    assert await store.last_before("Demo", ["/Demo/Vac/PV1"], at(1)) == {}
    assert await store.last_before("Other", ["/Demo/Vac/PV1"], at(9)) == {}


async def test_intervals(store):
    path, other = "/Demo/Vac/PV1", "/Demo/Vac/PV2"
    await store.write(
        [
            event(1, 10),
            event(2, 20, kind=K.CHANGED),  # nothing that an interval shows
            command(3, 25, path),
            event(4, 30, kind=K.SHELVED, state=snapshot(S.MAJOR, suppressed=True, until=at(99))),
            event(5, 40, kind=K.CHANGED, state=snapshot(S.MAJOR, suppressed=True, until=at(99), connected=False)),
            event(9, 45, kind=K.DISABLED, state=snapshot(S.MAJOR, suppressed=True, connected=False)),
            event(10, 50, severity=S.MINOR),
            event(11, 50, severity=S.OK, kind=K.CLEARED),
            event(12, 60, kind=K.REMOVED, state=None),
        ]
    )
    pieces = await store.intervals("Demo", [path, other], at(0), at(100))
    shelved = Interval(path, at(30), at(40), S.OK, suppressed=True, out_of_service=False, connected=True)
    major = replace(shelved, start=at(10), end=at(30), severity=S.MAJOR, suppressed=False)
    unknown = Interval(path, at(0), at(10), None, suppressed=False, out_of_service=False, connected=False)
    assert pieces == [
        unknown,
        major,
        shelved,
        replace(shelved, start=at(40), end=at(45), connected=False),
        replace(shelved, start=at(45), end=at(50), out_of_service=True, connected=False),
        replace(major, start=at(50), end=at(60), severity=S.OK),
        replace(unknown, start=at(60), end=at(100)),
        replace(unknown, path=other, end=at(100)),
    ]
    assert await store.intervals("Demo", [path], at(12), at(15)) == [replace(major, start=at(12), end=at(15))]
    assert await store.intervals("Demo", [path], at(10), at(10.5)) == [replace(major, start=at(10), end=at(10.5))]
    assert [piece.severity for piece in await store.intervals("Demo", [path], at(9), at(10))] == [None]
    assert [piece.severity for piece in await store.intervals("Demo", [path], at(29), at(31))] == [S.MAJOR, S.OK]
    assert await store.intervals("Demo", [path], at(31), at(31)) == []
    assert len(await store.intervals("Nothing", [path], at(0), at(1))) == 1
    assert await store.intervals("Demo", [], at(0), at(1)) == []


async def test_neighbours_merge_over_a_condition_that_lasted_no_time(store):
    await store.write([event(1, 10), event(2, 20, severity=S.MINOR), event(3, 20)])
    assert [(piece.start, piece.severity) for piece in await store.intervals("Demo", ["/Demo/Vac/PV1"], at(10), at(30))] == [
        (at(10), S.MAJOR)
    ]


async def test_counts(store):
    await store.write(
        [
            event(1, 0.5, "/Demo/Vac/PV1"),
            event(2, 59, "/Demo/RF/PV2", severity=S.MINOR),
            event(3, 60, "/Demo/RF/PV2"),
            event(4, 61, "/Demo/RF/PV2", K.CLEARED, severity=S.OK),
            event(5, 200, "/Demo/PV3"),
        ]
    )
    begin = at(0) // (60 * 10**9) * 60 * 10**9  # the base of the tests is no multiple of a minute
    shift = (at(0) - begin) // 10**9
    start, end = at(60 - shift), at(240 - shift)
    by_severity = await store.counts("Demo", start, end, 60, CountBy.SEVERITY)
    assert [bucket.start for bucket in by_severity] == [start, at(120 - shift), at(180 - shift)]
    assert [len(await store.counts("Demo", at(0), at(1), 60, by)) for by in CountBy] == [1, 1, 1]
    whole = await store.counts("Demo", at(0), at(1000), 3600, CountBy.SYSTEM)
    totals = {label: sum(bucket.counts.get(label, 0) for bucket in whole) for label in ("", "RF", "Vac")}
    assert totals == {"": 1, "RF": 2, "Vac": 1}
    kinds = await store.counts("Demo", at(0), at(1000), 3600, CountBy.KIND, "/Demo/RF")
    assert sum(bucket.counts.get("alarm", 0) for bucket in kinds) == 2
    assert sum(bucket.counts.get("cleared", 0) for bucket in kinds) == 1
    assert await store.counts("Demo", at(5), at(5), 60, CountBy.KIND) == []
    first = at(0) // 10**9 * 10**9
    assert (await store.counts("Nothing", at(0), at(2), 1, CountBy.KIND)) == [Bucket(first, {}), Bucket(first + 10**9, {})]


async def test_the_most_frequent(store):
    paths = ["/Demo/B/PV2"] * 3 + ["/Demo/A/PV9", "/Demo/A/PV1"] * 2 + ["/Demo/C/a\\/b"]
    await store.write([event(n, n, path) for n, path in enumerate(paths, 1)] + [event(50, 50, "/Demo/C/a\\/b", K.CHANGED)])
    top = await store.most_frequent("Demo", at(0), at(100), 3)
    assert top == [Frequency("/Demo/B/PV2", "PV2", 3), Frequency("/Demo/A/PV1", "PV1", 2), Frequency("/Demo/A/PV9", "PV9", 2)]
    assert await store.most_frequent("Demo", at(0), at(100), 9, "/Demo/C") == [Frequency("/Demo/C/a\\/b", "a/b", 1)]
    assert await store.most_frequent("Demo", at(2), at(3), 9) == [Frequency("/Demo/B/PV2", "PV2", 1)]
    assert await store.most_frequent("Nothing", at(0), at(3), 9) == []


async def test_deleting_keeps_the_state_that_later_times_begin_with(store):
    a, b = "/Demo/Vac/PV1", "/Demo/Vac/PV2"
    written = [
        event(1, months(1), a),
        event(2, months(2), a, severity=S.MINOR),
        event(3, months(3.9), b),
        command(4, months(4)),
        event(5, months(6), a),
        event(6, months(4), b, config="O"),
    ]
    assert await store.write(written) == 6
    before = await store.intervals("Demo", [a, b], at(months(5)), at(months(10)))
    assert await store.delete_before("Demo", at(months(5))) == 2
    assert await numbers(store, YEARS) == [5, 3, 2]
    assert await store.intervals("Demo", [a, b], at(months(5)), at(months(10))) == before
    assert await store.delete_before("Demo", at(months(5))) == 0
    assert await store.delete_before("Demo", at(months(7))) == 1
    assert await numbers(store, YEARS) == [5, 3]
    assert len((await store.events(replace(YEARS, config="O"))).events) == 1
    # Read again from the beginning of the journal: what was kept is not stored twice.
    assert await store.write(written) == 3
    assert await numbers(store, YEARS) == [5, 4, 3, 2, 1]
    assert sum(sum(bar.counts.values()) for bar in await store.counts("Demo", at(0), YEARS.end, 86_400, CountBy.KIND)) == 5
    assert await store.delete_before("Demo", at(months(7))) == 3
    assert await numbers(store, YEARS) == [5, 3]


async def test_deleting_much(store):
    base = months(1) - 150
    assert await store.write([event(n, base + n / 10, f"/Demo/PV{n % 10}") for n in range(1, 2001)]) == 2000
    assert len(await numbers(store, YEARS, limit=MAX_PAGE)) == 2000
    assert await store.delete_before("Demo", at(months(1))) == 1499 - 10
    assert len(await numbers(store, YEARS, limit=MAX_PAGE)) == 511
    assert await numbers(store, YEARS, limit=3, oldest_first=True) == [1490, 1491, 1492]


async def test_limits(store):
    day = 86_400
    with pytest.raises(QueryTooLarge, match="longer than 3660 days"):
        await store.events(replace(ALL, start=at(-4000 * day)))
    for limit in (0, -1, MAX_PAGE + 1):
        with pytest.raises(QueryTooLarge, match=f"limit {limit} is not between"):
            await store.events(replace(ALL, limit=limit))
    for too_long in ({"text": "x" * (MAX_PATTERN + 1)}, {"pv": "x" * (MAX_PATTERN + 1)}):
        with pytest.raises(QueryTooLarge, match="has 257 characters, 256 are allowed"):
            await store.events(replace(ALL, **too_long))
    with pytest.raises(QueryTooLarge, match="is not a time"):
        await store.events(replace(ALL, end=1 << 70))
    with pytest.raises(QueryTooLarge, match="longer than 3660 days"):
        await store.intervals("Demo", ["/Demo/PV"], at(-4000 * day), at(0))
    with pytest.raises(QueryTooLarge, match="more than 20000"):
        await store.counts("Demo", at(0), at(day), 1, CountBy.KIND)
    with pytest.raises(QueryTooLarge, match="0 s is too short"):
        await store.counts("Demo", at(0), at(day), 0, CountBy.KIND)
    with pytest.raises(QueryTooLarge, match="limit"):
        await store.most_frequent("Demo", at(0), at(day), 0)


UNWRITABLE = event(2, 2, description="half a \ud800 character")


async def test_an_event_that_cannot_be_stored_is_put_aside_and_stops_no_other(store):
    assert await store.write([event(1, 1), UNWRITABLE, event(1 << 70, 3), event(4, 4)]) == 2
    assert await numbers(store) == [4, 1]
    letters = await store.dead_letters("Demo")
    assert [letter.key for letter in letters] == [f"Demo.1.{1 << 70}", "Demo.1.2"]
    assert "surrogates not allowed" in letters[1].reason
    assert b"half a \\ud800 character" in letters[1].body
    assert store.buried == 2
    assert await store.write([UNWRITABLE, event(4, 4), event(5, 5)]) == 1
    assert await store.dead_letters("Demo") == letters
    assert await store.dead_letters("Other") == []


async def test_dead_letters_are_kept_once_under_their_keys(store):
    def letter(key, reason="no JSON", config="Demo"):
        return DeadLetter(config, key, reason, b"\x00\xff{")

    await store.bury([letter("DemoEvents@10"), letter("DemoEvents@9"), letter("k" * 600), letter("x", config="Demo2")])
    await store.bury([letter("DemoEvents@9", "other"), letter("DemoEvents@11")])
    keys = ["DemoEvents@10", "DemoEvents@11", "DemoEvents@9", "k" * 600]
    assert await store.dead_letters("Demo") == [letter(key) for key in keys]
    assert await store.dead_letters("Demo", 2) == [letter(key) for key in keys[:2]]
    assert await store.dead_letters("Demo2") == [letter("x", config="Demo2")]
    with pytest.raises(QueryTooLarge, match="limit 0"):
        await store.dead_letters("Demo", 0)


async def test_long_texts_are_searched_whole(store):
    words = [f"Wörd{n}" for n in range(6_000)]
    await store.write([event(1, 1, description=" ".join(words), comment="short"), event(2, 2)])
    for begin in range(0, 6_000, 500):
        assert await numbers(store, text=" ".join(words[begin : begin + 20])) == [1]
    assert await numbers(store, text="wörd5999") == [1]
    assert await numbers(store, text="wörd5999short") == await numbers(store, text="wörd5999\x1fshort") == []
    assert await numbers(store, text="x" * MAX_PATTERN) == []


async def test_signs_that_mean_something_elsewhere_mean_themselves(store):
    await store.write([event(1, 1, "/Demo/a\\b*?[x]", comment="\\d+ \x00 \U0001f514"), event(2, 2, "/Demo/ab")])
    for text in ("\\d+", "\x00", "\U0001f514", "\\B*?[X]", "*?"):
        assert await numbers(store, text=text) == [1], text
    for pv in ("a\\b*?[[]x]", "a\\b\\*"):
        assert await numbers(store, pv=pv) == [], pv
    for pv in ("a\\b*", "a?b??[x]", "*[x]"):
        assert await numbers(store, pv=pv) == [1], pv
    assert await numbers(store, path_prefix="/Demo/a\\b*?[x]") == [1]


async def test_a_closed_store_says_so(tmp_path):
    store = ADAPTERS["sqlite"](tmp_path)
    with pytest.raises(HistoryUnavailable, match="not open"):
        await store.events(ALL)
    await store.start()
    await store.close()
    await store.close()
    with pytest.raises(HistoryUnavailable, match="not open"):
        await store.write([event(1, 1)])
