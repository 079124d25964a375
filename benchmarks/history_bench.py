"""History: events of 20,000 PVs over 90 days into both stores, and what a backend asks of them in a process of its own.

The aims are for 10 million events in SQLite and 1 million in Elasticsearch: `python -m benchmarks history --events 10000000`. To fill them
takes long and asks much of a machine: with `--keep FOLDER` they stay there, and what was measured at filling is shown again beside
questions that are asked anew. `cpu` is time of processors, that of the server included: what it would have taken on an idle machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backend.history.elastic_options import ElasticOptions
from benchmarks.figures import Figure, aim
from benchmarks.history_fill import fill_elastic, fill_sqlite
from benchmarks.history_questions import QUESTIONS
from tests.elasticsearch_server import ElasticsearchServer
from tests.maven_cache import Missing

EVENTS = 200_000
ELASTIC_SHARE = 10
"""Elasticsearch gets a tenth of the events, as its aims say."""
AIMS_MS: dict[str, float] = {
    "last 100 events": 5,
    "7 days of counts per 10 min, by severity": 50,
    "one PV's last 500 events": 5,
    "all alarms as they were at a moment": 300,
    "figures of 30 days": 1000,
}
ELASTIC_AIM_MS = 500.0
MOST_MB = 300
_PREFIX = "bench"
_FILLED = "filled.json"


def run(events: int | None = None, keep: Path | None = None) -> list[Figure]:
    """Figures of both stores; `events`: how many SQLite gets, by default those that are kept, or 200,000."""
    with _folder(keep) as folder:
        file = folder / "history-sqlite" / "history.db"
        rows = _filled(file.parent, events, lambda number: fill_sqlite(file, number))
        rows += _questions("SQLite", ["sqlite", str(file)], AIMS_MS)
        try:
            rows += _elastic(folder / "history-elastic", None if events is None else max(1_000, events // ELASTIC_SHARE))
        except Missing as problem:
            rows.append(Figure(f"Elasticsearch is left out: {problem}", 0, ""))
    return rows


def _elastic(folder: Path, events: int | None) -> list[Figure]:
    server: ElasticsearchServer | None = None

    def options(server: ElasticsearchServer) -> ElasticOptions:
        return ElasticOptions(hosts=(server.url,), prefix=_PREFIX, longest_query_s=120)

    async def fill(number: int) -> list[Figure]:
        nonlocal server
        server = ElasticsearchServer(data=folder / "data")
        return await fill_elastic(options(server), server.session, number)

    try:
        rows = _filled(folder, events, fill, EVENTS // ELASTIC_SHARE)
        server = server or ElasticsearchServer(data=folder / "data")
        where = ["elastic", server.url, _PREFIX, str(server.session)]
        return rows + _questions("Elasticsearch", where, dict.fromkeys(QUESTIONS, ELASTIC_AIM_MS))
    finally:
        if server is not None:
            server.close()


def _filled(
    folder: Path, events: int | None, fill: Callable[[int], Coroutine[Any, Any, list[Figure]]], default: int = EVENTS
) -> list[Figure]:
    """What was measured when a store was filled: now, or when its folder was."""
    note = folder / _FILLED
    if note.exists():
        kept = json.loads(note.read_text())
        if events not in (None, kept["events"]):
            raise SystemExit(f"{folder} holds {kept['events']:,} events, {events:,} are wanted: give another folder, or delete it")
        return [Figure(*row) for row in kept["rows"]]
    shutil.rmtree(folder, ignore_errors=True)  # not filled to the end
    folder.mkdir(parents=True)
    number = events or default
    rows = [*asyncio.run(fill(number)), _load("while it was filled")]
    note.write_text(json.dumps({"events": number, "rows": rows}))
    return rows


def _questions(store: str, where: list[str], aims: dict[str, float]) -> list[Figure]:
    command = [sys.executable, "-m", "benchmarks.history_questions", *where]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    memory = found.pop("memory")
    rows = []
    for name, (median, best, busy) in found.items():
        verdict = aim(median, aims[name], "ms") if name in aims else ""
        rows.append(Figure(f"{store}: {name} (best {best:.3g}, cpu {busy:.3g})", median, "ms p50", "", verdict))
    rows.append(Figure(f"{store}: memory of the process that asks", memory, "MB", "", aim(memory, MOST_MB, "MB")))
    return [*rows, _load("while it was asked")]


def _load(when: str) -> Figure:
    """Beside times by the clock: with more than one busy process for each processor they are those of others too."""
    return Figure(f"load average of the last minute {when}, {os.cpu_count()} processors", os.getloadavg()[0], "processes")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as directory:
        Path(directory).chmod(0o755)  # the server of Elasticsearch may run as another user
        yield Path(directory)
