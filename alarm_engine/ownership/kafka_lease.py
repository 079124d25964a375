"""What an engine is given by an election."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class KafkaLease:
    """A configuration that the group has assigned to us."""

    def __init__(self, config: str, released: Callable[[KafkaLease], None], is_late: Callable[[], bool]) -> None:
        """`is_late`: this engine stood still for a session until a moment ago, and has not asked the group yet."""
        self.config = config
        self._released = released
        self._is_late = is_late
        self._ended = asyncio.Event()
        self._why = ""
        self.is_doubted = False
        """Somebody has said so."""
        self.doubted_at = 0.0
        """See `Lease.doubted_at`."""

    @property
    def in_doubt(self) -> bool:
        """See `Lease.in_doubt`. One that is lost while it is in doubt stays so: nothing is to be published before that is known."""
        return self.is_doubted or self._is_late()

    @property
    def is_lost(self) -> bool:
        """It has ended."""
        return self._ended.is_set()

    async def lost(self) -> str:
        """See `Lease.lost`."""
        await self._ended.wait()
        return self._why

    async def release(self) -> None:
        """See `Lease.release`."""
        self._released(self)

    def doubt(self) -> None:
        """It may be another's by now."""
        self.is_doubted = True
        self.doubted_at = time.monotonic()

    def sure(self) -> None:
        """It is ours still."""
        self.is_doubted = False

    def end(self, why: str) -> None:
        """It is lost, for this reason unless there was one before."""
        if not self._ended.is_set():
            self._why = why
            self._ended.set()
