"""History: events of 20,000 PVs over 90 days into both stores, and what a backend asks of them in a process of its own.

SQLite is written as the history writer does, 500 events at a time; sums, checkpoints and summaries of figures are made of them as in use.
Elasticsearch takes the same documents twice, in turns: through our store, and by `async_bulk` of its client into an index with the same
mapping. The aims are for 10 million events in SQLite and 1 million in Elasticsearch: `python -m benchmarks history --events 10000000`.
`cpu` is time of processors: what the question would have taken on an idle machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import orjson
from elasticsearch.helpers import async_bulk

from alarm_engine.journal.sqlite_file import SqliteFile
from backend.history.elastic import ElasticHistory
from backend.history.elastic_client import connect
from backend.history.elastic_documents import document, document_id
from backend.history.elastic_mapping import EVENT_FIELDS, mappings, settings
from backend.history.elastic_options import ElasticOptions
from backend.history.port import HistoryStore
from backend.history.sqlite import SqliteHistory
from backend.history.summariser import Summariser
from benchmarks.figures import Figure, aim
from benchmarks.history_load import CONFIG, batches
from benchmarks.history_questions import QUESTIONS
from tests.elasticsearch_server import shared_server
from tests.maven_cache import Missing

ELASTIC_SHARE = 10
"""Elasticsearch gets a tenth of the events, as its aims say."""
AIMS_MS = {
    "last 100 events": 5,
    "7 days of counts per 10 min, by severity": 50,
    "one PV's last 500 events": 5,
    "all alarms as they were at a moment": 300,
    "figures of 30 days": 1000,
}
ELASTIC_AIM_MS = 500
MOST_MB = 300


def run(events: int = 200_000) -> list[Figure]:
    """Figures of both stores; `events`: how many SQLite gets."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as directory:
        rows = asyncio.run(_sqlite(Path(directory) / "history.db", events))
        rows += _questions("SQLite", ["sqlite", f"{directory}/history.db"], AIMS_MS)
    try:
        url = shared_server().url
    except Missing as problem:
        return [*rows, Figure(f"Elasticsearch is left out: {problem}", 0, "")]
    options = ElasticOptions(hosts=(url,), prefix=f"b{secrets.token_hex(4)}")
    rows += asyncio.run(_elastic(options, max(1_000, events // ELASTIC_SHARE)))
    rows += _questions("Elasticsearch", ["elastic", url, options.prefix], dict.fromkeys(QUESTIONS, ELASTIC_AIM_MS))
    asyncio.run(_clean(options))
    return rows


async def _sqlite(path: Path, events: int) -> list[Figure]:
    store = SqliteHistory(SqliteFile(path), longest_query_s=120)
    await store.start()
    try:
        took = busy = 0.0
        for batch in batches(events):
            start, cpu = time.perf_counter(), time.process_time()
            await store.write(batch)
            took += time.perf_counter() - start
            busy += time.process_time() - cpu
        rows = [
            Figure(f"SQLite: ingest of {events:,} events, with sums", events / took, "events/s", "", _at_least(events / took, 10_000)),
            Figure("by processor time", events / busy, "events/s"),
        ]
        rows += await _afterwards(store, events)
        size = sum(file.stat().st_size for file in path.parent.glob("history.db*"))
        return [*rows, Figure("size of the file", size / events, "B/event")]
    finally:
        await store.close()


async def _afterwards(store: HistoryStore, events: int) -> list[Figure]:
    start, cpu = time.perf_counter(), time.process_time()
    while await store.checkpoint(CONFIG):
        pass
    checkpoints = events / (time.perf_counter() - start)
    start = time.perf_counter()
    await Summariser(store.summaries, [CONFIG]).catch_up(CONFIG)
    summaries = events / (time.perf_counter() - start)
    both = events / (time.process_time() - cpu)
    return [
        Figure("checkpoints made", checkpoints, "events/s"),
        Figure("summaries of figures made", summaries, "events/s"),
        Figure("both by processor time", both, "events/s"),
    ]


async def _elastic(options: ElasticOptions, events: int) -> list[Figure]:
    store, client = ElasticHistory(options), connect(options)
    await store.start()
    index = f"{options.prefix}-bare"
    try:
        await client.indices.create(index=index, settings=settings(options, events=True), mappings=mappings(EVENT_FIELDS))
        took = dict.fromkeys(("ours", "bare"), 0.0)
        for number, batch in enumerate(batches(events)):
            documents = [
                {"_op_type": "create", "_index": index, "_id": document_id(str(event.id)), "_source": orjson.loads(document(event))}
                for event in batch
            ]
            turns = {"ours": partial(store.write, batch), "bare": partial(async_bulk, client, documents, chunk_size=len(documents))}
            for name in ("ours", "bare") if number % 2 else ("bare", "ours"):
                start = time.perf_counter()
                await turns[name]()
                took[name] += time.perf_counter() - start
        ours, bare = took.values()
        await client.indices.delete(index=index)
        share = 100 * bare / ours
        rows = [
            Figure(f"Elasticsearch: ingest of {events:,} events", events / ours, "events/s"),
            Figure("yardstick: the same documents by async_bulk", events / bare, "events/s"),
            Figure("ingest / yardstick", share, "%", "", _at_least(share, 80)),
        ]
        return rows + await _afterwards(store, events)
    finally:
        await client.close()
        await store.close()


async def _clean(options: ElasticOptions) -> None:
    client = connect(options)
    try:
        if found := list(await client.indices.get_alias(index=f"{options.prefix}-*")):
            await client.indices.delete(index=found)
    finally:
        await client.close()


def _questions(store: str, where: list[str], aims: dict[str, float]) -> list[Figure]:
    command = [sys.executable, "-m", "benchmarks.history_questions", *where]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    memory = found.pop("memory")
    rows = []
    for name, (median, best, busy) in found.items():
        verdict = aim(median, aims[name], "ms") if name in aims else ""
        rows.append(Figure(f"{store}: {name} (best {best:.3g}, cpu {busy:.3g})", median, "ms p50", "", verdict))
    return [*rows, Figure(f"{store}: memory of the process that asks", memory, "MB", "", aim(memory, MOST_MB, "MB"))]


def _at_least(value: float, limit: float) -> str:
    return f"aim >= {limit:,.0f}: {'met' if value >= limit else 'MISSED'}"
