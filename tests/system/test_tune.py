"""`tocsin tune` on a real store: what it proposes is what then happens."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from alarm_engine.config.load import read_tree
from alarm_engine.errors import ConfigError, HistoryUnavailable, SettingsError
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Moment, Monotonic, Nanos
from backend.history.sqlite import SqliteHistory
from tests.unit.evaluating import Control
from tests.unit.test_tuning_replay import events_of
from tocsin.cli.main import app

pytestmark = pytest.mark.system

FLOW, TEMP = "/Demo/Cooling/Pump1:Flow", "/Demo/Cooling/Temp"
TREE = """\
# kept by mara
config: Demo
systems:
  Cooling:
    pvs:
      Pump1:Flow: {description: Flow low, latching: false}   # noisy sensor
      Temp: {description: Temperature, delay: 10s}
  Quiet:
    pvs:
      Still: Never in alarm
"""
OK, MAJOR = Severity.OK, Severity.MAJOR


class Here:
    """A site in a directory, whose history ends now."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tree = directory / "tree.yaml"
        self.tree.write_text(TREE)
        (directory / "site.yaml").write_text("configurations: [{tree: tree.yaml}]\n")
        self.start = Nanos(time.time_ns() - 5 * 3600 * 1_000_000_000)

    def tune(self, *arguments: str) -> Result:
        result = CliRunner().invoke(app, ["tune", "-s", str(self.directory / "site.yaml"), *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def answer(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self.tune("--format", "json", *arguments).stdout)  # type: ignore[no-any-return]

    def run_machine(self) -> list[Event]:
        """What happens on the machine in four hours, watched with the settings that the tree's files have now."""
        control = Control(read_tree(self.tree).alarms, Moment(self.start, Monotonic(1)))
        control.pv_time = self.start
        for pv in ("Pump1:Flow", "Temp", "Still"):
            control.sample(pv, OK)
        for hour in range(4):
            for n in range(10):  # the sensor rattles, for up to 4.5 s each time
                self.pulse(control, "Pump1:Flow", 0.5 * n)
                control.advance(5)
            self.pulse(control, "Pump1:Flow", 600 + hour)  # the pump really stops
            self.pulse(control, "Temp", 30)
            control.advance(1200)
            control.command(CommandKind.ACKNOWLEDGE, "/Demo")
            control.advance(1800)
        return events_of([control])

    @staticmethod
    def pulse(control: Control, pv: str, seconds: float) -> None:
        for severity, wait_s in ((MAJOR, seconds), (OK, 0)):
            control.pv_time = control.now.wall
            control.sample(pv, severity)
            control.advance(wait_s)

    def keep(self, events: list[Event]) -> None:
        asyncio.run(self._keep(events))

    async def _keep(self, events: list[Event]) -> None:
        history = SqliteHistory(SqliteFile(self.directory / "tocsin.sqlite"))
        await history.start()
        await history.write(events)
        await history.close()


PAGE = (Path(__file__).parents[2] / "docs/how-to/tune-a-nuisance-alarm.md").read_text("utf-8")
CONSOLES = re.findall(r"```console\n\$ tocsin tune --settings site.yaml (.*?)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def plain(text: str) -> str:
    """Without what is another every time: the date, and blanks at the end of lines."""
    lines = [re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "DATE", line).rstrip() for line in text.splitlines()]
    return "\n".join(lines).strip()


def rises(events: list[Event], path: str) -> list[Event]:
    return [event for event in events if event.path == path and event.kind is EventKind.ALARM]


def test_what_is_proposed_and_written_is_what_then_happens(here: Here) -> None:
    before = here.run_machine()
    here.keep(before)
    answer = here.answer("--write")
    [flow] = [alarm for alarm in answer["alarms"] if alarm["path"] == FLOW]
    assert flow["recorded"] == flow["present"]["annunciated"] == len(rises(before, FLOW)) == 44
    assert flow["remarks"] == [f"Nothing is known of it before {flow['remarks'][0].split()[-1]}"]
    chosen = flow["trials"][flow["chosen"]]
    assert chosen["settings"] == {"delay_s": 5, "count": 0, "latching": False, "annunciating": True}
    assert here.tree.read_text() == TREE.replace("latching: false}", "latching: false, delay: 5}")
    assert "+      Pump1:Flow: {description: Flow low, latching: false, delay: 5}   # noisy sensor\n" in answer["diff"]

    after = rises(here.run_machine(), FLOW)
    assert len(after) == chosen["annunciated"] == 4
    stops = rises(before, FLOW)[10::11]
    assert [(late.time - soon.time) / 1e9 for soon, late in zip(stops, after, strict=True)] == [chosen["later_by_most_s"]] * 4 == [5.0] * 4
    assert chosen["missed"] == 40
    assert chosen["missed_long"] == 0


def test_a_quiet_alarm_needs_nothing_and_nothing_is_written_unasked(here: Here) -> None:
    here.keep(here.run_machine())
    said = here.tune(TEMP)
    assert "It is no nuisance with its settings." in said.stdout
    assert "+++" not in said.stdout
    table = here.tune("Pump1:Flow")
    assert table.exit_code == 0
    assert "Proposed: delay 5 s." in table.stdout
    [line] = [line for line in table.stdout.splitlines() if "→" in line]
    assert line.split()[:8] == ["→", "delay", "5", "s", "4", "0", "0", "4,"]
    assert "+      Pump1:Flow: {description: Flow low, latching: false, delay: 5}" in table.stdout
    assert here.tree.read_text() == TREE


def test_settings_that_are_given_are_tried_on_a_whole_subsystem(here: Here) -> None:
    here.keep(here.run_machine())
    said = here.tune("/Demo", "--delay", "1min", "--last", "1d").stdout
    assert "3 alarms together, 3 of them above" in said
    assert "annunciated 48 -> 4; 4 later, by at most 60.0 s; 44 missed, 0 of them 60 s or longer" in said
    lines = [line for line in said.splitlines() if line.startswith("+ ")]
    assert lines == [
        "+      Pump1:Flow: {description: Flow low, latching: false, delay: 60}   # noisy sensor",
        "+      Temp: {description: Temperature, delay: 60}",
    ]
    shorter = here.answer(TEMP, "--delay", "0", "--latching")["alarms"][0]["trials"][0]
    assert (shorter["earlier"], shorter["missed"], shorter["settings"]["delay_s"]) == (4, 0, 0)


def test_what_nothing_is_recorded_of_is_said(here: Here) -> None:
    here.keep(here.run_machine())
    said = here.tune("/Demo/Quiet", "Still", "--last", "2h")
    assert said.exit_code == 1
    assert "/Demo/Quiet: nothing is recorded since 20" in said.stdout
    assert "/Demo/Quiet/Still: nothing is recorded since 20" in said.stdout


def test_mistakes_are_sentences(here: Here) -> None:
    with pytest.raises(HistoryUnavailable, match=r"tocsin\.sqlite does not exist: there is no history yet"):
        here.tune()
    here.keep([])
    assert here.tune().exit_code == 1
    with pytest.raises(SettingsError) as fault:
        here.tune("/Demo/Coolin", "Nope")
    assert str(fault.value).splitlines() == [
        "/Demo/Coolin: there is no such alarm or component in the trees of this site; did you mean /Demo/Cooling?",
        "Nope: there is no such alarm or component in the trees of this site",
    ]
    for arguments in (["--last", "1x"], ["--last", "0d"], ["--last", "9999d"], ["--delay", "soon"], ["--count", "-1"], ["--worst", "0"]):
        said = here.tune(*arguments)
        assert said.exit_code == 2
        assert arguments[0] in said.output
    here.tree.write_text(TREE.replace("10s", "soon"))
    with pytest.raises(ConfigError, match='"soon" is not a duration'):
        here.tune()


def test_a_template_is_to_be_changed_by_hand(here: Here) -> None:
    template = "templates:\n  pump:\n    macros: {N: number}\n    pvs:\n      Pump$(N):Flow: {description: Flow low, latching: false}\n"
    here.tree.write_text(
        TREE.replace("systems:\n  Cooling:\n", template + "systems:\n  Cooling:\n    use: [{template: pump, macros: {N: 1}}]\n").replace(
            "      Pump1:Flow: {description: Flow low, latching: false}   # noisy sensor\n", ""
        )
    )
    here.keep(here.run_machine())
    said = here.tune(FLOW, "--write").stdout
    assert "Proposed: delay 5 s." in said
    assert f"{FLOW}: to be changed by hand: it stands in a template" in said


def test_a_tree_that_only_the_journal_holds_is_judged_and_edited_elsewhere(here: Here) -> None:
    here.keep(here.run_machine())
    assert CliRunner().invoke(app, ["config", "sync", "-s", str(here.directory / "site.yaml")]).exit_code == 0
    (here.directory / "site.yaml").write_text("configurations: [{name: Demo}]\n")
    said = here.tune("Pump1:Flow", "--write").stdout
    assert "Proposed: delay 5 s." in said
    assert f"{FLOW}: to be changed by hand: no file describes the tree Demo" in said
    assert here.tree.read_text() == TREE


def test_the_page_shows_what_is_said(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here.directory)
    here.keep(here.run_machine())
    assert len(CONSOLES) == 2
    for arguments, output in CONSOLES:
        assert plain(here.tune(*arguments.split()).stdout) == plain(output)
