"""Panels that a site adds to generated dashboards: where they stand, on which dashboards, and what is said of those that cannot be used."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
from grafanalib.core import GridPos, Panel

from alarm_engine.config.tree import arrange
from alarm_engine.model.settings import AlarmSettings
from dashboards.build import BuildOptions, build
from dashboards.check import check
from dashboards.hooks import BuildError
from dashboards.kit.additions import Addition, put
from dashboards.kit.dashboard import GeneratedDashboard
from dashboards.kit.layout import Slot
from dashboards.kit.simple_panels import Form, Rows, SimplePanel

DOCS = Path(__file__).parents[2] / "docs"


def tree(*paths, name="Ring"):
    return arrange(name, "UTC", {}, {path: AlarmSettings("x") for path in paths})


RING = tree("/Ring/Vacuum/S1/P1", "/Ring/RF/P2", "/Ring/T")


def built(*panels, **more):
    files = build([RING], BuildOptions(panels=panels, **more))
    assert check(files) == []
    return {data["uid"]: data for data in map(json.loads, files.values())}


def panel(data, title):
    return next(one for one in data["panels"] if one["title"] == title)


def text(title="Notes", dashboard="overview", **more):
    return SimplePanel(title, dashboard, Form.TEXT, text="Call **4711**.", **more)


# ---------------------------------------------------------------------- places


def stand(*boxes):
    """A dashboard with panels a, b, c, ... at (x, y, w, h)."""
    panels = [
        Panel(id=number, title=chr(97 + number), gridPos=GridPos(x=box[0], y=box[1], w=box[2], h=box[3]))
        for number, box in enumerate(boxes)
    ]
    return GeneratedDashboard(title="any", uid="any", panels=panels)


def rows_of(dashboard):
    """Title, first row and height of each panel, from top to bottom."""
    return [(one.title, one.gridPos.y, one.gridPos.h) for one in dashboard.panels]


TALL = ((0, 0, 12, 4), (12, 0, 12, 10), (0, 4, 12, 6), (0, 10, 24, 3))
"""b is as high as a and c on top of each other; d is below."""


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({}, [("a", 0, 4), ("b", 0, 10), ("c", 4, 6), ("d", 10, 3), ("new", 13, 2)]),
        ({"after": "a"}, [("a", 0, 4), ("b", 0, 10), ("c", 4, 6), ("new", 10, 2), ("d", 12, 3)]),
        ({"before": "d"}, [("a", 0, 4), ("b", 0, 10), ("c", 4, 6), ("new", 10, 2), ("d", 12, 3)]),
        ({"before": "c"}, [("new", 0, 2), ("a", 2, 4), ("b", 2, 10), ("c", 6, 6), ("d", 12, 3)]),
        ({"after": "d"}, [("a", 0, 4), ("b", 0, 10), ("c", 4, 6), ("d", 10, 3), ("new", 13, 2)]),
    ],
)
def test_lines_below_move_down_and_nothing_is_cut_apart(place, expected):
    addition = Addition("any", [Slot(Panel(id=50, title="new"), 6, 2)], **place)
    assert rows_of(put(stand(*TALL), addition)) == expected


def test_a_panel_that_is_not_there_is_no_place():
    with pytest.raises(LookupError):
        put(stand(*TALL), Addition("any", [Slot(Panel(id=50, title="new"), 6, 2)], after="z"))


@pytest.mark.parametrize("place", ["after", "before"])
def test_on_every_dashboard_panels_can_stand_after_and_before_every_panel(place):
    """The check would find panels that lie over each other; here also that those of ours are what they were, but lower."""
    plain = built()
    titles = {uid: sorted({one["title"] for one in data["panels"]}) for uid, data in plain.items()}
    for number in range(max(map(len, titles.values()))):
        named = {uid: some[number % len(some)] for uid, some in titles.items()}
        new = built(*(text(title, uid, **{place: name}) for uid, name in named.items() for title in ("New", "Newer")))
        for uid, name in named.items():
            stands(plain[uid], new[uid], name, place)


def stands(plain, more, title, place):
    ours = [one for one in more["panels"] if one["title"] not in ("New", "Newer")]
    assert [one["id"] for one in sorted(ours, key=where)] == [one["id"] for one in sorted(plain["panels"], key=where)]
    new, newer = panel(more, "New")["gridPos"], panel(more, "Newer")["gridPos"]
    for one in (one["gridPos"] for one in more["panels"] if one["title"] == title):
        above, below = (one, new) if place == "after" else (new, one)
        assert above["y"] + above["h"] <= below["y"]
    assert (new["x"], newer) == (0, {**new, "x": 12}), "in the order given"


def test_a_table_keeps_its_age_beside_it_where_a_line_ends():
    said = SimplePanel("List", "overview", Form.TABLE, asks=Rows("shelved"), columns={"pv": "string"}, width=12)
    overview = built(text(width=13), said)["tocsin-Ring"]
    (age,) = [one["gridPos"] for one in overview["panels"] if one["id"] == panel(overview, "List")["id"] + 1]
    assert panel(overview, "List")["gridPos"] == {"x": 0, "y": age["y"], "w": 10, "h": 8}
    assert age["x"] == 10


def where(one):
    return one["gridPos"]["y"], one["gridPos"]["x"]


# ---------------------------------------------------------------------- which dashboard


@pytest.mark.parametrize(
    ("name", "uids"),
    [
        ("overview", {"tocsin-Ring"}),
        ("wall", {"tocsin-Ring_wall"}),
        ("pv", {"tocsin-Ring_pv"}),
        ("component", {"tocsin-Ring_component"}),
        ("timetravel", {"tocsin-Ring_timetravel"}),
        ("subsystems", {"tocsin-Ring-Vacuum", "tocsin-Ring-RF", "tocsin-Ring_top"}),
        ("/Ring/Vacuum", {"tocsin-Ring-Vacuum"}),
        ("/Ring//Vacuum/S1", {"tocsin-Ring-Vacuum-S1"}),
        ("tocsin-Ring_audit", {"tocsin-Ring_audit"}),
    ],
)
def test_a_dashboard_is_named_by_what_it_is_for_by_its_component_or_by_its_uid(name, uids):
    dashboards = built(text(dashboard=name), depth=2)
    assert {uid for uid, data in dashboards.items() if any(one["title"] == "Notes" for one in data["panels"])} == uids


def test_panels_of_one_configuration_are_on_its_dashboards_only():
    linac = tree("/Linac/RF/P", name="Linac")
    panels = (text("One", config="Linac"), text("Both"), text("Its own", "/Linac/RF"))
    files = {name: json.loads(content) for name, content in build([RING, linac], BuildOptions(panels=panels)).items()}
    titles = {name: {one["title"] for one in data["panels"]} & {"One", "Both", "Its own"} for name, data in files.items()}
    assert {name: found for name, found in titles.items() if found} == {
        "Ring/tocsin-Ring.json": {"Both"},
        "Linac/tocsin-Linac.json": {"One", "Both"},
        "Linac/tocsin-Linac-RF.json": {"Its own"},
    }


def test_without_additions_nothing_is_another():
    assert build([RING], BuildOptions(panels=())) == build([RING])


def test_ids_are_their_own_and_stay_when_more_is_added_below():
    one = built(text("First"), text("Second", "wall"))
    two = built(text("First"), text("Second", "wall"), text("Third"))
    ids = [
        {title: panel(data[uid], title)["id"] for uid, title in (("tocsin-Ring", "First"), ("tocsin-Ring_wall", "Second"))}
        for data in (one, two)
    ]
    assert ids[0] == ids[1]
    assert len(set(ids[0].values())) == 2


@pytest.mark.parametrize(
    ("panels", "faults"),
    [
        (
            [text(dashboard="owerview")],
            [r"dashboards\.panels\.0 \(Notes\): Ring has no dashboard 'owerview'; expected overview, component"],
        ),
        (
            [text(dashboard="/Ring/Vacuum/S1")],
            ["no dashboard '/Ring/Vacuum/S1'", r"path of a component that has one \(/Ring/RF, /Ring/Vacuum\)"],
        ),
        ([text(after="Actve")], [r"dashboards\.panels\.0 \(Notes\): 'Ring: overview' has no panel 'Actve'; it has 'Alarm engine', "]),
        ([text(), text("B", config="Linac")], [r"dashboards\.panels\.1 \(B\): no configuration 'Linac'; there are Ring"]),
        ([text("A", "x"), text("B", after="y")], [r"0 \(A\): Ring has no dashboard 'x'", r"1 \(B\): 'Ring: overview' has no panel 'y'"]),
        ([text()] * 39, ["39 panels: at most 38 are possible"]),
    ],
)
def test_what_leads_nowhere_is_told_with_what_there_is(panels, faults):
    with pytest.raises(BuildError) as problem:
        build([RING], BuildOptions(panels=tuple(panels)))
    for fault in faults:
        assert re.search(fault, str(problem.value)), problem.value


def test_no_two_of_the_three_ranges_of_ids_meet():
    from dashboards.kit.additions import OWN_IDS, SETTINGS_IDS

    ours = {one["id"] for data in built(depth=3).values() for one in data["panels"]}
    own = {*OWN_IDS, *(one + 100 for one in OWN_IDS)}
    for first, second in combinations((ours, own, set(SETTINGS_IDS)), 2):
        assert not first & second


# ---------------------------------------------------------------------- by a function

OWN = """
from dashboards.kit import table_panels
from dashboards.kit.additions import Addition
from dashboards.kit.ages import aged
from dashboards.kit.layout import Slot
from dashboards.kit.targets import Parameter


