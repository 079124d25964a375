"""Generated dashboards: the same bytes each time, nothing on top of each other, nothing that leads nowhere, one table of colours."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
from grafanalib.core import Panel
from typer.testing import CliRunner

from alarm_engine.config.load import read_tree
from alarm_engine.config.tree import arrange
from alarm_engine.model.event import EventKind
from alarm_engine.model.palette import PALETTE
from alarm_engine.model.settings import AlarmSettings
from dashboards.build import MAX_COMPONENTS, BuildOptions, build, systems_of, write
from dashboards.check import check
from dashboards.hooks import BuildError
from dashboards.kit.layout import Slot, Stack, flow
from dashboards.kit.palette import Theme, palette_css
from dashboards.kit.site import Look
from dashboards.kit.targets import Kind
from dashboards.shapes import shape_faults
from tocsin.cli.dashboards import app
from tocsin.reference.metrics_page import exported, name_of

GOLDEN = Path(__file__).parents[1] / "data" / "dashboards"
PAGE = "https://alarms.example.org"
RENEW = f"tocsin dashboards build tests/data/dashboards/tree.yaml --out tests/data/dashboards --page-url {PAGE}"


def tree(*paths, name="Ring"):
    return arrange(name, "UTC", {}, {path: AlarmSettings("x") for path in paths})


@pytest.fixture
def files():
    return build([tree("/Ring/Vacuum/S1/P1", "/Ring/Vacuum/P2", "/Ring/Personnel Safety/D", "/Ring/T")])


def test_what_is_built_is_what_was_agreed():
    built = build([read_tree(GOLDEN / "tree.yaml")], BuildOptions(Look(page_url=PAGE)))
    stored = {path.relative_to(GOLDEN).as_posix(): path.read_bytes() for path in GOLDEN.rglob("*.json")}
    assert sorted(built) == sorted(stored), f"if that is wanted: {RENEW}"
    for name, content in built.items():
        assert content == stored[name], f"{name} is not as it was; if that is wanted, renew it and look at the difference: {RENEW}"


def test_the_same_tree_gives_the_same_bytes(files):
    again = build([tree("/Ring/T", "/Ring/Personnel Safety/D", "/Ring/Vacuum/P2", "/Ring/Vacuum/S1/P1")])
    assert list(again) == list(files)
    assert again == files


def test_each_subsystem_has_a_dashboard_of_its_own(files):
    titles = {json.loads(content)["title"] for content in files.values()}
    of_the_whole = {"Ring: wall", "Ring: overview", "Ring: one alarm", "Ring: any component", "Ring: history", "Ring: audit"}
    of_the_whole |= {"Ring: performance (ISA-18.2)", "Ring: time travel", "Ring: health of tocsin"}
    assert titles == of_the_whole | {"Ring: Vacuum", "Ring: Personnel Safety", "Ring: (top level)"}
    assert all(name.startswith("Ring/") for name in files)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("theme", list(Theme))
def test_nothing_is_wrong_with_what_is_built(kind, theme):
    odd = tree("/Odd/a$b ${q} [[x]]/P", '/Odd/"quoted" \\ name/P', "/Odd/µ – 東京/P", "/Odd/" + "x" * 300 + "/P", "/Odd/RF/P", name="Odd")
    empty = tree(name="Empty")
    many = tree(*(f"/Many/S{n}/P" for n in range(100)), name="Many")
    assert check(build([odd, empty, many], BuildOptions(Look(theme), kind, depth=3))) == []


def test_components_further_down_have_dashboards_too_where_a_site_wants_them():
    deep = tree("/Ring/Vacuum/S1/Pumps/P1", "/Ring/Vacuum/S2/P2", "/Ring/RF/P3")

    def uids(depth):
        return {json.loads(content)["uid"] for content in build([deep], BuildOptions(depth=depth)).values()}

    assert uids(2) - uids(1) == {"tocsin-Ring-Vacuum-S1", "tocsin-Ring-Vacuum-S2"}
    assert uids(9) - uids(2) == {"tocsin-Ring-Vacuum-S1-Pumps"}


def links_of(tiles):
    """Address by the name of the tile; under None that of all others, whose names are told apart."""
    found = {}
    for one in tiles["fieldConfig"]["overrides"]:
        (address,) = [link["url"] for link in one["properties"][0]["value"]]
        found[None if one["matcher"]["id"] == "byNames" else one["matcher"]["options"]] = address
    return found


def link_of(files, name, title):
    tiles = next(one for one in json.loads(files[name])["panels"] if one["title"] == "Components")
    return links_of(tiles)[title]


def test_a_component_without_a_dashboard_is_looked_at_where_any_can_be_chosen():
    deep = tree("/Ring/Vacuum/S 1/P1", "/Ring/RF/P3")
    shallow = link_of(build([deep]), "Ring/tocsin-Ring-Vacuum.json", "S 1")
    assert shallow == "/d/tocsin-Ring_component?var-component=%2FRing%2FVacuum%2FS%201&${__url_time_range}"
    own = link_of(build([deep], BuildOptions(depth=2)), "Ring/tocsin-Ring-Vacuum.json", "S 1")
    assert own.startswith("/d/tocsin-Ring-Vacuum-S-1_")


def test_there_is_a_bound_and_the_nearest_to_the_root_come_first():
    wide = tree(*(f"/Ring/S{n}/C{m}/P" for n in range(10) for m in range(100)))
    files = build([wide], BuildOptions(depth=2))
    components = [data for data in map(json.loads, files.values()) if {"tocsin:Ring", "tocsin-part:Ring"} & set(data["tags"])]
    assert len(components) == MAX_COMPONENTS
    assert sum("tocsin:Ring" in data["tags"] for data in components) == 10


def test_identities_do_not_depend_on_titles():
    def uids(look):
        return [json.loads(content)["uid"] for content in build([tree("/Ring/Vacuum/P")], BuildOptions(look)).values()]

    assert uids(Look()) == uids(Look(title="ALBA", refresh="1m", links=(("Wiki", "https://wiki.example.org"),)))


def test_a_site_chooses_how_its_dashboards_look():
    look = Look(title="ALBA", refresh="1m", links=(("Wiki", "https://wiki.example.org"),), archiver_url="https://aa.example.org/?pv={pv}")
    files = {name: json.loads(content) for name, content in build([tree("/Ring/Vacuum/P")], BuildOptions(look)).items()}
    overview = files["Ring/tocsin-Ring.json"]
    assert (overview["title"], overview["refresh"]) == ("ALBA Ring: overview", "1m")
    assert "https://wiki.example.org" in [link["url"] for link in overview["links"]]
    assert panel(files["Ring/tocsin-Ring_pv.json"], "State and settings")["links"][0]["url"] == "https://aa.example.org/?pv=${path:text}"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (BuildOptions(Look(refresh="often")), "refresh 'often': expected a time"),
        (BuildOptions(Look(prometheus="a b")), "prometheus 'a b': expected the uid"),
        (BuildOptions(depth=0), "depth 0: expected 1 or more"),
        (BuildOptions(Look(links=(("x", "javascript:alert(1)"),))), "link 'x': 'javascript:alert\\(1\\)' is no address"),
        (BuildOptions(Look(archiver_url="x y")), "archiver url 'x y'"),
    ],
)
def test_options_that_are_none_are_refused(options, fault):
    with pytest.raises(BuildError, match=fault):
        build([tree("/Ring/A/p")], options)


# ---------------------------------------------------------------------- figures of tocsin itself


def asked_of_prometheus(look):
    """Expressions by the title of their panel."""
    files = build([tree("/Ring/A/P")], BuildOptions(look))
    assert check(files) == []
    (health,) = [data for data in map(json.loads, files.values()) if data["title"].endswith("health of tocsin")]
    found = {}
    for one in health["panels"]:
        expressions = [target["expr"] for target in one["targets"] if target["datasource"] == {"type": "prometheus", "uid": "metrics"}]
        if expressions:
            found[one["title"]] = expressions
    return found


def test_health_comes_from_a_prometheus_where_there_is_one():
    assert asked_of_prometheus(Look()) == {}
    found = asked_of_prometheus(Look(prometheus="metrics"))
    assert {"Engines that serve", "Engines that stand by", "Connections", "Backlog and merged inputs", "History behind by"} <= set(found)
    assert found["Engines that serve"] == ['sum(tocsin_engine_serving{config="Ring"})']


def test_the_series_are_what_was_agreed():
    built = build([read_tree(GOLDEN / "tree.yaml")], BuildOptions(Look(page_url=PAGE, prometheus="metrics")))
    stored = GOLDEN.parent / "prometheus" / "tocsin-Ring_health.json"
    renew = f"{RENEW} --settings tests/data/prometheus/settings.yaml, with another --out, and take that file"
    assert built["Ring/tocsin-Ring_health.json"] == stored.read_bytes(), f"if that is wanted: {renew}"


def test_what_a_prometheus_is_asked_for_is_what_the_processes_export():
    labels = {name_of(family): getattr(family, "_labelnames", ()) for family in exported()}
    for expressions in asked_of_prometheus(Look(prometheus="metrics")).values():
        for expression in expressions:
            series = re.findall(r"(tocsin_\w+)(\{config=)?", expression)
            assert series
            for name, selected in series:
                assert name in labels, f"{expression}: nobody exports {name}"
                assert ("config" in labels[name]) is bool(selected), f"{expression}: {name} has the labels {labels[name]}"


# ---------------------------------------------------------------------- dashboards of the site's own

OWN = """
from dashboards.kit import table_panels
from dashboards.kit.dashboard import Page, generated
from dashboards.kit.layout import Slot, flow


