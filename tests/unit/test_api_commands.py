"""Commands over HTTP: done, refused or not confirmed, and never success on a time-out."""

from __future__ import annotations

import asyncio

import pytest

from alarm_engine.errors import JournalUnavailable
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.api.commands import CommandAnswer
from backend.services import BackendSettings
from tests.unit.backend_world import until, world

GC1 = "/Acc/Vacuum/GC1"
QUICK = BackendSettings(command_timeout_s=0.2)


async def give(client, command: str, path: str = GC1, **more: object):
    return await client.post("/api/v1/commands", json={"command": command, "path": path, "user": "mara", "reason": "seen it", **more})


async def written(site) -> int:
    """Number of commands in the journal."""
    reader = site.journal.reader([site.topics.command])
    try:
        return len((await reader.fetch(timeout_s=0.01)).records)
    finally:
        await reader.close()


async def test_acknowledge_says_what_it_did_and_who():
    async with world() as site, site.client() as client:
        await site.raised(GC1)
        await site.raised("/Acc/Vacuum/GC2")
        response = await give(client, "acknowledge", "/Acc/Vacuum")
        assert response.status_code == 200
        answer = CommandAnswer.model_validate(response.json())
        assert (answer.outcome, answer.count, answer.left_alone, answer.user) == ("done", 2, [], "mara")
        acknowledgement = site.tree.alarms[GC1].snapshot.acknowledgement
        assert (acknowledgement.user, acknowledgement.host, acknowledgement.reason) == ("mara", "127.0.0.1", "seen it")
        assert answer.as_of == answer.event == str(site.tree.newest)


async def test_all_six_commands():
    async with world() as site, site.client() as client:
        await site.raised(GC1)
        for command, more, severity, suppressed in (
            ("acknowledge", {}, Severity.MAJOR_ACK, False),
            ("unacknowledge", {}, Severity.MAJOR, False),
            ("shelve", {"duration": "2h"}, Severity.OK, True),
            ("unshelve", {}, Severity.MAJOR, False),
            ("disable", {}, Severity.OK, True),
            ("enable", {}, Severity.MAJOR, False),
        ):
            answer = (await give(client, command, **more)).json()
            assert (answer["outcome"], answer["count"]) == ("done", 1), answer
            alarm = site.tree.alarms[GC1]
            assert (alarm.severity, alarm.snapshot.suppression is not None) == (severity, suppressed), command


async def test_nobody_acknowledges_what_he_has_not_seen():
    async with world() as site, site.client() as client:
        await site.raised(GC1)
        seen = (await client.get("/api/v1/alarms")).json()["as_of"]
        await site.raised("/Acc/Vacuum/GC2")
        answer = (await give(client, "acknowledge", "/Acc/Vacuum", seen=seen)).json()
        assert (answer["count"], answer["left_alone"]) == (1, ["/Acc/Vacuum/GC2"])
        assert site.tree.alarms["/Acc/Vacuum/GC2"].severity is Severity.MAJOR


