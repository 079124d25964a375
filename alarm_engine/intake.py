"""Inputs that are not yet covered by a committed event: kept in order, and bounded.

Sources offer from their own threads. While this engine runs the configuration, the evaluator takes in its own time and says what is
covered; while another one runs it, the journal says so. Either way the same inputs are there when the other state begins: a take-over
decides what nobody has decided, and an engine that was fenced keeps what it had not published. Beyond the bound the first, the highest and
the last input of each PV are kept: a rise is never dropped, and how much was merged is counted and reported.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence

from alarm_engine.model.reading import Connection, Input, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId, Sample
from alarm_engine.model.times import Monotonic, Nanos
from alarm_engine.uncovered import Uncovered


class Intake:
    """The queue between sources and one evaluator; safe for any thread. It rests until `begin`."""

    def __init__(self, bound: int = 200_000) -> None:
        """`bound` is a number of inputs."""
        self._wake: Callable[[], None] | None = None
        self._bound = bound
        self._limit = bound
        self._lock = threading.Lock()
        self._uncovered = Uncovered()
        """While another engine runs the configuration."""
        self._waiting: list[Input] = []
        self._taken: list[Input] = []
        self._signalled = False
        self._last: dict[str, Input] = {}
        """The last that was heard of each PV: a subscription that stands says nothing again to a new evaluator."""
        self._servers: dict[str, str] = {}
        """Where each PV was found last."""
        self.dropped = 0
        """Inputs merged since the start."""

    @property
    def backlog(self) -> int:
        """Inputs that no committed event covers."""
        return len(self._uncovered) + len(self._waiting) + len(self._taken)

    @property
    def oldest(self) -> Monotonic | None:
        """When the oldest came that an evaluator of ours has still to decide; None if nothing waits."""
        with self._lock:
            return next((item.arrival for some in (self._taken, self._waiting) for item in some[:1]), None)

    def offer(self, inputs: Sequence[Input]) -> None:
        """More inputs, in order; never blocks for long."""
        with self._lock:
            for item in inputs:
                if isinstance(item, Connection) and item.up:
                    self._servers[item.pv] = item.server  # a channel that is up says nothing yet of its PV
                else:
                    self._last[item.pv] = item
            wake = self._wake
            if wake is None:
                self._uncovered.add(inputs)
                if len(self._uncovered) > self._limit:
                    self._uncovered.replace(self._merge(self._uncovered.inputs()))
                return
            self._waiting.extend(inputs)
            if len(self._waiting) > self._limit:
                self._waiting = self._merge(self._waiting)
            signal, self._signalled = not self._signalled, True
        if signal:
            wake()

    def _merge(self, inputs: Sequence[Input]) -> list[Input]:
        kept = merge(inputs)
        self.dropped += len(inputs) - len(kept)
        # With very many PVs three inputs each may be more than the bound: do not merge again for every batch then.
        self._limit = max(self._bound, 2 * len(kept))
        return kept

    # ------------------------------------------------------------------ another engine runs the configuration

    def cover(self, pv: str, sample: Sample, connected: bool, version: EventId | None = None) -> None:
        """The journal has this sample of a PV, by that event; see `Uncovered.cover`."""
        with self._lock:
            self._uncovered.cover(pv, sample, connected, version)

    def behind(self, is_behind: bool) -> None:
        """See `Uncovered.is_behind`."""
        with self._lock:
            self._uncovered.is_behind = is_behind

    def settle(self, before: Monotonic) -> None:
        """The journal was read to its end, and the engine that runs has decided what came before that; see `Uncovered.settle`."""
        with self._lock:
            self._uncovered.settle(before)

    def forget(self, pvs: Collection[str]) -> None:
        """PVs that are watched no more."""
        with self._lock:
            self._uncovered.forget(pvs)
            for pv in pvs:
                self._last.pop(pv, None)
                self._servers.pop(pv, None)

    @property
    def heard(self) -> list[str]:
        """PVs that have a value."""
        with self._lock:
            return [pv for pv, item in self._last.items() if isinstance(item, Reading)]

    def connected(self, pvs: Iterable[str]) -> int:
        """How many of these have a value."""
        last = self._last
        return sum(isinstance(last.get(pv), Reading) for pv in pvs)

    @property
    def known(self) -> int:
        """PVs that have ever said something."""
        return len(self._last)

    @property
    def interrupted(self) -> int:
        """PVs that were not heard for some of the time that no committed event covers."""
        with self._lock:
            pending = {item.pv for item in (*self._taken, *self._waiting) if isinstance(item, Connection)}
            return len(pending.union(pv for pv, item in self._last.items() if not isinstance(item, Reading)))

    def begin(self, wake: Callable[[], None], now: Monotonic) -> list[Connection]:
        """An evaluator of ours takes from here on: first what nobody has decided, then what each PV said last, where that is another thing.

        `wake` is called, from the offering thread, when something came after the last `take`. Returns the connections as they were before
        all that: nobody is to be told of them again.
        """
        with self._lock:
            left = self._uncovered.inputs()
            final = {item.pv: item for item in left}
            last = (item for pv, item in self._last.items() if not _says(final.get(pv), item))
            self._waiting = [*left, *(item._replace(arrival=now) for item in last)]
            self._uncovered = Uncovered()
            self._wake, self._signalled = wake, False
            before: list[Connection] = []
            for pv, server in self._servers.items():
                said = self._last.get(pv)
                up = Connection(pv, True, server, Nanos(0), now)
                before.append(said if isinstance(said, Connection) and pv not in final else up)
            return before

    def rest(self) -> None:
        """No evaluator of ours takes any more: what was not covered stays."""
        with self._lock:
            self._wake = None
            left, self._taken, self._waiting = self._taken + self._waiting, [], []
            self._uncovered.add(left)

    # ------------------------------------------------------------------ this engine runs it

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


def _says(known: Input | None, item: Input) -> bool:
    """Whoever was told the one knows the other."""
    if isinstance(item, Reading):
        return isinstance(known, Reading) and known[1:3] == item[1:3]
    return known is not None and not isinstance(known, Reading)


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
