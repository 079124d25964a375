"""Live answers of the REST interface."""

from __future__ import annotations

import base64
from datetime import datetime

from alarm_engine.model.settings import Action, AlarmSettings, NodeSettings, TitledText
from alarm_engine.model.severity import Severity
from backend.api import forms
from backend.api.alarms import MAX_ALARMS
from backend.api.ordering import ORDERS
from tests.unit.backend_world import PVS, number_notable, standing_alarms, until, world

S = Severity
GC1 = "/Acc/Vacuum/GC1"
DEEP = base64.urlsafe_b64encode(b'["severity",' + b"[" * 900 + b"]" * 900 + b"]").decode().rstrip("=")


async def test_configurations():
    async with world() as site, site.client() as client:
        await site.raised("/Acc/RF/Cavity/P1")
        answer = (await client.get("/api/v1/configurations")).json()
        [one] = forms.ConfigurationList.model_validate(answer).configurations
        assert (one.name, one.alarms, one.severity, one.stale) == ("Acc", 5, "MAJOR", False)


async def test_active_alarms_worst_first_then_newest():
    async with world() as site, site.client() as client:
        await site.raised("/Acc/Vacuum/GC1", S.MINOR)
        await site.raised("/Acc/Vacuum/GC10", S.MINOR)
        await site.raised("/Acc/INTERLOCK", S.INVALID)
        answer = await client.get("/api/v1/alarms")
        page = forms.AlarmPage.model_validate(answer.json())
        assert [row.pv for row in page.alarms] == ["INTERLOCK", "GC10", "GC1"]
        assert page.total == 3
        assert page.next is None
        assert page.as_of == str(site.tree.newest)
        assert (answer.headers["x-tocsin-as-of"], answer.headers["x-tocsin-stale"]) == (page.as_of, "false")
        assert float(answer.headers["x-tocsin-age-s"]) == page.age_s


async def test_a_silent_engine_makes_every_live_answer_stale():
    async with world() as site, site.client() as client:
        site.clock.shift_s = 6
        for path in ("alarms", "configurations", "summary", "tree", "alarms/Acc/INTERLOCK"):
            answer = await client.get(f"/api/v1/{path}")
            assert answer.json()["stale"] is True, path
            assert answer.json()["age_s"] > 5, path
            assert answer.headers["x-tocsin-stale"] == "true", path


async def states(site) -> None:
    """One alarm of each kind."""
    for path in ("/Acc/Vacuum/GC1", "/Acc/Vacuum/GC2", "/Acc/Vacuum/GC10", "/Acc/RF/Cavity/P1"):
        await site.raised(path)
    async with site.client() as client:
        for command, path, more in (
            ("acknowledge", "/Acc/Vacuum/GC2", {}),
            ("shelve", "/Acc/Vacuum/GC10", {"duration": "1h", "reason": "works on the gauge"}),
            ("disable", "/Acc/RF/Cavity/P1", {}),
        ):
            answer = await client.post("/api/v1/commands", json={"command": command, "path": path, "user": "mara", **more})
            assert answer.status_code == 200, answer.text


FILTERS = [
    ("", ["GC1"]),
    ("state=active", ["GC1"]),
    ("state=acknowledged", ["GC2"]),
    ("acknowledged=true", ["GC2"]),
    ("acknowledged=false", ["GC1"]),
    ("state=shelved", ["GC10"]),
    ("state=disabled", ["P1"]),
    ("state=unknown", ["INTERLOCK"]),
    ("state=ok", []),
    ("state=shelved&state=disabled&sort=pv", ["GC10", "P1"]),
    ("state=shelved,active&sort=path", ["GC1", "GC10"]),
    ("state=standing&sort=path", ["P1", "GC1", "GC2", "GC10"]),
    ("state=all&sort=pv", ["GC1", "GC2", "GC10", "INTERLOCK", "P1"]),
    ("state=all&sort=-pv", ["P1", "INTERLOCK", "GC10", "GC2", "GC1"]),
    ("state=all&path=/Acc/Vacuum&sort=pv&offset=1&limit=1", ["GC2"]),
    ("state=all&path=/Acc/Vacuum/GC1", ["GC1"]),
    ("state=all&severity=MAJOR_ACK", ["GC2"]),
    ("state=all&severity=major&sort=pv", ["GC1", "GC2"]),
    ("state=all&severity=MINOR&severity=INVALID", []),
    ("state=all&q=SECTOR+10", ["GC10"]),
    ("state=all&q=hihi+sector&sort=pv", ["GC1", "GC2"]),
    ("config=Acc", ["GC1"]),
]


