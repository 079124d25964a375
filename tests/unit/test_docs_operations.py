"""Pages on running a site: every alert has its section, every command is one, and every figure is exported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
import yaml

from provisioning.alerts import AlertOptions, rules
from tocsin.cli.main import app
from tocsin.reference.metrics_page import exported, name_of

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs/how-to"
RUNBOOK = (HOW_TO / "runbook.md").read_text(encoding="utf-8")
PAGES = ["upgrade", "backup-and-restore", "disaster-recovery", "migrate-from-phoebus", "runbook", "run-in-containers", "keep-alarms-in-git"]
FIGURES = {name_of(family) for family in exported()}


def sections(text):
    """By their titles."""
    parts = re.split(r"^##+ (.+)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("rule", rules(AlertOptions()), ids=lambda rule: rule.uid)
def test_every_alert_of_grafana_says_what_to_do(rule):
    section = sections(RUNBOOK)[rule.title]
    assert re.match(r"\n\*.+\*\n\n1\. ", section, re.DOTALL), "what it means, then the first step"
    assert section.count("\n1. ") == 1
    assert len(re.findall(r"^\d\. ", section, re.M)) >= 3


def test_limits_are_those_that_rules_have_by_themselves():
    options, told = AlertOptions(), dict.fromkeys(["engine_silent_s", "history_lag_s", "unacknowledged_min", "flood_per_10_min"])
    for line in re.findall(r"^\*.*\*$", RUNBOOK, re.M):
        name = re.search(r"\(`(\w+)`\)", line)[1]
        told[name] = int(re.search(r"\d+", line)[0])
    assert told == {name: getattr(options, name) for name in told}


def test_every_alert_of_prometheus_names_a_section_that_is_there():
    rules_file = ROOT / "k8s/overlays/production/linac/site/alerts.yaml"
    found = 0
    for document in yaml.safe_load_all(rules_file.read_text()):
        for rule in (rule for group in document["spec"]["groups"] for rule in group["rules"]):
            page, _, anchor = rule["annotations"]["runbook"].partition("#")
            titles = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in sections((ROOT / page).read_text())}
            assert anchor in titles, rule["alert"]
            found += 1
    assert found > 10


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_is_exported(page):
    named = set(re.findall(r"\btocsin_[a-z_]+\b", (HOW_TO / f"{page}.md").read_text()))
    assert named <= FIGURES


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one(page):
    text = (HOW_TO / f"{page}.md").read_text().replace("\\\n", " ")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)) + "\n" + "\n".join(re.findall(r"`(tocsin [^`]+)`", text))
    for line in re.findall(r"^\s*tocsin ([^>|\n]+)", blocks, re.M):
        words = [word for word in line.split() if word != "NAME"]
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert command.name not in (None, "tocsin"), line
        assert {word for word in words if word.startswith("--")} <= options | {"--help"}, line
