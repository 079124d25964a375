"""What other settings would have changed, over HTTP."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic, Nanos
from backend.api import what_if
from backend.api.what_if_forms import WhatIfForm
from tests.unit.backend_world import World, world
from tests.unit.evaluating import Control
from tests.unit.test_tuning_replay import events_of

PATH = "/Acc/Vacuum/GC1"
FOLLOWING = AlarmSettings("Pressure", latching=False)


async def rattle(site: World) -> None:
    """Put an hour into the history in which the PV went off five times for 4 s."""
    start = Nanos(site.clock.now().wall - 3600 * NANOS_PER_SECOND)
    control = Control({"/Demo/Vacuum/GC1": FOLLOWING}, Moment(start, Monotonic(1)))
    for _ in range(5):
        for severity, wait_s in ((Severity.MAJOR, 4), (Severity.OK, 10)):
            control.pv_time = control.now.wall
            control.sample("GC1", severity)
            control.advance(wait_s)
    events = events_of([control])
    await site.history.write(
        [replace(event, id=event.id._replace(config="Acc"), path=event.path.replace("/Demo", "/Acc")) for event in events]
    )


@asynccontextmanager
async def rattled():
    async with world({PATH: FOLLOWING}) as site, site.client() as client:

        async def ask(**parameters: Any) -> dict[str, Any]:
            answer = await client.get("/api/v1/history/what-if", params={"path": PATH, **parameters})
            assert answer.status_code == 200, answer.text
            WhatIfForm.model_validate(answer.json())
            return answer.json()

        await rattle(site)
        yield client, ask


async def test_the_smallest_change_is_proposed():
    async with rattled() as (_, ask):
        answer = await ask()
    assert (answer["recorded"], answer["excursions"], answer["present"]["annunciated"]) == (5, 5, 5)
    assert answer["trials"][answer["chosen"]]["settings"] == {"delay_s": 5, "count": 0, "latching": False, "annunciating": True}


async def test_settings_that_are_given_are_tried_alone():
    async with rattled() as (_, ask):
        answer = await ask(delay_s=2, latching="true", start="-2h")
    [trial] = answer["trials"]
    assert trial["settings"] == {"delay_s": 2, "count": 0, "latching": True, "annunciating": True}
    assert (trial["annunciated"], trial["later"], trial["later_by_most_s"], trial["missed"]) == (1, 1, 2.0, 0)


async def test_of_too_many_events_the_newest_are_judged(monkeypatch):
    monkeypatch.setattr("backend.api.what_if.MOST_EVENTS", 4)
    monkeypatch.setattr("backend.tuning.gather.MAX_PAGE", 4)
    async with rattled() as (_, ask):
        answer = await ask(delay_s=5)
    assert answer["recorded"] == 2
    assert answer["remarks"][0].startswith("There are too many events: only those since ")


async def test_mistakes_are_problems():
    async with rattled() as (client, _):

        async def refused(**parameters: Any) -> tuple[int, str]:
            answer = await client.get("/api/v1/history/what-if", params=parameters)
            assert answer.headers["content-type"] == "application/problem+json"
            return answer.status_code, answer.text

        status, text = await refused(path="/Acc/Vacuum")
        assert status == 404
        assert "there is no alarm /Acc/Vacuum: a component is judged by `tocsin tune`" in text
        wrong: list[dict[str, str]] = [
            {"delay_s": "-1"}, {"delay_s": "soon"}, {"count": "x"}, {"latching": "maybe"}, {"delay": "5"}, {"start": "+1h"},
            {"start": "+1h", "end": "+2h"}, {"path": ""},
        ]  # fmt: skip
        for parameters in wrong:
            assert (await refused(**{"path": PATH} | parameters))[0] == 422, parameters


async def test_who_would_wait_for_long_is_told_so(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def judge(recording, in_force, question):
        begun.set()
        go_on.wait(20)
        return real(recording, in_force, question)

    real = what_if._judge
    monkeypatch.setattr(what_if, "_judge", judge)
    monkeypatch.setattr(what_if, "_LONGEST_WAIT_S", 0.01)
    async with rattled() as (client, ask):
        first = asyncio.create_task(ask())
        await asyncio.to_thread(begun.wait, 20)
        answer = await client.get("/api/v1/history/what-if", params={"path": PATH})
        assert answer.status_code == 503
        assert "ask again in a minute" in answer.json()["message"]
        go_on.set()
        await first
        await ask()
