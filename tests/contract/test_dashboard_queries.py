"""Every query of every generated dashboard, variable and annotation is answered with what the dashboard names, as either plugin asks."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from alarm_engine.config.tree import arrange
from alarm_engine.journal.port import Record
from alarm_engine.model import path as paths
from alarm_engine.model.command import CommandKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.subsystem import component_uid
from alarm_engine.model.times import NANOS_PER_SECOND
from alarm_engine.wire.component import encode_component
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.keys import RecordType, key
from backend.queries.registry import QUERIES
from dashboards.build import BuildOptions, build
from dashboards.check import check
from dashboards.kit.targets import Kind
from tests.contract.grafana_client import Grafana
from tests.grafana_site import ALARMS, GONE, ODD, V1, Site, running_site, scenario
from tests.unit.evaluating import TOPICS
from tocsin.grafana_files import build_options
from tocsin.settings_sections import DashboardsSection

NEVER_EMPTY = {"stat", "table", "state-timeline"}
MAY_BE_EMPTY = {"Floods", "Chattering alarms", "Fleeting alarms", "Stale alarms"}
"""Lists of what is not wanted: the figures above them say that there is none."""
COLD = "Kühlung, Süd – 東京"
PUMP = f"/Demo/{COLD}/a\\/b [[c]]/P 1"
WORLD = ALARMS | {PUMP: AlarmSettings("Pump", displays=()), f"/Demo/{COLD}/P 2": AlarmSettings("Other pump")}
SIGNS = (
    "with space",
    "a/b/c",
    'quote"double',
    "it's",
    "comma,inside",
    "plus+amp&hash#",
    "percent%41",
    "µΩ – 東京",
    "back\\slash",
    "{brace}",
    "pipe|paren(x)",
    "dot.star*",
    "$q ${q:raw} [[q]]",
)


@pytest.fixture(params=list(Kind))
def dashboards(request):
    tree = arrange("Demo", "UTC", {}, WORLD)
    files = build([tree], BuildOptions(datasource=request.param, depth=3))
    return {data["uid"]: data for data in map(json.loads, files.values())}


@pytest.fixture
async def site():
    control = scenario(WORLD)
    control.command(CommandKind.MAINTENANCE, "/Demo")
    control.command(CommandKind.NORMAL, "/Demo")
    for _ in range(11):  # a flood
        control.sample("P 1", Severity.MINOR)
        control.command(CommandKind.ACKNOWLEDGE, PUMP)
        control.sample("P 1", Severity.OK)
    control.sample("P 1", Severity.UNDEFINED)
    control.advance(1)
    async with running_site(control) as site:
        yield site


def grafana(site: Site) -> Grafana:
    now = site.clock.now().wall
    return Grafana(site.client, now - 6 * 3600 * NANOS_PER_SECOND, now)


async def opened(site: Site, dashboard) -> Grafana:
    """The dashboard as it is opened: every variable at `All`, its default, or the alarm or component of a link."""
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
                browser.variables[variable["name"]] = V1 if variable["name"] == "path" else variable["current"]["value"]
        elif variable["type"] == "custom":
            browser.variables[variable["name"]] = variable["query"].split(",")
        else:
            browser.variables[variable["name"]] = ""
    return browser


def choose(dashboard, choice) -> dict[str, str | list[str]]:
    """Values of all variables: `single`, `several`, or one that exists nowhere."""
    chosen: dict[str, str | list[str]] = {}
    for variable in dashboard["templating"]["list"]:
        name = variable["name"]
        if name == "severity":
            chosen[name] = ["MAJOR"] if choice == "single" else ["MAJOR", "UNDEFINED"]
        elif variable.get("multi"):
            chosen[name] = {"single": [COLD], "several": [COLD, ODD, "Vacuum"]}.get(choice, [choice, "Vacuum", choice + choice])
        elif name == "q":
            chosen[name] = {"single": "pump", "several": "P 1"}.get(choice, choice)
        else:
            known = {"path": PUMP, "component": f"/Demo/{COLD}"}[name]
            chosen[name] = known if choice in ("single", "several") else f"/Demo/{choice}"
    return chosen


def named(panel, columns: set[str]) -> set[str]:
    """Columns that overrides, links and transformations name; tiles have turned rows into fields."""
    transformations = {one["id"]: one["options"] for one in panel["transformations"]}
    found = set(re.findall(r"__data\.fields\.(\w+)", json.dumps(panel["fieldConfig"])))
    found |= set(transformations.get("organize", {}).get("indexByName", {}))
    found |= set(transformations.get("partitionByValues", {}).get("fields", []))
    found |= {one["fieldName"] for one in transformations.get("rowsToFields", {}).get("mappings", [])}
    if "rowsToFields" not in transformations:
        found |= {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"] if one["matcher"]["id"] == "byName"}
    if fields := re.fullmatch(r"/\^(\w+)\$/", panel["options"].get("reduceOptions", {}).get("fields", "")):
        found.add(fields.group(1))
    return found


def queries(dashboard):
    """Everything that the dashboard asks: (what it is, the query)."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target
    for annotation in dashboard["annotations"]["list"]:
        if not annotation.get("builtIn"):
            yield annotation["name"], annotation["target"]


async def test_every_panel_gets_the_fields_that_it_names(site, dashboards):
    for dashboard in dashboards.values():
        browser = await opened(site, dashboard)
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                columns, rows = await browser.rows(target, dashboard)
                if panel["type"] in NEVER_EMPTY and panel["title"] not in MAY_BE_EMPTY:
                    assert rows, f"{dashboard['title']}: {panel['title']} is empty"
                if rows:
                    assert named(panel, set(columns)) <= set(columns), f"{dashboard['title']}: {panel['title']}"


@pytest.mark.parametrize("choice", ["single", "several"])
async def test_every_query_is_answered_for_what_is_chosen(site, dashboards, choice):
    for dashboard in dashboards.values():
        browser = grafana(site)
        browser.variables = choose(dashboard, choice)
        for title, target in queries(dashboard):
            _, rows = await browser.rows(target, dashboard)
            systems = {row["system"] for row in rows if row.get("system")}
            if dashboard["uid"] == "tocsin-Demo" and systems:
                assert systems <= set(browser.variables["systems"]), f"{title} shows what was not chosen"


async def test_no_sign_in_a_value_breaks_a_query(site, dashboards):
    """Also a value that exists nowhere is answered, by rows or an empty list: Grafana keeps one from an old link."""
    asked = [one for one in dashboards.values() if one["templating"]["list"] and "tocsin-main:Demo" in one["tags"]]
    for dashboard in [*asked, dashboards["tocsin-Demo-Vacuum"]]:  # one component is like another
        for signs in SIGNS:
            browser = grafana(site)
            browser.variables = choose(dashboard, signs)
            for title, target in queries(dashboard):
                _, rows = await browser.rows(target, dashboard)
                assert all(signs not in str(row.get("system")) for row in rows), title


@pytest.mark.parametrize("kind", list(Kind))
async def test_what_a_site_adds_by_its_settings_is_answered(site, kind):
    """Every question that tocsin has, as a table that settings describe."""
    given = []
    for query in QUERIES.values():
        parameters = {"path": PUMP} if "path" in query.parameters else {}
        given.append(
            {"title": query.name, "dashboard": "wall", "kind": "table", "rows": query.name, "columns": query.columns}
            | {"parameters": parameters}
        )
    for some in (given[:38], given[38:]):
        section = DashboardsSection(datasource=kind.value, panels=some)
        files = build([arrange("Demo", "UTC", {}, WORLD)], build_options(section, "http://127.0.0.1:8080"))
        assert check(files) == []
        wall = json.loads(files["Demo/tocsin-Demo_wall.json"])
        browser = await opened(site, wall)
        panels = {panel["title"]: panel for panel in wall["panels"]}
        for one in some:
            columns, rows = await browser.rows(panels[one["title"]]["targets"][0], wall)
            assert not rows or set(columns) == set(one["columns"])


async def test_annotations_have_what_grafana_must_have(site, dashboards):
    found = set()
    for dashboard in dashboards.values():
        browser = await opened(site, dashboard)
        for annotation in dashboard["annotations"]["list"]:
            if not annotation.get("builtIn"):
                columns, rows = await browser.rows(annotation["target"], dashboard)
                assert set(columns) <= {"time", "timeEnd", "title", "text", "tags", "id"}
                assert all(row["time"] <= row["timeEnd"] and row["text"] and row["id"] for row in rows)
                found |= {annotation["name"] for _ in rows}
    assert found == {"Floods", "Maintenance", "Shelving", "MAJOR", "INVALID", "UNDEFINED", "MINOR"}


async def test_annotations_of_one_colour_are_of_one_severity(site, dashboards):
    overview = dashboards["tocsin-Demo"]
    browser = await opened(site, overview)
    for annotation in overview["annotations"]["list"]:
        if annotation["name"] in Severity.__members__:
            _, rows = await browser.rows(annotation["target"], overview)
            assert {row["title"] for row in rows} == {annotation["name"]}


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


async def test_dashboards_know_the_tree_that_they_were_made_from(site, dashboards):
    overview = dashboards["tocsin-Demo"]
    panel = next(panel for panel in overview["panels"] if panel["title"] == "Dashboard")
    _, rows = await (await opened(site, overview)).rows(panel["targets"][0], overview)
    assert rows == [{"state": "CURRENT"}]


