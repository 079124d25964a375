"""Rows that only dashboards and alert rules ask for: components, marks, audit, alerting, the age of the dashboards themselves."""

from __future__ import annotations

import pytest

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.command import CommandKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.subsystem import Made, browser_uid, component_uid, shape, system_uid
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, to_ms
from backend.queries.generation import led, shape_of
from backend.queries.registry import QUERIES
from backend.queries.request import BadQuestion, pairs_of, read_ask
from tests.grafana_site import GONE, ODD, V1, V2, running_site, scenario

HOUR_S = 3600


@pytest.fixture
async def site():
    async with running_site() as site:
        yield site


async def rows(site, name, **given):
    return await QUERIES[name].rows(site.sources, read_ask(pairs_of({"config": "Demo", **given}), site.sources.now))


# ---------------------------------------------------------------------- components


async def test_the_parts_of_a_component_each_have_a_row(site):
    found = {row["system"]: row["tile"] for row in await rows(site, "components", path="/Demo/Vacuum")}
    assert found == {"Sector 1": "MAJOR 1/2"}
    root = {row["system"]: row["tile"] for row in await rows(site, "components")}
    assert root["Vacuum"] == "MAJOR 1/2"
    assert root["(directly here)"] == "OK"
    leaf = await rows(site, "components", path="/Demo/Vacuum/Sector 1")
    assert [(row["system"], row["tile"]) for row in leaf] == [("Sector 1", "MAJOR 1/2")], "one that holds only alarms stands for itself"
    assert await rows(site, "components", path="/Demo/Nowhere") == []
    (whole,) = await rows(site, "component", path=f"/Demo/{ODD}")
    assert whole["tile"] == "INVALID 1/1"
    assert await rows(site, "component", path="/Demo/Nowhere") == []


async def test_components_are_stale_with_their_engine(site):
    site.later(6)
    for name in ("component", "components"):
        assert {row["tile"] for row in await rows(site, name)} == {"STALE"}
    assert (await rows(site, "newest"))[0]["line"].startswith("STALE ")
    assert (await rows(site, "pv/neighbours", path=V1))[0]["severity"] == "STALE"


async def test_components_over_time(site):
    found = await rows(site, "component_intervals", path="/Demo/Vacuum")
    assert {row["system"] for row in found} == {"Sector 1"}
    assert found[-1]["state"] == "MAJOR"
    assert found[-1]["timeEnd"] == to_ms(site.sources.now)


async def test_neighbours_are_the_others_of_the_component(site):
    found = {row["pv"]: row["severity"] for row in await rows(site, "pv/neighbours", path=V1)}
    assert found == {"V2": "MINOR_ACK", "V3": "OK", "V4": "SHELVED"}
    (alone,) = await rows(site, "pv/neighbours", path=GONE)
    assert alone["description"] == "It is the only alarm of its component"
    assert await rows(site, "pv/neighbours", path="/Demo/Nowhere") == []


async def test_the_newest_come_first_on_a_wall(site):
    newest = [row["line"].split()[1] for row in await rows(site, "newest")]
    assert newest[0] == "V1"
    assert set(newest) == {"V1", "X", "sim://cavity"}
    cut = await rows(site, "newest", limit=1)
    assert cut[1]["line"] == "UNDEFINED and 2 more", "what is cut off is as bad as the worst of it"


async def test_guidance_of_a_component(site):
    (found,) = await rows(site, "pv/guidance", path="/Demo/Vacuum")
    assert found["value"] == "No guidance is written here"


def test_identities_of_components():
    assert component_uid("Ring", "/Ring/Vacuum") == system_uid("Ring", "Vacuum") == "tocsin-Ring-Vacuum"
    assert component_uid("Ring", "/Ring/Vacuum/Sector1") == "tocsin-Ring-Vacuum-Sector1"
    assert component_uid("Ring", "/Ring/A\\/B") == system_uid("Ring", "A/B")


# ---------------------------------------------------------------------- marks


