"""Questions for the past over HTTP that are odd, huge, or put to a store in trouble: the same sentence from every store, and never a fault.

Ranges are given to every endpoint that takes one, as the description of the interface names them.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

import pytest

from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.times import Nanos, from_datetime
from backend.history.elastic_client import connect
from backend.history.elastic_names import Names
from backend.history.sqlite import SqliteHistory
from tests.contract.elastic_proxy import ElasticProxy, slow
from tests.contract.histories import ADAPTERS, ElasticForTests, command, elastic_options, elastic_url, event
from tests.unit.backend_world import PVS, ShiftedClock, world

pytestmark = pytest.mark.timeout(300)

SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND
PATH = "/Acc/Vacuum/GC1"
BERLIN_SUMMER, BERLIN_WINTER = "+02:00", "+01:00"


class FixedClock(ShiftedClock):
    """Answers of two stores are compared."""

    def now(self):
        return replace(super().now(), wall=Nanos(NOW))


def past_event(n, seconds_ago, path=PATH, **more):
    return replace(event(n, 0, path, config="Acc", **more), time=Nanos(NOW - round(seconds_ago * SECOND)))


EVENTS = [
    past_event(1, 9 * 365 * 86_400),
    past_event(2, 200 * 86_400, "/Acc/RF/Cavity/P1"),
    *[past_event(n, 3600 - n, f"/Acc/Vacuum/GC{1 + n % 2}") for n in range(3, 30)],
    replace(command(30, 0, "/Acc", config="Acc"), time=Nanos(NOW - SECOND)),
]


@asynccontextmanager
async def site(store, alarms=PVS):
    await store.start()
    try:
        async with world(alarms, engine=False, history=store) as made:
            made.clock.__class__ = FixedClock
            async with made.client(timeout=60) as made.asking:
                yield made
    finally:
        await store.close()


@pytest.fixture(params=ADAPTERS)
def store(request, tmp_path):
    return ADAPTERS[request.param](tmp_path)


def ms(nanoseconds):
    return str(nanoseconds // 1_000_000)


DAY = 86_400 * SECOND
RANGES = {
    "as usual": (NOW - DAY, NOW),
    "reversed": (NOW, NOW - DAY),
    "empty": (NOW - DAY, NOW - DAY),
    "one millisecond": (NOW - DAY, NOW - DAY + 1_000_000),
    "ten years": (NOW - 3650 * DAY, NOW),
    "fifty years": (NOW - 50 * 365 * DAY, NOW),
    "in the future": (NOW + DAY, NOW + 2 * DAY),
    "up to the future": (NOW - DAY, NOW + 365 * DAY),
    "before all events": (NOW - 3600 * DAY, NOW - 3500 * DAY),
}
WORDS = [("soon", "now"), ("-1h", "2026-13-01"), ("", ""), ("99999999999999999999", "1"), ("-1h", "-2h"), ("now", "now"), ("NaN", "1e9")]


def questions(app):
    """Every endpoint about the past with what it needs, and the names of its two ends."""
    for path, methods in app.openapi()["paths"].items():
        names = {one["name"] for one in methods.get("get", {}).get("parameters", [])}
        for first, last in (("start", "end"), ("from", "to")):
            if {first, last} <= names:
                more = {"path": PATH} if "path" in names else {}
                yield path, more, (first, last)
        if "at" in names:
            yield path, {}, ("at", "at")


async def test_odd_ranges_get_the_same_answer_from_every_store(tmp_path):
    answers = {}
    for name, make in ADAPTERS.items():
        async with site(make(tmp_path)) as asked:
            await asked.history.write(EVENTS)
            found = list(questions(asked.app))
            assert len(found) > 8
            for path, more, (first, last) in found:
                texts = {what: (ms(start), ms(end)) for what, (start, end) in RANGES.items()} | {str(words): words for words in WORDS}
                given = [asked.asking.get(path, params=more | {first: start} | {last: end}) for start, end in texts.values()]
                for what, answer in zip(texts, await asyncio.gather(*given), strict=True):
                    told = f"{name}: {path} {what}: {answer.status_code} {answer.text[:300]}"
                    assert answer.status_code in (200, 400, 422), told
                    if answer.status_code != 200:
                        assert len(answer.json()["message"]) > 20, told
                    answers.setdefault((path, what), {})[name] = f"{answer.status_code} {answer.text}"
    for question, by_store in answers.items():
        assert len(set(by_store.values())) == 1, (question, by_store)
    refused = {what for (path, what), by_store in answers.items() if path == "/api/v1/events" and by_store["memory"][:3] != "200"}
    assert {"reversed", "empty", "fifty years"} <= refused
    assert refused.isdisjoint({"as usual", "ten years", "in the future", "one millisecond"})


async def test_across_changes_of_the_clock(store):
    """In Berlin 02:30 comes twice on the last Sunday of October, and not at all on that of March. A zone must be said."""

    def at(text):
        return from_datetime(datetime.fromisoformat(text))

    async with site(store) as asked:
        times = ["2026-03-29T01:59:59+01:00", "2026-03-29T03:00:00+02:00", "2025-10-26T02:30:00+02:00", "2025-10-26T02:30:00+01:00"]
        written = [replace(past_event(n, 0), time=at(text)) for n, text in enumerate(sorted(times, key=at), 1)]
        await store.write(written)

        async def found(start, end):
            answer = await asked.asking.get("/api/v1/events", params={"start": start, "end": end, "order": "oldest"})
            return [int(one["id"].rpartition(".")[2]) for one in answer.json()["events"]] if answer.status_code == 200 else answer.text

        assert await found("2025-10-26T02:00:00+02:00", "2025-10-26T03:00:00+01:00") == [1, 2]
        assert await found("2025-10-26T02:30:00+02:00", "2025-10-26T02:30:00+01:00") == [1]
        assert await found("2025-10-26T00:30:00Z", "2025-10-26T01:30:00.000001Z") == [1, 2]
        assert await found("2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00") == [3]
        assert await found("2026-03-29T01:59:00+01:00", "2026-03-29T03:00:01+02:00") == [3, 4]
        assert "has no time zone" in await found("2026-03-29T02:30:00", "now")
        days = await asked.asking.get(
            "/grafana/rows/counts", params={"from": ms(at("2025-10-26T00:00+02:00")), "to": ms(at("2025-10-27T00:00+01:00"))}
        )
        rows = days.json()
        assert len(rows) == 25 * 6  # the day has 25 hours
        assert sum(row["MAJOR"] for row in rows) == 2


@pytest.mark.parametrize("store", ["sqlite", "elastic"], indirect=True)
async def test_ten_thousand_alarms(store):
    paths = [f"/Acc/S{n % 20}/PV{n}" for n in range(10_000)]
    async with site(store, dict.fromkeys(paths, AlarmSettings("One of many"))) as asked:
        await store.write([past_event(n, 7200 - n / 10, path) for n, path in enumerate(paths, 1)])
        begin = time.monotonic()
        for path, more, (first, last) in questions(asked.app):
            more = {"path": "/Acc"} if more else {}
            answer = await asked.asking.get(path, params=more | {first: ms(NOW - DAY)} | {last: ms(NOW - SECOND)})
            assert answer.status_code in (200, 400, 404, 422), f"{path}: {answer.status_code} {answer.text[:300]}"
            assert len(answer.content) < 20_000_000, path
        assert time.monotonic() - begin < 120
        page = await store.last_before("Acc", paths, Nanos(NOW))
        assert len(page) == 10_000
        assert len(await store.intervals("Acc", paths, Nanos(NOW - DAY), Nanos(NOW))) == 20_000


async def test_a_store_that_is_slow_is_given_up(tmp_path, monkeypatch):
    """Elasticsearch that answers late, and SQLite with a question that takes long: a sentence, and soon."""
    monkeypatch.setattr("backend.history.sqlite._STEPS_BETWEEN_CHECKS", 1)
    async with ElasticProxy(elastic_url()) as proxy:
        own = elastic_options(hosts=(proxy.url,), longest_query_s=0.3)
        slow_ones = [ElasticForTests(own), SqliteHistory(SqliteFile(tmp_path / "slow.db"), longest_query_s=0.0)]
        for one in slow_ones:
            async with site(one) as asked:
                await one.write([past_event(n, 3600 - n / 100) for n in range(1, 3001)])
                await asked.asking.get("/api/v1/events", params={"limit": 1})
                proxy.fault = slow(20)
                begin = time.monotonic()
                answers = await asyncio.gather(
                    *(
                        asked.asking.get(path, params=more | {first: ms(NOW - DAY)} | {last: ms(NOW - SECOND)})
                        for path, more, (first, last) in questions(asked.app)
                    )
                )
                assert time.monotonic() - begin < 40  # a file to be downloaded is tried several times
                proxy.fault = None
                for answer in answers:
                    assert answer.status_code in (400, 422, 503), answer.request.url
                    assert re.search("took longer than|does not answer in time", answer.json()["message"]), answer.request.url


async def test_what_is_wrong_with_the_store_is_no_fault_of_the_backend():
    """A mapping that is not ours is told as it is, with 503: the request was good."""
    store = ElasticForTests(elastic_options())
    client = connect(store.options)
    try:
        async with site(store) as asked:
            index = Names(store.options.prefix).place("Acc", Nanos(NOW)).index
            await client.indices.create(index=index, mappings={"properties": {"time": {"type": "keyword"}, "epoch": {"type": "text"}}})
            for path, more, (first, last) in questions(asked.app):
                answer = await asked.asking.get(path, params=more | {first: ms(NOW - DAY)} | {last: ms(NOW - SECOND)})
                assert answer.status_code in (200, 503), f"{path}: {answer.status_code} {answer.text[:300]}"
            answer = await asked.asking.get("/api/v1/events")
            assert answer.status_code == 503
            assert "the history store does not answer" in answer.json()["message"]
    finally:
        await client.close()
