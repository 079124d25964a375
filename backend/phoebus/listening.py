"""Commands as they are given, read beside everything else: a state is to find the command that caused it."""

from __future__ import annotations

import asyncio
import time

import structlog

from alarm_engine.errors import JournalError
from alarm_engine.journal.port import JournalReader, StoredRecord

log = structlog.get_logger()

_PATIENCE_S = 2.0
"""Nothing is held up for longer by commands that cannot be read: all is told then but who gave them."""
_FIRST_PATIENCE_S = 30.0
"""There may be a day of them then."""
_PAUSE_S = 0.5
_TURN_S = 0.02


class Orders:
    """Reads the topics of commands. Belongs to one event loop."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._heard: list[StoredRecord] = []
        self._said = ""
        self._again = 0.0
        self._began = False

    async def listen(self) -> None:
        """Take in all that has been given until now.

        Called with states at hand, it finds what caused them: a server writes the state after it has read the command, so that the
        topic of commands, looked at now, has it; it may well come later by its own connection.
        """
        if time.monotonic() < self._again:
            return
        patience_s = _PATIENCE_S if self._began else _FIRST_PATIENCE_S
        try:
            async with asyncio.timeout(patience_s):
                await self._read()
        except (JournalError, TimeoutError) as problem:
            said = str(problem) or f"not read within {patience_s:g} s"
            if said != self._said:
                log.warning("commands cannot be read: who gave them is not known", problem=said)
            self._said, self._again = said, time.monotonic() + _PAUSE_S
        else:
            self._said = ""
        self._began = True

    async def _read(self) -> None:
        """To the ends of the topics, at which each empty answer has looked."""
        patience_s = 0.0
        while True:
            fetched = await self._reader.fetch(timeout_s=patience_s)
            self._heard += fetched.records
            patience_s = 0.0 if fetched.caught_up else _TURN_S
            if fetched.caught_up and not fetched.records:
                return

    def take(self) -> list[StoredRecord]:
        """What was given since the last call."""
        heard, self._heard = self._heard, []
        return heard

    async def close(self) -> None:
        """End."""
        await self._reader.close()