async def test_alarms_are_marked_by_severity(site):
    major = await rows(site, "annotations/alarms", severity="MAJOR")
    assert {row["title"] for row in major} == {"MAJOR"}
    assert [row["text"] for row in major].count("V1  Ion pump") == 5
    assert all(row["time"] == row["timeEnd"] for row in major), "a null would break a state timeline"
    assert [row["text"] for row in await rows(site, "annotations/alarms", severity="INVALID")] == ["X  Odd one"]
    assert await rows(site, "annotations/alarms", severity="MAJOR", system="RF") == []


async def test_no_more_marks_than_one_can_see():
    control = scenario()
    for _ in range(210):
        control.sample("V3", Severity.MINOR)
        control.command(CommandKind.ACKNOWLEDGE, "/Demo/Vacuum/Sector 1/V3")
        control.sample("V3", Severity.OK)
    async with running_site(control) as site:
        found = await rows(site, "annotations/alarms", severity="MINOR")
        assert len(found) == 201
        assert found[-1]["text"] == "Only the newest 200 alarms are marked: choose a shorter range"


async def test_shelving_is_a_region_that_lasts_until_now_or_its_end():
    control = scenario()
    begun = control.now.wall
    control.command(CommandKind.DISABLE, V2, reason="exchange")
    control.advance(60)
    control.command(CommandKind.ENABLE, V2)
    control.advance(10)
    async with running_site(control) as site:
        found = {row["text"]: row for row in await rows(site, "annotations/shelving")}
        assert found["V4  mara: pump exchange"]["timeEnd"] == to_ms(site.sources.now)
        assert found["V4  mara: pump exchange"]["title"] == "Shelved"
        out = found["V2  mara: exchange"]
        assert (out["title"], 59 < (out["timeEnd"] - out["time"]) / 1000 < 61) == ("Out of service", True)
        late = {row["text"] for row in await rows(site, "annotations/shelving", **{"from": str(to_ms(begun) + 30_000)})}
        assert late == {"V4  mara: pump exchange", "V2"}, "what began before the range is drawn from its begin"


async def test_maintenance_is_a_region():
    control = scenario()
    control.command(CommandKind.MAINTENANCE, "/Demo")
    control.advance(120)
    begun = to_ms(control.now.wall)
    async with running_site(control) as site:
        (running,) = await rows(site, "annotations/maintenance")
        assert (running["title"], running["timeEnd"]) == ("Maintenance", to_ms(site.sources.now))
    control.command(CommandKind.NORMAL, "/Demo")
    control.advance(60)
    async with running_site(control) as site:
        (over,) = await rows(site, "annotations/maintenance")
        assert 119 < (over["timeEnd"] - over["time"]) / 1000 < 122
        (cut,) = await rows(site, "annotations/maintenance", **{"from": str(begun - 10_000)})
        assert cut["time"] == begun - 10_000


# ---------------------------------------------------------------------- audit


async def test_who_did_what(site):
    found = await rows(site, "audit")
    assert {row["kind"] for row in found} == {"acknowledged", "shelved", "engine", "configured"}
    (shelved,) = [row for row in found if row["kind"] == "shelved"]
    assert (shelved["by"], shelved["pv"], shelved["reason"]) == ("mara", "V4", "pump exchange")
    assert shelved["until"] is not None
    counted = {(row["by"], row["kind"]): row["count"] for row in await rows(site, "audit/users")}
    assert counted[("mara", "acknowledged")] == 5
    assert (await rows(site, "audit", limit=2))[2]["description"] == "Only the newest 2 are shown: choose a shorter range"
    (nobody,) = await rows(site, "audit", **{"from": str(to_ms(site.sources.now) - 60_000)})
    assert nobody["description"] == "Nobody did anything in this range"


# ---------------------------------------------------------------------- alert rules


