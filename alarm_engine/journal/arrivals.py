"""Waking those who follow the journal, on whichever event loops and threads they run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    topics: frozenset[str]
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Future[None]

    def wake(self) -> None:
        """Resolve the future on its own loop; one that was closed meanwhile has nobody left to wake."""
        # Not asked beforehand whether it is closed: it may be closed between the question and the call.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


class Arrivals:
    """Says that topics got records. A mark taken *before* looking makes a lost wake-up impossible."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._everything = 0
        self._waiters: set[_Waiter] = set()

    def mark(self, topics: Iterable[str]) -> int:
        """A number that changes with every announcement for one of the topics."""
        with self._lock:
            return self._mark(topics)

    def announce(self, topics: Iterable[str]) -> None:
        """There may be something new in these topics. Callable from any thread."""
        names = frozenset(topics)
        with self._lock:
            for name in names:
                self._counts[name] = self._counts.get(name, 0) + 1
            woken = [waiter for waiter in self._waiters if not names.isdisjoint(waiter.topics)]
        for waiter in woken:
            waiter.wake()

    def announce_all(self) -> None:
        """There may be something new anywhere. Callable from any thread."""
        with self._lock:
            self._everything += 1
            woken = list(self._waiters)
        for waiter in woken:
            waiter.wake()

    async def wait(self, topics: frozenset[str], mark: int, timeout_s: float | None) -> bool:
        """Wait until the mark of the topics is no longer `mark`; False on time-out (None: none)."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(topics, loop, loop.create_future())
        with self._lock:
            if self._mark(topics) != mark:
                return True
            self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.woken
        except TimeoutError:
            return False
        else:
            return True
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def _mark(self, topics: Iterable[str]) -> int:
        return self._everything + sum(self._counts.get(topic, 0) for topic in topics)
