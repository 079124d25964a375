"""An engine whose journal is Kafka, and nothing else: `python -m benchmarks.kafka_engine SERVERS CONFIG ADDRESS`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.ca import CaSettings, CaSource
from tocsin import logs


async def main(servers: str, config: str, address: str) -> None:
    """Run until SIGTERM."""
    logs.set_up("error", "auto")
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    journal = KafkaJournal(KafkaSettings(servers, name="bench"))
    await journal.start()

    @asynccontextmanager
    async def writer(name: str) -> AsyncIterator[KafkaJournal]:
        writing = KafkaJournal(KafkaSettings(servers, name="bench", owns=name))
        await writing.start()
        try:
            yield writing
        finally:
            await writing.close()

    ports = EnginePorts(journal, CaSource(CaSettings((address,), False)), SoleOwnership(), SystemClock(), writer)
    engine = Engine(EngineSettings("bench", f"{config}Cell", (RunnerSettings(EvaluatorSettings(config)),)), ports)
    await engine.start()
    await stopping.wait()
    await engine.stop()
    await journal.close()


def profiled(path: str, *arguments: str) -> None:
    """The same under the profiler, for one who looks for what costs: the event loop's thread only."""
    import cProfile

    profile = cProfile.Profile()
    profile.enable()
    asyncio.run(main(*arguments))  # type: ignore[arg-type]
    profile.disable()
    profile.dump_stats(path)


if __name__ == "__main__":
    if path := os.environ.get("BENCH_PROFILE"):
        profiled(path, *sys.argv[1:4])
    else:
        asyncio.run(main(*sys.argv[1:4]))
