"""The how-to page of the tree: its examples load, and its output is what users get."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alarm_engine.config.load import load_tree
from tocsin.cli.config import app

PAGE = (Path(__file__).parents[2] / "docs/how-to/write-a-tree.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
TREES = sorted(name for name in FILES if name.endswith("tree.yaml"))
CONSOLES = re.findall(r"```console\n\$ tocsin config (.*?)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n{text}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_examples() -> None:
    assert len(FILES) == len(re.findall("```yaml", PAGE))
    assert {"small/tree.yaml", "templates/tree.yaml", "wrong/tree.yaml"} <= set(TREES)
    assert len(CONSOLES) == 2


@pytest.mark.parametrize("name", [name for name in TREES if not name.startswith("wrong")])
def test_examples_have_no_faults(pages: Path, name: str) -> None:
    assert [str(fault) for fault in load_tree(pages / name).faults] == []


@pytest.mark.parametrize(("command", "output"), CONSOLES)
@pytest.mark.usefixtures("pages")
def test_the_console_says_what_the_page_says(command: str, output: str) -> None:
    assert CliRunner().invoke(app, command.split()).output == output


def test_the_template_example_makes_what_it_says(pages: Path) -> None:
    tree = load_tree(pages / "templates/tree.yaml").tree
    assert tree is not None
    delays = {path: alarm.delay_s for path, alarm in tree.alarms.items() if path.endswith(":Temp")}
    assert delays == {
        "/Demo/RF/RF:CAV1:Temp": 5,
        "/Demo/RF/RF:CAV2:Temp": 5,
        "/Demo/RF/RF:CAV3:Temp": 5,
        "/Demo/RF/RF:CAV4:Temp": 30,
        "/Demo/Test stand/RF:CAVT1:Temp": 5,
        "/Demo/Test stand/RF:CAVT2:Temp": 0,
    }
