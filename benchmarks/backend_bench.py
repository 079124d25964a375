"""The REST interface on a real server: `alarms` with 10,000 active rows.

Yardstick: a static answer of the same bytes from the same server. `first` is the answer for which every row has to be encoded anew, as
after 10,000 changes.
"""

from __future__ import annotations

import asyncio
import http.client
import statistics
import threading
import time
from datetime import UTC

from fastapi import FastAPI, Response

from alarm_engine.clock import SystemClock
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.wire.topics import Topics, status_topic
from backend.app import create_app
from backend.history.memory import MemoryHistory
from backend.live import Live
from backend.security import Security
from backend.server import BackendServer
from backend.services import Services
from tests.unit.backend_world import standing_alarms

ROWS = 10_000
ROUNDS = 40
QUESTION = f"/api/v1/alarms?limit={ROWS}"


class _Site:
    """Journal, live tree and server on a thread and an event loop of their own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="backend")
        self.thread.start()
        self.replay_s = self.call(self._start())

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    async def _start(self) -> float:
        journal, clock = MemoryJournal(), SystemClock()
        await journal.ensure_topics([*Topics("Acc").specs(), status_topic("cell")])
        await journal.append(standing_alarms(ROWS))
        self.live = Live(journal, {"Acc": UTC}, "cell", clock)
        start = time.perf_counter()
        await self.live.start()
        while self.live.problems():  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(0.001)
        took = time.perf_counter() - start
        self.app: FastAPI = create_app(Services(self.live, MemoryHistory(), journal, Security(), clock))
        self.server = BackendServer(self.app, "127.0.0.1", 0)
        await self.server.start()
        return took

    def close(self) -> None:
        self.call(self.server.stop())
        self.call(self.live.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def _get(client: http.client.HTTPConnection, path: str) -> tuple[float, bytes]:
    start = time.perf_counter()
    client.request("GET", path)
    answer = client.getresponse()
    body = answer.read()
    took = time.perf_counter() - start
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    return took, body


def run() -> list[tuple[str, float, str]]:
    """Times in milliseconds, p50 of rounds that take turns."""
    site = _Site()
    try:
        host, port = site.server.address
        client = http.client.HTTPConnection(host, port)
        first, body = _get(client, QUESTION)

        @site.app.get("/yardstick")
        async def yardstick() -> Response:
            return Response(body, media_type="application/json")

        took: dict[str, list[float]] = {QUESTION: [], "/yardstick": [], "/api/v1/alarms?limit=50": [], "/api/v1/summary": []}
        for _ in range(ROUNDS):
            for path, times in took.items():
                times.append(_get(client, path)[0])
        client.close()
        rows, static, few, summary = (statistics.median(times) * 1000 for times in took.values())
        return [
            (f"alarms, {ROWS:,} active rows ({len(body) / 1e6:.1f} MB)", rows, "ms p50"),
            ("the same bytes, static", static, "ms p50"),
            ("ratio", rows / static, "x"),
            ("first answer, all rows encoded anew", first * 1000, "ms"),
            (f"alarms, 50 of {ROWS:,} rows", few, "ms p50"),
            ("summary of 8 subsystems", summary, "ms p50"),
            (f"live tree of {ROWS:,} alarms from the journal", site.replay_s * 1000, "ms"),
        ]
    finally:
        site.close()
