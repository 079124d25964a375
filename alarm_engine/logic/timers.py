"""One timer wheel for every delay of a configuration, driven by the clock of its caller."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

from alarm_engine.model.times import Monotonic

Key = TypeVar("Key", bound=Hashable)


class TimerWheel(Generic[Key]):
    """Deadlines by key; one deadline a key, setting it again replaces it. Cancelling is cheap: stale entries are skipped when due."""

    __slots__ = ("_deadlines", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[Monotonic, int, Key]] = []
        self._deadlines: dict[Key, tuple[Monotonic, int]] = {}
        self._serial = 0

    def set(self, key: Key, deadline: Monotonic) -> None:
        """Wake `key` at `deadline`."""
        known = self._deadlines.get(key)
        if known is not None and known[0] == deadline:
            return
        self._serial += 1
        self._deadlines[key] = (deadline, self._serial)
        heapq.heappush(self._heap, (deadline, self._serial, key))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._deadlines):
            self._heap = [(when, serial, name) for name, (when, serial) in self._deadlines.items()]
            heapq.heapify(self._heap)

    def cancel(self, key: Key) -> None:
        """Forget the deadline of `key`, if there is one."""
        self._deadlines.pop(key, None)

    def due(self, now: Monotonic, limit: int | None = None) -> list[Key]:
        """Keys whose deadline is reached, in order of deadline, at most `limit`; they are forgotten."""
        keys: list[Key] = []
        while self._heap and self._heap[0][0] <= now and (limit is None or len(keys) < limit):
            deadline, serial, key = heapq.heappop(self._heap)
            if self._deadlines.get(key) == (deadline, serial):
                del self._deadlines[key]
                keys.append(key)
        return keys

    def next(self) -> Monotonic | None:
        """The next deadline, None if there is none."""
        while self._heap:
            deadline, serial, key = self._heap[0]
            if self._deadlines.get(key) == (deadline, serial):
                return deadline
            heapq.heappop(self._heap)
        return None

    def __contains__(self, key: object) -> bool:
        return key in self._deadlines

    def __len__(self) -> int:
        return len(self._deadlines)
