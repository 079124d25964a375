"""Rows for panels: never calm without reason, and never about something else than was asked."""

from __future__ import annotations

import itertools

import pytest

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.command import CommandKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.subsystem import MAX_UID, alarm_uid, folder_uid, overview_uid, system_of, system_uid, title
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, to_ms
from backend.history.port import Interval
from backend.queries.registry import QUERIES
from backend.queries.request import BadQuestion, pairs_of, read_ask
from backend.queries.timeline import Span, cut_stale, merge, roll_up, widen
from tests.grafana_site import ALARMS, GONE, ODD, SAFE, TOP, V1, V2, V4, running_site, scenario
from tests.unit.backend_world import until, world
from tests.unit.evaluating import START, Control

HOUR = 3600 * NANOS_PER_SECOND


@pytest.fixture
async def site():
    async with running_site() as site:
        yield site


async def rows(site, name, **given):
    pairs = pairs_of({"config": "Demo", **given})
    return await QUERIES[name].rows(site.sources, read_ask(pairs, site.sources.now))


def by(found, key):
    return {row[key]: row for row in found}


# ---------------------------------------------------------------------- what is now


async def test_tiles_say_the_worst_and_how_many(site):
    tiles = {row["system"]: row["tile"] for row in await rows(site, "systems")}
    assert tiles == {
        ODD: "INVALID 1/1",
        "Personnel Safety": "OK",
        "RF": "UNDEFINED 1/1",
        "Vacuum": "MAJOR 1/2",
        "(top level)": "OK",
    }


async def test_an_acknowledged_system_says_so():
    control = scenario()
    control.command(CommandKind.ACKNOWLEDGE, "/Demo/Vacuum")
    async with running_site(control) as site:
        vacuum = by(await rows(site, "systems"), "system")["Vacuum"]
        assert (vacuum["tile"], vacuum["unacked"], vacuum["acked"], vacuum["shelved"]) == ("MAJOR_ACK 0/2", 0, 2, 1)


async def test_a_system_that_is_wholly_shelved_is_not_just_ok():
    control = scenario()
    control.command(CommandKind.SHELVE, "/Demo/RF", until=Nanos(control.now.wall + HOUR))
    async with running_site(control) as site:
        assert by(await rows(site, "systems"), "system")["RF"]["tile"] == "SHELVED 1"


async def test_what_is_out_of_service_is_called_so_and_not_shelved():
    control = scenario()
    control.command(CommandKind.DISABLE, "/Demo/RF")
    control.advance(60)
    (path,) = [path for path in ALARMS if path.startswith("/Demo/RF/")]
    async with running_site(control) as site:
        asked = {"path": path, "from": to_ms(START.wall)}
        assert by(await rows(site, "systems"), "system")["RF"]["tile"] == "DISABLED 1"
        assert [row["state"] for row in await rows(site, "pv_intervals", **asked)][-1] == "DISABLED"
        assert [row["severity"] for row in await rows(site, "pv/intervals", **asked)][-1] == "DISABLED"
        assert {row["severity"] for row in await rows(site, "past/alarms", **asked)} == {"DISABLED"}
        assert {row["after"] for row in await rows(site, "past/changes", **asked)} == {"DISABLED"}
        assert [row["to"] for row in await rows(site, "events", kind="disabled", **asked)] == ["DISABLED"]


async def test_nothing_looks_calm_while_the_engine_is_silent(site):
    site.later(5.5)
    for row in await rows(site, "systems"):
        assert (row["tile"], row["worst"], row["major"], row["unacked"]) == ("STALE", "STALE", None, None)
    (totals,) = await rows(site, "totals")
    assert totals.pop("data_age") == 5.5
    assert set(totals.values()) == {None}
    (engine,) = await rows(site, "engine")
    assert engine["state"] == "STALE"
    assert engine["age"] == 5.5
    active = await rows(site, "active")
    assert active[0]["severity"] == "STALE"
    assert active[0]["description"] == "No life sign from the alarm engine for 5 s: what is shown may be old"
    assert len(active) == 5, "what was last known is still worth seeing"
    assert (await rows(site, "active", system="Personnel Safety"))[0]["severity"] == "STALE", "not an all-clear"
    assert (await rows(site, "lines"))[0]["line"].startswith("STALE ")
    settings = by(await rows(site, "pv/settings", path=SAFE), "key")
    assert settings["Severity"]["value"] == "STALE"


