"""A Grafana that somebody gives us, and Chromium to look at it.

TOCSIN_GRAFANA_URL           with user and password of an administrator: http://admin:admin@127.0.0.1:3000
TOCSIN_GRAFANA_BACKEND_HOST  address of this machine as that Grafana reaches it, 127.0.0.1 unless given
"""

from __future__ import annotations

import os
import shutil

import pytest
from playwright.async_api import async_playwright

from tests.acceptance.grafana.grafana import GivenGrafana
from tests.browser.conftest import ARGUMENTS, NAMES

HOW = (
    "no Grafana: start one (12.4 with the plugin yesoreyeram-infinity-datasource 3.11), for instance by `docker run --network host "
    "-e GF_PLUGINS_PREINSTALL_SYNC=yesoreyeram-infinity-datasource@3.11.1 grafana/grafana:12.4.0`, "
    "then `TOCSIN_GRAFANA_URL=http://admin:admin@127.0.0.1:3000 make grafana`"
)


@pytest.fixture
async def grafana():
    """It, with an administrator's rights; everything that a test made in it is removed again."""
    url = os.environ.get("TOCSIN_GRAFANA_URL")
    if not url:
        pytest.skip(HOW)
    async with GivenGrafana.at(url) as given:
        yield given


@pytest.fixture
def backend_host() -> str:
    """Where Grafana reaches what a test serves."""
    return os.environ.get("TOCSIN_GRAFANA_BACKEND_HOST", "127.0.0.1")


@pytest.fixture
async def browser(grafana):
    """Chromium; asked for after Grafana, so that a missing Grafana is what is told."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: install it with `apt-get install chromium` (Debian)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        await browser.close()