async def test_filters():
    async with world() as site, site.client() as client:
        await states(site)
        for query, expected in FILTERS:
            answer = await client.get(f"/api/v1/alarms?{query}")
            assert answer.status_code == 200, answer.text
            assert [row["pv"] for row in answer.json()["alarms"]] == expected, query
            forms.AlarmPage.model_validate(answer.json())


async def all_pages(client, sort: str) -> list[str]:
    seen, after = [], None
    while True:
        query = {"sort": sort, "limit": 7, **({"after": after} if after else {})}
        page = (await client.get("/api/v1/alarms", params=query)).json()
        assert page["total"] == 40
        seen += [row["path"] for row in page["alarms"]]
        after = page["next"]
        if after is None:
            return seen


async def test_pages_have_no_gaps_and_no_doubles():
    alarms = {f"/Acc/S{n % 3}/PV:{n}": AlarmSettings(f"number {n % 4}") for n in range(40)}
    async with world(alarms) as site, site.client() as client:
        for n in range(40):
            site.feed(f"PV:{n}", (S.MINOR, S.MAJOR)[n % 2])
        await until(lambda: number_notable(site.tree) == 40)
        for name in ORDERS:
            for sort in (name, f"-{name}"):
                whole = (await client.get("/api/v1/alarms", params={"sort": sort})).json()
                assert await all_pages(client, sort) == [row["path"] for row in whole["alarms"]], sort
        answer = await client.get("/api/v1/alarms", params={"sort": "pv", "after": "WyJwdiIsWzFdXQ"})
        assert answer.status_code == 422  # of the right order, but no key of it


async def test_pages_go_on_after_a_number_of_any_length():
    async with world() as site, site.client() as client:
        for pv, value in (("GC1", "9" * 30), ("GC2", "1" + "0" * 5000), ("GC10", "7")):
            site.feed(pv, S.MAJOR, value=value)
            await site.shows(f"/Acc/Vacuum/{pv}", S.MAJOR)
        seen, after = [], None
        while not seen or after:
            answer = await client.get("/api/v1/alarms", params={"sort": "value", "limit": 1, **({"after": after} if after else {})})
            assert answer.status_code == 200, answer.text
            seen += [row["pv"] for row in answer.json()["alarms"]]
            after = answer.json()["next"]
        assert seen == ["GC10", "GC1", "GC2"]


async def test_an_alarm_that_goes_between_two_pages_leaves_no_gap():
    alarms = {f"/Acc/S/PV:{n}": AlarmSettings("d", latching=False) for n in range(6)}
    async with world(alarms) as site, site.client() as client:
        for n in range(6):
            site.feed(f"PV:{n}", S.MAJOR)
        await until(lambda: number_notable(site.tree) == 6)
        first = (await client.get("/api/v1/alarms?sort=pv&limit=3")).json()
        site.feed("PV:0", S.OK, "NO_ALARM")
        await site.shows("/Acc/S/PV:0", S.OK)
        second = (await client.get("/api/v1/alarms", params={"sort": "pv", "limit": 3, "after": first["next"]})).json()
        assert [row["pv"] for row in first["alarms"] + second["alarms"]] == [f"PV:{n}" for n in range(6)]


FAULTY = [
    ("sevrity=MAJOR", ["sevrity", "not known"]),
    ("severity=AWFUL", ["severity", "MAJOR"]),
    ("state=asleep", ["state"]),
    ("limit=0", ["limit"]),
    (f"limit={MAX_ALARMS + 1}", ["limit", str(MAX_ALARMS)]),
    ("sort=colour", ["sort", "severity"]),
    ("path=Acc", ["path", "slash"]),
    ("after=rubbish", ["after", "cursor"]),
    (f"after={DEEP}", ["after", "cursor"]),
    ("sort=pv&after=WyJwYXRoIixbMV1d", ["after", "order"]),
    ("config=Acc&path=/Other/x", ["path", "Acc"]),
    ("acknowledged=perhaps", ["acknowledged"]),
    ("limit=x&offset=-1&sort=no", ["3 faults", "limit", "offset", "sort"]),
]


