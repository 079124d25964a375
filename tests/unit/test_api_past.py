"""The past over HTTP: the tree at a moment, differences, intervals, acknowledgements, files of events."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from dataclasses import replace

import psutil
import pytest

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.event import EventKind, Origin
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_MS, NANOS_PER_SECOND, Nanos, iso
from backend.api import forms, past_forms
from backend.api.events import ExportQuestion, events_router
from backend.history.port import EventPage
from backend.past import export
from tests.contract.histories import event, snapshot
from tests.unit.backend_world import PVS, until, world

S, K = Severity, EventKind
V1, V2, P1, TOP = "/Acc/Vacuum/GC1", "/Acc/Vacuum/GC2", "/Acc/RF/Cavity/P1", "/Acc/INTERLOCK"
API = "/api/v1/history"


async def get(client, where, /, **parameters):
    answer = await client.get(where, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


class Past:
    """Events of a site, by seconds before now."""

    def __init__(self, site):
        self.site = site
        self.now = Nanos(site.clock.now().wall // NANOS_PER_MS * NANOS_PER_MS)
        self.n = 0

    def time(self, ago):
        return Nanos(self.now - round(ago * NANOS_PER_SECOND))

    def text(self, ago):
        return str(self.time(ago) // 1_000_000)

    async def add(self, ago, path, kind=K.ALARM, severity=S.MAJOR, **more):
        self.n += 1
        state = more.pop("state", snapshot(severity))
        one = event(self.n, 0, path, kind, config="Acc", severity=severity, state=state, **more)
        await self.site.history.write([replace(one, time=self.time(ago))])


async def story(site):
    past = Past(site)
    for path in (V1, V2, P1, TOP):
        await past.add(1000, path, K.CONFIGURED, S.OK, description="Something")
    await past.add(900, V1, severity=S.MAJOR, annunciated=True, description="Pressure")
    await past.add(800, P1, severity=S.MINOR)
    await past.add(700, V1, K.ACKNOWLEDGED, S.MAJOR_ACK, user="mara", host="ops1", comment="known")
    await past.add(600, V2, K.SHELVED, S.OK, state=snapshot(S.MAJOR, suppressed=True))
    await past.add(500, P1, K.REMOVED, S.OK, state=None)
    await past.add(400, TOP, severity=S.INVALID)
    await past.add(300, "/Acc/New/PV", severity=S.UNDEFINED)
    await past.add(200, V1, K.CLEARED, S.OK)
    return past


async def test_the_tree_as_it_was():
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        body = await get(client, f"{API}/tree", at=past.text(650), depth=9, leaves="true")
        past_forms.PastTreeAnswer.model_validate(body)
        assert (body["complete"], body["remark"], body["as_of"], body["as_of_time"]) == (True, "", "Acc.1.7", iso(past.time(700)))
        root = body["root"]
        assert (root["path"], root["severity"], root["alarms"]) == ("/Acc", "MINOR", 4)
        assert [node["name"] for node in root["nodes"]] == ["RF", "Vacuum"]
        vacuum = root["nodes"][1]
        assert (vacuum["severity"], vacuum["counts"]["acknowledged"], vacuum["counts"]["active"]) == ("MAJOR_ACK", 1, 0)
        assert [(leaf["pv"], leaf["severity"], leaf["state"]) for leaf in vacuum["leaves"]] == [
            ("GC1", "MAJOR_ACK", "acknowledged"),
            ("GC2", "OK", "ok"),
        ]
        assert vacuum["leaves"][0]["version"] == "Acc.1.7"
        # What was rolled up then is what is rolled up now: out of service and shelved do not count, removed is gone.
        later = (await get(client, f"{API}/tree", at=past.text(250), depth=1))["root"]
        assert later["severity"] == "UNDEFINED"
        assert [(node["name"], node["severity"], node["leaves"]) for node in later["nodes"]] == [
            ("New", "UNDEFINED", None),
            ("Vacuum", "MAJOR_ACK", None),
        ]
        assert later["nodes"][1]["counts"]["disabled"] == 1
        part = (await get(client, f"{API}/tree", at=past.text(650), path="/Acc/RF", depth=0))["root"]
        assert (part["path"], part["severity"], part["nodes"]) == ("/Acc/RF", "MINOR", None)


async def test_the_tree_of_now_is_the_same_by_both_ways():
    async with world() as site, site.client() as client:
        for path in PVS:
            site.feed(path.rpartition("/")[2], S.OK)
        await site.raised(V1)
        await site.raised(P1, S.MINOR)
        command = {"command": "shelve", "path": V2, "duration": "1h", "user": "mara", "reason": "gauge is changed"}
        await client.post("/api/v1/commands", json=command)
        await client.post("/api/v1/commands", json={"command": "acknowledge", "path": V1, "user": "mara", "reason": "known"})
        await site.copy_history()
        site.clock.shift_s = 1.0
        then = await get(client, f"{API}/tree", at="now", depth=9, leaves="true")
        now = await get(client, "/api/v1/tree", depth=9, leaves="true")
        assert then["root"] == now["root"]
        assert (then["as_of"], then["complete"]) == (now["as_of"], True)


async def test_alarms_as_they_were():
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        body = await get(client, f"{API}/alarms", at=past.text(250))
        past_forms.PastAlarmPage.model_validate(body)
        assert [(one["pv"], one["severity"], one["description"]) for one in body["alarms"]] == [
            ("PV", "UNDEFINED", ""),
            ("INTERLOCK", "INVALID", ""),
        ]
        both = await get(client, f"{API}/alarms", at=past.text(250), state="active,acknowledged", limit=1, offset=2)
        assert (both["total"], [one["severity"] for one in both["alarms"]]) == (3, ["MAJOR_ACK"])
        assert (await get(client, f"{API}/alarms", at=past.text(250), state="all", severity="MAJOR"))["total"] == 1
        assert (await get(client, f"{API}/alarms", at=past.text(750), path="/Acc/RF"))["total"] == 1


async def test_what_is_not_known_does_not_look_calm():
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        early = await get(client, f"{API}/alarms", at=past.text(2000), state="all")
        assert (early["total"], early["complete"], early["as_of"]) == (0, False, None)
        assert "nothing was recorded" in early["remark"]
        now = await get(client, f"{API}/alarms", at="now")
        assert not now["complete"]
        assert "no life sign" in now["remark"]
        await site.history.delete_before("Acc", past.time(650))
        old = await get(client, f"{API}/tree", at=past.text(750))
        assert not old["complete"]
        assert "deleted" in old["remark"]
        assert (await get(client, f"{API}/tree", at=past.text(550)))["complete"]


async def test_what_a_clock_that_was_ahead_hides_is_said():
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        await past.add(-86_400, V1, severity=S.MAJOR)
        now = await get(client, f"{API}/alarms", at="now")
        assert not now["complete"]
        assert f"the clock of the engine was ahead: what it has recorded since stands at {iso(past.time(-86_400))}" in now["remark"]
        assert (await get(client, f"{API}/alarms", at=past.text(250)))["complete"]  # what came before the clock went wrong


async def test_a_line_of_states_does_not_go_on_where_the_clock_of_the_engine_was_ahead():
    async with world() as site, site.client() as client:
        await site.raised(V1)
        await site.copy_history()
        past = Past(site)
        asked = {"path": V1, "from": past.text(600), "to": past.text(-60)}
        rows = await get(client, "/grafana/rows/pv/intervals", **asked)
        assert rows[-1]["severity"] == "MAJOR"
        version = site.tree.alarms[V1].version
        cleared = replace(event(1, 0, V1, K.CLEARED, severity=S.OK), id=version._replace(n=version.n + 1000), time=past.time(-86_400))
        await site.history.write([cleared])
        site.clock.shift_s = 1
        rows = await get(client, "/grafana/rows/pv/intervals", **asked)
        assert rows[-1]["severity"] == "STALE"


async def test_up_to_the_last_sign_of_the_engine_before_all_is_known():
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        await past.add(100, "/Acc", K.ENGINE, S.OK, state=None, since=past.time(110))
        await past.add(50, V1, severity=S.MAJOR)
        assert (await get(client, f"{API}/alarms", at=past.text(150)))["complete"]
        between = await get(client, f"{API}/alarms", at=past.text(105))
        assert not between["complete"]
        remark = f"an engine took over at {iso(past.time(100))}: what happened after {iso(past.time(110))}, while none ran, is not known"
        assert between["remark"] == remark
        line = await get(client, f"{API}/intervals", path=V1, start=past.text(300), end=past.text(60))
        assert line["remark"].startswith(f"an engine took over at {iso(past.time(100))}: what happened from {iso(past.time(110))} on")


async def test_what_happened_before_an_engine_took_over_is_not_known():
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        await past.add(100, "/Acc", K.ENGINE, S.OK, state=None)
        await past.add(50, V1, severity=S.MAJOR)
        between = await get(client, f"{API}/alarms", at=past.text(150))
        assert not between["complete"]
        assert (
            between["remark"] == f"an engine took over at {iso(past.time(100))}: whether one ran since {iso(past.time(200))} is not known"
        )
        assert (await get(client, f"{API}/alarms", at=past.text(90)))["complete"]
        assert (await get(client, f"{API}/alarms", at=past.text(250)))["complete"]
        line = await get(client, f"{API}/intervals", path=V1, start=past.text(300), end=past.text(60))
        past_forms.IntervalsAnswer.model_validate(line)
        assert not line["complete"]
        assert line["remark"].startswith(f"an engine took over at {iso(past.time(100))}")
        assert (await get(client, f"{API}/intervals", path=V1, start=past.text(300), end=past.text(250)))["complete"]
        late = await get(client, f"{API}/intervals", path=V1, start=past.text(300))
        assert "no life sign" in late["remark"]


async def test_what_was_imported_is_never_called_complete():
    async with world(engine=False) as site, site.client() as client:
        past = Past(site)
        for ago in (900, 800):
            await past.add(ago, V1, origin=Origin.IMPORTED)
        await past.add(700, V1, K.CLEARED, S.OK)
        await past.add(600, V1)
        then = await get(client, f"{API}/alarms", at=past.text(850))
        assert (then["complete"], then["total"], then["remark"][:15]) == (False, 1, "it was imported")
        assert (await get(client, f"{API}/alarms", at=past.text(650)))["complete"]


async def test_an_event_that_is_missing_is_noticed_by_what_it_has_made_of_its_alarm():
    async with world() as site, site.client() as client:
        for path in PVS:
            site.feed(path.rpartition("/")[2], S.OK)
        await site.raised(V1)
        await site.raised(P1)
        lost = site.tree.alarms[V1].version
        await site.copy_history(but=lost)
        for path, complete in ((None, False), ("/Acc/Vacuum", False), ("/Acc/RF", True)):
            now = await get(client, f"{API}/alarms", at="now", **({"path": path} if path else {}))
            assert (now["complete"], now["remark"]) == (complete, "" if complete else f"events are missing: how {V1} was is not known")
        await site.copy_history()
        assert (await get(client, f"{API}/alarms", at="now"))["complete"]


async def test_history_that_is_behind_says_so():
    async with world() as site, site.client() as client:
        await site.copy_history()
        await site.raised(V1)
        site.clock.shift_s = 1.0
        body = await get(client, f"{API}/alarms", at="now")
        assert (body["total"], body["complete"]) == (0, False)
        assert "history is behind" in body["remark"]


async def test_the_difference_of_two_moments():
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        body = await get(client, f"{API}/difference", **{"from": past.text(850), "to": past.text(100)})
        past_forms.DifferenceAnswer.model_validate(body)
        seen = [
            (one["pv"], one["change"], (one["before"] or {}).get("severity"), (one["after"] or {}).get("severity"))
            for one in body["changes"]
        ]
        assert seen == [
            ("PV", "appeared", None, "UNDEFINED"),
            ("INTERLOCK", "changed", "OK", "INVALID"),
            ("GC1", "changed", "MAJOR", "OK"),
            ("GC2", "changed", "OK", "OK"),
            ("P1", "removed", "OK", None),
        ]
        assert body["changes"][3]["after"]["state"] == "disabled"
        assert body["before"]["as_of"] == "Acc.1.5"
        few = await get(client, f"{API}/difference", **{"from": past.text(850), "to": past.text(100), "limit": 2, "path": "/Acc"})
        assert (few["total"], few["cut"], len(few["changes"])) == (5, True, 2)
        none = await get(client, f"{API}/difference", **{"from": past.text(650), "to": past.text(610)})
        assert (none["total"], none["cut"]) == (0, False)


async def test_intervals_of_one_alarm_a_component_and_a_list():
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        body = await get(client, f"{API}/intervals", path=V1, start=past.text(850), end=past.text(100))
        past_forms.IntervalsAnswer.model_validate(body)
        [line] = body["alarms"]
        assert [(one["severity"], one["seconds"]) for one in line["intervals"]] == [("MAJOR", 150.0), ("MAJOR_ACK", 500.0), ("OK", 100.0)]
        assert (line["intervals"][0]["start"], line["intervals"][-1]["end"]) == (body["start"], body["end"])
        below = await get(client, f"{API}/intervals", path="/Acc/RF", start=past.text(900), end=past.text(400))
        assert [[one["severity"] for one in line["intervals"]] for line in below["alarms"]] == [["OK", "MINOR", None]]
        several = await get(client, f"{API}/intervals", path=[TOP, "/Acc/Vacuum", V1], start=past.text(650))
        assert [line["pv"] for line in several["alarms"]] == ["INTERLOCK", "GC1", "GC2", "GC10"]
        assert several["end"] <= iso(site.clock.now().wall)
        await past.add(190, V2, K.SHELVED, S.OK, state=snapshot(S.MAJOR, suppressed=True, until=past.time(-60)))
        hidden = await get(client, f"{API}/intervals", path=V2, start=past.text(650), end=past.text(100))
        assert [(one["state"], one["suppressed"], one["seconds"]) for one in hidden["alarms"][0]["intervals"]] == [
            ("ok", False, 50.0),
            ("disabled", True, 410.0),
            ("shelved", True, 90.0),
        ]
        cut = await get(client, f"{API}/intervals", path="/Acc", start="-1h", limit=2)
        assert (cut["total"], cut["cut"], len(cut["alarms"])) == (6, True, 2)


async def test_a_page_of_events_says_whether_all_is_known_of_its_part_of_the_range():
    async def page(client, **asked):
        body = await get(client, "/api/v1/events", **asked)
        forms.EventPageForm.model_validate(body)
        assert body["complete"] == (not body["remark"])
        return body

    async with world() as site, site.client() as client:
        past = await story(site)
        within = {"start": past.text(950), "end": past.text(350)}
        assert (await page(client, **within))["complete"]
        assert "nothing was recorded by then" in (await page(client, start=past.text(2000), end=past.text(350)))["remark"]
        assert "nothing was recorded by then" in (await page(client, start=past.text(2000), end=past.text(350), order="oldest"))["remark"]
        assert "lies in the future" in (await page(client, start=past.text(-3600), end=past.text(-7200)))["remark"]
        # Without a start as far back as anything is known.
        assert (await page(client, end=past.text(350)))["complete"]
        await past.add(655, "/Acc", K.ENGINE, S.OK, state=None, since=past.time(660))
        newest = await page(client, **within, limit=2)
        assert newest["complete"]
        older = await page(client, **within, after=newest["next"])
        assert "an engine took over" in older["remark"]
        assert (await page(client, **within, order="oldest", limit=2))["complete"]
        assert "an engine took over" in (await page(client, **within, order="oldest"))["remark"]
        who = await get(client, f"{API}/acknowledgements", **within)
        past_forms.AcknowledgementPage.model_validate(who)
        assert "an engine took over" in who["remark"]


async def test_an_event_that_is_on_its_way_to_the_store_does_not_make_a_list_old():
    async with world() as site, site.client() as client:
        await site.raised(V1)
        await site.copy_history()
        await site.raised(V2)
        assert (await get(client, "/api/v1/events"))["remark"] == ""
        # Of a moment it is another thing: how V2 is now would be told wrongly.
        assert "history is behind" in (await get(client, f"{API}/tree", at="now"))["remark"]
        site.clock.shift_s = 60
        assert "history is behind" in (await get(client, "/api/v1/events"))["remark"]


async def test_who_acknowledged_what_and_how_soon():
    async with world(engine=False) as site, site.client() as client:
        past = Past(site)
        await past.add(1000, V1, severity=S.MINOR)
        await past.add(990, V1, severity=S.MAJOR)  # worse, and nobody has answered
        await past.add(985, V1, K.CHANGED, severity=S.MAJOR)
        await past.add(980, V2, severity=S.MINOR)
        await past.add(970, V1, K.ACKNOWLEDGED, S.MAJOR_ACK, user="mara", comment="known")
        await past.add(960, V2, K.ACKNOWLEDGED, S.MINOR_ACK, user="sam")
        await past.add(950, V1, severity=S.INVALID)
        await past.add(945, V1, K.ACKNOWLEDGED, S.INVALID_ACK, user="sam")
        await past.add(940, P1, severity=S.MAJOR_ACK, kind=K.ACKNOWLEDGED, user="sam")  # its annunciation is not known
        await past.add(930, TOP)
        await past.add(920, TOP, K.ACKNOWLEDGED, S.MAJOR_ACK, reason="maintenance mode")
        body = await get(client, f"{API}/acknowledgements")
        past_forms.AcknowledgementPage.model_validate(body)
        assert [(one["pv"], one["user"], one["after_s"]) for one in body["acknowledgements"]] == [
            ("INTERLOCK", "", None),
            ("P1", "sam", None),
            ("GC1", "sam", 5.0),
            ("GC2", "sam", 20.0),
            ("GC1", "mara", 30.0),
        ]
        assert body["acknowledgements"][4]["annunciated"] == iso(past.time(1000))
        assert len((await get(client, f"{API}/acknowledgements", user="sam", path="/Acc/Vacuum"))["acknowledgements"]) == 2
        page = await get(client, f"{API}/acknowledgements", limit=2, end=past.text(935))
        assert [one["pv"] for one in page["acknowledgements"]] == ["P1", "GC1"]
        rest = await get(client, f"{API}/acknowledgements", limit=2, end=past.text(935), after=page["next"])
        assert ([one["pv"] for one in rest["acknowledgements"]], rest["next"]) == (["GC2", "GC1"], None)


FAULTY = [
    ("tree", {}, ["at", "required"]),
    ("tree", {"at": "yesterday"}, ["at", "yesterday", "ISO 8601"]),
    ("tree", {"at": "+1h"}, ["at", "future"]),
    ("alarms", {"at": "-1h", "state": "odd"}, ["state"]),
    ("difference", {"to": "-1h"}, ["from", "required"]),
    ("difference", {"from": "-1h", "to": "-2h"}, ["from", "before"]),
    ("difference", {"from": "-1h", "limit": "99999"}, ["limit", "10000"]),
    ("intervals", {}, ["path", "required"]),
    ("intervals", {"path": ["/Acc", "x"]}, ["path", "slash"]),
    ("intervals", {"path": "/Acc", "start": "+1h", "end": "+2h"}, ["start", "future"]),
    ("intervals", {"path": "/Acc", "start": "-20y"}, ["start"]),
    ("acknowledgements", {"after": "7"}, ["after", "7"]),
    ("acknowledgements", {"start": "-1h", "end": "-2h"}, ["start", "before"]),
]


async def test_a_faulty_question_is_told_what_is_wrong():
    async with world(engine=False) as site, site.client() as client:
        for name, parameters, words in FAULTY:
            answer = await client.get(f"{API}/{name}", params=parameters)
            assert answer.status_code == 422, (name, parameters, answer.text)
            assert [word for word in words if word not in answer.json()["message"]] == [], answer.json()
        for name, parameters in (("tree", {"at": "-1h", "path": "/Acc/None"}), ("intervals", {"path": "/Acc/None"})):
            assert (await client.get(f"{API}/{name}", params=parameters)).status_code == 404


async def test_a_misspelt_path_does_not_read_as_all_is_well():
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        answer = await client.get(f"{API}/tree", params={"at": past.text(650), "path": "/Acc/Vacum"})
        assert (answer.status_code, "no component /Acc/Vacum" in answer.json()["message"]) == (404, True)
        alarms = await get(client, f"{API}/alarms", at=past.text(650), path="/Acc/Vacum")
        differing = await get(client, f"{API}/difference", **{"from": past.text(950), "to": past.text(650), "path": "/Acc/Vacum"})
        for moment in (alarms, differing["before"], differing["after"]):
            assert (moment["complete"], moment["remark"]) == (False, "there was no alarm and no component /Acc/Vacum")
        known = await get(client, f"{API}/alarms", at=past.text(950), path="/Acc/Vacuum")
        assert (known["complete"], known["total"]) == (True, 0)


async def test_the_history_is_asked_once_however_many_paths_are_given(monkeypatch):
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        states_at, asked = site.history.states_at, []

        async def counted(*arguments):
            asked.append(arguments)
            return await states_at(*arguments)

        monkeypatch.setattr(site.history, "states_at", counted)
        body = await get(client, f"{API}/intervals", path=["/Acc/Vacuum", "/Acc/RF", V1] * 300, start=past.text(950))
        assert ([line["path"] for line in body["alarms"]], len(asked)) == ([V1, V2, "/Acc/Vacuum/GC10", P1], 2)


async def test_a_text_is_looked_for_before_anything_is_cut_off():
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        found = await get(client, f"{API}/alarms", at=past.text(250), state="all", q="VACUUM/gc1", limit=1)
        assert ([one["path"] for one in found["alarms"]], found["total"]) == ([V1], 1)  # an INVALID and an UNDEFINED one are worse
        assert (await get(client, f"{API}/alarms", at=past.text(850), state="all", q="press"))["total"] == 1
        assert (await get(client, f"{API}/alarms", at=past.text(850), state="all", q="nothing of that"))["total"] == 0
        rows = await get(client, "/grafana/rows/past/alarms", at=past.text(250), q="gc1", limit=1)
        assert V1 in [row["path"] for row in rows]


async def test_more_alarms_than_can_be_read_are_told(monkeypatch):
    monkeypatch.setattr("backend.past.paths.MAX_PAGE", 2)
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        answer = await client.get(f"{API}/intervals", params={"path": "/Acc/RF", "start": past.text(950)})
        assert answer.status_code == 200, answer.text
        answer = await client.get(f"{API}/intervals", params={"path": ["/Acc/RF", "/Acc/Vacuum"], "start": past.text(950)})
        assert answer.status_code == 422
        assert "alarms or more rose in the range" in answer.text


async def test_more_leaves_than_can_be_shown(monkeypatch):
    monkeypatch.setattr("backend.api.past.MAX_ALARMS", 3)
    async with world(engine=False) as site, site.client() as client:
        past = await story(site)
        answer = await client.get(f"{API}/tree", params={"at": past.text(250), "depth": 9, "leaves": "true"})
        assert answer.status_code == 422
        assert "4 alarms" in answer.json()["message"]


# ---------------------------------------------------------------------- files


async def test_a_file_of_events():
    async with world(engine=False) as site, site.client() as client:
        await story(site)
        answer = await client.get("/api/v1/events/export")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert 'filename="events.csv"' in answer.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert [row["id"] for row in rows] == [f"Acc.1.{n}" for n in range(1, 13)]
        assert (rows[6]["kind"], rows[6]["user"], rows[6]["to"], rows[6]["message"]) == ("acknowledged", "mara", "MAJOR_ACK", "HIHI_ALARM")
        lines = (await client.get("/api/v1/events/export?format=ndjson&order=newest&limit=5&kind=alarm")).text.splitlines()
        listed = (await get(client, "/api/v1/events", kind="alarm", limit=5))["events"]
        assert [json.loads(line) for line in lines] == listed[:5]
        assert len(lines) == 4
        assert (await client.get("/api/v1/events/export?format=ndjson&user=nobody")).content == b""
        assert (await client.get("/api/v1/events/export?user=nobody")).text.count("\r\n") == 1
        for query, word in (("format=xml", "format"), ("start=-1h&end=-2h", "before"), ("limit=0", "limit"), ("begin=-1h", "not known")):
            answer = await client.get(f"/api/v1/events/export?{query}")
            assert answer.status_code == 422
            assert word in answer.json()["message"]


async def test_texts_of_any_kind_come_back_from_a_file():
    nasty = 'a,"b"\r\n;\t=1+1 ünï \x01'
    async with world(engine=False) as site, site.client() as client:
        past = Past(site)
        await past.add(
            10, V1, comment=nasty, user="x", state=replace(snapshot(S.MAJOR), current=snapshot(S.MAJOR).current._replace(value=nasty))
        )
        [row] = csv.DictReader(io.StringIO((await client.get("/api/v1/events/export")).text, newline=""))
        assert (row["comment"], row["current_value"]) == (nasty, nasty)
        assert json.loads((await client.get("/api/v1/events/export?format=ndjson")).text)["comment"] == nasty


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("-1.5e-9", "-1.5e-9"),
        ("+inf", "+inf"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text, cell):
    one = event(1, 1, user=text, comment=text, description=text)
    [row] = csv.reader(io.StringIO(export.Format.CSV.lines([one]).decode(), newline=""))
    named = dict(zip(export.COLUMNS, row, strict=True))
    assert {named["user"], named["comment"], named["description"]} == {cell}
    assert json.loads(export.Format.NDJSON.lines([one]))["comment"] == text


ONE = event(1, 1, config="Acc", path=V1, description="x" * 200)


class ManyEvents:
    """A store with more events than fit into memory at once; it makes them as they are asked for."""

    def __init__(self, number):
        self.number = number
        self.asked = 0
        self.fail_at = None

    async def events(self, query):
        self.asked += 1
        if self.asked == self.fail_at:
            raise HistoryUnavailable("gone")
        first = query.after.n + 1 if query.after else 1
        last = min(self.number, first + query.limit - 1)
        found = tuple(replace(ONE, id=ONE.id._replace(n=n)) for n in range(first, last + 1))
        return EventPage(found, found[-1].id if last < self.number else None)


async def body_of(site, **parameters):
    """The body of the answer, as a server would take it."""
    router = events_router(replace(site.services, history=site.history))
    [route] = [one for one in router.routes if one.path.endswith("/export")]
    answer = await route.endpoint(ExportQuestion(**parameters))
    return answer.body_iterator


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_a_long_file_needs_little_memory(form):
    async with world(engine=False) as site:
        site.history = ManyEvents(200_000)
        body = await body_of(site, format=form)
        process = psutil.Process()
        before = most = process.memory_info().rss
        lines = size = 0
        async for piece in body:
            lines += piece.count(b"\n")
            size += len(piece)
            most = max(most, process.memory_info().rss)
        assert lines == 200_000 + (form == "csv")
        assert size > 60_000_000
        assert most - before < 30_000_000


async def test_a_reader_that_goes_away_or_is_slow_holds_nothing_up():
    async with world(engine=False) as site:
        site.history = ManyEvents(1_000_000)
        body = await body_of(site)
        for _ in range(3):
            await anext(body)
        asked = site.history.asked
        await asyncio.sleep(0)
        assert site.history.asked == asked <= 3  # nothing is read ahead of a slow reader
        await body.aclose()
        assert site.history.asked == asked


async def test_a_file_that_lacks_its_end_does_not_look_complete(monkeypatch):
    monkeypatch.setattr(export, "_TRIES", 1)
    async with world(engine=False) as site, site.client() as client:
        store = ManyEvents(5_000)
        site.history.events = store.events
        store.fail_at = 3
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            await asyncio.Event().wait()

        scope = {"type": "http", "method": "GET", "path": "/api/v1/events/export", "headers": [(b"host", b"localhost")]}
        await site.app(
            {**scope, "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "scheme": "http"}, receive, send
        )
        assert sent[0]["status"] == 200
        assert b"".join(message["body"] for message in sent[1:]).count(b"\r\n") == 2_001
        assert all(message["more_body"] for message in sent[1:])  # so the server cuts the connection
        store.asked, store.fail_at = 0, 1
        answer = await client.get("/api/v1/events/export")
        assert answer.status_code == 503


async def test_a_store_that_is_away_for_moments_is_asked_again(monkeypatch):
    monkeypatch.setattr(export, "wait_exponential", lambda *_, **__: lambda _: 0)
    async with world(engine=False) as site, site.client() as client:
        store = ManyEvents(5_000)
        site.history.events = store.events
        store.fail_at = 3
        assert (await client.get("/api/v1/events/export")).text.count("\r\n") == 5_001


async def test_an_unknown_tree_is_still_asked_for_its_settings():
    """The description comes with the event, not from the tree of now."""
    async with world({V1: AlarmSettings("Now")}, engine=False) as site, site.client() as client:
        past = Past(site)
        await past.add(10, V1, description="Then")
        await until(lambda: V1 in site.tree.alarms)
        [alarm] = (await get(client, f"{API}/alarms", at=past.text(5)))["alarms"]
        assert alarm["description"] == "Then"
