"""Commands as they are given, read beside everything else: a state is to find the command that caused it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from alarm_engine.errors import JournalError
from alarm_engine.journal.port import JournalReader, StoredRecord

log = structlog.get_logger()

_PAUSE_S = 0.5


class Orders:
    """Reads the topics of commands in a task of its own. Belongs to one event loop."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._heard: list[StoredRecord] = []
        self._task: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """Begin; returns when all that is there was read, which is what was given in the last minutes. May be called again.

        Without commands all is told but who gave them, so that nothing waits for them where they cannot be read.
        """
        if self._task is not None:
            await asyncio.sleep(0)  # what has just arrived is taken in first
            return
        caught_up = False
        with suppress(JournalError):  # said below
            while not caught_up:
                fetched = await self._reader.fetch()
                self._heard += fetched.records
                caught_up = fetched.caught_up
        self._task = asyncio.create_task(self._follow(), name="phoebus commands")

    def take(self) -> list[StoredRecord]:
        """What was given since the last call."""
        heard, self._heard = self._heard, []
        return heard

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.close()

    async def _follow(self) -> None:
        said = ""
        while True:
            try:
                self._heard += (await self._reader.fetch(timeout_s=60.0)).records
                said = ""
            except JournalError as problem:
                if str(problem) != said:
                    log.warning("commands cannot be read: who gave them is not known", problem=str(problem))
                said = str(problem)
                await asyncio.sleep(_PAUSE_S)
