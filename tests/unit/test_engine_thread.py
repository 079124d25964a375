"""The engine in its thread ends when it is asked to, whatever it is waiting for."""

from __future__ import annotations

import asyncio

from alarm_engine.clock import SystemClock
from alarm_engine.engine import EnginePorts, EngineSettings
from alarm_engine.errors import JournalUnavailable
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.memory import MemorySource
from tocsin.engine_thread import EngineThread


class _FullDisk(MemoryJournal):
    """Can be read, not written."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    async def append(self, records, positions=()):
        self.tried += 1
        raise JournalUnavailable("no space left")


def engine_thread(journal: MemoryJournal) -> EngineThread:
    settings = EngineSettings("test", "cell", (RunnerSettings(EvaluatorSettings("Demo")),))
    return EngineThread(settings, EnginePorts(journal, MemorySource(), SoleOwnership(), SystemClock()))


async def test_stops_while_its_start_waits_for_a_full_disk():
    journal = _FullDisk()
    await journal.start()
    thread = engine_thread(journal)
    starting = asyncio.create_task(thread.start())
    async with asyncio.timeout(5):
        while not journal.tried:
            await asyncio.sleep(0.005)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await thread.stop()
    assert thread.ended.result() is None


async def test_stops_before_its_thread_has_a_loop(monkeypatch):
    journal = MemoryJournal()
    await journal.start()
    thread = engine_thread(journal)
    serve = thread._serve
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def later(ready):
        await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result())
        await serve(ready)

    monkeypatch.setattr(thread, "_serve", later)
    starting = asyncio.create_task(thread.start())
    await asyncio.sleep(0)
    starting.cancel()
    stopping = asyncio.create_task(thread.stop())
    await asyncio.sleep(0)
    gate.set()
    async with asyncio.timeout(5):
        await stopping
    await asyncio.gather(starting, return_exceptions=True)
    assert thread.ended.result() is None


async def test_starts_and_stops():
    journal = MemoryJournal()
    await journal.start()
    thread = engine_thread(journal)
    async with asyncio.timeout(5):
        await thread.start()
        assert not thread.ended.done()
        await thread.stop()
        await thread.stop()
    assert thread.ended.result() is None