async def test_a_faulty_question_is_told_all_its_faults():
    async with world(engine=False) as site, site.client() as client:
        for query, words in FAULTY:
            answer = await client.get(f"/api/v1/alarms?{query}")
            assert answer.status_code == 422, query
            assert answer.headers["content-type"] == "application/problem+json"
            body = answer.json()
            assert body["status"] == 422
            assert {"type", "title", "detail", "message"} <= set(body)
            assert [word for word in words if word not in body["message"]] == [], body
            assert body["faults"]


async def test_an_unknown_configuration_is_not_there():
    async with world(engine=False) as site, site.client() as client:
        for query in (
            "alarms?config=Nope",
            "alarms?path=/Nope/x",
            "tree?config=Nope",
            "events?config=Nope",
            "stream?config=Nope",
            "alarms/Nope/x",
        ):
            answer = await client.get(f"/api/v1/{query}")
            assert answer.status_code == 404, query
            assert "Acc" in answer.json()["message"], query


async def test_below_a_misspelt_path_all_is_not_well():
    async with world() as site, site.client() as client:
        answer = await client.get("/api/v1/alarms?path=/Acc/Vac")
        assert answer.status_code == 404
        assert answer.json()["message"] == "there is no alarm and no component /Acc/Vac"
        for path in ("/Acc", "/Acc/Vacuum", "/Acc/Vacuum/GC1"):
            assert (await client.get("/api/v1/alarms", params={"path": path})).status_code == 200
    async with world(engine=False) as site, site.client() as client:
        answer = await client.get("/api/v1/alarms?path=/Acc/Vacum")
        assert (answer.status_code, answer.json()["stale"]) == (200, True)


async def test_one_alarm_with_settings_and_inherited_guidance():
    evil = "<script>alert(1)</script> **turn** the [valve](javascript:alert(2)) <img src=x onerror=alert(3)> [page](https://wiki/gc1)"
    alarms = {
        "/Acc": NodeSettings(guidance=(TitledText("Who to call", "Dial *4711*"),)),
        "/Acc/Vacuum": NodeSettings(displays=(TitledText("Overview", "vacuum.bob"),)),
        "/Acc/Vacuum/GC1": AlarmSettings(
            "Pressure", delay_s=3, guidance=(TitledText("What to do", evil),), actions=(Action("mail", "mailto:vac@x", 10),)
        ),
    }
    async with world(alarms) as site, site.client() as client:
        answer = await client.get("/api/v1/alarms/Acc/Vacuum/GC1")
        alarm = forms.AlarmAnswer.model_validate(answer.json()).alarm
        assert [(text.title, text.source) for text in alarm.settings.guidance] == [
            ("What to do", "/Acc/Vacuum/GC1"),
            ("Who to call", "/Acc"),
        ]
        html = alarm.settings.guidance[0].html
        assert "<strong>turn</strong>" in html
        assert 'href="https://wiki/gc1"' in html
        assert "<script" not in html
        assert "<img" not in html
        assert 'href="javascript' not in html
        assert alarm.settings.guidance[0].details == evil
        assert alarm.settings.displays[0].details == "vacuum.bob"
        assert (alarm.settings.delay_s, alarm.settings.actions[0].delay_s) == (3, 10)
        assert not alarm.known


