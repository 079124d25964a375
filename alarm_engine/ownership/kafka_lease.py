"""What an engine is given by an election."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


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
