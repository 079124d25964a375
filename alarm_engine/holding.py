"""One configuration of an engine: waited for, run while it is ours, given up, and waited for again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import JournalCorrupt, JournalError, JournalFenced, JournalUnavailable
from alarm_engine.journal.port import Journal
from alarm_engine.ownership.port import Lease, Ownership, Wait
from alarm_engine.runner import Runner, RunnerSettings, ending
from alarm_engine.sources.shared import Share

log = structlog.get_logger()

Writer = Callable[[str], AbstractAsyncContextManager[Journal]]
"""The journal as the one writer of a configuration has it, for as long as the context lasts."""

_PAUSE_S = 1.0
_LONG_PAUSE_S = 5.0
"""Where somebody has to act."""


class Holding:
    """Belongs to the event loop of the engine."""

    def __init__(
        self, settings: RunnerSettings, writer: Writer, ownership: Ownership, share: Share, clock: Clock, *, shared: bool = False
    ) -> None:
        """`shared`: the journal is that of all configurations, and one that is corrupt ends the engine."""
        self._settings = settings
        self._writer = writer
        self._ownership = ownership
        self._share = share
        self._clock = clock
        self._shared = shared
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.config = settings.evaluator.config
        self.runner: Runner | None = None
        """What runs it, None while it is not ours."""
        self.waiting = Wait("is starting", True)
        """Why it is not run; without words while it is."""
        self._said: set[str] = set()
        """What was logged since it ran, or since another engine had it: a cluster that is away is complained about in turns."""

    @property
    def trouble(self) -> str:
        """What somebody should look at, in words; empty while it is run as it should be, or another engine has it."""
        if self.runner is not None:
            return self.runner.fault
        return self.waiting.why if self.waiting.trouble else ""

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
            pause_s = _PAUSE_S
            try:
                why = await self._hold(lease)
                log.warning("configuration given up", config=self.config, why=why)
                self.waiting = Wait(why, False)
            except JournalFenced as problem:
                log.error("configuration lost", config=self.config, why=str(problem))
                self.waiting = Wait(str(problem), False)
            except JournalUnavailable as problem:
                self._wait_for(Wait(str(problem), True))
            except JournalError as problem:
                if self._shared and isinstance(problem, JournalCorrupt):
                    raise
                # What ends this configuration is no reason to end the others: tried again until somebody has mended it.
                self._wait_for(Wait(str(problem), True))
                pause_s = _LONG_PAUSE_S
            finally:
                await lease.release()
            await asyncio.sleep(pause_s)

    def _wait_for(self, wait: Wait) -> None:
        if not wait.trouble:
            self._said.clear()
        if wait.why not in self._said:
            tell = log.error if wait.trouble else log.warning
            tell("configuration is not served by this engine yet", config=self.config, why=wait.why)
        self._said.add(wait.why)
        self.waiting = wait
        self._settled.set()

    async def _hold(self, lease: Lease) -> str:
        """Run the configuration until it is lost; returns why."""
        lost = asyncio.create_task(lease.lost())
        running = asyncio.create_task(self._run())
        try:
            await asyncio.wait((lost, running), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
            return await lost
        finally:
            lost.cancel()
            running.cancel()
            await _all_ended(lost, running)

    async def _run(self) -> None:
        async with self._writer(self.config) as journal:
            runner = Runner(self._settings, journal, self._share, self._clock)
            self._share.sink = runner.intake.offer
            try:
                await runner.start()
                if not runner.evaluator.tree.leaves:
                    log.warning(
                        "the configuration has no alarm: is its name right? `tocsin config sync` brings the files of a tree into force",
                        config=self.config,
                    )
                self.runner, self.waiting = runner, Wait("", False)
                self._said.clear()
                self._settled.set()
                await runner.wait()
            finally:
                self.runner = None
                self._share.clear()
                await runner.stop()


async def _all_ended(*tasks: asyncio.Task[Any]) -> None:
    """Waits also when it is cancelled meanwhile, and only then passes that on: a lease is not to be released before."""
    cancelled: asyncio.CancelledError | None = None
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled
