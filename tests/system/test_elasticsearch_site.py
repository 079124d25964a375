"""A site with its history in Elasticsearch: the whole product on Kafka, each part in its own process; and beside the embedded journal."""

from __future__ import annotations

import json
import time
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.contract.elastic_proxy import ElasticProxy, refusal
from tests.contract.histories import delete_all, elastic_options, elastic_url
from tests.contract.kafka_topics import servers_or_skip
from tests.system.site import DB, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture
async def elastic():
    """A proxy before the server of the session, and the prefix of our indices there."""
    options = elastic_options()
    async with ElasticProxy(elastic_url()) as proxy:
        proxy.prefix = options.prefix
        yield proxy
    await delete_all(options)


def settings(elastic) -> str:
    return f"history: {{store: elasticsearch, elasticsearch: {{hosts: ['{elastic.url}'], prefix: {elastic.prefix}}}}}\n"


def everything(site: Site):
    return lambda: "\n".join(f"{log.name}:\n{log.read_text()}" for log in site.directory.glob("*.log"))


async def until_in_history(site: Site, kind: str, name: str) -> list[dict]:
    async def found():
        return await site.events(kind, name)

    return await site.until(found, f"{kind} of {name} in the history", everything(site))


async def rows(site: Site, question: str, **parameters: object) -> list[dict]:
    answer = await site.client.get(f"/grafana/rows/{question}", params={"config": site.config, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_from_an_alarm_on_an_ioc_to_an_answer_about_the_past(tmp_path, iocs, elastic):
    site = Site(tmp_path, iocs(DB), servers_or_skip(), settings(elastic))
    assert await site.config_command("sync") == 0, site.output("sync")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(site.running("engine"))
        await stack.enter_async_context(site.running("history", "--health-port", "0"))
        health = (await site.said("history", r"(http://\S+)/readyz"))[1]
        await stack.enter_async_context(site.serving("backend"))
        site.put("GC1", 12)
        (alarm,) = await until_in_history(site, "alarm", "GC1")
        assert (alarm["path"], alarm["to"]) == (site.path("GC1"), "MAJOR")
        assert (await site.command("acknowledge", site.path("GC1"), reason="pump is being changed")).json()["outcome"] == "done"
        (acknowledged,) = await until_in_history(site, "acknowledged", "GC1")
        assert (acknowledged["user"], acknowledged["comment"]) == ("mara", "pump is being changed")
        await site.until(site.ready, "the backend", everything(site))

        now = round(time.time() * 1000)
        span = {"from": now - 3_600_000, "to": now}
        counted = await rows(site, "counts", **span)
        assert sum(row["MAJOR"] for row in counted) == 1
        assert [(row["path"], row["count"]) for row in await rows(site, "top", **span)] == [(site.path("GC1"), 1)]
        states = [row["state"] for row in await rows(site, "pv_intervals", path=site.path("GC1"), **span)]
        assert states[-2:] == ["OK", "MAJOR"]

        async with httpx.AsyncClient(base_url=health) as client:
            assert (await client.get("/readyz")).json() == {"ready": True, "missing": {}}
            figures = (await client.get("/metrics")).text
            assert "tocsin_history_dead_letters_total 0.0" in figures
            written = next(float(line.split()[1]) for line in figures.splitlines() if line.startswith("tocsin_history_written_total"))
            assert written >= 2
    assert not list(tmp_path.glob("*.sqlite*")), "a backend on another machine has no file to read"


async def test_elasticsearch_away_holds_no_alarm_up_and_nothing_is_lost(tmp_path, iocs, elastic):
    """One process, the journal in its file. The store is away at the start, and once more."""

    async def away(call, forward):
        return refusal(503, "cluster_block_exception", "no master")

    elastic.fault = away
    site = Site(tmp_path, iocs(DB), "", settings(elastic))
    async with site.serving():
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        answer = await site.client.get("/api/v1/events", params={"start": "-1h"})
        assert answer.status_code == 503
        assert "history store does not answer" in answer.json()["message"]
        missing = (await site.client.get("/readyz")).json()["missing"]
        assert "is busy or not ready (503: cluster_block_exception: no master)" in missing["history writer"]

        elastic.fault = None
        assert [event["to"] for event in await until_in_history(site, "alarm", "GC1")] == ["MAJOR"]
        await site.until(site.ready, "all is there", everything(site))

        elastic.fault = away
        site.put("GV1", 1)
        await site.until_severity("GV1", "MAJOR")

        async def behind():
            return "tocsin_history_healthy 0.0" in (await site.client.get("/metrics")).text and not await site.ready()

        await site.until(behind, "the figures tell", everything(site))
        elastic.fault = None
        assert len(await until_in_history(site, "alarm", "GV1")) == 1
        await site.until(site.ready, "all is there again", everything(site))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hosts": ["http://127.0.0.1:9"]}, "Elasticsearch at http://127.0.0.1:9 cannot be reached .*is it running, is the address right?"),
        ({"api_key_file": "wrong"}, r"does not know us \(401\): check API key, or user and password"),
        ({"hosts": ["https://127.0.0.1:1"], "ca_file": "wrong"}, "certificates or key in .*wrong cannot be used .*: expected PEM"),
        ({"user": "u", "password_file": "missing"}, "missing cannot be read: .*No such file"),
    ],
)
async def test_what_is_wrong_with_the_way_to_the_store_is_said(tmp_path, elastic, change, said):
    async def strict(call, forward):
        return refusal(401, "security_exception", "unable to authenticate") if call.authorization else None

    elastic.fault = strict
    (tmp_path / "wrong").write_text("d3Jvbmc=")
    given = {"hosts": [elastic.url], "prefix": elastic.prefix, **change}

    class NoIoc:
        prefix = "none:"

    site = Site(tmp_path, NoIoc(), servers_or_skip(), f"history: {json.dumps({'store': 'elasticsearch', 'elasticsearch': given})}\n")
    async with site.running("history", "--health-port", "0"):
        health = (await site.said("history", r"(http://\S+/readyz)"))[1]
        await site.said("history", said)
        async with httpx.AsyncClient() as client:
            answer = await client.get(health)
            assert answer.status_code == 503
            assert "cannot open the history" in answer.json()["missing"]["history writer"]
    assert "Traceback" not in site.output("history")