async def test_row_endpoints_have_the_columns_that_they_promise(site):
    types = {"time": int, "number": int | float, "string": str, "boolean": bool}
    for query in QUERIES.values():
        given = {"config": "Demo", "path": PUMP if "path" in query.parameters else ""}
        answer = await site.client.get(f"/grafana/rows/{query.name}", params=given)
        assert answer.status_code == 200, answer.text
        for row in answer.json():
            assert list(row) == list(query.columns), query.name
            for name, kind in query.columns.items():
                is_of_type = isinstance(row[name], types[kind]) and isinstance(row[name], bool) is (kind == "boolean")
                assert row[name] is None or is_of_type, (query.name, name, row)


async def test_every_tile_leads_to_its_own_dashboard(site, dashboards):
    overview = dashboards["tocsin-Demo"]
    browser = await opened(site, overview)
    panel = next(panel for panel in overview["panels"] if panel["title"] == "Subsystems")
    _, rows = await browser.rows(panel["targets"][0], overview)
    known = [one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["id"] == "byName"]
    leads_to = {one["matcher"]["options"]: one["properties"][0]["value"][0]["url"] for one in known}
    assert [row["system"] for row in rows] == list(leads_to)
    for row in rows:
        uid = leads_to[row["system"]].removeprefix("/d/").split("?")[0]
        assert dashboards[uid]["title"] == f"Demo: {row['system']}"
        own = dashboards[uid]
        _, tile = await (await opened(site, own)).rows(own["panels"][0]["targets"][0], own)
        assert tile == [{"tile": row["tile"]}], "the dashboard shows the state of another subsystem"


async def test_a_subsystem_shows_its_own_alarms_only(site, dashboards):
    for dashboard in (one for one in dashboards.values() if "tocsin:Demo" in one["tags"]):
        title = dashboard["title"].removeprefix("Demo: ")
        panels = {panel["title"]: panel for panel in dashboard["panels"]}
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


async def add_to_tree(site: Site, *records: Record) -> None:
    """Somebody changes the tree while the dashboards stay what they are."""
    await site.live.followers["Demo"]._journal.append(list(records))
    ends = {record.topic: await site.live.followers["Demo"]._journal.end(record.topic) for record in records}
    async with asyncio.timeout(5):
        while any(site.live.followers["Demo"]._next.get(topic, 0) < end for topic, end in ends.items()):
            await asyncio.sleep(0.005)


def new_alarm(path: str) -> Record:
    return Record(TOPICS.config, key(RecordType.CONFIG, path), encode_config(AlarmSettings("New"), "sam", "ops1", UTC))


def address_of(panel, tile: str, variables=()) -> str:
    """Where a click on a tile leads, as Grafana decides it: overrides by name, and the one for all other names."""
    found = []
    for one in panel["fieldConfig"]["overrides"]:
        matcher = one["matcher"]
        if (matcher["id"] == "byName" and matcher["options"] == tile) or (
            matcher["id"] == "byNames" and (tile in matcher["options"]["names"]) is (matcher["options"]["mode"] == "include")
        ):
            found += one["properties"][0]["value"]
    (link,) = found
    url = link["url"].replace("${__field.name:percentencode}", quote(tile, safe=""))
    for variable, value in variables:
        url = url.replace(f"${{{variable}:percentencode}}", quote(value, safe=""))
    return url


@pytest.mark.parametrize("path", ["/Demo/New one/P", "/Demo/a\\/b & c/P", f"/Demo/{COLD}/New/P", "/Demo/Vacuum/Sector 1/New/P"])
async def test_a_tile_that_came_later_leads_to_what_it_stands_for(site, dashboards, path):
    await add_to_tree(site, new_alarm(path))
    component = paths.parent(path)
    system, *below = paths.split(component)[1:]
    holder = dashboards["tocsin-Demo"] if not below else dashboards[component_uid("Demo", paths.parent(component))]
    browser = await opened(site, holder)
    panel = next(one for one in holder["panels"] if one["title"] == ("Components" if below else "Subsystems"))
    if not below:
        browser.variables["systems"] = [system]
    _, rows = await browser.rows(panel["targets"][0], holder)
    assert paths.name(component) in {row["system"] for row in rows}
    await leads_to(site, dashboards, address_of(panel, paths.name(component)), component)


