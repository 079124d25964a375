"""Alert rules as Prometheus evaluates them: its own promtool, over series that are made up."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.k8s.building import Manifest

HOW_TO_GET = "promtool is not here: apt install prometheus"
INTERVAL_S = 60
Series = Mapping[str, str]
"""Values by name with labels, in promtool's words."""
Firing = tuple[str, str, str]
"""An alert: its name, its namespace, its configuration, `""` for none."""


def promtool() -> str | None:
    """The program, if it is here."""
    return shutil.which("promtool")


def rule_files(manifests: Sequence[Manifest], directory: Path) -> list[str]:
    """The rules of all sites, each object in a file as the operator writes it for Prometheus."""
    names = []
    for one in manifests:
        if one["kind"] == "PrometheusRule":
            name = f"{one['metadata']['namespace']}.yaml"
            (directory / name).write_text(yaml.safe_dump(one["spec"]), "utf-8")
            names.append(name)
    return names


def check(directory: Path, names: Sequence[str]) -> str:
    """What is wrong with the rules themselves; empty: nothing."""
    done = _run(["check", "rules", *names], directory)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def firing(directory: Path, names: Sequence[str], cases: Sequence[Series], at_min: int) -> list[set[Firing]]:
    """What fires at a time after the begin of the series, for each case.

    promtool only compares; so it is told to expect nothing, and says what there is. All cases are one run: each asks in words of its own.
    """
    questions = [f'ALERTS{{alertstate="firing",alertname!="case {number}"}}' for number in range(len(cases))]
    tests: list[dict[str, Any]] = [
        {
            "interval": f"{INTERVAL_S}s",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": question, "eval_time": f"{at_min}m", "exp_samples": []}],
        }
        for series, question in zip(cases, questions, strict=True)
    ]
    content = {"rule_files": list(names), "evaluation_interval": f"{INTERVAL_S}s", "tests": tests}
    (directory / "test.yaml").write_text(yaml.safe_dump(content), "utf-8")
    done = _run(["test", "rules", "test.yaml"], directory)
    said = (done.stdout + done.stderr).replace("\\", "")
    assert done.returncode == 0 or "got:" in said, said
    told = {int(number): part for number, part in re.findall(r'alertname!="case (\d+)"(.*?)(?=expr:|\Z)', said, re.DOTALL)}
    return [
        {_alert(labels) for labels in re.findall(r'\{__name__="ALERTS", (.*?)\}', told.get(number, ""))} for number in range(len(cases))
    ]


def _alert(labels: str) -> Firing:
    known = dict(re.findall(r'(\w+)="([^"]*)"', labels))
    return known["alertname"], known.get("namespace", ""), known.get("config", "")


def _run(arguments: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    program = promtool()
    assert program is not None
    return subprocess.run([program, *arguments], cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