async def test_an_engine_that_was_never_seen_is_stale():
    async with running_site(alive=False) as site:
        assert {row["tile"] for row in await rows(site, "systems")} == {"STALE"}
        (engine,) = await rows(site, "engine")
        assert (engine["state"], engine["age"], engine["connected"]) == ("STALE", None, None)
        assert (await rows(site, "active"))[0]["description"].startswith("No life sign from the alarm engine:")
        assert set((await rows(site, "totals"))[0].values()) == {None}, "the age too"
        assert (await rows(site, "shelved"))[0]["severity"] == "STALE"


async def test_an_alarm_that_nobody_has_said_anything_about_is_not_ok():
    control = Control(ALARMS)
    control.evaluator.emitter.take("/Demo")
    control.records = [record for record in control.records if not record.key.endswith("DOOR")]
    for changes in control.history:
        changes.steps = [step for step in changes.steps if not getattr(step, "path", "").endswith("DOOR")]
    async with running_site(control) as site:
        assert by(await rows(site, "systems"), "system")["Personnel Safety"]["tile"] == "NO_DATA 1"
        (note,) = await rows(site, "active", system="Personnel Safety")
        assert note["severity"] == "NO_DATA"
        (totals,) = await rows(site, "totals", system="Personnel Safety")
        assert totals.pop("data_age") == 0.0
        assert set(totals.values()) == {None}


async def test_an_alarm_whose_pv_has_never_come_is_not_ok():
    async with world() as site, site.client() as client:
        path = "/Acc/Vacuum/GC99"
        await site.configure({path: AlarmSettings("Added while the engine runs")})
        await until(lambda: (alarm := site.tree.alarms.get(path)) and alarm.snapshot)
        found = (await client.get("/grafana/rows/pv/settings", params={"path": path})).json()
        assert by(found, "key")["Severity"]["value"] == "unknown"
        assert by(found, "key")["Connection"]["value"] == "disconnected"


async def test_an_all_clear_is_a_row_and_a_wrong_name_is_none(site):
    (clear,) = await rows(site, "active", system="Personnel Safety")
    assert (clear["severity"], clear["description"], clear["path"]) == ("OK", "No active alarms", "")
    assert await rows(site, "lines", system="Personnel Safety") == [{"line": "OK nothing unacknowledged", "path": ""}]
    assert (await rows(site, "shelved", system="RF"))[0]["reason"] == "Nothing is shelved or out of service"
    for name in set(QUERIES) - {"vars/configurations", "vars/severities"}:
        unknown = [] if not name.startswith("vars/") else [{"text": "–", "value": ""}]
        assert await rows(site, name, config="Nowhere") == unknown, name
    for name in ("systems", "totals", "active", "lines", "shelved", "intervals", "pv_intervals", "counts", "top", "floods", "events"):
        assert await rows(site, name, system="Vacum") == [], name
    for name in ("pv/settings", "pv/guidance", "pv/intervals", "events", "active", "pv_intervals", "counts"):
        assert await rows(site, name, path="/Demo/Vacuum/nothing") == [], name


async def test_every_row_has_exactly_the_columns_of_its_query(site):
    for age in (0, 60):
        site.later(age)
        for name, query in QUERIES.items():
            path = {"path": V1} if name.startswith("pv/") else {}
            for given in ({**path}, {**path, "system": "Personnel Safety"}, {**path, "q": "nothing has this"}):
                for row in await rows(site, name, **given):
                    assert set(row) == set(query.columns), (name, given)


async def test_active_alarms_come_worst_first(site):
    found = await rows(site, "active")
    assert [row["severity"] for row in found] == ["UNDEFINED", "INVALID", "MAJOR", "MINOR_ACK"]
    major, minor = found[2:]
    assert (major["description"], major["age"], major["value"], major["acked"]) == ("Ion pump", 1800.0, "49 µA", False)
    assert (minor["acked"], minor["ack_by"], minor["message"]) == (True, "mara", "HIGH_ALARM")
    assert major["guidance"] == "https://wiki.example.org/ion-pump"
    assert minor["guidance"] == f"/d/{alarm_uid('Demo')}?var-path=%2FDemo%2FVacuum%2FSector%201%2FV2"


