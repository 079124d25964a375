"""Headless Chromium, and a plant for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.plant import Plant

ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests here; the tests are plain functions, since playwright's own loop runs in this thread."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: install it with `apt-get install chromium` (Debian) to run the browser tests")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser, request):
    """A page of a fresh profile; its errors fail the test, and its last picture is kept if the test failed."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    context.set_default_timeout(10_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if is_fault(message) else None)
    yield page
    if request.node.stash.get(FAILED, False):
        picture = Path(request.config.rootpath) / ".pytest_cache" / f"{request.node.name}.png"
        picture.write_bytes(page.screenshot())  # given a path, playwright would leave a thread behind
    context.close()
    assert errors == [], "the page reported errors"


def is_fault(message) -> bool:
    """True for errors of the page itself; requests that fail are what some tests are about."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Remember whether the test itself failed."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture
def plant() -> Iterator[Plant]:
    """Engine and backend, running."""
    plant = Plant()
    plant.start()
    yield plant
    plant.stop()
