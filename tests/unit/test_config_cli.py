"""`tocsin config` answers and exits so that people and pipelines can use it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alarm_engine.config.load import read_tree
from alarm_engine.config.schema import json_schema
from tocsin.cli.config import app

TREE = """\
config: Demo
guidance: Call the control room
systems:
  Vacuum:
    pvs:
      SR01:GC1: {description: Gauge 1, delay: 5, latching: false}
      SR01:GC2: Gauge 2
  RF:
    pvs: {RF:Power: {description: "Power [low]", enabled: 2040-01-02}}
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tree.yaml").write_text(TREE)
    return Path("tree.yaml")


def run(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_check_of_a_good_tree(tree: Path) -> None:
    assert run("check", tree) == (0, "Demo: 3 alarms in 3 components from 1 file: no faults\n", "")


def test_check_notes_what_has_no_effect_yet(tree: Path) -> None:
    pvs = (
        "ca://A:B: a",
        "C:D.VAL: c",
        'pva://E:F: {description: e, filter: "X > 1"}',
        "sim://sine: s",
        "G: {description: g, actions: 'mailto:a@b'}",
    )
    tree.write_text("config: Demo\npvs:\n" + "".join(f"  {line}\n" for line in pvs))
    assert run("check", tree) == (
        0,
        "note: PV of /Demo/pva:\\/\\/E:F and 1 more: only Channel Access is read by this version, so the alarm stays UNDEFINED\n"
        "note: filter of /Demo/pva:\\/\\/E:F: kept and published, but not evaluated by this version, so the alarm is always in service\n"
        "note: actions of /Demo/G: kept and published, but not carried out by this version\n"
        "Demo: 5 alarms in 1 component from 1 file: no faults\n",
        "",
    )


def test_check_names_every_fault_and_exits_with_1(tree: Path) -> None:
    tree.write_text(TREE.replace("delay: 5", "delay: soon").replace("Gauge 2", ""))
    assert run("check", tree) == (
        1,
        'error tree.yaml:6: /Demo/Vacuum/SR01:GC1: delay: "soon" is not a duration — expected whole seconds or a duration like 5s, 2min\n'
        "warning tree.yaml:7: /Demo/Vacuum/SR01:GC2: has no description; the name of the PV will be spoken"
        " — expected what an operator should hear\n"
        "Demo: 2 alarms in 3 components from 1 file: 1 error, 1 warning\n",
        "",
    )


def test_warnings_alone_exit_with_0_unless_strict(tree: Path) -> None:
    tree.write_text(TREE.replace("Gauge 2", ""))
    assert run("check", tree)[0] == 0
    assert run("check", "--strict", tree)[0] == 1


def test_check_warns_of_dates_that_have_passed(tree: Path) -> None:
    tree.write_text(TREE.replace("2040", "2001"))
    code, out, _ = run("check", tree)
    assert code == 0
    assert "has passed" in out


def test_check_for_pipelines(tree: Path) -> None:
    tree.write_text(TREE.replace("delay: 5", "delay: soon"))
    code, out, _ = run("check", "--json", tree)
    report = json.loads(out)
    assert code == 1
    assert report["ok"] is False
    assert (report["config"], report["alarms"], report["components"], report["files"]) == ("Demo", 2, 3, ["tree.yaml"])
    assert report["left_out"] == ["/Demo/Vacuum/SR01:GC1"]
    assert report["faults"] == [
        {
            "severity": "error",
            "file": "tree.yaml",
            "line": 6,
            "column": 47,
            "path": "/Demo/Vacuum/SR01:GC1",
            "field": "delay",
            "used_at": "",
            "value": "soon",
            "problem": "is not a duration",
            "expected": "whole seconds or a duration like 5s, 2min",
        }
    ]


def test_check_of_what_is_not_there(tree: Path) -> None:
    code, out, _ = run("check", "gone.yaml")
    assert code == 1
    assert out.splitlines() == [
        "error gone.yaml: does not exist — expected the first file of an alarm tree",
        "no tree could be made from 0 files: 1 error",
    ]


def test_nothing_in_a_file_reaches_the_terminal(tree: Path) -> None:
    tree.write_text(TREE + '    "[bold]\\e[31m": {}\n')
    code, out, _ = run("check", tree)
    assert code == 1
    assert "\x1b" not in out
    assert '"[bold]\\u001b[31m" is an unknown key' in out


def test_show_loads_back(tree: Path, tmp_path: Path) -> None:
    code, out, _ = run("show", tree)
    (tmp_path / "again.yaml").write_text(out)
    assert code == 0
    assert read_tree(tmp_path / "again.yaml") == read_tree(tree)


def test_show_a_part(tree: Path) -> None:
    assert run("show", tree, "--below", "/Demo/Vacuum/SR01:GC2")[1] == (
        "config: Demo\nsystems:\n  Vacuum:\n    pvs:\n      SR01:GC2: Gauge 2\n"
    )


def test_show_below_what_is_not_there_says_what_was_meant(tree: Path) -> None:
    assert run("show", tree, "--below", "SR01:GC2") == (1, "", "SR01:GC2: no such path in the tree; did you mean /Demo/Vacuum/SR01:GC2?\n")
    assert run("show", tree, "--below", "/Demo/Vacum") == (1, "", "/Demo/Vacum: no such path in the tree; did you mean /Demo/Vacuum?\n")


def test_show_for_people(tree: Path) -> None:
    assert run("show", tree, "--format", "tree")[1] == (
        "Demo  3 alarms\n"
        "├── RF  1 alarm\n"
        "│   └── RF:Power  Power [low]  (out of service until 2040-01-02T00:00:00Z)\n"
        "└── Vacuum  2 alarms\n"
        "    ├── SR01:GC1  Gauge 1  (not latching, delay 5 s)\n"
        "    └── SR01:GC2  Gauge 2\n"
    )


def test_show_for_scripts(tree: Path) -> None:
    shown = json.loads(run("show", tree, "--format", "json")[1])
    assert list(shown["alarms"]) == ["/Demo/RF/RF:Power", "/Demo/Vacuum/SR01:GC1", "/Demo/Vacuum/SR01:GC2"]
    assert shown["alarms"]["/Demo/RF/RF:Power"]["enabled"] == "2040-01-02T00:00:00Z"
    alarm = shown["alarms"]["/Demo/Vacuum/SR01:GC1"]
    assert (alarm["pv"], alarm["delay_s"], alarm["latching"], alarm["file"], alarm["line"]) == ("SR01:GC1", 5, False, "tree.yaml", 6)
    assert shown["components"]["/Demo"]["guidance"] == [{"title": "Call the control room", "details": "Call the control room"}]


def test_show_prints_nothing_of_a_tree_with_errors(tree: Path) -> None:
    tree.write_text(TREE.replace("delay: 5", "delay: soon"))
    code, out, err = run("show", tree)
    assert (code, out) == (1, "")
    assert err.splitlines()[0].startswith("error tree.yaml:6: /Demo/Vacuum/SR01:GC1: delay")


def test_schema(tmp_path: Path) -> None:
    code, out, _ = run("schema")
    assert code == 0
    assert json.loads(out) == json_schema()


def test_no_file_can_make_a_traceback(tree: Path) -> None:
    for cut in range(0, len(TREE), 7):
        tree.write_text(TREE[:cut] + "{[&*!|>%@`" + TREE[cut:])
        assert run("check", tree)[0] in (0, 1)
