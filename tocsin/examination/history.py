"""The history: does its store answer, how far is it behind, has it room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from elasticsearch import ApiError, AsyncElasticsearch

from alarm_engine.errors import HistoryError
from alarm_engine.journal.port import Journal
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from alarm_engine.wire.topics import Topics
from backend.history.elastic_client import connect, translated
from backend.history.port import EventQuery, History
from backend.history.writer import GROUP
from tocsin.examination.finding import Finding, fault, good, note, warning
from tocsin.examination.site import Site
from tocsin.histories import visiting_history
from tocsin.journals import visiting
from tocsin.trees import Configuration

_WEEK_NS = 7 * 86_400 * NANOS_PER_SECOND
_AHEAD_NS = 3600 * NANOS_PER_SECOND
_LATE_S = 60.0
_CLOCK_S = 2.0
_ALIVE = "the live tree does not need it: alarms are right, only questions about the past are not answered"
_LITTLE_ROOM = 0.15
"""Below 15 % free Elasticsearch puts no more indices on a disk, below 5 % it takes no writes."""


def store(site: Site) -> Iterator[Finding]:
    """The newest event of each configuration, out of the store."""
    settings = site.settings
    where = "Elasticsearch" if settings.history.store == "elasticsearch" else f"{settings.store}"
    if settings.history.store == "sqlite" and not settings.store.exists():
        yield note("history", f"{where} is not there yet")
        return
    try:
        newest = asyncio.run(_newest(site))
    except HistoryError as problem:
        yield fault("history", str(problem), f"see docs/how-to/when-something-is-wrong.md; {_ALIVE}")
        return
    for config, time_ns in newest.items():
        told = "nothing of the last week is stored" if time_ns is None else f"the newest event that is stored is of {iso(time_ns)}"
        yield good(f"history of {config}", f"{where} answers, {told}")


async def _newest(site: Site) -> dict[str, Nanos | None]:
    async with visiting_history(site.settings) as history:
        return {one.name: await _newest_of(history, one.name) for one in site.configurations}


async def _newest_of(history: History, config: str) -> Nanos | None:
    now = time.time_ns()
    events = (await history.events(EventQuery(config, Nanos(now - _WEEK_NS), Nanos(now + _AHEAD_NS), limit=1))).events
    return events[0].time if events else None


def lag(site: Site) -> Iterator[Finding]:
    """What is in the journal and not in the history yet."""
    if not site.uses_kafka and not site.settings.store.exists():
        return
    waiting = asyncio.run(_waiting(site))
    longest_s = site.settings.dashboards.alerts.history_lag_s
    for config, (records, since) in waiting.items():
        yield judge_lag(config, records, None if since is None else (time.time_ns() - since) / NANOS_PER_SECOND, longest_s)


def judge_lag(config: str, records: int | None, oldest_s: float | None, longest_s: float) -> Finding:
    """`records` that wait, None if nobody has ever written a history; `oldest_s`: how long ago the first of them was written."""
    subject = f"history of {config}"
    if records is None:
        return warning(subject, "nobody has written one yet", "`tocsin run` does it, or `tocsin history`")
    if oldest_s is None or oldest_s <= _LATE_S:
        return good(subject, "is up to date")
    told = f"{records:,} records wait to be written, the first since {oldest_s:,.0f} s"
    advice = "does `tocsin history` run, is its store there, its disk full? See docs/how-to/runbook.md#alarm-history-late"
    return (fault if oldest_s > longest_s else warning)(subject, told, advice)


async def _waiting(site: Site) -> dict[str, tuple[int | None, Nanos | None]]:
    async with visiting(site.settings) as journal:
        return {one.name: await _waiting_of(journal, one) for one in site.configurations}


async def _waiting_of(journal: Journal, configuration: Configuration) -> tuple[int | None, Nanos | None]:
    topic = configuration.name if configuration.phoebus else Topics(configuration.name).events
    position = await journal.position(GROUP, topic)
    end = await journal.end(topic)
    if position is None:
        return (None, None) if end else (0, None)
    if position >= end:
        return 0, None
    reader = journal.reader([topic], {topic: position})
    try:
        # What lies between may be no records: marks of transactions.
        found = (await reader.fetch(max_records=1, timeout_s=1)).records
    finally:
        await reader.close()
    return end - position, found[0].time if found else None


def elasticsearch(site: Site) -> Iterator[Finding]:
    """The server: its version, the state of its indices, room, clock; as far as we may ask."""
    if site.settings.history.store != "elasticsearch":
        return
    yield from asyncio.run(_all(site))


async def _all(site: Site) -> list[Finding]:
    options = site.settings.history.elasticsearch.options()
    client = connect(options)
    try:
        with translated(options):
            return [finding async for finding in _server(client, options.prefix)]
    except HistoryError as problem:
        return [fault("Elasticsearch", str(problem), _ALIVE)]
    finally:
        await client.close()


async def _server(client: AsyncElasticsearch, prefix: str) -> AsyncIterator[Finding]:
    health = await _asked(client.cluster.health(index=f"{prefix}-*", expand_wildcards="all"))
    if health is None:
        yield note("Elasticsearch", "its health is not told to us: the privilege `monitor` is missing")
    elif health["status"] == "red":
        yield fault("Elasticsearch", "is red: some of our indices are not there as a whole", "see GET /_cluster/allocation/explain")
    elif health["status"] == "yellow":
        told = f"is yellow: {health['unassigned_shards']} copies have no place"
        yield warning("Elasticsearch", told, "start the other nodes, or set history.elasticsearch.replicas to 0")
    else:
        yield good("Elasticsearch", f"is green, {health['number_of_data_nodes']} nodes with data")
    nodes = await _asked(client.nodes.stats(metric="fs"))
    info = await _asked(client.nodes.info(filter_path="nodes.*.version"))
    if info and info.get("nodes"):
        yield judge_server({one["version"] for one in info["nodes"].values()})
    for node in (nodes or {}).get("nodes", {}).values():
        for finding in judge_node(node, time.time()):
            yield finding


async def _asked(question: Any) -> dict[str, Any] | None:
    """The answer, None if we may not ask that or the server has no such thing."""
    try:
        answer: dict[str, Any] = (await question).body
    except ApiError as problem:
        if problem.status_code in (400, 403, 404, 405):
            return None
        raise
    return answer


def judge_server(versions: set[str]) -> Finding:
    """The versions of the nodes, against what the client talks to."""
    told = ", ".join(sorted(versions))
    subject = "Elasticsearch server"
    if any(one.split(".")[0] not in ("8", "9") for one in versions):
        return fault(subject, f"is of version {told}: expected 8 or 9", "see docs/how-to/keep-history-in-elasticsearch.md")
    if len(versions) > 1:
        return warning(subject, f"nodes are of different versions: {told}", "bring the update to its end")
    return good(subject, f"is of version {told}")


def judge_node(node: dict[str, Any], now_s: float) -> Iterator[Finding]:
    """Room and clock of one node, by its own figures."""
    subject, total = f"Elasticsearch node {node.get('name', '')}", node.get("fs", {}).get("total", {})
    size, free = total.get("total_in_bytes", 0), total.get("available_in_bytes", 0)
    if size:
        told = f"{free / 1e9:,.1f} GB of {size / 1e9:,.1f} GB are free"
        advice = "free some: below 5 % it takes no writes, and events wait in the journal"
        yield good(subject, told) if free > _LITTLE_ROOM * size else warning(subject, told, advice)
    stamp = node.get("timestamp")
    if stamp and abs(ahead := stamp / 1000 - now_s) > _CLOCK_S:
        where = "ahead of" if ahead > 0 else "behind"
        yield warning(subject, f"its clock is {abs(ahead):,.1f} s {where} that of this machine", "set the clocks by NTP")
