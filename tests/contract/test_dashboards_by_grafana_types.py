"""A second opinion on generated dashboards: Grafana's own types, by the TypeScript compiler; options of panels too."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import pytest

from alarm_engine.config.load import read_tree
from dashboards.build import BuildOptions, build
from dashboards.kit.simple_panels import Foreign, Form, Rows, SimplePanel
from dashboards.kit.site import Look
from dashboards.kit.targets import Kind
from tests.contract.npm_packages import npm_packages

PACKAGES = ("@grafana/schema@12.4.0", "typescript@5.9.3")
TREE = Path(__file__).parents[1] / "data" / "dashboards" / "tree.yaml"
COMPILE = ["--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler", "--module", "esnext", "--target", "es2022"]
PANELS = {"stat": "stat", "table": "table", "state-timeline": "statetimeline", "timeseries": "timeseries", "logs": "logs", "text": "text"}
HEAD = """
import type { Dashboard } from "@grafana/schema";
// Enumerations of these types are texts in files.
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T :
  T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""


pytestmark = pytest.mark.timeout(420)


@pytest.fixture(scope="module")
def compiler() -> Path:
    """Folder with the compiler and Grafana's types."""
    return npm_packages(*PACKAGES)


def faults(compiler: Path, dashboards: list[dict]) -> str:
    """What the compiler says; empty if all is well. Queries belong to the datasource plugins and are left out."""
    lines = [HEAD]
    for name in PANELS.values():
        module = f"./node_modules/@grafana/schema/dist/types/raw/composable/{name}/panelcfg/x/types.gen"
        lines.append(f'import type * as {name} from "{module}";')
    for dashboard in dashboards:
        for panel in dashboard["panels"]:
            panel["targets"] = []
            name = PANELS[panel["type"]]
            lines.append(f"{{ const options: Plain<{name}.Options> = {json.dumps(panel['options'])}; }}")
            custom = panel["fieldConfig"]["defaults"].get("custom")
            if custom is not None:
                lines.append(f"{{ const custom: Plain<{name}.FieldConfig> = {json.dumps(custom)}; }}")
        for annotation in dashboard["annotations"]["list"]:
            annotation.pop("target", None)
        lines.append(f"{{ const whole: Plain<Dashboard> = {json.dumps(dashboard)}; }}")
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "node_modules").symlink_to(compiler / "node_modules")
        (Path(scratch) / "dashboards.ts").write_text("\n".join(lines))
        command = ["node", "node_modules/typescript/bin/tsc", *COMPILE, "dashboards.ts"]
        return subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=110, check=False).stdout


CURRENT = Foreign("prometheus", "machine", {"expr": "ring_current"})
ADDED = (
    SimplePanel("Notes", "overview", Form.TEXT, text="Call **4711**."),
    SimplePanel("Shelved", "overview", Form.TABLE, asks=Rows("shelved"), columns={"pv": "string", "until": "time"}),
    SimplePanel("Current", "overview", Form.LINES, asks=CURRENT),
    SimplePanel("Current now", "overview", Form.NUMBER, asks=CURRENT),
)
"""Panels of each form, as a site adds them."""


def generated(kind: Kind) -> list[dict]:
    files = build([read_tree(TREE)], BuildOptions(Look(prometheus="metrics"), datasource=kind, panels=ADDED))
    names = [name for name in files if "-RF" not in name and "Personnel" not in name]  # one subsystem is like another
    return [json.loads(files[name]) for name in names]


def test_grafana_s_types_take_every_dashboard(compiler):
    dashboards = generated(Kind.INFINITY) + generated(Kind.JSON)
    assert {panel["type"] for one in dashboards for panel in one["panels"]} == set(PANELS)
    assert faults(compiler, dashboards) == ""


def test_they_find_what_is_wrong(compiler):
    overview = next(one for one in generated(Kind.INFINITY) if one["uid"] == "tocsin-Ring")
    overview["panels"][0]["options"]["colorMode"] = "loud"
    overview["panels"][1]["gridPos"]["w"] = "3"
    overview["links"][0]["type"] = "button"
    said = faults(compiler, [overview])
    assert all(word in said for word in ('"loud"', "string", '"button"'))
