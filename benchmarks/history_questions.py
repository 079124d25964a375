"""What a backend asks of a history, in a process of its own, so that its memory can be measured: prints JSON.

`python -m benchmarks.history_questions sqlite FILE` or `elastic URL PREFIX SESSION`, the session of the server's processes
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import sys
from pathlib import Path

from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Access, FileOptions
from alarm_engine.model.times import Nanos
from backend.history.elastic import ElasticHistory
from backend.history.elastic_options import ElasticOptions
from backend.history.performance import Known, performance
from backend.history.port import CountBy, EventQuery, HistoryStore
from backend.history.sqlite import SqliteHistory
from backend.kpi.tally import Span
from benchmarks.history_load import BEGIN, CONFIG, DAY_NS, END, PATHS
from benchmarks.processors import Stopwatch

ROUNDS = 11


def _ago(days: float) -> Nanos:
    return Nanos(END - round(days * DAY_NS))


def _question(store: HistoryStore, name: str, nth: int):
    week = CONFIG, _ago(7 + nth / 1000), _ago(nth / 1000), 600
    match name:
        case "last 100 events":
            return store.events(EventQuery(CONFIG, BEGIN, Nanos(END - nth), limit=100))
        case "7 days of counts per 10 min, by severity":
            return store.counts(*week, CountBy.SEVERITY)
        case "7 days of counts per 10 min, by system":
            return store.counts(*week, CountBy.SYSTEM)
        case "7 days of counts per 10 min, by kind":
            return store.counts(*week, CountBy.KIND)
        case "one PV's last 500 events":
            return store.events(EventQuery(CONFIG, BEGIN, END, path_prefix=PATHS[nth], limit=500))
        case "all alarms as they were at a moment":
            return store.states_at(CONFIG, _ago(3.1 + 7.3 * nth))
        case "most frequent alarms of 7 days":
            return store.most_frequent(CONFIG, week[1], week[2], 10)
        case "figures of 30 days":
            return performance(store.summaries, CONFIG, Span(_ago(30.4 + nth / 10), _ago(0.4 + nth / 10)), Known(END, END))
        case "figures of 90 days":
            return performance(store.summaries, CONFIG, Span(BEGIN, END), Known(END, END))
    raise ValueError(name)


QUESTIONS = (
    "last 100 events",
    "7 days of counts per 10 min, by severity",
    "7 days of counts per 10 min, by system",
    "7 days of counts per 10 min, by kind",
    "one PV's last 500 events",
    "all alarms as they were at a moment",
    "most frequent alarms of 7 days",
    "figures of 30 days",
    "figures of 90 days",
)


async def _ask(store: HistoryStore, session: int | None) -> dict[str, object]:
    await store.start()
    found: dict[str, object] = {}
    for name in QUESTIONS:
        took, busy = [], []
        for nth in range(ROUNDS):
            with (watch := Stopwatch(session)):
                await _question(store, name, nth)
            took.append(watch.wall_s * 1000)
            busy.append(watch.cpu_s * 1000)
        # The system counts another process's time in steps of 10 ms.
        average = statistics.median if session is None else statistics.mean
        found[name] = statistics.median(took), min(took), average(busy)
    await store.close()
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def main(kind: str, *where: str) -> None:
    if kind == "sqlite":
        store: HistoryStore = SqliteHistory(SqliteFile(Path(where[0]), FileOptions(access=Access.READ)), longest_query_s=120, warm=True)
    else:
        store = ElasticHistory(ElasticOptions(hosts=(where[0],), prefix=where[1], longest_query_s=120))
    print(json.dumps(asyncio.run(_ask(store, int(where[2]) if kind == "elastic" else None))))


if __name__ == "__main__":
    main(*sys.argv[1:])
