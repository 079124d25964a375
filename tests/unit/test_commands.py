"""The page of `tocsin --help`, completion, and that neither loads the program."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tocsin.cli.commands import ENTRIES, Panel, whole
from tocsin.cli.main import app

HEAVY = ("fastapi", "httpx", "confluent_kafka", "epics", "grafanalib", "textual", "elasticsearch", "tocsin.settings", "backend")


def ask(*arguments, **environment):
    code = f"import sys\nsys.argv = ['tocsin', *{list(arguments)!r}]\nfrom tocsin.cli.main import main\ntry:\n    main()\nfinally:\n    "
    code += f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    environment = {**os.environ, "COLUMNS": "80", **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_help_lists_everything_and_loads_nothing():
    found = ask("--help")
    assert found.returncode == 0
    assert "LOADED []" in found.stderr
    for entry in ENTRIES:
        assert f"│ {entry.name} " in found.stdout
    titles = [panel.value for panel in Panel]
    assert [title for title in titles if f"─ {title} ─" not in found.stdout] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_line_of_help_is_one_line_and_a_sentence(entry):
    assert len(entry.help) <= 62  # what 80 columns leave
    assert entry.help.endswith(".") or ": --" in entry.help


def test_every_command_is_there_with_more_help():
    loaded = whole()
    names = [command.name for command in loaded.registered_commands] + [group.name for group in loaded.registered_groups]
    assert sorted(names) == sorted(entry.name for entry in ENTRIES)


def test_groups_have_their_subcommands_once_however_often_they_are_loaded():
    whole()
    page = CliRunner().invoke(app, ["config", "--help"], env={"COLUMNS": "100"}).output
    for name in ("check", "diff", "sync", "export"):
        assert page.count(f"│ {name} ") == 1


def test_completion_of_names_loads_nothing():
    found = ask(_TOCSIN_COMPLETE="complete_bash", COMP_WORDS="tocsin un", COMP_CWORD="1")
    assert found.stdout.split() == ["unack", "unshelve"]
    assert "LOADED []" in found.stderr


def test_completion_of_options_and_choices():
    found = ask(_TOCSIN_COMPLETE="complete_bash", COMP_WORDS="tocsin alarms --state ", COMP_CWORD="3")
    assert {"active", "acknowledged", "shelved"} <= set(found.stdout.split())


def test_a_misspelt_command_is_told_what_was_meant():
    found = CliRunner().invoke(app, ["alrams"], env={"COLUMNS": "200"})
    assert found.exit_code == 2
    assert "Did you mean 'alarms'" in found.output


def test_a_misspelt_word_of_an_option_is_told_without_words_of_a_library():
    found = ask("alarms", "--severity", "huge")
    assert found.returncode == 2
    assert "'huge' is not one of" in found.stderr
    assert "Value error" not in found.stderr


def test_an_address_where_nobody_listens_names_the_option_of_the_prompt():
    found = ask("summary", "--url", "http://127.0.0.1:9")
    assert found.returncode == 2
    assert "--url or TOCSIN_URL name another" in found.stderr
    found = ask("ack", "/A/B/C", "--url", "http://127.0.0.1:9")
    assert "--url or TOCSIN_URL name another" in found.stderr


def test_nobody_waits_for_python_to_look_through_what_is_loaded_and_what_runs_is_looked_through():
    code = "import gc, sys\nfrom tocsin.__main__ import main\nfrom tocsin.cli import look\nlook.alarms = lambda: print(gc.isenabled())\n"
    code += "sys.argv = ['tocsin', 'alarms']\ntry:\n    main()\nfinally:\n    print(gc.get_freeze_count() > 10_000)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (found.stdout.split(), found.stderr) == (["True", "True"], "")