def dashboards(site):
    page = Page(uid=f"my-{site.config}", name="beam", description="What stops the beam.")
    return [generated(site, page, flow([Slot(table_panels.active(site, 1), 24, 12)]))]
"""


def test_a_site_adds_its_own_of_the_same_kit(tmp_path):
    (tmp_path / "beam.dashboard.py").write_text(OWN)
    (tmp_path / "notes.txt").write_text("no dashboard")
    files = build([tree("/Ring/Vacuum/P")], BuildOptions(extra=tmp_path))
    assert json.loads(files["Ring/my-Ring.json"])["title"] == "Ring: beam"
    assert check(files) == []


def test_the_example_of_the_documentation_can_be_used(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "reference" / "dashboards.md").read_text()
    (tmp_path / "beam.dashboard.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    files = build([tree("/Ring/Vacuum/P")], BuildOptions(extra=tmp_path))
    assert "Ring/beam-Ring.json" in files
    assert check(files) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1", "has no function dashboards"),
        ("def dashboards(site): return [1 / 0]", "ZeroDivisionError"),
        ("def dashboards(site): return ['x']", "must give dashboards of grafanalib that have a uid"),
        ("def dashboards(site:", "SyntaxError"),
    ],
)
def test_a_file_of_the_site_that_cannot_be_used_is_named(tmp_path, text, fault):
    (tmp_path / "own.dashboard.py").write_text(text)
    with pytest.raises(BuildError, match=rf"own\.dashboard\.py: .*{fault}"):
        build([tree("/Ring/Vacuum/P")], BuildOptions(extra=tmp_path))
    with pytest.raises(BuildError, match="expected a directory"):
        build([tree("/Ring/Vacuum/P")], BuildOptions(extra=tmp_path / "nowhere"))


def install(folder, monkeypatch, value):
    """A package that declares an entry point, as pip leaves it."""
    info = folder / "our_dashboards-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-dashboards\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tocsin.dashboards]\nbeam = {value}\n")
    monkeypatch.syspath_prepend(folder)


def test_an_installed_package_adds_its_own(tmp_path, monkeypatch):
    (tmp_path / "our_beam_dashboards.py").write_text(OWN)
    install(tmp_path, monkeypatch, "our_beam_dashboards:dashboards")
    files = build([tree("/Ring/Vacuum/P")])
    assert json.loads(files["Ring/my-Ring.json"])["title"] == "Ring: beam"
    assert check(files) == []


@pytest.mark.parametrize(
    ("value", "fault"),
    [("our_missing_dashboards:dashboards", "ModuleNotFoundError"), ("our_odd_dashboards:x", "has no function dashboards")],
)
def test_a_package_that_cannot_be_used_is_named(tmp_path, monkeypatch, value, fault):
    (tmp_path / "our_odd_dashboards.py").write_text("x = 1")
    install(tmp_path, monkeypatch, value)
    with pytest.raises(BuildError, match=rf"entry point beam = {value} of our-dashboards: .*{fault}"):
        build([tree("/Ring/Vacuum/P")])


def test_two_trees_of_one_name_are_refused():
    with pytest.raises(BuildError, match="given twice"):
        build([tree("/Ring/A/p"), tree("/Ring/B/p")])


@pytest.mark.parametrize(
    "url", ["tocsin.example.org", "", "/page", "ftp://a", "http://", "http://a/?q=1", "http://a b", "javascript:alert(1)"]
)
def test_an_address_that_no_link_could_lead_to_is_refused(url):
    with pytest.raises(BuildError, match="expected http://host:port"):
        build([tree("/Ring/A/p")], BuildOptions(Look(page_url=url)))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://[::1]:8080/", "https://control.example.org/alarms"])
def test_addresses_of_the_page(url):
    assert build([tree("/Ring/A/p")], BuildOptions(Look(page_url=url)))


def test_systems_are_in_the_order_of_the_tree():
    assert systems_of(tree("/Ring/S10/p", "/Ring/S2/p", "/Ring/S2/deep/p")) == ["S2", "S10"]
    assert systems_of(tree("/Ring/S1/p", "/Ring/p")) == ["S1", ""]


def test_mappings_have_every_state_of_the_table(files):
    overview = json.loads(files["Ring/tocsin-Ring.json"])
    active = next(panel for panel in overview["panels"] if panel["title"] == "Active alarms")
    mapping = next(one["value"][0]["options"] for one in active["fieldConfig"]["overrides"][0]["properties"] if one["id"] == "mappings")
    assert {state: shade.fill_dark for state, shade in PALETTE.items()}.items() <= {
        key: one["color"] for key, one in mapping.items()
    }.items()
    tiles = next(panel for panel in overview["panels"] if panel["title"] == "Subsystems")
    patterns = {one["options"]["pattern"] for one in tiles["fieldConfig"]["defaults"]["mappings"]}
    assert {f"^{state}(?: (.*))?$" for state in PALETTE if state != "NEUTRAL"} <= patterns


def test_no_panel_looks_calm_without_data(files):
    """The first step of thresholds is the colour of no data; OK must not be it."""
    for content in files.values():
        for panel in json.loads(content)["panels"]:
            if panel["type"] in ("stat", "state-timeline"):
                thresholds = [panel["fieldConfig"]["defaults"]["thresholds"]]
                for override in panel["fieldConfig"]["overrides"]:
                    thresholds += [one["value"] for one in override["properties"] if one["id"] == "thresholds"]
                assert {one["steps"][0]["color"] for one in thresholds} == {PALETTE["STALE"].fill_dark}, panel["title"]
            if panel["type"] == "stat":
                assert panel["fieldConfig"]["defaults"]["noValue"] in ("NO DATA", "NO ANSWER")


def test_each_kind_of_event_has_a_fixed_colour_that_is_no_alarm(files):
    activity = panel(json.loads(files["Ring/tocsin-Ring_health.json"]), "Events per 10 min, by kind")
    colours = {one["matcher"]["options"]: one["properties"][0]["value"] for one in activity["fieldConfig"]["overrides"]}
    assert set(colours) == set(EventKind)
    assert {one["mode"] for one in colours.values()} == {"fixed"}
    reds = {PALETTE[state].fill_dark for state in ("MAJOR", "INVALID", "MAJOR_ACK")}
    assert not reds & {one["fixedColor"] for one in colours.values()}


def touch(table, field):
    """Whether a field is as high as the table, or what stands beside it, and right beside it."""
    a, b = table["gridPos"], field["gridPos"]
    beside = b["x"] in (a["x"] + a["w"], a["x"] - b["w"])
    return beside and b["y"] <= a["y"] and a["y"] + a["h"] <= b["y"] + b["h"]


def test_every_table_has_the_age_of_its_data_beside_it(files):
    for name, content in files.items():
        panels = json.loads(content)["panels"]
        ages = [one for one in panels if one["type"] == "stat" and one["targets"][0]["url"] == "/rows/age"]
        for table in (one for one in panels if one["type"] == "table"):
            asked = {one["targets"][0]["columns"][0]["text"] for one in ages if touch(table, one)}
            of_the_past = any(one["key"] == "from" for one in table["targets"][0]["url_options"]["params"])
            assert ("past_age" if of_the_past else "data_age") in asked, f"{name}: {table['title']}"


def test_colours_for_style_sheets():
    css = palette_css(Theme.LIGHT)
    assert "  --major: #BB0C19;\n  --major-text: #FFFFFF;\n" in css
    assert "  --minor-ack: #FCFAC7;\n  --minor-ack-text: #1B1B1B;\n" in css


# ---------------------------------------------------------------------- layout


def boxes(panels):
    return [(p.gridPos.x, p.gridPos.y, p.gridPos.w, p.gridPos.h) for p in panels]


def test_panels_flow_over_the_columns():
    placed = flow([Slot(Panel(), 10, 4), Slot(Panel(), 14, 6), Slot(Panel(), 12, 3), Slot(Panel(), 13, 2)])
    assert boxes(placed) == [(0, 0, 10, 4), (10, 0, 14, 6), (0, 6, 12, 3), (0, 9, 13, 2)]


def test_a_stack_takes_part_like_one_panel():
    placed = flow([Stack((Slot(Panel(), 8, 4), Slot(Panel(), 8, 9))), Slot(Panel(), 16, 5), Slot(Panel(), 24, 1)])
    assert boxes(placed) == [(0, 0, 8, 4), (0, 4, 8, 9), (8, 0, 16, 5), (0, 13, 24, 1)]


def test_a_panel_that_is_too_wide_is_refused():
    with pytest.raises(ValueError, match="25 columns"):
        flow([Slot(Panel(), 25, 1)])


# ---------------------------------------------------------------------- check


def panel(data, title):
    return next(one for one in data["panels"] if one["title"] == title)


def spoil_uid(data):
    data["uid"] = "a b"


def spoil_schema(data):
    data["schemaVersion"] = 12


def spoil_tag(data):
    data["tags"] = []


def spoil_grid(data):
    data["panels"][1]["gridPos"]["x"] = 0


def spoil_width(data):
    data["panels"][0]["gridPos"]["w"] = 25


def spoil_place(data):
    data["panels"][0]["gridPos"] |= {"x": 20, "y": 500, "w": 10}


def spoil_id(data):
    data["panels"][1]["id"] = 1


def spoil_version(data):
    del data["panels"][0]["pluginVersion"]


def spoil_override(data):
    panel(data, "Active alarms")["fieldConfig"]["overrides"][0]["matcher"]["options"] = "sevrity"


def spoil_field_of_link(data):
    panel(data, "Active alarms")["targets"][0]["columns"].pop()


def spoil_link(data):
    panel(data, "Subsystems")["fieldConfig"]["overrides"][0]["properties"][0]["value"][0]["url"] = "/d/nowhere?x=1"


def spoil_variable_of_link(data):
    data["links"][0]["url"] = "/d/tocsin-Ring_pv?var-pv=x"


def spoil_variable(data):
    panel(data, "Active alarms")["targets"][0]["url"] += "&x=${system:csv}"


def spoil_switch(data):
    data["templating"]["list"][1]["type"] = "switch"


def spoil_colour(data):
    panel(data, "Alarms now")["fieldConfig"]["overrides"][0]["properties"][0]["value"]["steps"][0]["color"] = "#123456"


def spoil_word(data):
    panel(data, "Subsystems")["fieldConfig"]["defaults"]["mappings"][0]["options"]["result"]["text"] = "FINE $1"


def spoil_no_value(data):
    del panel(data, "Subsystems")["fieldConfig"]["defaults"]["noValue"]


def spoil_null(data):
    data["panels"][0]["description"] = None


def spoil_parser(data):
    data["panels"][0]["targets"][0]["parser"] = "simple"


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (spoil_uid, "uid: string should match pattern"),
        (spoil_schema, "schemaVersion: input should be 42"),
        (spoil_tag, "the tag tocsin-generated is missing"),
        (spoil_grid, "panel 2 lies over panel 1"),
        (spoil_width, "panels.0.gridPos.w: input should be less than or equal to 24"),
        (spoil_place, "outside of 24 columns"),
        (spoil_id, "panel id 1: expected one of its own"),
        (spoil_version, "panels.0.pluginVersion: field required"),
        (spoil_override, "'sevrity' is no column of its queries"),
        (spoil_field_of_link, "'dash' is no column of its queries"),
        (spoil_link, "link to a dashboard that does not exist: /d/nowhere"),
        (spoil_variable_of_link, "link sets var-pv, which tocsin-Ring_pv does not have"),
        (spoil_variable, "variable $system is not defined"),
        (spoil_switch, "templating.list.1.type: input should be"),
        (spoil_colour, "#123456 is not in the table of colours"),
        (spoil_word, "'FINE $1' is no word of the table"),
        (spoil_no_value, "panel 5 (Subsystems): no noValue"),
        (spoil_null, "panels.0.description: input should be a valid string"),
        (spoil_parser, "panels.0.targets.0.infinity.parser: input should be 'backend'"),
    ],
)
def test_a_spoiled_dashboard_is_found(files, spoil, fault):
    name = "Ring/tocsin-Ring.json"
    data = copy.deepcopy(json.loads(files[name]))
    spoil(data)
    found = check({**files, name: json.dumps(data).encode()})
    assert any(line.startswith(f"{name}: ") and fault in line for line in found), found


OPEN = ("options", "custom", "value", "query", "indexByName", "fields", "mappings", "naming", "content")
"""What is below these keys belongs to a plugin, or may be many things."""


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in OPEN:
                yield from leaves(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value[:3]):
            yield from leaves(part, (*path, index))
    else:
        yield path


@pytest.mark.parametrize("kind", list(Kind))
def test_no_value_can_become_one_of_another_type(kind):
    """Grafana would load it, and show something else or nothing."""
    files = build([tree("/Ring/Vacuum/P1", "/Ring/Vacuum/P2")], BuildOptions(datasource=kind))
    for name in ("Ring/tocsin-Ring.json", "Ring/tocsin-Ring_pv.json"):
        data = json.loads(files[name])
        data["panels"] = data["panels"][:7]
        assert list(shape_faults(data)) == []
        for path in list(leaves(data)):
            *above, last = path
            place = data
            for key in above:
                place = place[key]
            kept = place[last]
            for wrong in ({"x": 1}, ["x"], 7.5 if isinstance(kept, str) else "7"):
                place[last] = wrong
                assert list(shape_faults(data)), f"{name}: {path} may be {wrong!r} instead of {kept!r}"
            place[last] = kept


def test_no_key_can_be_misspelt(files):
    data = json.loads(files["Ring/tocsin-Ring.json"])
    panel(data, "Alarms now")["fieldConfig"]["defaults"]["novalue"] = "x"
    assert any(fault.endswith("novalue: extra inputs are not permitted") for fault in shape_faults(data))


def test_twins_and_broken_files_are_found(files):
    content = files["Ring/tocsin-Ring.json"]
    found = check({**files, "Ring/copy.json": content, "Ring/half.json": content[:100], "Ring/list.json": b"[]"})
    assert "Ring/copy.json and Ring/tocsin-Ring.json have the same uid" in found
    assert "Ring/copy.json and Ring/tocsin-Ring.json have the same title in its folder" in found
    assert any(line.startswith("Ring/half.json: ") for line in found)
    assert "Ring/list.json: no JSON object" in found


def test_a_payload_that_its_plugin_would_drop_is_found():
    files = build([tree("/Ring/Vacuum/P")], BuildOptions(datasource=Kind.JSON))
    text = files["Ring/tocsin-Ring.json"].decode()
    found = check({**files, "Ring/tocsin-Ring.json": text.replace("${systems:json}", '\\"${systems:json}\\"').encode()})
    assert any("the payload is no JSON once its variables are replaced" in line for line in found)
    found = check({**files, "Ring/tocsin-Ring.json": text.replace('\\"v\\": 1', '\\"v\\": 2').encode()})
    assert any("has no marker" in line for line in found)


# ---------------------------------------------------------------------- files


def test_files_appear_whole_and_stale_ones_of_ours_go(tmp_path, files):
    foreign = tmp_path / "Ring" / "mine.json"
    foreign.parent.mkdir()
    foreign.write_text('{"uid": "mine", "tags": ["tocsin"]}')
    broken = tmp_path / "Ring" / "broken.json"
    broken.write_text("{")
    first = write(files, tmp_path)
    assert sorted(first.changed) == sorted(files)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    second = write(files, tmp_path)
    assert (second.changed, second.removed) == ((), ())
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}, "an equal file is not touched"
    fewer = build([tree("/Ring/Vacuum/P2")])
    third = write(fewer, tmp_path)
    assert third.removed == ("Ring/tocsin-Ring-Personnel-Safety_ca1a8914.json", "Ring/tocsin-Ring_top.json")
    assert foreign.exists()
    assert broken.exists()
    assert not list(tmp_path.rglob("*.tmp"))
    assert write({}, tmp_path, clear=False).removed == ()


def test_a_file_in_the_place_of_a_directory_is_named(tmp_path, files):
    (tmp_path / "Ring").write_text("")
    with pytest.raises(BuildError, match="Ring"):
        write(files, tmp_path)


# ---------------------------------------------------------------------- command line


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_build_and_check_on_the_command_line(tmp_path):
    made = run("build", GOLDEN / "tree.yaml", "--out", tmp_path, "--palette", "light", "--datasource", "json")
    assert made.exit_code == 0, made.output
    assert "12 dashboards, 12 new or changed, 0 removed" in made.output
    assert run("check", tmp_path).exit_code == 0
    broken = tmp_path / "Ring" / "tocsin-Ring-RF.json"
    broken.write_text(broken.read_text().replace('"schemaVersion": 42', '"schemaVersion": 41'))
    found = run("check", tmp_path)
    assert found.exit_code == 1
    assert "Ring/tocsin-Ring-RF.json: schemaVersion: input should be 42" in found.output


def test_the_settings_say_how_dashboards_look_and_options_go_before_them(tmp_path):
    (tmp_path / "tocsin.yaml").write_text("configurations: [{tree: tree.yaml}]\ndashboards: {depth: 2, title: ALBA, palette: light}\n")
    out = tmp_path / "out"
    made = run("build", GOLDEN / "tree.yaml", "--out", out, "--settings", tmp_path / "tocsin.yaml", "--palette", "dark")
    assert made.exit_code == 0, made.output
    (sector,) = out.glob("Ring/tocsin-Ring-Vacuum-Sector-1_*")
    assert "ALBA Ring: Vacuum / Sector 1" in sector.read_text()
    assert PALETTE["MAJOR"].fill_dark in sector.read_text()


def test_faults_of_all_trees_are_told_together(tmp_path):
    (tmp_path / "a.yaml").write_text("config: A\nsystmes: {}\n")
    (tmp_path / "b.yaml").write_text("config: [B]\n")
    result = run("build", tmp_path / "a.yaml", tmp_path / "b.yaml", "--out", tmp_path / "out")
    assert "systmes" in str(result.exception)
    assert "b.yaml" in str(result.exception)
    assert not (tmp_path / "out").exists()
    assert "no generated dashboards" in str(run("check", tmp_path / "out").exception)
