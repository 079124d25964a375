"""What the acceptance test looks for in a page of Grafana is what that version of Grafana writes there, by its own list."""

from __future__ import annotations

import json
import subprocess

import pytest

from dashboards.kit.panels import PLUGIN_VERSION
from tests.acceptance.grafana.grafana import LOOK
from tests.contract.npm_packages import npm_packages

pytestmark = pytest.mark.timeout(420)

ASK = """
const { resolveSelectors, versionedComponents } = require("@grafana/e2e-selectors");
const found = resolveSelectors(versionedComponents, process.argv[1]);
const panel = found.Panels.Panel;
console.log(JSON.stringify({
  title: panel.title("Active alarms"),
  error: panel.status("error"),
  message: panel.PanelDataErrorMessage,
  bar: panel.loadingBar(),
}));
"""


def test_the_page_is_searched_for_what_grafana_writes():
    folder = npm_packages(f"@grafana/e2e-selectors@{PLUGIN_VERSION}")
    answer = subprocess.run(
        ["node", "-e", ASK, PLUGIN_VERSION], cwd=folder, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    title = found["title"].removesuffix("Active alarms")
    assert f'[data-testid^="{title}"]' in LOOK
    assert f"slice('{title}'.length)" in LOOK
    assert f'[data-testid^="{found["error"]}"]' in LOOK
    assert f'[data-testid="{found["message"]}"]' in LOOK
    assert f'[data-testid$="{found["bar"]}"]' in LOOK
    assert f'[aria-label="{found["bar"]}"]' in LOOK
