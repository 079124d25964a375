"""Whether this process stood still: what the IOCs sent meanwhile it got at once, and no longer knows how long each of it lasted."""

from __future__ import annotations

import threading
import time

_BEAT_S = 0.25
_STILL_S = 2.0
_LATELY_S = 20.0
"""That long before Kafka was missed it may have begun to be away, a session and more: what was heard then may wait to be written."""


class Standstill:
    """Watches from a thread of its own, which gets its turn also while the event loop is busy: what comes then is heard in time.

    Times are those of the monotonic clock, in seconds.
    """

    def __init__(self) -> None:
        self._began = self._ended = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._watch, name="standstill", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more; what was seen is kept."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._stopping.wait(_BEAT_S):
            now = time.monotonic()
            if now - before > _BEAT_S + _STILL_S:
                self._began, self._ended = before, now
            before = now

    def began(self, doubted_at: float) -> float | None:
        """When it came to stand still the last time; None if that was over long before the journal was missed."""
        return self._began if self._ended and self._ended > doubted_at - _LATELY_S else None
