"""One configuration of an engine: waited for, run while it is ours, given up, and waited for again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import JournalFenced, JournalUnavailable
from alarm_engine.journal.port import Journal
from alarm_engine.ownership.port import Lease, Ownership
from alarm_engine.runner import Runner, RunnerSettings, ending
from alarm_engine.sources.shared import Share

log = structlog.get_logger()

Writer = Callable[[str], AbstractAsyncContextManager[Journal]]
"""The journal as the one writer of a configuration has it, for as long as the context lasts."""

_PAUSE_S = 1.0


class Holding:
    """Belongs to the event loop of the engine."""

    def __init__(self, settings: RunnerSettings, writer: Writer, ownership: Ownership, share: Share, clock: Clock) -> None:
        self._settings = settings
        self._writer = writer
        self._ownership = ownership
        self._share = share
        self._clock = clock
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.config = settings.evaluator.config
        self.runner: Runner | None = None
        """What runs it, None while it is not ours."""
        self.waiting = "not started"
        """Why it is not run, in words; empty while it is."""

    async def start(self) -> None:
        """Returns when it runs, or when it is known why not yet. Raises what can never be mended by waiting."""
        self._task = asyncio.create_task(self._serve(), name=f"hold {self.config}")
        settled = asyncio.create_task(self._settled.wait())
        try:
            await asyncio.wait((self._task, settled), return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Give it up; may be called again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def failure(self) -> BaseException | None:
        """What ended it, None while all is well."""
        return ending(self._task) if self._task is not None else None

    async def _serve(self) -> None:
        while True:
            lease = await self._ownership.acquire(self.config, self._wait_for)
            try:
                why = await self._hold(lease)
                log.warning("configuration given up", config=self.config, why=why)
                self.waiting = why
            except JournalFenced as problem:
                log.error("configuration lost", config=self.config, why=str(problem))
                self.waiting = str(problem)
            except JournalUnavailable as problem:
                self._wait_for(str(problem))
            finally:
                await lease.release()
            await asyncio.sleep(_PAUSE_S)

    def _wait_for(self, what: str) -> None:
        if what != self.waiting:
            log.warning("configuration is not served by this engine yet", config=self.config, why=what)
        self.waiting = what
        self._settled.set()

    async def _hold(self, lease: Lease) -> str:
        """Run the configuration until it is lost; returns why."""
        async with self._writer(self.config) as journal:
            runner = Runner(self._settings, journal, self._share, self._clock)
            self._share.sink = runner.intake.offer
            lost = asyncio.create_task(lease.lost())
            running = asyncio.create_task(self._run(runner))
            try:
                await asyncio.wait((lost, running), return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    await running
                return await lost
            finally:
                lost.cancel()
                running.cancel()
                await asyncio.gather(lost, running, return_exceptions=True)
                self.runner = None
                self._share.clear()
                await runner.stop()

    async def _run(self, runner: Runner) -> None:
        await runner.start()
        if not runner.evaluator.tree.leaves:
            log.warning(
                "the configuration has no alarm: is its name right? `tocsin config sync` brings the files of a tree into force",
                config=self.config,
            )
        self.runner, self.waiting = runner, ""
        self._settled.set()
        await runner.wait()
