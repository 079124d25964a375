"""Events in a real Kafka, a real store, and real processes of `tocsin history` between them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.port import Record
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Access, FileOptions
from alarm_engine.model.event import Event
from alarm_engine.model.state import EventId
from alarm_engine.model.times import Nanos
from alarm_engine.wire.event import encode_event
from alarm_engine.wire.topics import Topics
from backend.history.elastic import ElasticHistory
from backend.history.elastic_options import ElasticOptions
from backend.history.port import EventQuery, HistoryStore
from backend.history.sqlite import SqliteHistory
from tests.contract.histories import event
from tests.kafka_broker import random_topic

_MS = 1_000_000
_DAY = 86_400_000 * _MS
_PATIENCE_S = 90.0


class HistoryPlant:
    """A configuration whose engine is this test. `options` None: the store is a SQLite file."""

    def __init__(
        self, directory: Path, servers: str, options: ElasticOptions | None, store: Path | None = None, *, session_s: float = 6
    ) -> None:
        """`session_s`: how long a writer waits for one that was killed."""
        self.directory, self.servers, self.options = directory, servers, options
        self.config = random_topic("Plant")
        self.topic = Topics(self.config).events
        self.file = store or directory / "history.sqlite"
        self.published: set[EventId] = set()
        self.begin = Nanos(time.time_ns() - 3600 * 1000 * _MS)
        self.epoch = 1
        history: dict[str, object] = {"store": "sqlite"}
        if options is not None:
            elastic = {"hosts": options.hosts, "prefix": options.prefix, "write_timeout_s": 1}
            history = {"store": "elasticsearch", "elasticsearch": elastic}
        settings = {
            "configurations": [{"name": self.config}],
            "journal": "kafka",
            "kafka": {"servers": servers, "session_s": session_s},
            "store": str(self.file),
            "history": history,
            "health": {"port": 0},
            "log": {"form": "json"},
        }
        (directory / "site.yaml").write_text(json.dumps(settings))

    @asynccontextmanager
    async def journal(self) -> AsyncIterator[KafkaJournal]:
        """To write as an engine does, and as patiently as the machine needs it."""
        journal = KafkaJournal(KafkaSettings(self.servers, write_timeout_s=60.0, request_timeout_s=20.0))
        await journal.start()
        try:
            await journal.ensure_topics(Topics(self.config).specs())
            yield journal
        finally:
            await journal.close()

    async def publish(self, count: int, *, days_ago: int = 0, path: str = "") -> list[Event]:
        """So many more events."""
        first = len(self.published) + 1
        events = [
            replace(
                event(n, 0, path or f"/{self.config}/Vacuum/PV{n % 7}", config=self.config, epoch=self.epoch),
                time=Nanos(self.begin + n * _MS - days_ago * _DAY),
            )
            for n in range(first, first + count)
        ]
        async with self.journal() as journal:
            for at in range(0, count, 25):
                await journal.append([Record(self.topic, str(one.id), encode_event(one)) for one in events[at : at + 25]])
                self.published.update(one.id for one in events[at : at + 25])
        return events

    async def publish_odd(self) -> None:
        """A record that is no event."""
        async with self.journal() as journal:
            await journal.append([Record(self.topic, "odd", b"{")])

    @asynccontextmanager
    async def writer(self) -> AsyncIterator[subprocess.Popen[bytes]]:
        """`tocsin history`, running; killed at the end if nobody else did."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                self._words("history"), stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "COLUMNS": "400"}
            )
        try:
            yield process
        finally:
            process.kill()
            await asyncio.to_thread(process.wait, 20)

    async def run(self, *words: str) -> tuple[int, str]:
        """A command of the history to its end: status and output."""
        done = await asyncio.to_thread(
            subprocess.run, self._words("history", *words), capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """A command of the history that the test ends."""
        with self.log.open("ab") as log:
            return subprocess.Popen(self._words("history", *words), stdout=log, stderr=subprocess.STDOUT)

    def _words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "tocsin", *words, "-s", str(self.directory / "site.yaml")]

    @property
    def log(self) -> Path:
        """What all of them said."""
        return self.directory / "history.log"

    def health(self) -> str:
        """Where the one that was started last says how it is; empty while it does not."""
        found = re.findall(r"(http://\S+)/readyz", self.log.read_text())
        return found[-1] if found else ""

    def store(self) -> HistoryStore:
        """The store, to be looked at beside the writer."""
        if self.options is not None:
            return ElasticHistory(self.options)
        return SqliteHistory(SqliteFile(self.file, FileOptions(access=Access.READ)))

    async def stored(self) -> list[EventId]:
        """Ids of all that is stored, as often as it is stored, oldest first; nothing while the store cannot be asked."""
        if self.options is None and not self.file.exists():
            return []
        store = self.store()
        await store.start()
        try:
            query = EventQuery(self.config, Nanos(self.begin - 300 * _DAY), Nanos(self.begin + _DAY), oldest_first=True, limit=10_000)
            return [one.id for one in (await store.events(query)).events]
        finally:
            await store.close()

    async def until(self, condition: object) -> None:
        """Wait until a condition on the stored ids holds; the store may fail meanwhile."""
        deadline = time.monotonic() + _PATIENCE_S
        found: list[EventId] = []
        while True:
            try:
                found = await self.stored()
                if condition(found):  # type: ignore[operator]
                    return
            except Exception as problem:  # noqa: BLE001 - it is away on purpose
                last: object = problem
            else:
                last = f"{len(found)} of {len(self.published)} are stored"
            assert time.monotonic() < deadline, f"{last}\n{self.log.read_text()[-4000:]}"
            await asyncio.sleep(0.1)

    async def until_whole(self) -> None:
        """Wait until each published event is there, and hold that it is there once, and no other."""
        await self.until(lambda found: set(found) >= self.published)
        found = await self.stored()
        assert sorted(found) == sorted(self.published)
