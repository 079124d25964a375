"""The engine in a thread and event loop of its own, so that a busy web side never delays an alarm."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from alarm_engine.engine import Engine, EnginePorts, EngineSettings


class EngineThread:
    """Starts and stops an engine in its own thread; called from any event loop."""

    def __init__(self, settings: EngineSettings, ports: EnginePorts) -> None:
        self._settings = settings
        self._ports = ports
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self.engine: Engine | None = None
        self.ended: Future[BaseException | None] = Future()
        """Resolves when the engine has ended: to what ended it, or None when it was asked to."""

    async def start(self) -> None:
        """Returns when the engine is at work; raises what its start raises."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, args=(ready,), name="alarm engine", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(ready)

    async def stop(self) -> None:
        """Returns when the thread has ended."""
        if self._loop is not None and self._stopping is not None and not self.ended.done():
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
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self.engine = Engine(self._settings, self._ports)
        try:
            await self.engine.start()
            ready.set_result(None)
            await self._until_stopped(self.engine, self._stopping)
        finally:
            await self.engine.stop()

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