async def test_shelving_until_a_time_or_for_a_while():
    async with world() as site, site.client() as client:
        await site.raised(GC1)
        now = site.clock.now().wall
        day = Nanos(now // NANOS_PER_SECOND * NANOS_PER_SECOND + 399 * 86_400 * NANOS_PER_SECOND)
        for more, seconds in (
            ({"until": iso(day)}, None),
            ({"duration": 90}, 90),
            ({"duration": "1.5h"}, 5400),
            ({"duration": "400d"}, 34_560_000),
        ):
            assert (await give(client, "shelve", **more)).status_code == 200
            until_ns = site.tree.alarms[GC1].snapshot.suppression.until
            if seconds is None:
                assert until_ns == day
            else:
                assert 0 <= (until_ns - now) / 1e9 - seconds < 60


async def test_an_unknown_path_is_refused_at_once():
    async with world() as site, site.client() as client:
        answer = await give(client, "acknowledge", "/Acc/Vacuum/none")
        assert answer.status_code == 404
        assert answer.json()["outcome"] == "refused"
        assert "/Acc/Vacuum/none" in answer.json()["message"]
        assert await written(site) == 0


async def test_what_the_engine_refuses_is_refused_with_its_reason():
    async with world(settings=BackendSettings(command_timeout_s=5)) as site, site.client() as client:
        # The tree looks stale to us, so only the engine can say that there is no such alarm.
        site.clock.shift_s = 60
        answer = await give(client, "acknowledge", "/Acc/Vacuum/none")
        assert answer.status_code == 409
        assert (answer.json()["outcome"], answer.json()["message"]) == ("refused", "there is no alarm and no component /Acc/Vacuum/none")


async def test_a_silent_engine_never_looks_like_success():
    async with world(engine=False, settings=QUICK) as site, site.client() as client:
        response = await give(client, "acknowledge")
        assert response.status_code == 202
        answer = CommandAnswer.model_validate(response.json())
        assert (answer.outcome, answer.count, answer.event, answer.stale) == ("not_confirmed", 0, None, True)
        assert "0.2 s" in answer.reason
        assert await written(site) == 1


async def test_a_retry_with_the_same_id_is_sent_once_while_the_first_is_on_its_way():
    async with world(engine=False, settings=BackendSettings(command_timeout_s=10)) as site, site.client() as client:
        both = [asyncio.create_task(give(client, "acknowledge", id="one")) for _ in range(2)]
        await until(lambda: site.journal._ends.get(site.topics.command))
        both.append(asyncio.create_task(give(client, "acknowledge", id="one")))
        await site.start_engine()  # it looks for commands from its start on
        await until(lambda: not site.tree.freshness().stale)
        assert await written(site) == 1
        site.app.state.close()
        answers = [(await task).json() for task in both]
        assert {answer["outcome"] for answer in answers} == {"not_confirmed"}


async def test_a_retry_after_the_answer_is_answered_again_and_carried_out_once():
    async with world() as site, site.client() as client:
        await site.raised(GC1)
        first = (await give(client, "acknowledge", id="mine")).json()
        again = (await give(client, "acknowledge", id="mine")).json()
        assert (again["outcome"], again["count"], again["event"]) == ("done", 1, first["event"])
        assert await written(site) == 1


async def test_an_id_of_another_command_is_refused():
    async with world() as site, site.client() as client:
        await give(client, "acknowledge", id="mine")
        for command, path in (("acknowledge", "/Acc/RF"), ("disable", GC1)):
            answer = await give(client, command, path, id="mine")
            assert answer.status_code == 422
            assert "id" in answer.json()["message"]


async def test_a_journal_that_cannot_be_written_is_no_success():
    async with world() as site, site.client() as client:

        async def fail(*_: object) -> None:
            raise JournalUnavailable("disk full")

        site.journal.append, append = fail, site.journal.append
        answer = await give(client, "acknowledge")
        site.journal.append = append
        assert answer.status_code == 503
        assert answer.json()["outcome"] == "not_confirmed"
        assert "disk full" in answer.json()["message"]


async def test_a_server_without_commands_takes_none():
    async with world(engine=False, settings=BackendSettings(commands=False)) as site, site.client() as client:
        answer = await give(client, "acknowledge")
        assert answer.status_code == 403
        assert await written(site) == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, ["command", "path"]),
        ({"command": "explode", "path": GC1}, ["command", "acknowledge"]),
        ({"command": "acknowledge", "path": "Acc"}, ["path", "/config/system"]),
        ({"command": "acknowledge", "path": "/"}, ["path"]),
        ({"command": "acknowledge", "path": GC1, "reson": "x"}, ["reson", "not known"]),
        ({"command": "shelve", "path": GC1}, ["until", "duration"]),
        ({"command": "shelve", "path": GC1, "until": "2050-01-01T00:00Z", "duration": 5}, ["one of them"]),
        ({"command": "shelve", "path": GC1, "until": "2050-01-01T00:00"}, ["until", "time zone"]),
        ({"command": "shelve", "path": GC1, "until": "2001-01-01T00:00Z"}, ["until", "future"]),
        ({"command": "shelve", "path": GC1, "duration": "soon"}, ["duration", "soon"]),
        ({"command": "shelve", "path": GC1, "duration": "999999999w"}, ["duration", "400 days", "out of service"]),
        ({"command": "shelve", "path": GC1, "duration": "401d"}, ["duration", "400 days", "out of service"]),
        ({"command": "shelve", "path": GC1, "until": "2099-12-30T00:00Z"}, ["until", "400 days", "out of service"]),
        ({"command": "shelve", "path": GC1, "until": "9999-12-31T23:59:59Z"}, ["until", "2100"]),
        ({"command": "shelve", "path": GC1, "until": "9999-12-31T23:59:59-23:00"}, ["until", "2100"]),
        ({"command": "shelve", "path": GC1, "duration": "0s", "seen": "x"}, ["2 faults", "duration", "seen"]),
        ({"command": "enable", "path": GC1, "duration": "1h"}, ["shelve only"]),
        ({"command": "acknowledge", "path": GC1, "seen": "Other.1.1"}, ["seen", "another configuration"]),
        ({"command": "acknowledge", "path": GC1, "user": "a\u0000b"}, ["user", "control characters"]),
        ({"command": "acknowledge", "path": GC1, "reason": "x" * 2001}, ["reason", "2000"]),
        ({"command": "acknowledge", "path": GC1, "id": ""}, ["id"]),
    ],
)
async def test_a_faulty_command_is_told_all_its_faults(body, words):
    async with world(engine=False) as site, site.client() as client:
        answer = await client.post("/api/v1/commands", json=body)
        assert answer.status_code == 422
        assert [word for word in words if word not in answer.json()["message"]] == [], answer.json()
        assert await written(site) == 0


@pytest.mark.parametrize("part", ['"user":"\\ud800"', '"seen":"\\ud800"', '"id":"\\ud800"', '"\\ud800":1'])
async def test_text_that_no_answer_could_repeat_is_told_so(part):
    async with world(engine=False) as site, site.client() as client:
        body = f'{{"command":"acknowledge","path":"{GC1}",{part}}}'
        answer = await client.post("/api/v1/commands", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["message"]
        assert await written(site) == 0


async def test_text_that_is_no_json_is_told_so():
    async with world(engine=False) as site, site.client() as client:
        answer = await client.post("/api/v1/commands", content=b"{nonsense", headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert "JSON" in answer.json()["message"]


async def test_outcomes_are_counted():
    async with world() as site, site.client() as client:
        await give(client, "acknowledge")
        figures = (await client.get("/metrics")).text
        assert 'tocsin_commands_total{command="acknowledge",outcome="done"} 1.0' in figures
        assert "GC1" not in figures
