"""Past events over HTTP, and what machines ask: health, figures, errors."""

from __future__ import annotations

import httpx
import pytest

from alarm_engine.errors import HistoryUnavailable, JournalUnavailable
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.api import forms
from backend.api.lookup import moment, span_s
from tests.unit.backend_world import until, world

S = Severity
NOW = Nanos(1_800_000_000 * NANOS_PER_SECOND)


async def ids(client, query: str) -> list[str]:
    answer = await client.get(f"/api/v1/events?{query}")
    assert answer.status_code == 200, answer.text
    return [event["id"] for event in forms.EventPageForm.model_validate(answer.json()).model_dump()["events"]]


async def test_events_with_filters_and_pages():
    async with world() as site, site.client() as client:
        await site.raised("/Acc/Vacuum/GC1")
        await site.raised("/Acc/RF/Cavity/P1", S.MINOR)
        command = {"command": "shelve", "path": "/Acc/Vacuum/GC1", "duration": "1h", "user": "mara", "reason": "gauge is changed"}
        await client.post("/api/v1/commands", json=command)
        await site.copy_history()
        everything = await ids(client, "")
        assert everything == await ids(client, "start=-1h&end=now&limit=10000")
        assert await ids(client, "order=oldest") == everything[::-1]
        assert len(await ids(client, "kind=alarm")) == 2
        assert len(await ids(client, "kind=alarm,shelved")) == 3
        assert len(await ids(client, "kind=alarm&path=/Acc/RF")) == 1
        assert len(await ids(client, "kind=alarm&pv=GC*")) == 1
        assert len(await ids(client, "kind=alarm&severity=MAJOR")) == 1
        assert len(await ids(client, "user=mara&kind=shelved&q=GAUGE")) == 1
        assert await ids(client, "start=2001-01-01T00:00Z&end=2001-01-02T00:00Z") == []
        pages, after = [], ""
        while True:
            body = (await client.get(f"/api/v1/events?limit=2&after={after}")).json()
            pages += [event["id"] for event in body["events"]]
            after = body["next"]
            if after is None:
                break
        assert pages == everything


async def test_an_event_tells_the_whole_story():
    async with world() as site, site.client() as client:
        await site.raised("/Acc/Vacuum/GC1")
        await client.post("/api/v1/commands", json={"command": "acknowledge", "path": "/Acc/Vacuum", "user": "mara", "reason": "known"})
        await site.copy_history()
        closing, *events = (await client.get("/api/v1/events")).json()["events"]
        acknowledged = next(event for event in events if event["kind"] == "acknowledged")
        assert (closing["kind"], closing["result"]) == ("command", {"command": "acknowledge", "count": 1, "left_alone": []})
        assert (acknowledged["from"], acknowledged["to"], acknowledged["user"], acknowledged["comment"]) == (
            "MAJOR",
            "MAJOR_ACK",
            "mara",
            "known",
        )
        assert acknowledged["correlation"] == closing["correlation"]
        assert acknowledged["state"]["current"]["severity"] == "MAJOR"


FAULTY = [
    ("start=2001-01-01T00:00Z&end=2026-01-01T00:00Z", ["3660", "days"]),
    ("start=-1h&end=-2h", ["start", "before"]),
    ("start=yesterday", ["start", "yesterday", "ISO 8601"]),
    ("start=2026-01-01T00:00", ["time zone"]),
    ("start=99999999999999999999", ["start"]),
    ("start=nonsense&end=rubbish", ["2 faults", "nonsense", "rubbish"]),
    ("limit=100000", ["limit", "10000"]),
    ("kind=party", ["kind"]),
    ("severity=AWFUL", ["severity"]),
    ("after=7", ["after", "7"]),
    ("start=9999-12-31T23:59:59-23:00", ["start", "2100"]),
    ("end=%2B999999999w", ["end", "2100"]),
    ("after=Other.1.1", ["after", "Other"]),
    ("after=Acc.1." + "9" * 40, ["after", "event"]),
    ("order=sideways", ["order", "newest"]),
    ("begin=-1h", ["begin", "not known"]),
]


async def test_a_faulty_question_is_told_what_is_wrong():
    async with world(engine=False) as site, site.client() as client:
        for query, words in FAULTY:
            answer = await client.get(f"/api/v1/events?{query}")
            assert answer.status_code == 422, query
            assert [word for word in words if word not in answer.json()["message"]] == [], answer.json()


