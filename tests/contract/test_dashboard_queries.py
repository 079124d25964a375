"""Every query of every generated dashboard is answered with the fields that the dashboard names, as either plugin asks."""

from __future__ import annotations

import json
import re

import pytest

from alarm_engine.config.tree import arrange
from alarm_engine.model.times import NANOS_PER_SECOND
from dashboards.build import BuildOptions, build
from dashboards.kit.targets import Kind
from tests.contract.grafana_client import Grafana
from tests.grafana_site import ALARMS, GONE, V1, Site, running_site

NEVER_EMPTY = {"stat", "table", "state-timeline"}


@pytest.fixture(params=list(Kind))
def dashboards(request):
    tree = arrange("Demo", "UTC", {}, ALARMS)
    files = build([tree], BuildOptions(datasource=request.param))
    return {data["uid"]: data for data in map(json.loads, files.values())}


@pytest.fixture
async def site():
    async with running_site() as site:
        yield site


def grafana(site: Site) -> Grafana:
    now = site.clock.now().wall
    return Grafana(site.client, now - 6 * 3600 * NANOS_PER_SECOND, now)


async def opened(site: Site, dashboard) -> Grafana:
    """The dashboard as it is opened: every variable at `All`, its default, or the alarm of a link."""
    browser = grafana(site)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            options = await browser.options(variable)
            assert options
            assert all(isinstance(option["value"], str) for option in options)
            values = [option["value"] for option in options]
            if variable["multi"]:
                browser.variables[variable["name"]] = values
            else:
                assert variable["current"]["value"] in values
                browser.variables[variable["name"]] = V1
        elif variable["type"] == "custom":
            browser.variables[variable["name"]] = variable["query"].split(",")
        else:
            browser.variables[variable["name"]] = ""
    return browser


def named(panel, columns: set[str]) -> set[str]:
    """Columns that overrides, links and transformations name; tiles have turned rows into fields."""
    transformations = {one["id"]: one["options"] for one in panel["transformations"]}
    found = set(re.findall(r"__data\.fields\.(\w+)", json.dumps(panel["fieldConfig"])))
    found |= set(transformations.get("organize", {}).get("indexByName", {}))
    found |= set(transformations.get("partitionByValues", {}).get("fields", []))
    found |= {one["fieldName"] for one in transformations.get("rowsToFields", {}).get("mappings", [])}
    if "rowsToFields" not in transformations:
        found |= {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
    if fields := re.fullmatch(r"/\^(\w+)\$/", panel["options"].get("reduceOptions", {}).get("fields", "")):
        found.add(fields.group(1))
    return found


async def test_every_panel_gets_the_fields_that_it_names(site, dashboards):
    asked = 0
    for dashboard in dashboards.values():
        browser = await opened(site, dashboard)
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                columns, rows = await browser.rows(target, dashboard)
                asked += 1
                if panel["type"] in NEVER_EMPTY:
                    assert rows, f"{dashboard['title']}: {panel['title']} is empty"
                if rows:
                    assert named(panel, set(columns)) <= set(columns), f"{dashboard['title']}: {panel['title']}"
    assert asked == 8 + 5 * 8 + 5


async def test_annotations_have_what_grafana_must_have(site, dashboards):
    for dashboard in dashboards.values():
        browser = await opened(site, dashboard)
        for annotation in dashboard["annotations"]["list"]:
            if not annotation.get("builtIn"):
                columns, rows = await browser.rows(annotation["target"], dashboard)
                assert rows == []
                assert set(columns) <= {"time", "timeEnd", "title", "text", "tags", "id"}


async def test_links_of_rows_lead_to_dashboards_that_exist(site, dashboards):
    for dashboard in dashboards.values():
        browser = await opened(site, dashboard)
        for panel in dashboard["panels"]:
            _, rows = await browser.rows(panel["targets"][0], dashboard)
            text = json.dumps(panel["fieldConfig"])
            for row in rows:
                if "__data.fields.dash" in text and row["dash"]:
                    assert row["dash"] in dashboards
                if "__data.fields.guidance" in text and row["guidance"].startswith("/d/"):
                    assert row["guidance"].split("?")[0].removeprefix("/d/") in dashboards


async def test_every_tile_leads_to_its_own_dashboard(site, dashboards):
    overview = dashboards["tocsin-Demo"]
    browser = await opened(site, overview)
    panel = next(panel for panel in overview["panels"] if panel["title"] == "Subsystems")
    _, rows = await browser.rows(panel["targets"][0], overview)
    leads_to = {one["matcher"]["options"]: one["properties"][0]["value"][0]["url"] for one in panel["fieldConfig"]["overrides"]}
    assert [row["system"] for row in rows] == list(leads_to)
    for row in rows:
        uid = leads_to[row["system"]].removeprefix("/d/").split("?")[0]
        assert dashboards[uid]["title"] == f"Demo: {row['system']}"
        own = dashboards[uid]
        _, tile = await (await opened(site, own)).rows(own["panels"][0]["targets"][0], own)
        assert tile == [{"tile": row["tile"]}], "the dashboard shows the state of another subsystem"


async def test_a_subsystem_shows_its_own_alarms_only(site, dashboards):
    for dashboard in dashboards.values():
        title = dashboard["title"].removeprefix("Demo: ")
        panels = {panel["title"]: panel for panel in dashboard["panels"]}
        if title in ("overview", "one alarm"):
            continue
        browser = await opened(site, dashboard)
        _, rows = await browser.rows(panels["Events"]["targets"][0], dashboard)
        assert {row["system"] for row in rows} <= {title, ""}
        assert any(row["system"] == title for row in rows)


async def test_variables_narrow_what_is_shown(site, dashboards):
    overview = dashboards["tocsin-Demo"]
    browser = await opened(site, overview)
    target = next(panel for panel in overview["panels"] if panel["title"] == "Active alarms")["targets"][0]
    browser.variables["systems"] = ["RF", 'Odd "A&B" $q+%41']
    _, rows = await browser.rows(target, overview)
    assert [row["pv"] for row in rows] == ["sim://cavity", "X"]
    browser.variables["severity"] = ["INVALID"]
    _, rows = await browser.rows(target, overview)
    assert [row["pv"] for row in rows] == ["X"]
    browser.variables |= {"systems": ["Vacuum"], "severity": ["MAJOR", "MINOR"], "q": 'quote" and \\back'}
    _, rows = await browser.rows(target, overview)
    assert [(row["severity"], row["description"]) for row in rows] == [("OK", "No active alarm matches the filter")]


async def test_a_path_with_escaped_slashes_arrives(site, dashboards):
    page = dashboards["tocsin-Demo_pv"]
    browser = await opened(site, page)
    browser.variables["path"] = GONE
    settings = next(panel for panel in page["panels"] if panel["title"] == "State and settings")
    _, rows = await browser.rows(settings["targets"][0], page)
    assert {row["key"]: row["value"] for row in rows}["Path"] == GONE
    browser.variables["path"] = "/Demo/nothing/here"
    _, rows = await browser.rows(settings["targets"][0], page)
    assert rows == []
