"""The last commands, to tell who did what a state record shows: the record itself does not say it."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import NamedTuple

from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.path import ancestors
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos

_WINDOW_NS = 60 * NANOS_PER_SECOND
"""A server answers at once; the rest is for clocks that differ, and for commands that are read long after they were given."""
_PATHS = 10_000
_OF_A_PATH = 50
_OF_ALL = frozenset({CommandKind.MAINTENANCE, CommandKind.NORMAL, CommandKind.DISABLE_NOTIFY, CommandKind.ENABLE_NOTIFY})


class Given(NamedTuple):
    """A command, and the time stamp of its record."""

    order: int
    command: Command
    time: Nanos
    live: bool
    """It was read when it was given, so before what it causes, whatever the clock of its client says."""

    def may_cause(self, time: Nanos) -> bool:
        """True if what the server wrote at that time may be its answer."""
        return abs(self.time - time) < _WINDOW_NS and (self.live or self.time <= time)


class GivenCommands:
    """The last commands for each path, and the last switches of each kind."""

    def __init__(self) -> None:
        self._order = 0
        self._given: OrderedDict[str, deque[Given]] = OrderedDict()

    def note(self, command: Command, time: Nanos, *, live: bool) -> None:
        """A command was read."""
        self._order += 1
        place = command.kind.value if command.kind in _OF_ALL else command.path
        self._given.setdefault(place, deque(maxlen=_OF_A_PATH)).append(Given(self._order, command, time, live))
        self._given.move_to_end(place)
        while len(self._given) > _PATHS:
            self._given.popitem(last=False)

    def newest(self, path: str, time: Nanos, after: int = 0) -> Given | None:
        """The last command to an alarm or to a component above it that was given about that time, later than the one with that order.

        Rather one that was given before, if clocks agree: one that was given later may have been read first.
        """
        if not self._given:
            return None
        places = (path, *ancestors(path))
        found = (given for place in places for given in self._given.get(place, ()) if given.order > after and given.may_cause(time))
        return max(found, key=lambda given: (given.time <= time, given.order), default=None)

    def last(self, kind: CommandKind, time: Nanos) -> Given | None:
        """The last switch of that kind that was given about that time."""
        return max((given for given in self._given.get(kind.value, ()) if given.may_cause(time)), default=None)
