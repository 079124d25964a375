"""The engine in a thread and event loop of its own, so that a busy web side never delays an alarm."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future

from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from tocsin.watchdog import Watchdog


class EngineThread:
    """Starts and stops an engine in its own thread; called from any event loop."""

    def __init__(self, settings: EngineSettings, ports: EnginePorts, watchdog_s: float = 0) -> None:
        """`watchdog_s`: the process ends when the engine hangs for so long; 0: it does not."""
        self._watchdog = Watchdog(watchdog_s)
        self._settings = settings
        self._ports = ports
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._asked_to_stop = False
        self._thread: threading.Thread | None = None
        self.engine: Engine | None = None
        self.ended: Future[BaseException | None] = Future()
        """Resolves when the engine has ended: to what ended it, or None when it was asked to."""

    async def start(self) -> None:
        """Returns when the engine is at work; raises what its start raises."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, args=(ready,), name="alarm engine", daemon=True)
        self._thread.start()
        await asyncio.shield(asyncio.wrap_future(ready))  # giving up here does not cancel what the thread resolves

    async def stop(self) -> None:
        """Returns when the thread has ended; an engine that is still starting is not waited for."""
        self._asked_to_stop = True  # before looking at the loop: the thread makes its loop first and looks at this afterwards
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _main(self, ready: Future[None]) -> None:
        outcome: BaseException | None = None
        try:
            asyncio.run(self._serve(ready))
        except Exception as problem:  # noqa: BLE001 - handed on to whoever waits: the border between two threads
            outcome = problem
        if not ready.done():
            ready.set_exception(outcome or RuntimeError("the engine ended while it started"))
        self.ended.set_result(outcome)

    async def _serve(self, ready: Future[None]) -> None:
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._asked_to_stop:
            self._stopping.set()
        self.engine = Engine(self._settings, self._ports)
        watching = asyncio.create_task(self._watchdog.watch(), name="watchdog")
        try:
            if await self._started(self.engine, self._stopping):
                ready.set_result(None)
                await self._until_stopped(self.engine, self._stopping)
        finally:
            await self.engine.stop()
            watching.cancel()

    @staticmethod
    async def _started(engine: Engine, stopping: asyncio.Event) -> bool:
        """Start, unless asked to stop meanwhile: a journal on a full disk keeps the first records waiting for as long as it is full."""
        start, stop = asyncio.create_task(engine.start()), asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((start, stop), return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                await start
            return start.done()
        finally:
            start.cancel()
            stop.cancel()
            await asyncio.gather(start, stop, return_exceptions=True)

    @staticmethod
    async def _until_stopped(engine: Engine, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            failure = engine.failure()
            if failure is not None:
                raise failure
            try:
                async with asyncio.timeout(0.5):
                    await stopping.wait()
            except TimeoutError:
                continue
