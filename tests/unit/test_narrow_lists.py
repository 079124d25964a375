"""Lists of the terminal at any width: columns are left out, names and times stay whole."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity as Rank
from alarm_engine.model.times import Nanos
from backend.history.port import Interval, PastAlarm
from backend.live.model import LiveAlarm
from backend.past.acknowledgements import Acknowledged
from backend.past.difference import Change
from tests.contract.histories import event
from tests.unit.live_alarms import NOW, acknowledged, alarm, shelved
from tocsin.cli import history_tables
from tocsin.cli.alarm_lines import alarm_table
from tocsin.cli.at import changes_table, parts_table
from tocsin.cli.event_lines import EventLine, event_table
from tocsin.cli.look_tree import drawing, systems_table
from tocsin.cli.main import app
from tocsin.client.types import Alarm, AlarmCounts, DifferentAlarm, Differs, Node, Severity, State, Suppression, System, Then

WIDTHS = (40, 60, 80, 100, 200)


def printed(table, width):
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    console.print(table)
    return console.file.getvalue().splitlines()


def figures(**given):
    none = dict.fromkeys(("active", "acknowledged", "shelved", "disabled", "unknown", "disconnected"), 0)
    return {"total": 14, "severities": {}, **none, **given}


def system(name, worst="MINOR", **given):
    return System(config="Demo", system=name, path=f"/Demo/{name}", worst=Severity(worst), **figures(**given))


def node(path, *nodes, severity="OK", **given):
    counts = AlarmCounts(**figures(**given))
    return Node(
        path=path, name=path.rpartition("/")[2], severity=Severity(severity), alarms=14, counts=counts, nodes=nodes or None, leaves=None
    )


PLANT = [
    alarm("/Demo/Cryogenics/Cold box/CRYO:TURB1:SPEED", "UNDEFINED", description="Speed of the first turbine of the cold box"),
    alarm("/Demo/Cooling water/Station B/COOL:PMP4:Vib", "MAJOR_ACK", acknowledgement=acknowledged("mara.lindqvist")),
    alarm("/Demo/Cooling water/Station A/COOL:FIL1:dP", suppression=shelved()),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_an_alarm_takes_one_line_and_keeps_its_name(width):
    lines = printed(alarm_table(PLANT, NOW.timestamp(), width), width)
    assert len(lines) == 1 + len(PLANT)
    for one, line in zip(PLANT, lines[1:], strict=True):
        assert one.pv in line


def test_what_leaves_a_list_of_alarms_first_is_the_path_and_last_the_description():
    titles = {width: printed(alarm_table(PLANT, NOW.timestamp(), width), width)[0].split() for width in WIDTHS}
    assert "path" in titles[200]
    assert "path" not in titles[80]
    assert "description" in titles[80]
    assert "description" not in titles[40]
    assert titles[40][:2] == ["severity", "PV"]


def test_a_value_stays_whole_where_a_description_can_be_cut():
    long = alarm("/Demo/Vacuum/SR02:VAC:GC1:P", message="STATE_ALARM", value="1.003E-7", description="Pressure in sector 2 at gauge 1")
    line = printed(alarm_table([long], NOW.timestamp(), 80), 80)[1]
    assert "STATE_ALARM" in line
    assert "1.003E-7" in line
    assert "Pressure in" in line
    assert "…" in line


def test_what_is_hidden_by_nobody_for_no_reason_says_nothing():
    silent = Suppression(user="", host="", reason="", since=NOW, until=None)
    text = "\n".join(printed(alarm_table([alarm(suppression=silent)], NOW.timestamp(), 200), 200))
    assert ": " not in text


@pytest.mark.parametrize("width", [80, 100, 200])
def test_systems_are_told_apart(width):
    systems = [system("Cooling water", active=1, unknown=2), system("Cryogenics", "UNDEFINED_ACK", acknowledged=2, disabled=1)]
    lines = printed(systems_table(systems, width), width)
    assert ["Cooling water" in line for line in lines[-2:]] == [True, False]
    assert "Cryogenics" in lines[-1]
    assert lines[-1].split()[-1] == "14"
    assert "in Demo" in "\n".join(lines) if width < 120 else "/Demo/Cryogenics" in lines[-1]


def test_systems_of_several_configurations_keep_their_paths():
    systems = [system("Cryogenics"), System(config="Linac", system="Gun", path="/Linac/Gun", worst=Severity.OK, **figures())]
    text = "\n".join(printed(systems_table(systems, 80), 80))
    assert "/Demo/Cryogenics" in text
    assert "/Linac/Gun" in text


def test_columns_that_hold_only_zeros_leave_before_others():
    systems = [system("Cryogenics", disconnected=3)]
    lines = printed(systems_table(systems, 44), 44)
    assert "nected" in lines[-2]
    assert "ack" not in lines[-2]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_an_event_keeps_its_time_and_its_name_in_one_line(width):
    path = "/Demo/Cryogenics/Cold box/CRYO:TURB1:SPEED"
    line = EventLine(
        "2026-11-30 16:57:13", "Demo.1.1234", "acknowledged", "MAJOR_ACK", path, "HIHI_ALARM", "12.25", "mara", "is being changed"
    )
    shown = printed(event_table([line], "CET", width), width)
    assert len(shown) == 2
    assert "2026-11-30 16:57:13" in shown[1]
    assert "CRYO:TURB1:SPEED" in shown[1]
    assert ("Demo.1.1234" in shown[1], path in shown[1]) == (width == 200, width == 200)


@pytest.mark.parametrize("width", [80, 200])
def test_components_of_the_past_are_told_apart(width):
    root = node("/Demo", node("/Demo/Cooling water", active=1), node("/Demo/Cryogenics"), severity="MINOR")
    lines = printed(parts_table(root, width), width)
    assert lines[-3].startswith("/Demo ")
    assert "Cooling water " in lines[-2]
    assert "Cryogenics " in lines[-1]


def test_a_name_that_is_longer_than_the_screen_goes_on_in_the_next_line():
    long = alarm("/Demo/Vacuum/" + "VAC:GAUGE:" * 6)
    text = "".join(line.split()[-1] for line in printed(alarm_table([long], NOW.timestamp(), 40), 40)[1:] if line)
    assert "VAC:GAUGE:VAC" in text


@pytest.mark.parametrize("width", [80, 200])
def test_what_differs_names_the_alarm(width):
    path = "/Demo/Cryogenics/Cold box/CRYO:TURB1:SPEED"
    then = Then(severity=Severity.UNDEFINED, state=State.ACTIVE, connected=False, event="Demo.1.1", time=NOW)
    change = DifferentAlarm(path=path, pv="CRYO:TURB1:SPEED", system="Cryogenics", change=Differs("appeared"), before=None, after=then)
    lines = printed(changes_table([change], width), width)
    assert len(lines) == 2
    assert "CRYO:TURB1:SPEED" in lines[1]
    assert (path in lines[1]) == (width == 200)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_alarms_below_the_depth_stand_at_the_last_component_that_is_shown(depth):
    station = node("/Demo/Cooling water/Station B", active=1, severity="MINOR")
    water = node("/Demo/Cooling water", *([station] if depth == 2 else []), active=1, severity="MINOR")
    root = node("/Demo", *([water] if depth else []), active=1, severity="MINOR")
    deep: Alarm = alarm("/Demo/Cooling water/Station B/Pumps/COOL:PMP4:Vib", "MINOR")
    last = printed(drawing(root, [deep]), 120)[-1]
    between = ("Cooling water", "Station B", "Pumps")[depth:]
    assert " › ".join((*between, "COOL:PMP4:Vib  MINOR")) in last


@pytest.mark.parametrize("command", ["alarms", "events", "at", "summary", "tree", "ack", "explain"])
def test_help_breaks_no_list_of_words(command):
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert shown.exit_code == 0
    assert "|" not in shown.output


def every_command(command, *names):
    yield command, names
    for name, one in getattr(command, "commands", {}).items():
        yield from every_command(one, *names, name)


@pytest.mark.parametrize("names", [names for _, names in every_command(get_command(app))], ids=" ".join)
def test_help_has_no_words_of_python(names):
    shown = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert shown.exit_code == 0
    assert not re.search(r"<(list|str|bool|int|float|path|file|directory|datetime)\b", shown.output)


INTERVAL = Interval("/Demo/Cryogenics/Cold box/CRYO:TURB1:SPEED", Nanos(10**18), Nanos(10**18 + 10**10), Rank.OK, True, True, False)


@pytest.mark.parametrize("width", [80, 200])
def test_a_span_of_the_past_takes_one_line_and_names_its_alarm(width):
    lines = printed(history_tables.intervals_table([INTERVAL, replace(INTERVAL, out_of_service=False)], width), width)
    rows = [line for line in lines if "2001-09-09" in line]
    assert ["DISABLED" in line for line in rows] == [True, False]
    assert "SHELVED" in rows[1]
    assert all("CRYO:TURB1:SPEED" in line for line in rows)
    assert all((INTERVAL.path in line, "10.000" in line) == (width == 200, width == 200) for line in rows)


@pytest.mark.parametrize("width", [80, 200])
def test_lists_of_the_history_take_one_line_for_each_alarm(width):
    path = INTERVAL.path
    happened = event(1, 10, path, user="mara.lindqvist", host="ops1", comment="the turbine is being changed, group is informed")
    then = PastAlarm(path, Rank.MAJOR, False, False, True, happened.id, happened.time)
    past = LiveAlarm(path, "CRYO:TURB1:SPEED", "Cryogenics", AlarmSettings("Speed of the first turbine"), happened.snapshot, happened.id)
    for table in (
        history_tables.acknowledged_table([Acknowledged(happened, happened)], width),
        history_tables.changes_table([Change(path, then, then._replace(suppressed=True))], width),
        history_tables.alarms_table([past], width),
    ):
        lines = printed(table, width)
        assert len([line for line in lines if "CRYO:TURB1:SPEED" in line]) == 1
        assert "CRYO:TURB1:SPEED" in lines[-1]
        assert (path in lines[-1]) == (width == 200)
