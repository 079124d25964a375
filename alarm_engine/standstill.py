"""Whether this engine stood still: what the IOCs sent meanwhile it got at once, and no longer knows how long each of it lasted."""

from __future__ import annotations

import asyncio
import time

_BEAT_S = 0.25
_STILL_S = 2.0
"""Longer than a busy engine takes for what it has at hand; the group takes one for hung after the same time."""
_LATELY_S = 20.0
"""That long before Kafka was missed it may have begun to be away, a session and more: what was heard then may wait to be written."""


class Standstill:
    """Watches the event loop that runs `watch`. Times are those of the monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._began = self._ended = 0.0

    async def watch(self) -> None:
        """Until it is cancelled."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(_BEAT_S)
            now = time.monotonic()
            if now - before > _BEAT_S + _STILL_S:
                self._began, self._ended = before, now
            before = now

    def began(self, doubted_at: float) -> float | None:
        """When it came to stand still the last time; None if that was over long before the journal was missed."""
        return self._began if self._ended and self._ended > doubted_at - _LATELY_S else None
