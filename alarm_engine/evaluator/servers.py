"""What servers of PVs lose and get back, told by one event for each of them beside those of the alarms."""

from __future__ import annotations

from collections.abc import Sequence

from alarm_engine.evaluator.emit import Emitter
from alarm_engine.logic.servers import Servers
from alarm_engine.model.reading import Connection
from alarm_engine.model.times import Moment, Monotonic


class ServerWatch:
    """Servers as an evaluator sees them. Late inputs count for when they came: what still waits behind them may be of the same wave."""

    def __init__(self, emitter: Emitter, root: str) -> None:
        self._emitter = emitter
        self._root = root
        self._servers = Servers()
        self.worked_to: Monotonic | None = None
        """Arrival of the last input, where inputs are late and more of them may wait; None: nothing waits."""

    @property
    def is_gathering(self) -> bool:
        """A server is losing PVs just now."""
        return self._servers.is_gathering

    def moved(self, item: Connection) -> None:
        """A PV that is watched came or went."""
        note = self._servers.found if item.up else self._servers.lost
        note(item.pv, item.server, item.wall, item.arrival)

    def restore(self, connections: Sequence[Connection]) -> None:
        """How things stood when we took over: not told again."""
        for item in connections:
            if item.up:
                self._servers.found(item.pv, item.server, item.wall, item.arrival)
        self._servers.restore((item.pv, item.server, item.wall, item.arrival) for item in connections if not item.up)

    def heard(self, pv: str, then: Moment) -> None:
        """A PV that was not connected has a value."""
        self._servers.heard(pv, then.wall, then.monotonic)

    def forget(self, pv: str) -> None:
        """Nobody watches it any more."""
        self._servers.forget(pv)

    def close(self, now: Moment) -> None:
        """Tell what is complete."""
        for outcome in self._servers.close(now.monotonic if self.worked_to is None else self.worked_to):
            self._emitter.server(self._root, outcome, now)

    def next(self) -> Monotonic | None:
        """When to close next."""
        return self._servers.next()
