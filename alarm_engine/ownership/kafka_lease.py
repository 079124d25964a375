"""What an engine is given by an election, and how it is told while it waits for one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

_PASSING = re.compile(r" \(after [^)]*\)")
"""How long an attempt took, and how often it was made."""


class KafkaLease:
    """A configuration that the group has assigned to us."""

    def __init__(self, config: str, released: Callable[[KafkaLease], None]) -> None:
        self.config = config
        self._released = released
        self._ended = asyncio.Event()
        self._why = ""

    async def lost(self) -> str:
        """See `Lease.lost`."""
        await self._ended.wait()
        return self._why

    async def release(self) -> None:
        """See `Lease.release`."""
        self._released(self)

    def end(self, why: str) -> None:
        """It is lost, for this reason unless there was one before."""
        if not self._ended.is_set():
            self._why = why
            self._ended.set()


class Teller:
    """Tells what changes. Kafka being away is told once for each way it is said: the client complains in turns and counts."""

    def __init__(self, waiting: Callable[[str], None]) -> None:
        self._waiting = waiting
        self._last = ""
        self._told: set[str] = set()

    def tell(self, text: str, passing: bool) -> None:
        """What is waited for; `passing` if that is only that nobody could be asked."""
        text = _PASSING.sub("", text)
        if not passing:
            self._told.clear()
        if not text or text == self._last or text in self._told:
            return
        if passing:
            self._told.add(text)
        self._last = text
        self._waiting(text)