async def test_rules_get_a_row_for_everything_that_is_watched(site):
    assert await rows(site, "alerting/engine") == [{"config": "Demo", "age": 0.0}]
    assert await rows(site, "alerting/history") == [{"config": "Demo", "lag": 0.0}]
    late = {row["system"]: row["count"] for row in await rows(site, "alerting/unacknowledged", older=600)}
    assert late == {ODD: 0, "Personnel Safety": 0, "RF": 0, "Vacuum": 1, "(top level)": 0}
    assert {row["count"] for row in await rows(site, "alerting/unacknowledged", older=2 * HOUR_S)} == {0}
    assert await rows(site, "alerting/flood") == [{"config": "Demo", "count": 0}]
    assert await rows(site, "alerting/engine", config="Nowhere") == []


async def test_a_silent_engine_and_a_late_history_are_numbers(site):
    site.later(90)
    assert await rows(site, "alerting/engine") == [{"config": "Demo", "age": 90.0}]
    del site.history._events[max(site.history._events)]
    (late,) = await rows(site, "alerting/history")
    assert late["lag"] > 90
    site.history.broken = True
    with pytest.raises(HistoryUnavailable):
        await rows(site, "alerting/history")


async def test_an_engine_that_was_never_seen_is_as_silent_as_can_be():
    async with running_site(alive=False) as site:
        (row,) = await rows(site, "alerting/engine")
        assert row["age"] > 1e8


async def test_a_flood_is_counted():
    control = scenario()
    for _ in range(12):
        control.sample("V3", Severity.MINOR)
        control.command(CommandKind.ACKNOWLEDGE, "/Demo/Vacuum/Sector 1/V3")
        control.sample("V3", Severity.OK)
    async with running_site(control) as site:
        assert await rows(site, "alerting/flood") == [{"config": "Demo", "count": 12}]


@pytest.mark.parametrize("older", ["-1", "1.5", "99999999", "x"])
def test_older_is_a_whole_number(older):
    with pytest.raises(BadQuestion, match="older"):
        read_ask([("older", older)], Nanos(10**18))


# ---------------------------------------------------------------------- the dashboards themselves


async def test_dashboards_of_another_tree_say_so(site):
    nodes = {"/Demo", "/Demo/Vacuum", "/Demo/Vacuum/Sector 1", "/Demo/Personnel Safety", "/Demo/RF", f"/Demo/{ODD}"}
    first = f"/Demo/{ODD}/X"
    (now,) = await rows(site, "generation", tree=shape(Made(nodes, {}, first, True)))
    assert now["state"] == "CURRENT"
    others = [
        Made(nodes - {"/Demo/RF"}, {}, first, True),
        Made(nodes, {"/Demo/RF": "rf"}, first, True),
        Made(nodes, {}, V1, True),
        Made(nodes, {}, first, False),
    ]
    for other in (*map(shape, others), ""):
        (row,) = await rows(site, "generation", tree=other)
        assert row["state"] == "OLDER"


async def test_rows_lead_only_to_dashboards_that_are_there(site):
    made_from = shape_of(site.live.trees["Demo"])
    own = {row["dash"] for row in await rows(site, "active", tree=made_from)}
    assert system_uid("Demo", "Vacuum") in own
    assert browser_uid("Demo") not in own
    assert {row["dash"] for row in await rows(site, "active", tree="another")} == {browser_uid("Demo")}
    assert {row["dash"] for row in await rows(site, "active")} == own, "whoever names no tree gets the identities themselves"
    ask = read_ask([("config", "Demo"), ("tree", made_from)], site.sources.now)
    gone, nothing = {"system": "Removed", "dash": "tocsin-Demo-Removed"}, {"system": "", "dash": ""}
    assert led(site.sources, ask, [gone, nothing]) == [{**gone, "dash": browser_uid("Demo")}, nothing]


async def test_days(site):
    found = await rows(site, "days", **{"from": str(to_ms(Nanos(site.sources.now - 3 * 24 * HOUR_S * NANOS_PER_SECOND)))})
    assert sum(row["MAJOR"] for row in found) == 6
    assert all(row["time"] % (24 * HOUR_S * 1000) == 0 for row in found)


async def test_components_to_choose_from(site):
    found = await rows(site, "vars/components")
    assert found[0] == {"text": "Demo", "value": "/Demo"}
    assert {"text": "Vacuum / Sector 1", "value": "/Demo/Vacuum/Sector 1"} in found
