"""Suggestions on the performance dashboard: what `tocsin tune` would propose, at a bounded cost."""

from __future__ import annotations

import asyncio
import threading

import pytest

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, to_ms
from backend import suggesting
from backend.queries.registry import QUERIES
from backend.queries.request import Sources, pairs_of, read_ask
from backend.suggesting import Suggestions
from tests.grafana_site import running_site, scenario
from tests.unit.evaluating import Control

RATTLING = "/Demo/Cooling/FLOW"
QUIET = "/Demo/RF/CAVITY"


def rattling() -> Control:
    """One PV goes off five times for 4 s; another stays off."""
    control = Control({RATTLING: AlarmSettings("Flow", latching=False), QUIET: AlarmSettings("Cavity")})
    for pv in ("FLOW", "CAVITY"):
        control.sample(pv, Severity.OK)
    for _ in range(5):
        for severity, wait_s in ((Severity.MAJOR, 4), (Severity.OK, 10)):
            control.pv_time = control.now.wall
            control.sample("FLOW", severity)
            control.advance(wait_s)
    control.pv_time = control.now.wall
    control.sample("CAVITY", Severity.MAJOR)
    control.advance(600)
    return control


@pytest.fixture
async def site():
    async with running_site(rattling()) as site:
        yield site


async def asked(site, suggestions=None, later_s=0, **given):
    now = Nanos(site.sources.now + later_s * NANOS_PER_SECOND)
    sources = Sources(site.live.trees, site.history, now, suggestions=suggestions or Suggestions())
    return await QUERIES["suggestions"].rows(sources, read_ask(pairs_of({"config": "Demo", **given}), now))


async def test_the_worst_alarms_get_the_smallest_change_that_quiets_them(site):
    flow, cavity = await asked(site)
    assert (flow["pv"], flow["path"], flow["system"], flow["dash"]) == ("FLOW", RATTLING, "Cooling", "tocsin-Demo-Cooling")
    assert (flow["change"], flow["recorded"], flow["would"], flow["missed"]) == ("delay 5 s", 5, 0, 5)
    assert "It would not have come at all: is it needed?" in flow["text"]
    assert (cavity["pv"], cavity["change"], cavity["would"]) == ("CAVITY", "–", None)
    assert cavity["text"].startswith("Its settings are right")
    assert flow["computed"] == to_ms(site.sources.now)


async def test_no_more_are_judged_than_a_few(site):
    assert [row["pv"] for row in await asked(site, limit=1)] == ["FLOW"]
    assert [row["pv"] for row in await asked(site, path="/Demo/RF")] == ["CAVITY"]


async def test_that_nothing_rose_is_said():
    async with running_site(Control({QUIET: AlarmSettings("Cavity")})) as site:
        (row,) = await asked(site)
    assert (row["pv"], row["text"]) == ("", "No alarm of the tree rose in this range.")


async def test_answers_are_kept_for_some_minutes(site):
    kept = Suggestions()
    into_s = (site.sources.now % suggesting.KEPT_NS) / NANOS_PER_SECOND
    site.later(suggesting.KEPT_NS / NANOS_PER_SECOND - into_s + 1)  # not at the end of the ten minutes that are one question
    first = await asked(site, kept)
    site.history.broken = True
    assert await asked(site, kept, later_s=1) == first, "the store was not asked"
    with pytest.raises(HistoryUnavailable):
        await asked(site, kept, later_s=1200)


async def test_what_time_was_not_enough_for_is_said_and_tried_again_soon(site, monkeypatch):
    kept = Suggestions()
    monkeypatch.setattr(suggesting, "LONGEST_S", 0.0)
    (row,) = await asked(site, kept)
    assert row["text"].startswith("Cut off: time was not enough for")
    assert row["computed"] == to_ms(site.sources.now)
    monkeypatch.undo()
    assert await asked(site, kept) == [row]
    assert len(await asked(site, kept, later_s=60)) == 2


async def test_replays_leave_the_loop_free_and_run_one_at_a_time(site, monkeypatch):
    go, begun, loop_thread = threading.Event(), threading.Event(), threading.get_ident()
    threads = []
    propose = suggesting.propose

    def slow(*given):
        threads.append(threading.get_ident())
        begun.set()
        assert go.wait(10)
        return propose(*given)

    monkeypatch.setattr(suggesting, "propose", slow)
    monkeypatch.setattr(suggesting, "LONGEST_WAIT_S", 0.01)
    kept = Suggestions()
    first = asyncio.create_task(asked(site, kept))
    try:
        async with asyncio.timeout(10):
            while not begun.is_set():
                await asyncio.sleep(0.005)
        (row,) = await asked(site, kept, path="/Demo/RF")
    finally:
        go.set()
        rows = await first
    assert row["text"] == "Others are being computed: come back in a minute."
    assert len(rows) == 2
    assert loop_thread not in threads


async def test_only_the_newest_events_are_replayed(monkeypatch):
    monkeypatch.setattr(suggesting, "MOST_EVENTS", 4)
    monkeypatch.setattr("backend.tuning.gather.MAX_PAGE", 4)
    async with running_site(scenario()) as site:
        rows = await asked(site)
    assert any("There are too many events: only those since" in row["text"] for row in rows)
