"""The search of the Phoebus alarm logger, answered from either store as CS-Studio's alarm log table asks for it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.event import CommandResult, Event, EventKind, Origin
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import Nanos
from backend.history.memory import MemoryHistory
from backend.history.port import HistoryStore
from backend.phoebus.search import MOST
from tests.contract.histories import ADAPTERS
from tests.unit.backend_world import PVS, world

pytestmark = pytest.mark.timeout(150)  # the first one starts a server

NOW = datetime.now(UTC).replace(microsecond=0)
SECOND = 1_000_000_000
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def ago(seconds: float) -> Nanos:
    return Nanos(round(NOW.timestamp() - seconds) * SECOND + 250_000_000)


def told(n: int, seconds: float, kind: EventKind, path: str, **more: object) -> Event:
    severity = more.pop("severity", Severity.OK)
    assert isinstance(severity, Severity)
    event = Event(EventId("Acc", 7, n), ago(seconds), kind, path, Severity.OK, severity)
    return replace(event, **more)  # type: ignore[arg-type]


def snapshot(severity: Severity, message: str, now: Severity | None = None, **more: object) -> Snapshot:
    current = severity.unacknowledged if now is None else now
    return Snapshot(Alarm(severity, message, "1.25", ago(500)), Sample(current, f"{message} now", "", ago(500)), True, ago(500), **more)  # type: ignore[arg-type]


GC1, GC10, P1 = "/Acc/Vacuum/GC1", "/Acc/Vacuum/GC10", "/Acc/RF/Cavity/P1"
MINOR, MAJOR, ACK = Severity.MINOR, Severity.MAJOR, Severity.MAJOR_ACK
SHELF = Suppression("mara", "ops7", "", ago(80), ago(-3600))
EVENTS = [
    told(1, 400, EventKind.CONFIGURED, GC1, user="sam", host="git", reason="added", description="Pressure"),
    told(2, 300, EventKind.ALARM, GC1, severity=MAJOR, snapshot=snapshot(MAJOR, "HIHI_ALARM", MINOR), description="Pressure"),
    told(3, 200, EventKind.COMMAND, "/Acc/Vacuum", user="mara", host="ops7", result=CommandResult("acknowledge", 1)),
    told(4, 199, EventKind.ACKNOWLEDGED, GC1, severity=ACK, snapshot=snapshot(ACK, "HIHI_ALARM"), user="mara", host="ops7"),
    told(5, 150, EventKind.ALARM, GC10, severity=MINOR, snapshot=snapshot(MINOR, "LOW_ALARM")),
    told(6, 80, EventKind.SHELVED, P1, user="mara", host="ops7", snapshot=snapshot(Severity.OK, "Disabled", suppression=SHELF)),
    told(7, 60, EventKind.COMMAND, "/Acc", user="sam", host="ops8", reason="maintenance", origin=Origin.DERIVED),
]  # fmt: skip


@pytest.fixture(params=["sqlite", "elastic"])
async def store(request, tmp_path) -> AsyncIterator[HistoryStore]:
    store = ADAPTERS[request.param](tmp_path)
    await store.start()
    await store.write(EVENTS)
    yield store
    await store.close()


@pytest.fixture
async def ask(store):
    async with world(PVS, engine=False, history=store) as site, site.client() as client:
        site.clock.shift_s = NOW.timestamp() - time.time()

        async def ask(path: str = "/search/alarm", **parameters: object) -> list[dict]:
            answer = await client.get(path, params=parameters)  # type: ignore[arg-type]
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield ask


async def test_an_element_is_as_the_logger_has_it(ask):
    (state,) = await ask(severity="MAJOR")
    assert state == {
        "severity": "MAJOR", "message": "HIHI_ALARM", "value": "1.25", "time": state["time"], "current_severity": "MINOR",
        "current_message": "HIHI_ALARM now", "message_time": state["message_time"], "config": f"state:{GC1}", "pv": "GC1", "enabled": False,
    }  # fmt: skip
    assert STAMP.fullmatch(state["time"])
    assert state["message_time"] == f"{datetime.fromtimestamp(ago(300) // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.250Z"
    every = {element["config"]: element for element in await ask()}
    command, edit = every["command:/Acc/Vacuum"], every[f"config:{GC1}"]
    assert {k: v for k, v in command.items() if k != "message_time"} == {
        "config": "command:/Acc/Vacuum", "user": "mara", "host": "ops7", "command": "acknowledge", "enabled": False,
    }  # fmt: skip
    assert (edit["user"], edit["host"], edit["enabled"], json.loads(edit["config_msg"])["description"]) == ("sam", "git", True, "Pressure")


async def test_all_of_it_newest_first(ask):
    found = await ask()
    assert [e["config"] for e in found] == [
        "command:/Acc", f"state:{P1}", f"config:{P1}", f"state:{GC10}", f"state:{GC1}",
        "command:/Acc/Vacuum", f"state:{GC1}", f"config:{GC1}",
    ]  # fmt: skip
    assert all("enabled" in e and None not in e.values() for e in found)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"pv": "GC1"}, [f"state:{GC10}", f"state:{GC1}", f"state:{GC1}", f"config:{GC1}"]),
        ({"PV": "*Vac*GC1?"}, [f"state:{GC10}"]),
        ({"pv": "/Acc/RF"}, [f"state:{P1}", f"config:{P1}"]),
        ({"pv": "state:/Acc/RF"}, [f"state:{P1}"]),
        ({"pv": "*"}, 8),
        ({"pv": "gc1"}, []),
        ({"severity": "major*"}, [f"state:{GC1}", f"state:{GC1}"]),
        ({"severity": "MINOR"}, [f"state:{GC10}"]),
        ({"current_severity": "minor"}, [f"state:{GC10}", f"state:{GC1}"]),
        ({"message": "HIHI_ALARM"}, [f"state:{GC1}", f"state:{GC1}"]),
        ({"message": "LO?_*"}, [f"state:{GC10}"]),
        ({"message": "HIHI"}, []),
        ({"current_message": "*LARM now"}, [f"state:{GC10}", f"state:{GC1}", f"state:{GC1}"]),
        ({"user": "sam"}, ["command:/Acc", f"config:{GC1}"]),
        ({"user": "m*"}, [f"config:{P1}", "command:/Acc/Vacuum"]),
        ({"host": "ops?", "user": "sam"}, ["command:/Acc"]),
        ({"command": "Disabled"}, [f"config:{P1}"]),
        ({"command": "Enabled"}, [f"config:{GC1}"]),
        ({"command": "acknowledge"}, 8),
        ({"root": "Acc"}, [f"state:{P1}", f"config:{P1}", f"state:{GC10}", f"state:{GC1}", f"state:{GC1}", f"config:{GC1}"]),
        ({"root": "Other,Ac"}, 6),
        ({"root": "Other"}, []),
        ({"start": "170 seconds"}, ["command:/Acc", f"state:{P1}", f"config:{P1}", f"state:{GC10}"]),
        ({"start": "5 min 30 s", "end": "170 s"}, [f"state:{GC1}", "command:/Acc/Vacuum", f"state:{GC1}"]),
        ({"start": "7 days", "end": "now", "size": "2", "severity": "*"}, ["command:/Acc", f"state:{P1}"]),
        ({"start": "1 days", "nonsense": "5", "message": ""}, 8),
        ({"size": "99999"}, 8),
        ({"size": "many"}, 8),
    ],
)  # fmt: skip
async def test_parameters_select_as_they_do_there(ask, parameters, expected):
    found = [element["config"] for element in await ask(**parameters)]
    assert (len(found) if isinstance(expected, int) else found) == expected


async def test_times_are_local_or_with_a_zone(ask):
    since = NOW - timedelta(seconds=170)
    for text in (f"{since.astimezone():%Y-%m-%d %H:%M:%S}.000", f"{since.astimezone():%Y-%m-%d %H:%M:%S}", f"{since:%Y-%m-%dT%H:%M:%SZ}"):
        assert len(await ask(start=text)) == 4, text
    assert len(await ask(start=f"{NOW.astimezone() - timedelta(days=2):%Y-%m-%d}")) == 8
    assert await ask(end=f"{since - timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}") == []


async def test_the_other_addresses(store):
    async with world(PVS, engine=False, history=store) as site, site.client() as client:
        by_pv = (await client.get("/search/alarm/pv/GC10")).json()
        assert [element["config"] for element in by_pv] == [f"state:{GC10}"]
        assert (await client.get("/search/alarm/config")).status_code == 400
        (settings,) = (await client.get("/search/alarm/config", params={"config": GC1})).json()
        message = json.loads(settings["config_msg"])
        assert (settings["config"], settings["pv"], settings["enabled"]) == (f"config:{GC1}", "GC1", True)
        assert (message["description"], message["latching"], message["delay"]) == ("Pressure of sector 1", True, 0)
        assert (await client.get("/search/alarm/config", params={"config": "/Acc/Vacuum/GC"})).json() == []
        swagger = await client.get("/swagger-ui")
        assert (swagger.status_code, swagger.headers["location"]) == (301, "openapi.json")
        info = (await client.get("/", headers={"Accept": "application/json"})).json()
        assert info["elastic"]["status"] == "Connected"
        assert set(info) == {"name", "version", "elastic"}
        assert set(info["elastic"]) == {"status", "clusterName", "clusterUuid", "version"}
        assert "<html" in (await client.get("/", headers={"Accept": "text/html"})).text
        bad = await client.get("/search/alarm", params={"start": "yesterday-ish"})
        assert (bad.status_code, "start='yesterday-ish' is no time" in bad.json()["message"]) == (400, True)


class AwayStore(MemoryHistory):
    async def events(self, query):
        raise HistoryUnavailable("the store sleeps")


async def test_a_history_that_is_away_is_no_quiet(caplog):
    async with world(PVS, engine=False, history=AwayStore()) as site, site.client() as client:
        answer = await client.get("/search/alarm")
        assert (answer.status_code, "the store sleeps" in answer.json()["message"]) == (503, True)
        info = (await client.get("/", headers={"Accept": "application/json"})).json()
        assert "the store sleeps" in info["elastic"]["status"]


async def test_many_events_are_searched_page_by_page_and_never_more_are_sent_than_allowed():
    store = MemoryHistory()
    many = [told(n, 10_000 - n, EventKind.ALARM, GC1, severity=MAJOR, snapshot=snapshot(MAJOR, "HIHI_ALARM")) for n in range(1, 2600)]
    await store.write([*many, told(2600, 9_999, EventKind.ALARM, P1, severity=MINOR, snapshot=snapshot(MINOR, "LOW_ALARM"))])
    async with world(PVS, engine=False, history=store) as site, site.client() as client:
        assert len((await client.get("/search/alarm", params={"size": 10_000})).json()) == MOST
        assert len((await client.get("/search/alarm", params={"message": "LOW*"})).json()) == 1
