"""A client straight from Kafka and one of a backend on the same topics give the same answers, for our engine and for a Phoebus server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alarm_engine.model.event import EventKind
from tests.contract.kafka_topics import servers_or_skip
from tests.system.phoebus_site import DATA
from tests.system.site import DB, Site
from tests.system.test_phoebus_owned import Plant, SmallServer, serving, until
from tests.unit.phoebus_records import Recorded
from tocsin import AsyncClient, AsyncKafkaClient
from tocsin.client import Snapshot

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture
def plant():
    plant = Plant(servers_or_skip())
    plant.make()
    yield plant
    plant.close()


def lasting(answer: Any) -> Any:
    """An answer without what differs from one moment to the next."""
    if is_dataclass(answer) and not isinstance(answer, type):
        return {one.name: lasting(getattr(answer, one.name)) for one in fields(answer) if one.name not in ("age_s", "status", "engine")}
    if isinstance(answer, dict):
        return {name: lasting(one) for name, one in answer.items()}
    if isinstance(answer, list | tuple):
        return [lasting(one) for one in answer]
    return answer


async def everything(client: AsyncClient, path: str, now: datetime, what: Callable[[str], bool] = lambda _: True) -> dict[str, Any]:
    """The answers of all methods that only ask."""
    config, start = path.split("/")[1], now - timedelta(hours=2)
    asked = {
        "configurations": client.configurations,
        "alarms": lambda: client.alarms(state="all", sort="path"),
        "alarm": lambda: client.alarm(path),
        "tree": lambda: client.tree(depth=5, leaves=True),
        "summary": client.summary,
        "files": client.files,
        "events": lambda: listed(client.events(start=start, end=now)),
        "oldest": lambda: listed(client.events(start=start, end=now, oldest_first=True, kind="alarm,cleared")),
        "acknowledgements": lambda: listed(client.acknowledgements(start=start, end=now)),
        "intervals": lambda: client.intervals(f"/{config}", start=start, end=now),
        "counts": lambda: client.counts(start=start, end=now, bucket="10m"),
        "top": lambda: client.top(start=start, end=now),
        "figures": lambda: lists(client.figures(start=start, end=now)),
        "at": lambda: client.at(now - timedelta(seconds=1), depth=3),
        "alarms_at": lambda: client.alarms_at(now - timedelta(seconds=1), state="all"),
        "difference": lambda: client.difference(start, now - timedelta(seconds=1)),
    }
    return {name: lasting(await question()) for name, question in asked.items() if what(name)}


async def listed(events) -> list[Any]:
    return [one async for one in events]


async def lists(asked) -> Any:
    """Figures without those that grow with the time that has passed."""
    found = await asked
    named = [(one.name, one.verdict) for one in found.figures if one.unit != "alarms"]
    return found.complete_from, found.remarks, named, found.periods, found.floods, found.frequent, found.chattering, found.stale


async def same(backend: AsyncClient, kafka: AsyncKafkaClient, path: str, what: Callable[[str], bool] = lambda _: True) -> dict[str, Any]:
    """Ask both until they agree: the history of a backend comes a moment later."""
    now = datetime.now(UTC)
    found: list[dict[str, Any]] = []

    async def agree() -> bool:
        found[:] = [await everything(client, path, now, what) for client in (backend, kafka)]
        return found[0] == found[1]

    deadline = time.monotonic() + 40
    while not await agree():
        if time.monotonic() > deadline:
            different = {name: (one, found[1][name]) for name, one in found[0].items() if one != found[1][name]}
            pytest.fail("\n".join(f"{name}\n  {one}\n  {other}" for name, (one, other) in different.items()))
        await asyncio.sleep(0.3)
    return found[0]


async def test_both_clients_give_the_same_answers_of_a_site(tmp_path, iocs):
    site = Site(tmp_path, iocs(DB), servers_or_skip())
    async with site.serving(), AsyncClient(str(site.client.base_url), user="mara") as backend:
        await site.until(site.ready, "all is there", lambda: site.output("run"))
        site.put("GC1", 12)
        site.put("GV1", 1)
        await site.until_severity("GC1", "MAJOR")
        await site.until_severity("GV1", "MAJOR")
        assert (await backend.acknowledge(site.path("GC1"), reason="pump is being changed")).outcome == "done"
        assert (await backend.shelve(site.path("GV1"), duration="1h", reason="noisy")).outcome == "done"
        site.put("GC1", 1)
        async with AsyncKafkaClient(settings_file=tmp_path / "site.yaml", user="mara", start_s=60) as kafka:
            await kafka.wait_ready(60)
            found = await same(backend, kafka, site.path("GC1"))
            assert (now := await kafka.at("0s")).complete, now.remark
            assert {event["kind"] for event in found["events"]} >= {"alarm", "acknowledged", "shelved", "command"}
            assert (await kafka.ready()).ready
            trials = [await client.what_if(site.path("GC1"), delay_s=30) for client in (backend, kafka)]
            assert type(trials[0]) is type(trials[1])
            assert (await kafka.unshelve(site.path("GV1"))).outcome == "done"
            assert (await backend.unshelve(site.path("GV1"))).outcome in ("done", "refused")
            await same(backend, kafka, site.path("GV1"))


@pytest.mark.parametrize("session", ["latching", "modes_talk"])
async def test_both_clients_give_the_same_answers_of_a_recorded_phoebus_server(plant, tmp_path, session):
    assert (DATA / f"{session}.json").exists()
    recorded = Recorded.load(session)
    plant.write(recorded.records[:200], time.time() - 300)
    async with serving(plant, tmp_path) as (application, _), AsyncClient(application.url) as backend:
        path = next(
            r.key.partition(":")[2] for r in recorded.records if r.key.startswith("state:") and b"current_severity" in (r.value or b"")
        )
        path = path.replace(recorded.config, plant.config, 1)
        options = {"config": plant.config, "phoebus": True, "cell": f"{plant.config}cell", "start_s": 60}
        async with AsyncKafkaClient(plant.servers, **options) as kafka:
            (status,) = await kafka.status()
            assert (status.caught_up, status.stale, status.server_gone) == (True, True, True)
            found = await same(backend, kafka, path)
            assert any(event["kind"] == EventKind.ALARM and event["origin"] == "derived" for event in found["events"])
            answer = await kafka.acknowledge(f"/{plant.config}")
            assert answer.outcome == "not_confirmed"
            assert "no life sign" in answer.reason
            assert (await kafka.alarms()).stale


async def test_a_phoebus_server_is_told_as_its_own_clients_tell_it(plant):
    one, two, three = "/Vac/G1", "/Vac/G2", "/RF/K1"
    with SmallServer(plant, {one: "OK", two: "OK", three: "OK"}) as server:
        options = {"config": plant.config, "phoebus": True, "cell": f"{plant.config}cell", "start_s": 60}
        async with AsyncKafkaClient(plant.servers, user="mara", **options) as client:
            server.publish(one, "OK")
            await client.wait_ready(60)
            subscription = client.subscribe()
            assert isinstance(await anext(subscription), Snapshot)
            await subscription.aclose()
            server.publish(one, "MAJOR")
            server.publish(two, "MAJOR")

            async def severities(**wanted):
                now = {alarm.path.removeprefix(f"/{plant.config}"): alarm.severity for alarm in (await client.alarms(state="all")).alarms}
                return all(now.get(path) == severity for path, severity in wanted.items())

            await until(lambda: severities(**{one: "MAJOR", two: "MAJOR"}), "two alarms")
            seen = (await client.alarms()).as_of
            server.publish(three, "MAJOR")
            await until(lambda: severities(**{three: "MAJOR"}), "the third")
            answer = await client.acknowledge(f"/{plant.config}", reason="known", seen=seen)
            assert (answer.outcome, answer.count, answer.left_alone) == ("done", 2, (f"/{plant.config}{three}",))
            host = server.commands[0][1]["host"]
            assert sorted(server.commands) == [(path, {"user": "mara", "host": host, "command": "acknowledge"}) for path in (one, two)]
            assert host
            assert await severities(**{one: "MAJOR_ACK", two: "MAJOR_ACK", three: "MAJOR"})
            assert (await client.unacknowledge(f"/{plant.config}/Vac")).outcome == "done"
            refused = await client.shelve(f"/{plant.config}{one}", duration="1h")
            assert refused.outcome == "refused"
            assert "belongs to a Phoebus alarm server" in refused.reason
            kinds = [event.kind async for event in client.events(oldest_first=True) if event.kind in ("acknowledged", "unacknowledged")]
            assert sorted(kinds) == ["acknowledged"] * 2 + ["unacknowledged"] * 2
    wrote = {name for name in plant._client.admin.list_topics(timeout=10).topics if name.startswith(plant.config)}
    assert wrote == {plant.topics.config, plant.topics.command, plant.topics.talk}