async def test_a_history_store_that_is_away_is_told():
    async with world(engine=False) as site, site.client() as client:

        async def fail(_: object) -> None:
            raise HistoryUnavailable("disk is gone")

        site.history.events = fail  # type: ignore[method-assign]
        answer = await client.get("/api/v1/events")
        assert answer.status_code == 503
        assert "disk is gone" in answer.json()["message"]
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {"ready": False, "missing": {"history": "disk is gone"}}
        assert (await client.get("/healthz")).status_code == 200


async def test_ready_when_the_journal_is_read_and_the_history_answers():
    async with world(engine=False) as site, site.client() as client:
        assert (await client.get("/readyz")).json() == {"ready": True, "missing": {}}
        site.tree.problem = str(JournalUnavailable("locked"))
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["missing"]) == (503, {"journal of Acc": "locked"})
        site.tree.problem = ""


async def test_who_balances_load_sends_nobody_before_the_trees_were_read_and_everybody_afterwards():
    async with world(engine=False) as site, site.client() as client:
        site.tree.problem = "not read yet"
        answer = await client.get("/readyz/live")
        assert (answer.status_code, answer.json()) == (503, {"ready": False, "missing": {"journal of Acc": "not read yet"}})
        site.tree.problem = ""
        assert (await client.get("/readyz/live")).status_code == 200
        site.tree.problem = str(JournalUnavailable("locked"))
        assert (await client.get("/readyz/live")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        site.tree.problem = ""


async def test_figures_name_no_pv_and_hold_no_label_of_a_client():
    async with world() as site, site.client() as client:
        await site.raised("/Acc/Vacuum/GC1")
        for path in ("/api/v1/alarms/Acc/Vacuum/GC1", "/api/v1/alarms/Acc/none", "/nothing/at/all", "/api/v1/alarms?limit=x"):
            await client.get(path)
        await client.request("BREW", "/api/v1/alarms")
        figures = (await client.get("/metrics")).text
        assert "GC1" not in figures
        assert "nothing" not in figures
        assert "BREW" not in figures
        assert 'tocsin_alarms{config="Acc",severity="MAJOR"} 1.0' in figures
        assert 'tocsin_alarms{config="Acc",severity="UNKNOWN"} 4.0' in figures
        assert 'tocsin_stale{config="Acc"} 0.0' in figures
        assert 'route="/api/v1/alarms/{path:path}",status="404"' in figures


async def test_every_error_is_a_problem_document():
    async with world(engine=False) as site, site.client() as client:
        for method, path, status in (
            ("GET", "/nope", 404),
            ("DELETE", "/healthz", 405),
            ("GET", "/api/v1/nope", 404),
            ("GET", "/static/none", 404),
        ):
            headers = {"Content-Type": "application/json"}
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code == status, path
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail", "message"} <= set(answer.json())


async def test_a_fault_of_ours_is_told_without_its_insides():
    async with world(engine=False) as site:

        async def fail(_: object) -> None:
            raise ZeroDivisionError("secret insides")

        site.history.events = fail  # type: ignore[method-assign]
        transport = httpx.ASGITransport(site.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get("/api/v1/events")
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 0), ("-1h", -3600), ("+90s", 90), ("now-15m", -900), ("-1.5d", -129_600), ("1800000001000", 1),
        ("2027-01-15T08:00:01Z", 1), ("2027-01-15T09:00:02+01:00", 2), ("2027-01-15T09:00:02 01:00", 2), ("-250ms", -0.25),
    ],
)  # fmt: skip
def test_times(text, seconds):
    assert (moment(text, NOW) - NOW) / NANOS_PER_SECOND == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "-1y", "2027-13-01T00:00Z", "1e9", "--1h", "9" * 30, "²", "1970-01-01T00:00Z", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match=r"expected|year|zone|span"):
        moment(text, NOW)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5h", 5400), ("2 d", 172_800), ("1w", 604_800)])
def test_spans(text, seconds):
    assert span_s(text) == seconds


async def test_waits_until_nothing():
    """The deadline of the tests' own waiting works."""
    with pytest.raises(TimeoutError):
        await until(lambda: False, 0.02)
