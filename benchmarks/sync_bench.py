"""Files to engine over a real Kafka broker: a tree of 100,000 alarms in 100 files, of which one alarm is edited.

Files, writer and engine are objects of one process here, so CPU seconds are those of all three. Wall times suffer when something else runs
on the machine: of what is repeated the best is given.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from alarm_engine.evaluator.tree import Leaf
from alarm_engine.sources.memory import MemorySource
from alarm_engine.sources.port import Subscription
from benchmarks.figures import Figure, aim
from tests.kafka_broker import KafkaCluster, random_topic
from tocsin.application import Application, Role
from tocsin.settings import Settings, load
from tocsin.syncing import SyncService

ALARMS, FILES = 100_000, 100
_EDITS = 5
_AIM_S = 2.0
_LAP_S = 0.01


class _Source(MemorySource):
    """Counts what is asked of it."""

    touched = 0

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        wanted = list(subscriptions)
        self.touched += len(wanted)
        super().subscribe(wanted)

    def unsubscribe(self, pvs: Iterable[str]) -> None:
        gone = list(pvs)
        self.touched += len(gone)
        super().unsubscribe(gone)


class _Laps:
    """The longest time for which the event loop did nothing else."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(_LAP_S)
            now = time.monotonic()
            self.longest_s, before = max(self.longest_s, now - before - _LAP_S), now

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def run() -> list[Figure]:
    """All figures."""
    with KafkaCluster() as kafka, TemporaryDirectory() as folder:
        return asyncio.run(_measure(_site(Path(folder), kafka.servers), Path(folder)))


def _site(folder: Path, servers: str) -> Settings:
    config = random_topic("Big")
    systems = "".join(f"  S{number}: {{include: s{number}.yaml}}\n" for number in range(FILES))
    (folder / "tree.yaml").write_text(f"config: {config}\nsystems:\n{systems}")
    for number in range(FILES):
        _write(folder, number, "Signal")
    (folder / "site.yaml").write_text(
        f"configurations: [{{tree: tree.yaml, name: {config}, time_zone: UTC}}]\ncell: {config}\njournal: kafka\n"
        f"kafka: {{servers: '{servers}'}}\nengine: {{connection_timeout_s: 3600, watchdog_s: 0}}\n"
    )
    return load(folder / "site.yaml")


def _write(folder: Path, number: int, first: str) -> None:
    """A file; `first` begins the description of its first alarm."""
    lines = [f"  S{number}:P{n}: {{description: {first if n == 0 else 'Signal'} {n}, delay: 5}}\n" for n in range(ALARMS // FILES)]
    (folder / f"s{number}.yaml").write_text("pvs:\n" + "".join(lines))


async def _measure(settings: Settings, folder: Path) -> list[Figure]:
    service, source, laps = SyncService(settings), _Source(), _Laps()
    application = Application(settings, source, {Role.ENGINE})
    try:
        began, cpu = time.monotonic(), time.process_time()
        await service.start()
        first_s, first_cpu_s = time.monotonic() - began, time.process_time() - cpu
        await application.start()
        leaves = await _leaves(application)
        touched = source.touched
        edits = [await _edit(folder, leaves, number) for number in range(_EDITS)]
        await laps.stop()
        best = min(wall for wall, _ in edits)
        return [
            Figure("100,000 alarms from nothing: from files to the topics", first_s, "s"),
            Figure("the same", first_cpu_s, "s CPU"),
            Figure("longest time for which the loop of files and topics did nothing else", laps.longest_s, "s"),
            Figure("1 of 100,000 alarms edited: from file to engine, best of 5", best, "s", verdict=aim(best, _AIM_S, "s")),
            Figure("the same, reading, writing and engine", min(cpu for _, cpu in edits), "s CPU"),
            Figure("PVs subscribed or unsubscribed by these edits", source.touched - touched, "PVs"),
        ]
    finally:
        await laps.stop()
        await application.stop()
        await service.stop()


async def _leaves(application: Application) -> dict[str, Leaf]:
    """The alarms of the engine, once it runs them all."""
    while True:
        thread = application._engine
        engine = thread.engine if thread is not None else None
        if engine is not None and engine.runners and len(engine.runners[0].evaluator.tree.leaves) == ALARMS:
            return engine.runners[0].evaluator.tree.leaves
        await asyncio.sleep(0.1)


async def _edit(folder: Path, leaves: dict[str, Leaf], number: int) -> tuple[float, float]:
    """Wall and CPU seconds from the file to the engine."""
    await asyncio.sleep(2)
    path = next(path for path in leaves if path.endswith(f"/S{number}:P0"))
    began, cpu = time.monotonic(), time.process_time()
    _write(folder, number, "Edited signal")
    while leaves[path].settings.description != "Edited signal 0":  # noqa: ASYNC110 - the engine's thread tells nobody
        await asyncio.sleep(_LAP_S / 2)
    return time.monotonic() - began, time.process_time() - cpu
