"""Panels that a site describes in its settings: what they ask, how they look, and what is said of those that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alarm_engine.errors import SettingsError
from alarm_engine.model.palette import PALETTE
from dashboards.build import BuildOptions, build
from dashboards.check import check
from dashboards.kit.simple_panels import Address, Foreign, Form, Rows, SimplePanel
from dashboards.kit.targets import Kind
from tests.unit.test_dashboard_additions import RING, built, panel, text
from tocsin.cli.dashboards import app
from tocsin.cli.settings import app as settings_app
from tocsin.grafana_files import build_options
from tocsin.settings import load, validate
from tocsin.site_panels import simple_panels

DOCS = Path(__file__).parents[2] / "docs"
GOLDEN = Path(__file__).parents[1] / "data" / "dashboards"


# ---------------------------------------------------------------------- what they ask


@pytest.mark.parametrize("kind", list(Kind))
def test_a_table_of_our_rows_asks_as_ours_do_and_has_its_age_beside_it(kind):
    said = SimplePanel("Shelved RF", "wall", Form.TABLE, asks=Rows("shelved", {"q": "RF"}), columns={"pv": "string", "until": "time"})
    past = SimplePanel("Who", "audit", Form.TABLE, asks=Rows("audit/users", ranged=True), columns={"by": "string", "count": "number"})
    dashboards = built(said, past, datasource=kind)
    table = panel(dashboards["tocsin-Ring_wall"], "Shelved RF")
    (target,) = table["targets"]
    if kind is Kind.INFINITY:
        assert target["url"] == "/rows/shelved"
        assert [(one["key"], one["value"]) for one in target["url_options"]["params"]] == [("config", "Ring"), ("q", "RF")]
        assert [(one["text"], one["type"]) for one in target["columns"]] == [("pv", "string"), ("until", "timestamp_epoch")]
    else:
        assert json.loads(target["payload"]) == {"v": 1, "config": "Ring", "q": "RF", "columns": ["pv", "until"]}
    for uid, title, asked in (("tocsin-Ring_wall", "Shelved RF", "data_age"), ("tocsin-Ring_audit", "Who", "past_age")):
        place = panel(dashboards[uid], title)["gridPos"]
        beside = [
            one for one in dashboards[uid]["panels"] if (one["gridPos"]["x"], one["gridPos"]["y"]) == (place["x"] + place["w"], place["y"])
        ]
        assert [asked in json.dumps(one["targets"]) for one in beside] == [True], title


def test_an_address_is_asked_through_the_datasource_that_is_named():
    asks = Address("https://logbook.example.org/new.json", "logbook", "entries")
    said = SimplePanel("Logbook", "overview", Form.TABLE, asks=asks, columns={"when": "date", "text": "string"}, width=24)
    (target,) = panel(built(said)["tocsin-Ring"], "Logbook")["targets"]
    assert target["datasource"] == {"type": "yesoreyeram-infinity-datasource", "uid": "logbook"}
    assert (target["url"], target["root_selector"], target["parser"]) == ("https://logbook.example.org/new.json", "entries", "backend")
    assert [one["type"] for one in target["columns"]] == ["timestamp", "string"]


def test_lines_have_the_time_first_or_all_would_have_one_colour():
    asks = Address("/current", "machine")
    said = SimplePanel("Current", "pv", Form.LINES, asks=asks, columns={"CURRENT": "number", "time": "time"}, unit="mA")
    lines = panel(built(said)["tocsin-Ring_pv"], "Current")
    assert lines["transformations"][0]["options"]["indexByName"] == {"time": 0, "CURRENT": 1}
    assert lines["fieldConfig"]["defaults"]["unit"] == "mA"
    assert "min" not in lines["fieldConfig"]["defaults"]


@pytest.mark.parametrize(("plugin", "query"), [("prometheus", {"expr": "ring_current"}), ("our-archiver", {"pv": "C", "deep": {"x": [1]}})])
def test_another_datasource_is_asked_by_its_plugin_s_own_query(plugin, query):
    asked = built(*[SimplePanel(form, "overview", form, asks=Foreign(plugin, "machine", query)) for form in Form if form is not Form.TEXT])
    for form in ("table", "lines", "number"):
        (target,) = panel(asked["tocsin-Ring"], form)["targets"]
        assert query.items() <= target.items()
        assert (target["refId"], target["datasource"]) == ("A", {"type": plugin, "uid": "machine"})


def test_a_number_without_data_is_the_loudest():
    said = SimplePanel("Current", "wall", Form.NUMBER, asks=Foreign("prometheus", "m", {"expr": "c"}))
    defaults = panel(built(said)["tocsin-Ring_wall"], "Current")["fieldConfig"]["defaults"]
    assert defaults["noValue"] == "NO DATA"
    assert [(one["color"], one["value"]) for one in defaults["thresholds"]["steps"]] == [
        (PALETTE["STALE"].fill_dark, None),
        (PALETTE["OK"].fill_dark, -1e300),
    ]


def test_a_text_uses_variables_of_its_dashboard_only():
    files = build([RING], BuildOptions(panels=(SimplePanel("T", "pv", Form.TEXT, text="${path:text}"),)))
    assert check(files) == []
    files = build([RING], BuildOptions(panels=(SimplePanel("T", "wall", Form.TEXT, text="${path:text}"),)))
    assert check(files) == ["Ring/tocsin-Ring_wall.json: variable $path is not defined: '${path:text}'"]


def test_a_misspelt_plugin_is_found_and_ours_may_be_none_but_ours():
    files = build([RING], BuildOptions(panels=(SimplePanel("N", "wall", Form.NUMBER, asks=Foreign("promtheus", "m", {"expr": "c"})),)))
    (fault,) = check(files)
    assert "panel 180 (N): unknown datasource {'type': 'promtheus', 'uid': 'm'}, did you mean 'prometheus'?" in fault
    wall = build([RING])["Ring/tocsin-Ring_wall.json"].replace(b"yesoreyeram-infinity-datasource", b"some-other")
    assert any("panel 1 (Alarm engine): unknown datasource" in fault for fault in check({"Ring/tocsin-Ring_wall.json": wall}))


@pytest.mark.parametrize("change", [{"targets": []}, {"type": "text"}])
def test_a_text_asks_nothing_and_everything_else_does(change):
    files = build([RING], BuildOptions(panels=(text(),)))
    data = json.loads(files["Ring/tocsin-Ring.json"])
    data["panels"][0] |= change
    found = check({**files, "Ring/tocsin-Ring.json": json.dumps(data).encode()})
    assert any("asks nothing" in fault or "at least one query" in fault for fault in found)


# ---------------------------------------------------------------------- by settings


def section(**given):
    return {"title": "P", "dashboard": "overview", "kind": "table", **given}


def settings_of(*panels):
    return validate({"configurations": [{"tree": "x.yaml"}], "dashboards": {"panels": list(panels)}}, "tocsin.yaml").dashboards


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (section(kind="text"), "dashboards.panels.0: kind is 'text': give `text`, and none of rows, url, query"),
        (section(), "kind is 'table': give one of rows, url, query, and no text"),
        (section(rows="active", url="/x", datasource="d", columns={"pv": "string"}), "give one of rows, url, query"),
        (section(rows="active"), "`rows` is given, and no `columns`"),
        (section(url="http://x", columns={"a": "string"}), "`url` is given, and no `datasource`"),
        (section(query={"expr": "x"}), "`query` is given, and no `datasource`"),
        (section(query={"a": 1}, datasource="d", plugin="simpod-json-datasource"), "give `rows` for tocsin itself"),
        (section(query={"a": 1}, datasource="d", columns={"a": "number"}), "columns belong to rows and url"),
        (section(rows="active", columns={"pv": "string"}, after="A", before="B"), "after and before are given"),
        (section(rows="active", columns={"pv": "text"}), "dashboards.panels.0.columns.pv: 'text': should be 'time', 'date'"),
        (section(rows="active", columns={"pv": "string"}, width=25), "dashboards.panels.0.width: 25: should be less than or equal to 24"),
        (section(knid="x"), "dashboards.panels.0.knid: unknown key; did you mean kind?"),
    ],
)
def test_settings_that_do_not_go_together_are_told(given, fault):
    with pytest.raises(SettingsError) as problem:
        settings_of(given)
    assert fault in str(problem.value)


def test_the_json_plugin_goes_by_the_name_of_its_maker_too(tmp_path):
    made = CliRunner().invoke(app, ["build", str(GOLDEN / "tree.yaml"), "--out", str(tmp_path), "--datasource", "simpod"])
    assert made.exit_code == 0, made.output
    assert "simpod-json-datasource" in (tmp_path / "Ring" / "tocsin-Ring.json").read_text()
    assert validate({"configurations": [{"tree": "x"}], "dashboards": {"datasource": "simpod"}}, "x").dashboards.datasource == "json"


def test_what_tocsin_cannot_answer_is_told_together():
    panels = [
        section(rows="actve", columns={"pv": "string"}),
        section(rows="active", columns={"pv": "number", "value": "string"}, parameters={"user": "x"}),
    ]
    with pytest.raises(SettingsError) as problem:
        simple_panels(settings_of(*panels).panels, "tocsin.yaml: ")
    said = str(problem.value)
    assert "tocsin.yaml: dashboards.panels.0.rows: 'actve' is no question: expected one of systems, " in said
    assert "tocsin.yaml: dashboards.panels.1.columns: active has no 'pv: number': expected some of severity: string" in said
    assert "tocsin.yaml: dashboards.panels.1.parameters: active has no 'user': expected some of config" in said


def test_the_example_of_the_documentation_can_be_used(tmp_path):
    page = (DOCS / "reference" / "dashboards.md").read_text()
    example = page.partition("```yaml\ndashboards:\n  panels:")[2].partition("```")[0]
    (tmp_path / "tocsin.yaml").write_text(f"configurations: [{{tree: x.yaml}}]\ndashboards:\n  panels:{example}")
    options = build_options(load(tmp_path / "tocsin.yaml").dashboards, "http://127.0.0.1:8080")
    assert {one.form for one in options.panels} == set(Form)
    assert check(build([RING], options)) == []


def test_on_the_command_line_faults_name_the_file(tmp_path):
    def run(panels):
        given = {"configurations": [{"tree": str(GOLDEN / "tree.yaml")}], "dashboards": {"panels": panels}}
        file = tmp_path / "tocsin.yaml"
        file.write_text(json.dumps(given))
        made = CliRunner().invoke(app, ["build", str(GOLDEN / "tree.yaml"), "--out", str(tmp_path / "out"), "--settings", str(file)])
        return made, CliRunner().invoke(settings_app, ["check", str(file)])

    made, said = run([section(rows="active", columns={"pv": "string", "severity": "string"})])
    assert (made.exit_code, said.exit_code) == (0, 0), (made.output, made.exception, said.exception)
    assert CliRunner().invoke(app, ["check", str(tmp_path / "out")]).exit_code == 0
    made, said = run([section(rows="active", columns={"nothing": "string"})])
    for one in (made, said):
        assert f"{tmp_path / 'tocsin.yaml'}: dashboards.panels.0.columns: active has no 'nothing: string'" in str(one.exception)