async def test_filters_of_active_alarms(site):
    assert [row["pv"] for row in await rows(site, "active", severity="MINOR,MAJOR")] == ["V1", "V2"]
    assert [row["pv"] for row in await rows(site, "active", severity=["MINOR_ACK"])] == ["V2"]
    assert [row["pv"] for row in await rows(site, "active", q="ION")] == ["V1"]
    assert [row["pv"] for row in await rows(site, "active", system=["RF", system_uid("Demo", ODD)])] == ["sim://cavity", "X"]
    assert [row["pv"] for row in await rows(site, "active", system="$__all", severity="")] == ["sim://cavity", "X", "V1", "V2"]
    assert [row["pv"] for row in await rows(site, "active", path="/Demo/Vacuum")] == ["V1", "V2"]


async def test_a_cut_list_says_what_is_missing(site):
    found = await rows(site, "active", limit=2)
    assert found[-1]["description"].startswith("and 2 more alarms")
    assert found[-1]["severity"] == "MAJOR"
    assert (await rows(site, "lines", limit=1))[-1]["line"] == "INVALID and 2 more"


async def test_shelved_alarms_show_who_and_how_long(site):
    (row,) = await rows(site, "shelved")
    assert (row["path"], row["by"], row["reason"], row["kind"], row["severity"]) == (V4, "mara", "pump exchange", "shelved", "MAJOR")
    assert 5300 < row["left"] < 5400


async def test_guidance_never_offers_a_script(site):
    (row,) = await rows(site, "pv/guidance", path=GONE)
    assert (row["value"], row["link"], row["link_text"]) == ("javascript:alert(1)", "", "")


# ---------------------------------------------------------------------- what was


async def test_states_of_subsystems_end_now_and_have_no_gaps(site):
    lines: dict[str, list[dict]] = {}
    now = site.sources.now
    span = {"from": to_ms(START.wall), "to": to_ms(Nanos(now + HOUR))}
    for row in await rows(site, "intervals", **span):
        assert row["time"] < row["timeEnd"]
        lines.setdefault(row["system"], []).append(row)
    assert list(lines) == [row["system"] for row in await rows(site, "systems")]
    for line in lines.values():
        assert line[0]["time"] == to_ms(START.wall)
        assert line[-1]["timeEnd"] == to_ms(now)
        assert all(one["timeEnd"] == two["time"] for one, two in itertools.pairwise(line))
    assert lines["Vacuum"][-1]["state"] == "MAJOR"
    assert "SHELVED" not in {row["state"] for row in lines["Vacuum"]}


