"""An engine in a process of its own, given changes of process variables at a rate or as fast as they can be made.

`python -m tests.overloaded_engine PVS CHANGES RATE BOUND JOURNAL`, RATE in changes a second, 0: no pause; JOURNAL `sqlite` or `memory`.
Prints one line of JSON: what was given, what arrived, how far it was behind, how much memory it took, and what is wrong, if anything is.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import psutil
import structlog

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Journal, Record
from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.reading import Reading
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Monotonic, Nanos
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import Runner, RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.topics import Topics, status_topic

TOPICS = Topics("Load")
BATCH = 1000
LIVE = (Severity.OK, Severity.MINOR, Severity.MAJOR, Severity.INVALID)


class BatchSource(MemorySource):
    """Hands on many at once, as Channel Access does."""

    def put_all(self, readings: Sequence[Reading]) -> None:
        assert self._sink is not None
        self._sink(readings)


class Load:
    """Changes that can be told apart: the message of each carries its number among those of its PV."""

    def __init__(self, pvs: int) -> None:
        self.names = [f"P{n}" for n in range(pvs)]
        self.given: dict[str, list[tuple[Severity, str]]] = defaultdict(list)
        self.number = 0

    def next(self, number: int) -> list[Reading]:
        readings = []
        for _ in range(number):
            name = self.names[self.number % len(self.names)]
            own = self.given[name]
            severity = LIVE[(self.number * 7 // len(self.names) + len(own) * 5) % 4]
            sample = severity, f"{severity.name}_{len(own)}"
            own.append(sample)
            readings.append(Reading(name, *sample, "1.0", Nanos(time.time_ns()), Monotonic(time.monotonic_ns())))
            self.number += 1
        return readings


def faults(load: Load, arrived: dict[str, list[tuple[Severity, str]]], dropped: int) -> list[str]:
    """What does not agree with the rule: all of it arrives, or of each PV at least the first, the highest and the last, in order."""
    found = []
    for name, given in load.given.items():
        places = {sample: place for place, sample in enumerate(given)}
        got = arrived.get(name, [])
        order = [places.get(sample, -1) for sample in got]
        if order != sorted(set(order)) or (order and order[0] < 0):
            found.append(f"{name}: out of order, doubled, or never given")
        elif not got or got[-1] != given[-1]:
            found.append(f"{name}: the last is missing")
        elif got[0] != given[0]:
            found.append(f"{name}: the first is missing")
        elif max(one for one, _ in got) != max(one for one, _ in given):
            found.append(f"{name}: the highest is missing")
    number = sum(map(len, arrived.values()))
    if number + dropped != load.number:
        found.append(f"{load.number} were given, {number} arrived, {dropped} were counted as merged")
    return found


class Watch(threading.Thread):
    """Looks how the engine is, until it is told to stop."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(name="watch")
        self.runner, self.stopping = runner, threading.Event()
        self.process = psutil.Process()
        self.rss = self.backlog = self.lag_ms = 0

    def run(self) -> None:
        while not self.stopping.wait(0.05):
            status = self.runner.status("")
            self.rss = max(self.rss, self.process.memory_info().rss)
            self.backlog, self.lag_ms = max(self.backlog, status.backlog), max(self.lag_ms, status.lag_ms)


async def drained(runner: Runner) -> None:
    while runner.intake.backlog:
        await asyncio.sleep(0.02)


def give(source: BatchSource, load: Load, changes: int, rate: float) -> None:
    begin = time.monotonic()
    while load.number < changes:
        source.put_all(load.next(min(BATCH, changes - load.number)))
        ahead_s = load.number / rate - (time.monotonic() - begin) if rate else 0.0
        if ahead_s > 0:
            time.sleep(ahead_s)


async def main(pvs: int, changes: int, rate: float, bound: int, store: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    load, source = Load(pvs), BatchSource()
    with tempfile.TemporaryDirectory() as directory:
        journal: Journal = MemoryJournal() if store == "memory" else SqliteJournal(SqliteFile(Path(directory) / "load.sqlite"))
        await journal.start()
        await journal.ensure_topics([*TOPICS.specs(), status_topic("load")])
        for at in range(0, pvs, 500):
            await journal.append(
                [
                    Record(TOPICS.config, f"config:/Load/S/{name}", encode_config(AlarmSettings(name, latching=False), "s", "h", UTC))
                    for name in load.names[at : at + 500]
                ]
            )
        settings = RunnerSettings(EvaluatorSettings("Load"), intake_bound=bound)
        engine = Engine(EngineSettings("load", "load", (settings,)), EnginePorts(journal, source, SoleOwnership(), SystemClock()))
        await engine.start()
        (runner,) = engine.runners
        watch = Watch(runner)
        base = watch.process.memory_info().rss
        watch.start()
        begin, cpu = time.monotonic(), time.process_time()
        await asyncio.to_thread(give, source, load, changes, rate)
        given_s = time.monotonic() - begin
        await drained(runner)
        done_s, cpu_s = time.monotonic() - begin, time.process_time() - cpu
        dropped = runner.intake.dropped
        # By itself it is as before: one more of each PV, and nothing of that is merged.
        for at in range(0, pvs, BATCH):
            source.put_all(load.next(min(BATCH, pvs - at)))
            await drained(runner)
        merged_after = runner.intake.dropped - dropped
        watch.stopping.set()
        watch.join()
        status = runner.status("")
        arrived: dict[str, list[tuple[Severity, str]]] = defaultdict(list)
        reader = journal.reader([TOPICS.events])
        while records := (await reader.fetch(max_records=20_000, timeout_s=0.1)).records:
            for record in records:
                event = decode_event(record.value or b"")
                if event.snapshot is not None and "_" in event.snapshot.current.message:
                    arrived[event.path.rpartition("/")[2]].append(event.snapshot.current[:2])
        await reader.close()
        wrong = faults(load, arrived, runner.intake.dropped)
        await engine.stop()
        await journal.close()
    print(
        json.dumps(
            {
                "given": load.number, "rate": round(changes / given_s), "given_s": round(given_s, 2), "done_s": round(done_s, 2),
                "cpu_us": round(cpu_s / changes * 1e6, 1), "merged": dropped, "merged_after": merged_after, "backlog": watch.backlog,
                "backlog_after": status.backlog, "lag_ms": watch.lag_ms, "lag_ms_after": status.lag_ms,
                "rss_mb": round(base / 1e6), "rss_max_mb": round(watch.rss / 1e6), "faults": wrong[:10],
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
