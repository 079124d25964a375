"""Somebody else who writes states, as the page says it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from alarm_engine.journal.port import Record
from tests.browser.plant import TOPICS

pytestmark = pytest.mark.browser


def test_the_banner_while_somebody_else_writes(page, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    page.goto(plant.address)
    expect(page.locator("#engine-state")).to_have_text("LIVE")
    expect(page.locator("#banner")).to_be_hidden()
    plant._do(plant._journal.append([Record(TOPICS.config, "state:/Demo/Vacuum", b'{"severity":"OK"}')]))
    banner = page.locator("#banner")
    expect(banner).to_be_visible(timeout=1_000)
    expect(banner).to_contain_text("SECOND WRITER")
    expect(banner).to_contain_text("Another server writes states of Demo too, the first was /Demo/Vacuum")
    expect(page.locator("#engine-state")).to_have_text("SECOND WRITER")
    # What is shown can be trusted all the same: ours is written over it.
    assert not page.evaluate("document.body.classList.contains('blind')")
    plant.engine_off()
    expect(banner).to_contain_text("STALE", timeout=15_000)
