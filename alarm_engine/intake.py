"""Inputs that are not yet covered by a committed event: kept in order, and bounded.

Sources offer from their own threads; the evaluator takes in its own time and says what is covered. Beyond the bound the first, the
highest and the last input of each PV are kept: a rise is never dropped, and how much was merged is counted and reported.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from alarm_engine.model.reading import Connection, Input, Reading
from alarm_engine.model.severity import Severity


class Intake:
    """The queue between sources and one evaluator; safe for any thread."""

    def __init__(self, wake: Callable[[], None], bound: int = 200_000) -> None:
        """`wake` is called, from the offering thread, when something came after the last `take`; `bound` is a number of inputs."""
        self._wake = wake
        self._bound = bound
        self._limit = bound
        self._lock = threading.Lock()
        self._waiting: list[Input] = []
        self._taken: list[Input] = []
        self._signalled = False
        self.dropped = 0
        """Inputs merged since the start."""

    @property
    def backlog(self) -> int:
        """Inputs that no committed event covers."""
        return len(self._waiting) + len(self._taken)

    def offer(self, inputs: Sequence[Input]) -> None:
        """More inputs, in order; never blocks for long."""
        with self._lock:
            self._waiting.extend(inputs)
            if len(self._waiting) > self._limit:
                kept = merge(self._waiting)
                self.dropped += len(self._waiting) - len(kept)
                self._waiting = kept
                # With very many PVs three inputs each may be more than the bound: do not merge again for every batch then.
                self._limit = max(self._bound, 2 * len(kept))
            signal, self._signalled = not self._signalled, True
        if signal:
            self._wake()

    def take(self, limit: int) -> list[Input]:
        """The next inputs in order; they stay here until `covered`."""
        with self._lock:
            if len(self._waiting) <= limit:
                taken, self._waiting = self._waiting, []
                self._signalled = False
                self._limit = self._bound
            else:
                taken, self._waiting = self._waiting[:limit], self._waiting[limit:]
            self._taken += taken
        return taken

    @property
    def has_more(self) -> bool:
        """Something is waiting."""
        return bool(self._waiting)

    def covered(self) -> None:
        """All that was taken is committed."""
        self._taken.clear()


def height(item: Input) -> Severity:
    """How bad an input is: a lost or impossible PV counts as UNDEFINED."""
    if isinstance(item, Reading):
        return item.severity
    return Severity.OK if isinstance(item, Connection) and item.up else Severity.UNDEFINED


def merge(inputs: Sequence[Input]) -> list[Input]:
    """Per PV the first, the highest and the last input, in their order."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    highest: dict[str, tuple[Severity, int]] = {}
    for index, item in enumerate(inputs):
        pv = item.pv
        first.setdefault(pv, index)
        last[pv] = index
        severity = height(item)
        best = highest.get(pv)
        if best is None or severity > best[0]:
            highest[pv] = (severity, index)
    kept = {*first.values(), *last.values(), *(index for _, index in highest.values())}
    return [inputs[index] for index in sorted(kept)]