@pytest.mark.parametrize(("title", "page"), [("Active alarms", "tocsin-Demo"), ("Events", "tocsin-Demo_history")])
async def test_rows_lead_to_any_component_when_the_tree_has_changed(site, dashboards, title, page):
    """The backend cannot know which dashboards are there then: one of a subsystem that came later is not."""
    holder = dashboards[page]
    panel = next(one for one in holder["panels"] if one["title"] == title)
    target = panel["targets"][0]
    before = (await (await opened(site, holder)).rows(target, holder))[1]
    assert {row["dash"] for row in before} <= set(dashboards) - {"tocsin-Demo_component"}, "each has its own"
    await add_to_tree(site, new_alarm("/Demo/New one/P"))
    rows = (await (await opened(site, holder)).rows(target, holder))[1]
    overrides = {one["matcher"]["options"]: one["properties"] for one in panel["fieldConfig"]["overrides"]}
    (link,) = next(one["value"] for one in overrides["system"] if one["id"] == "links")
    for row in rows:
        url = link["url"].replace("${__data.fields.dash}", row["dash"])
        where = urlsplit(url.replace("${__data.fields.system:percentencode}", quote(row["system"], safe="")))
        there = dashboards[where.path.removeprefix("/d/")]
        assert there["uid"] == "tocsin-Demo_component"
        browser = await opened(site, there)
        browser.variables["component"] = dict(parse_qsl(where.query))["var-component"]
        (shown,) = (await browser.rows(there["panels"][0]["targets"][0], there))[1]
        meant = {} if row["system"] == "(top level)" else {"path": paths.join("/Demo", row["system"])}
        wanted = await site.client.get("/grafana/rows/component", params={"config": "Demo", **meant})
        assert shown == {"tile": wanted.json()[0]["tile"]}


async def leads_to(site: Site, dashboards, address: str, component: str) -> None:
    where = urlsplit(address)
    there = dashboards[where.path.removeprefix("/d/")]
    assert there["uid"] == "tocsin-Demo_component"
    browser = await opened(site, there)
    browser.variables["component"] = dict(parse_qsl(where.query))["var-component"]
    tile = there["panels"][0]
    _, shown = await browser.rows(tile["targets"][0], there)
    wanted = await site.client.get("/grafana/rows/component", params={"config": "Demo", "path": component})
    assert shown == [{"tile": wanted.json()[0]["tile"]}]
    assert shown[0]["tile"].startswith("NO_DATA 1")
    deeper = next(one for one in there["panels"] if one["title"] == "Components")
    _, parts = await browser.rows(deeper["targets"][0], there)
    assert [row["system"] for row in parts] == [paths.name(component)], "it holds nothing but alarms, and stands for itself"
    again = address_of(deeper, paths.name(component), [("component", browser.variables["component"])])
    browser.variables["component"] = dict(parse_qsl(urlsplit(again).query))["var-component"]
    assert (await browser.rows(tile["targets"][0], there))[1] == shown, "a click on itself stays there"


async def test_an_identity_leads_to_the_same_dashboard_wherever_its_component_is(site, dashboards, request):
    kind = request.node.callspec.params["dashboards"]
    ids = {"/Demo/Vacuum": "vac", "/Demo/Vacuum/Sector 1": "vac-1"}
    tree = arrange("Demo", "UTC", {}, WORLD, ids=ids)
    files = build([tree], BuildOptions(datasource=kind, depth=3))
    made = {data["uid"]: data for data in map(json.loads, files.values())}
    overview = made["tocsin-Demo"]
    generation = next(panel for panel in overview["panels"] if panel["title"] == "Dashboard")["targets"][0]
    assert (await (await opened(site, overview)).rows(generation, overview))[1] == [{"state": "OLDER"}]
    await add_to_tree(site, *(Record(TOPICS.settings, key(RecordType.COMPONENT, at), encode_component(one)) for at, one in ids.items()))
    browser = await opened(site, overview)
    assert (await browser.rows(generation, overview))[1] == [{"state": "CURRENT"}]
    active = next(panel for panel in overview["panels"] if panel["title"] == "Active alarms")["targets"][0]
    _, rows = await browser.rows(active, overview)
    assert {row["dash"] for row in rows if row["system"] == "Vacuum"} == {"tocsin-Demo-vac_id"}
    assert {row["dash"] for row in rows} - {""} <= set(made)
    for question in ("systems", "events", "top", "shelved", "past/systems", "past/alarms", "acknowledgements", "figures/frequent"):
        answer = (await site.client.get(f"/grafana/rows/{question}", params={"config": "Demo"})).json()
        assert {row["dash"] for row in answer if row["dash"]} <= set(made), question
        assert any(row["dash"] == "tocsin-Demo-vac_id" for row in answer), question
    await add_to_tree(site, Record(TOPICS.settings, key(RecordType.COMPONENT, "/Demo/Vacuum"), None))
    assert (await browser.rows(generation, overview))[1] == [{"state": "OLDER"}]