async def test_what_was_quiet_all_the_time_is_not_looked_up(site):
    await rows(site, "intervals", **{"from": to_ms(Nanos(START.wall + HOUR // 2))})
    assert set(site.history.looked_up) == {V1, V2, V4, GONE, f"/Demo/{ODD}/X"}
    found = list(await rows(site, "intervals", system="(top level)", **{"from": to_ms(Nanos(START.wall + HOUR // 2))}))
    assert [row["state"] for row in found] == ["OK"]
    assert TOP not in site.history.looked_up


async def test_a_timeline_says_from_when_nothing_is_known(site):
    site.later(600)
    for name, extra in (
        ("intervals", {}),
        ("pv_intervals", {}),
        ("pv_intervals", {"system": "Personnel Safety"}),
        ("pv/intervals", {"path": V1}),
    ):
        found = await rows(site, name, **extra)
        state = "severity" if name == "pv/intervals" else "state"
        last = found[-1]
        assert last[state] == "STALE", name
        assert last["timeEnd"] - last["time"] == 600_000, name


async def test_alarms_of_a_system_over_time(site):
    found = await rows(site, "pv_intervals", system="Vacuum", **{"from": to_ms(START.wall)})
    assert list(dict.fromkeys(row["pv"] for row in found)) == ["V1", "V2", "V4"]
    assert [row["state"] for row in found if row["pv"] == "V4"] == ["OK", "MAJOR", "SHELVED"]
    few = await rows(site, "pv_intervals", system="Vacuum", limit=1, **{"from": to_ms(START.wall)})
    assert {row["pv"]: row["state"] for row in few[-2:]}.popitem() == ("and 2 more alarms: choose a shorter range", None)
    quiet = await rows(site, "pv_intervals", system="Personnel Safety")
    assert [(row["pv"], row["state"]) for row in quiet] == [("no alarms", "OK")]


async def test_one_alarm_over_time(site):
    found = await rows(site, "pv/intervals", path=V2, **{"from": to_ms(START.wall)})
    assert [(row["severity"], row["ack"], row["connection"]) for row in found] == [
        (None, None, None),
        ("OK", "–", "connected"),
        ("MINOR", "open", "connected"),
        ("MINOR_ACK", "acknowledged", "connected"),
    ]


async def test_rates_count_rises_per_severity(site):
    found = await rows(site, "counts", system="Vacuum")
    assert sum(row["MAJOR"] for row in found) == 6
    assert sum(row["MINOR"] for row in found) == 1
    assert sum(row["INVALID"] for row in found) == 0
    assert {two["time"] - one["time"] for one, two in itertools.pairwise(found)} == {600_000}


async def test_long_ranges_show_averages_of_windows(site):
    day = 24 * HOUR
    found = await rows(site, "counts", **{"from": to_ms(Nanos(site.sources.now - 100 * day))})
    assert len(found) <= 3001
    assert max(row["MAJOR"] for row in found) == 1.2, "6 rises in 5 windows of 10 minutes"


async def test_most_frequent_with_shares(site):
    found = await rows(site, "top")
    assert (found[0]["pv"], found[0]["count"], found[0]["kind"]) == ("V1", 5, "chattering")
    assert found[-1]["cumulative"] == 100.0
    nothing = await rows(site, "top", system="Personnel Safety")
    assert [(row["pv"], row["count"]) for row in nothing] == [("no alarms", 0)]


async def test_a_flood_is_an_annotation():
    control = scenario()
    for _ in range(15):
        control.sample("V3", Severity.MAJOR)
        control.command(CommandKind.ACKNOWLEDGE, "/Demo/Vacuum")
        control.sample("V3", Severity.OK)
    async with running_site(control) as site:
        (flood,) = await rows(site, "floods")
        assert flood["text"] == "15 alarms in 10 min"
        assert flood["timeEnd"] - flood["time"] == 600_000
        assert await rows(site, "floods", system="RF") == []
        note, same = await rows(site, "floods", **{"from": str(to_ms(Nanos(START.wall - 200 * 86_400 * NANOS_PER_SECOND)))})
        assert (note["tags"], note["title"]) == ("note", "Floods are not shown here")
        assert note["timeEnd"] - note["time"] > 99 * 86_400_000
        assert same["id"] == flood["id"]


async def test_the_log_tells_what_happened_newest_first(site):
    found = await rows(site, "events")
    assert [row["kind"] for row in found[:3]] == ["alarm", "cleared", "acknowledged"]
    assert (found[0]["from"], found[0]["to"], found[0]["value"]) == ("OK", "MAJOR", "49 µA")
    assert "command" not in {row["kind"] for row in found}
    shelved = next(row for row in found if row["kind"] == "shelved")
    assert (shelved["to"], shelved["by"], shelved["comment"]) == ("SHELVED", "mara", "pump exchange")
    took_over = next(row for row in found if row["kind"] == "engine")
    assert (took_over["to"], took_over["system"]) == ("NEUTRAL", "")
    assert [row["kind"] for row in await rows(site, "events", severity="INVALID")] == ["alarm"]
    cut = await rows(site, "events", limit=2)
    assert len([row for row in cut if row["id"]]) == 2
    assert cut[2]["description"] == "Only the newest 2 events are shown: choose a shorter range"


async def test_a_store_that_is_away_is_no_empty_answer(site):
    site.history.broken = True
    for name in ("events", "counts", "top", "floods", "intervals"):
        with pytest.raises(HistoryUnavailable):
            await rows(site, name)
        answer = await site.client.get(f"/grafana/rows/{name}", params={"config": "Demo"})
        assert answer.status_code == 503
        assert answer.json() == {"message": "the store is away"}


# ---------------------------------------------------------------------- questions


REFUSED = [
    ({"sytem": "Vacuum"}, "unknown parameter 'sytem', did you mean 'system'?"),
    ({"severity": "major"}, "severity: 'major' is none of OK, "),
    ({"from": "yesterday"}, "from: 'yesterday' is no time"),
    ({"to": "1e300"}, "to: '1e300' is no time"),
    ({"from": "2000", "to": "1000"}, "from (2000) must be before to (1000)"),
    ({"limit": "0"}, "limit: '0'"),
    ({"limit": "²"}, "limit: '²'"),
    ({"limit": "0000000019999999"}, "limit: '0000000019999999'"),
    ({"limit": "000000001" + "9" * 4400}, "limit: '000000001"),
    ({"path": "Vacuum"}, "path: 'Vacuum' must begin with a slash"),
]


async def test_a_question_that_cannot_be_understood_is_refused(site):
    for given, problem in REFUSED:
        answer = await site.client.get("/grafana/rows/active", params=given)
        assert answer.status_code == 400, given
        assert problem in answer.json()["message"]


def test_faults_of_a_question_are_told_together():
    with pytest.raises(BadQuestion, match=r"colour.*from.*limit"):
        read_ask([("colour", "red"), ("from", "x"), ("limit", "y")], START.wall)


def test_times_are_milliseconds_or_iso():
    ask = read_ask([("from", "1800000000000"), ("to", "2027-01-15T09:00:00Z")], START.wall)
    assert (to_ms(ask.start), to_ms(ask.end)) == (1_800_000_000_000, 1_800_003_600_000)


# ---------------------------------------------------------------------- arithmetic


def span(start, end, state):
    return Span(Nanos(start), Nanos(end), state)


def test_roll_up_is_the_highest_that_is_not_suppressed():
    found = roll_up(
        [
            Interval("a", Nanos(0), Nanos(60), Severity.MINOR, False, False, True),
            Interval("b", Nanos(20), Nanos(40), Severity.MAJOR, False, False, True),
            Interval("c", Nanos(0), Nanos(100), Severity.INVALID, True, True, True),
            Interval("d", Nanos(0), Nanos(100), None, False, False, True),
        ],
        Nanos(0),
        Nanos(120),
    )
    assert found == [span(0, 20, "MINOR"), span(20, 40, "MAJOR"), span(40, 60, "MINOR"), span(60, 100, "OK"), span(100, 120, None)]


def test_short_alarms_are_made_visible_without_hiding_worse_ones():
    end = 100_000
    drawn = widen([span(0, 500, "OK"), span(500, 501, "MINOR"), span(501, 502, "MAJOR"), span(502, end, "OK")], Nanos(0), Nanos(end))
    assert drawn == [span(0, 500, "OK"), span(500, 501, "MINOR"), span(501, 601, "MAJOR"), span(601, end, "OK")]
    drawn = widen([span(0, 500, "MAJOR"), span(500, 501, "OK"), span(501, 502, "MINOR"), span(502, end, "OK")], Nanos(0), Nanos(end))
    assert drawn[2] == span(501, 601, "MINOR")


def test_what_is_cut_at_the_last_life_sign_is_complete():
    assert cut_stale([span(0, 50, "OK"), span(50, 100, "MAJOR")], Nanos(60), Nanos(100)) == [
        span(0, 50, "OK"),
        span(50, 60, "MAJOR"),
        span(60, 100, "STALE"),
    ]
    assert cut_stale([span(50, 100, "OK")], Nanos(10), Nanos(100)) == [span(50, 100, "STALE")]


def test_neighbours_of_one_state_become_one():
    assert merge([span(0, 1, "OK"), span(1, 2, "OK"), span(2, 2, "MAJOR"), span(3, 4, "OK")]) == [span(0, 2, "OK"), span(3, 4, "OK")]


def test_identities_of_dashboards_are_short_stable_and_different():
    names = ["", "RF", "rf system", "rf-system", "RF_system", "ä", "ö", "a/b", "x" * 200, "x" * 201, "pv", "top", "folder", "Ring-RF"]
    uids = [system_uid(config, name) for config in ("Ring", "Ring-RF", "Ring.2", "pv") for name in names]
    uids += [make(config) for make in (overview_uid, alarm_uid, folder_uid) for config in ("Ring", "Ring-RF", "Ring.2", "pv")]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= MAX_UID and uid.replace("-", "").replace("_", "").isalnum() and uid.isascii() for uid in uids)
    assert system_uid("Ring", "RF") == "tocsin-Ring-RF"
    assert system_uid("Ring", "Personnel Safety") == "tocsin-Ring-Personnel-Safety_ca1a8914", "links of sites depend on it"
    assert [system_of(title(name)) for name in names] == names