async def test_an_alarm_that_waits_for_its_delay_says_until_when():
    async with world({GC1: AlarmSettings("Pressure", delay_s=3600)}) as site, site.client() as client:
        site.feed("GC1", S.OK, "NO_ALARM")
        await site.shows(GC1, S.OK)
        site.feed("GC1", S.MAJOR, value="49")
        begun = site.clock.now().wall
        await until(lambda: site.tree.runtime(GC1) is not None)
        alarm = forms.AlarmAnswer.model_validate((await client.get(f"/api/v1/alarms{GC1}")).json()).alarm
        assert (alarm.severity, alarm.waiting.severity, alarm.waiting.value) == ("OK", "MAJOR", "49")
        assert 3590 < datetime.fromisoformat(alarm.waiting.due).timestamp() - begun / 1e9 < 3610
        site.feed("GC1", S.OK, "NO_ALARM")
        await until(lambda: site.tree.runtime(GC1) is None)
        assert (await client.get(f"/api/v1/alarms{GC1}")).json()["alarm"]["waiting"] is None


async def test_slashes_in_names_find_their_alarm():
    async with world({"/Acc/S/a\\/b": AlarmSettings("odd name")}) as site, site.client() as client:
        answer = await client.get("/api/v1/alarms/Acc/S/a%5C/b")
        assert answer.json()["alarm"]["pv"] == "a/b"


async def test_a_component_is_no_alarm():
    async with world(engine=False) as site, site.client() as client:
        assert "component" in (await client.get("/api/v1/alarms/Acc/Vacuum")).json()["message"]
        assert "alarm" in (await client.get("/api/v1/tree?path=/Acc/Vacuum/GC1")).json()["message"]
        assert (await client.get("/api/v1/alarms/Acc/none")).status_code == 404
        assert (await client.get("/api/v1/alarms/")).status_code == 404
        assert (await client.get("/api/v1/tree?path=/Acc/none")).status_code == 404


async def test_the_tree_to_a_depth():
    async with world() as site, site.client() as client:
        await site.raised("/Acc/RF/Cavity/P1")
        root = forms.TreeAnswer.model_validate((await client.get("/api/v1/tree?depth=1")).json()).root
        assert (root.severity, root.alarms) == ("MAJOR", 5)
        assert [(node.name, node.severity, node.nodes) for node in root.nodes or []] == [("RF", "MAJOR", None), ("Vacuum", "OK", None)]
        below = forms.TreeAnswer.model_validate((await client.get("/api/v1/tree?path=/Acc/Vacuum&depth=0&leaves=true")).json()).root
        assert [row.pv for row in below.leaves or []] == ["GC1", "GC2", "GC10"]


async def test_the_summary_of_each_subsystem():
    async with world() as site, site.client() as client:
        await states(site)
        await site.raised("/Acc/INTERLOCK", S.INVALID)
        systems = forms.SummaryAnswer.model_validate((await client.get("/api/v1/summary")).json()).systems
        seen = {one.system: (one.worst, one.total, one.active, one.acknowledged, one.shelved, one.disabled, one.unknown) for one in systems}
        assert seen == {
            "RF": ("OK", 1, 0, 0, 0, 1, 0),
            "Vacuum": ("MAJOR", 3, 1, 1, 1, 0, 0),
            "": ("INVALID", 1, 1, 0, 0, 0, 0),
        }


async def test_ten_thousand_rows_come_in_one_answer():
    async with world({}, engine=False) as site, site.client() as client:
        await site.journal.append(standing_alarms(10_000))
        await until(lambda: number_notable(site.tree) == 10_000)
        page = (await client.get(f"/api/v1/alarms?limit={MAX_ALARMS}")).json()
        assert page["total"] == len({row["path"] for row in page["alarms"]}) == 10_000


async def test_rows_follow_the_state_that_they_were_encoded_from():
    async with world() as site, site.client() as client:
        await site.raised("/Acc/Vacuum/GC1", S.MINOR)
        seen = []
        for change in ("as it was", "severity", "description"):
            if change == "severity":
                await site.raised("/Acc/Vacuum/GC1", S.MAJOR)
            elif change == "description":
                await site.configure({"/Acc/Vacuum/GC1": AlarmSettings("renamed")})
                await until(lambda: site.tree.alarms["/Acc/Vacuum/GC1"].settings.description == "renamed")
            [row] = (await client.get("/api/v1/alarms?path=/Acc/Vacuum/GC1")).json()["alarms"]
            seen.append((row["severity"], row["description"]))
        before = PVS["/Acc/Vacuum/GC1"].description
        assert seen == [("MINOR", before), ("MAJOR", before), ("MAJOR", "renamed")]
