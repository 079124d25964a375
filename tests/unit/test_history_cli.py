"""`tocsin history events`, `at`, `difference`, `intervals`, `acknowledgements` on the history in a file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from alarm_engine.errors import SettingsError, TocsinError
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.sqlite import SqliteHistory
from tests.contract.histories import event, snapshot
from tocsin.cli import history_events, history_past

S, K = Severity, EventKind
app = typer.Typer()
history_events.add_to(app)
history_past.add_to(app)
NOW = time.time_ns() // 1_000_000 * 1_000_000
GC1, P1, TOP = "/Acc/Vacuum/GC1", "/Acc/RF/P1", "/Acc/TOP"


def happened(n, ago, path, kind=K.ALARM, severity=S.MAJOR, **more):
    state = more.pop("state", snapshot(severity))
    one = event(n, 0, path, kind, config="Acc", severity=severity, state=state, **more)
    return replace(one, time=Nanos(NOW - ago * NANOS_PER_SECOND))


def ago(seconds):
    """A moment as milliseconds; it stays the same however long the tests take."""
    return str((NOW - seconds * NANOS_PER_SECOND) // 1_000_000)


STORY = [
    happened(1, 900, GC1, K.CONFIGURED, S.OK),
    happened(2, 800, GC1, description="Pressure"),
    happened(3, 700, P1, severity=S.MINOR),
    happened(4, 600, GC1, K.ACKNOWLEDGED, S.MAJOR_ACK, user="mara", host="ops1", comment="known \x1b[31m[red]"),
    happened(5, 500, P1, K.REMOVED, S.OK, state=None),
    happened(6, 400, TOP, severity=S.INVALID),
]


async def stored(directory, events):
    store = SqliteHistory(SqliteFile(directory / "tocsin.db"))
    await store.start()
    await store.write(events)
    await store.close()


@pytest.fixture
def ask(tmp_path):
    """Runs a command on a site whose history holds the story."""
    file = tmp_path / "site.yaml"
    file.write_text(f"store: {tmp_path}/tocsin.db\nconfigurations:\n  - name: Acc\n    tree: {tmp_path}/none.yaml\n")

    asyncio.run(stored(tmp_path, STORY))

    def run(command, *arguments, code=0):
        result = CliRunner().invoke(app, [command, "--settings", str(file), *map(str, arguments)], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return run


def ids(result):
    return [json.loads(line)["id"] for line in result.stdout.splitlines()]


def test_events_with_every_filter(ask):
    def found(*arguments, code=0):
        return [int(one.rpartition(".")[2]) for one in ids(ask("events", "--format", "ndjson", *arguments, code=code))]

    assert found() == [6, 5, 4, 3, 2, 1]
    assert found("--oldest-first", "--limit", 2) == [1, 2]
    assert found("--after", "Acc.1.3") == [2, 1]
    assert found("--path", "/Acc/Vacuum") == [4, 2, 1]
    assert found("--pv", "*1", "--kind", "alarm") == [3, 2]
    assert found("--severity", "major") == [4, 2]
    assert found("--user", "mara") == [4]
    assert found("--text", "PRESSURE") == [2]
    assert found("--start", ago(650), "--end", ago(450)) == [5, 4]
    assert found("--config", "Acc", "--user", "nobody", code=1) == []


def test_events_as_a_file_and_as_a_table(ask, tmp_path):
    rows = list(csv.DictReader(io.StringIO(ask("events", "--format", "csv").stdout, newline="")))
    assert [row["id"] for row in rows] == [f"Acc.1.{n}" for n in (6, 5, 4, 3, 2, 1)]
    assert rows[2]["comment"] == "known \x1b[31m[red]"
    ask("events", "--format", "csv", "-o", tmp_path / "events.csv")
    assert len((tmp_path / "events.csv").read_text("utf-8").splitlines()) == 7
    table = ask("events", "--limit", 3)
    assert "there are more" in table.stderr
    assert "--after Acc.1.4" in table.stderr
    assert "\x1b" not in table.stdout
    assert "known \\u001b[31m[red]" in table.stdout
    assert len(table.stdout.splitlines()) == 4
    assert "nothing was found" in ask("events", "--user", "nobody", code=1).stderr


def test_the_tree_at_a_moment(ask):
    found = ask("at", ago(550))
    assert "/Acc/Vacuum" in found.stdout
    assert "mara" not in found.stdout  # the state says who acknowledged, not the event
    body = json.loads(ask("at", ago(550), "--format", "json").stdout)
    assert (body["complete"], body["root"]["severity"], body["total"]) == (True, "MINOR", 2)
    assert [(one["pv"], one["severity"]) for one in body["alarms"]] == [("P1", "MINOR"), ("GC1", "MAJOR_ACK")]
    body = json.loads(ask("at", ago(550), "--format", "json", "--path", "/Acc/Vacuum", "--all", "--limit", 1).stdout)
    assert (body["root"]["path"], len(body["alarms"])) == ("/Acc/Vacuum", 1)
    now = ask("at", "now", code=1)
    assert "nothing has been recorded since" in now.stderr
    long_ago = ask("at", "-1d", code=1).stdout  # a span is no option
    assert "No alarm is known" in long_ago
    assert "OK" not in long_ago


def test_a_misspelt_path_does_not_read_as_all_is_well(ask):
    for question in (("at", ago(450)), ("difference", ago(850), ago(450))):
        found = ask(*question, "--path", "/Acc/Vacum", code=1)
        assert "No alarm stood" not in found.stdout
        assert "there was no alarm and no component /Acc/Vacum" in found.stderr
        assert "/Acc " not in found.stdout.replace("/Acc/Vacum", "")


def test_one_alarm_at_a_moment(ask):
    lines = ask("at", ago(550), "--path", GC1).stdout.splitlines()
    assert lines[0].startswith(f"{GC1} at ")
    assert [line.split()[0] for line in lines[1:]] == ["severity", "MAJOR_ACK"]
    assert ask("at", ago(850), "--path", GC1).stdout.splitlines()[1:] == ["No alarm stood."]


def test_a_file_that_cannot_be_written(ask, tmp_path):
    with pytest.raises(TocsinError, match=r"none/events.csv: cannot be written: No such file or directory$"):
        ask("events", "--format", "csv", "-o", tmp_path / "none" / "events.csv")
    with pytest.raises(TocsinError, match="/dev/full: cannot be written: No space left"):
        ask("events", "--format", "csv", "-o", "/dev/full")


def test_the_difference(ask):
    found = ask("difference", ago(750), ago(450))
    assert [line.split()[:3] for line in found.stdout.splitlines()[1:]] == [["changed", "MAJOR", "MAJOR_ACK"]]
    body = json.loads(ask("difference", ago(850), ago(450), "--format", "json").stdout)
    assert [(one["change"], one["before"]["severity"], one["after"]["severity"]) for one in body["changes"]] == [
        ("changed", "OK", "MAJOR_ACK")
    ]
    assert "No alarm differs" in ask("difference", ago(590), ago(510), "--path", "/Acc/Vacuum").stdout
    ask("difference", ago(450), code=1)


def test_intervals(ask):
    body = json.loads(ask("intervals", GC1, "/Acc/RF", "--start", ago(750), "--end", ago(450), "--format", "json").stdout)
    seen = {line["pv"]: [one["severity"] for one in line["intervals"]] for line in body["alarms"]}
    assert seen == {"GC1": ["MAJOR", "MAJOR_ACK"], "P1": [None, "MINOR", None]}
    lines = ask("intervals", GC1, "--start", ago(750), "--end", ago(450)).stdout.splitlines()
    assert len(lines) == 3
    assert (body["complete"], body["remark"]) == (True, "")
    until_now = ask("intervals", GC1, "--start", ago(750))
    assert "not complete: " in until_now.stderr
    assert "nothing has been recorded since" in until_now.stderr


def test_both_ways_of_being_hidden_are_told_apart(ask, tmp_path):
    more = [
        happened(7, 350, GC1, K.DISABLED, S.OK, state=snapshot(S.MAJOR, suppressed=True)),
        happened(8, 300, GC1, K.SHELVED, S.OK, state=snapshot(S.MAJOR, suppressed=True, until=Nanos(NOW))),
    ]
    asyncio.run(stored(tmp_path, more))
    lines = ask("intervals", GC1, "--start", ago(450), "--end", ago(250)).stdout.splitlines()
    assert [line.split()[3] for line in lines[1:]] == ["MAJOR_ACK", "DISABLED", "SHELVED"]
    body = json.loads(ask("intervals", GC1, "--start", ago(450), "--end", ago(250), "--format", "json").stdout)
    assert [one["state"] for one in body["alarms"][0]["intervals"]] == ["acknowledged", "disabled", "shelved"]


def test_who_acknowledged(ask):
    found = ask("acknowledgements")
    assert "200.0 s" in found.stdout
    [row] = json.loads(ask("acknowledgements", "--user", "mara", "--format", "json").stdout)["acknowledgements"]
    assert (row["pv"], row["after_s"], row["host"]) == ("GC1", 200.0, "ops1")
    assert "nothing was acknowledged" in ask("acknowledgements", "--user", "sam").stderr


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("events", ["--start", "yesterday"], ["--start", "yesterday", "ISO 8601"]),
        ("events", ["--start", "-1h", "--end", "-2h"], ["--start", "before"]),
        ("events", ["--path", "Vacuum"], ["--path", "slash"]),
        ("events", ["--severity", "awful"], ["--severity", "MAJOR"]),
        ("events", ["--after", "7"], ["--after", "CONFIG.EPOCH.N"]),
        ("events", ["--kind", "party"], ["--kind"]),
        ("events", ["--output", "x.csv"], ["--output", "csv"]),
        ("at", ["+1h"], ["future"]),
        ("at", [], ["TIME"]),
        ("difference", ["now-1h", "now-2h"], ["before"]),
        ("intervals", ["/Acc/None"], ["/Acc/None"]),
        ("intervals", ["Acc/RF"], ["PATH", "slash"]),
        ("difference", ["-1h", "-2h"], ["before"]),
        ("events", ["--start", "-20y"], ["--start", "-90s, -30m, -2h, -7d"]),
        ("intervals", ["/Acc/RF", "/Other/x"], ["one configuration"]),
    ],
)
def test_a_faulty_question_is_told_what_is_wrong(ask, command, arguments, words):
    text = " ".join(ask(command, *arguments, code=2).output.replace("│", " ").split())
    assert [word for word in words if word not in text] == [], text


def test_another_configuration(ask):
    with pytest.raises(SettingsError, match="Other"):
        ask("events", "--config", "Other")