def panels(site):
    interlocks = table_panels.active(site, 50, Parameter("q", "interlock"))
    interlocks.title = "Interlocks"
    yield Addition("overview", aged(site, Slot(interlocks, 22, 8)), before="Active alarms")
"""


def test_a_file_adds_panels_of_the_same_kit(tmp_path):
    (tmp_path / "interlocks.dashboard.py").write_text(OWN)
    overview = built(extra=tmp_path)["tocsin-Ring"]
    assert panel(overview, "Interlocks")["gridPos"]["y"] < panel(overview, "Active alarms")["gridPos"]["y"]
    assert {50, 150} <= {one["id"] for one in overview["panels"]}


def test_an_installed_package_adds_panels(tmp_path, monkeypatch):
    (tmp_path / "our_interlock_panels.py").write_text(OWN)
    info = tmp_path / "our_panels-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-panels\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tocsin.panels]\ninterlocks = our_interlock_panels:panels\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert panel(built()["tocsin-Ring"], "Interlocks")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("return [1 / 0]", "ZeroDivisionError"),
        ("return ['x']", "must give objects of class Addition, not 'x'"),
        ("return [Addition('overview', [])]", "has no items"),
        ("return [Addition('overview', [Slot(Panel(id=3, title='P'), 4, 4)])]", "panel 'P' has the id 3: expected 50 to 79"),
        ("return [Addition('nowhere', [Slot(Panel(id=50, title='P'), 4, 4)])]", "Ring has no dashboard 'nowhere'"),
        ("return [Addition('wall', [Slot(Panel(id=50), 4, 4)], after='x', before='y')]", "both after and before"),
        ("return [Addition('wall', [Slot(Panel(id=50, title='P'), 25, 4)])]", "a panel of 25 columns does not fit into 24"),
    ],
)
def test_a_function_that_cannot_be_used_is_named(tmp_path, body, fault):
    imports = "from grafanalib.core import Panel\nfrom dashboards.kit.additions import Addition\nfrom dashboards.kit.layout import Slot\n"
    (tmp_path / "own.dashboard.py").write_text(f"{imports}def panels(site):\n    {body}\n")
    with pytest.raises(BuildError, match=rf"own\.dashboard\.py: .*{fault}"):
        build([RING], BuildOptions(extra=tmp_path))


def test_a_panel_that_is_of_no_plugin_is_told(tmp_path):
    own = OWN.replace('table_panels.active(site, 50, Parameter("q", "interlock"))', "Panel(id=50)").replace(
        "aged(site, Slot(interlocks, 22, 8))", "[Slot(interlocks, 2, 2)]"
    )
    (tmp_path / "own.dashboard.py").write_text(f"from grafanalib.core import Panel\n{own}")
    with pytest.raises(BuildError, match=r"Ring/tocsin-Ring\.json cannot be written: Type is not JSON serializable: Panel"):
        build([RING], BuildOptions(extra=tmp_path))


def test_twice_the_same_id_is_found(tmp_path):
    (tmp_path / "a.dashboard.py").write_text(OWN)
    (tmp_path / "b.dashboard.py").write_text(OWN)
    assert any("panel id 50: expected one of its own" in fault for fault in check(build([RING], BuildOptions(extra=tmp_path))))


def test_the_function_of_the_documentation_can_be_used(tmp_path):
    page = (DOCS / "reference" / "dashboards.md").read_text()
    examples = [part.partition("```")[0] for part in page.split("```python\n")[1:]]
    (own,) = [one for one in examples if "def panels(site)" in one]
    (tmp_path / "own.dashboard.py").write_text(own)
    assert len(built(extra=tmp_path)["tocsin-Ring"]["panels"]) > len(built()["tocsin-Ring"]["panels"])
