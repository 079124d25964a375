"""Fills the stores of the benchmark `history`, and measures that.

SQLite is written as the history writer does, 500 events at a time. Elasticsearch takes the same documents twice, in turns: through our
store, and by `async_bulk` of its client into an index with the same mapping. Sums, checkpoints and summaries of figures are made as in use.
"""

from __future__ import annotations

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
from benchmarks.figures import Figure
from benchmarks.history_load import CONFIG, batches
from benchmarks.processors import Stopwatch


async def fill_sqlite(path: Path, events: int) -> list[Figure]:
    """Write so many events, with all that is made of them."""
    store = SqliteHistory(SqliteFile(path), longest_query_s=120)
    await store.start()
    try:
        watch = Stopwatch()
        for batch in batches(events):
            with watch:
                await store.write(batch)
        rows = [
            Figure(
                f"SQLite: ingest of {events:,} events, with sums", watch.rate(events), "events/s", "", _at_least(watch.rate(events), 10_000)
            ),
            Figure("by processor time", watch.rate_by_cpu(events), "events/s"),
            *await _afterwards(store, events),
        ]
        size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
        return [*rows, Figure("size of the file", size / events, "B/event")]
    finally:
        await store.close()


async def fill_elastic(options: ElasticOptions, session: int, events: int) -> list[Figure]:
    """Write so many events; `session`: that of the server's processes."""
    store, client = ElasticHistory(options), connect(options)
    await store.start()
    index = f"{options.prefix}-bare"
    try:
        await client.indices.create(index=index, settings=settings(options, events=True), mappings=mappings(EVENT_FIELDS))
        ours, bare = Stopwatch(session), Stopwatch(session)
        for number, batch in enumerate(batches(events)):
            documents = [
                {"_op_type": "create", "_index": index, "_id": document_id(str(event.id)), "_source": orjson.loads(document(event))}
                for event in batch
            ]
            turns = [(ours, partial(store.write, batch)), (bare, partial(async_bulk, client, documents, chunk_size=len(documents)))]
            for watch, write in turns if number % 2 else reversed(turns):
                with watch:
                    await write()
        await client.indices.delete(index=index)
        made = await _afterwards(store, events, session)
        await client.indices.flush(index=f"{options.prefix}-*", force=True)  # or a server that is killed has it all to do again
        share = 100 * bare.wall_s / ours.wall_s
        return [
            Figure(f"Elasticsearch: ingest of {events:,} events", ours.rate(events), "events/s"),
            Figure("yardstick: the same documents by async_bulk", bare.rate(events), "events/s"),
            Figure("ingest / yardstick", share, "%", "", _at_least(share, 80)),
            Figure("the same by processor time, ours and the server's", 100 * bare.cpu_s / ours.cpu_s, "%"),
            *made,
        ]
    finally:
        await client.close()
        await store.close()


async def _afterwards(store: HistoryStore, events: int, session: int | None = None) -> list[Figure]:
    checkpoints, summaries = Stopwatch(session), Stopwatch(session)
    with checkpoints:
        while await store.checkpoint(CONFIG):
            pass
    with summaries:
        await Summariser(store.summaries, [CONFIG]).catch_up(CONFIG)
    return [
        Figure("checkpoints made", checkpoints.rate(events), "events/s"),
        Figure("by processor time", checkpoints.rate_by_cpu(events), "events/s"),
        Figure("summaries of figures made", summaries.rate(events), "events/s"),
        Figure("by processor time", summaries.rate_by_cpu(events), "events/s"),
    ]


def _at_least(value: float, limit: float) -> str:
    return f"aim >= {limit:,.0f}: {'met' if value >= limit else 'MISSED'}"
