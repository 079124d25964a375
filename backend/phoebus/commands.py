"""The last commands, to tell who did what a state record shows: the record itself does not say it."""

from __future__ import annotations

from typing import NamedTuple

from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.path import ancestors
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos

_WINDOW_NS = 60 * NANOS_PER_SECOND
"""A server answers at once; the rest is for clocks of clients that differ from its own."""
_KEPT = 10_000
_OF_ALL = frozenset({CommandKind.MAINTENANCE, CommandKind.NORMAL, CommandKind.DISABLE_NOTIFY, CommandKind.ENABLE_NOTIFY})


class Given(NamedTuple):
    """A command, and the time stamp of its record."""

    order: int
    command: Command
    time: Nanos


class GivenCommands:
    """The last command for each path, and the last switch of each kind."""

    def __init__(self) -> None:
        self._order = 0
        self._by_path: dict[str, Given] = {}
        self._switches: dict[CommandKind, Given] = {}

    def note(self, command: Command, time: Nanos) -> None:
        """A command was read."""
        self._order += 1
        given = Given(self._order, command, time)
        if command.kind in _OF_ALL:
            self._switches[command.kind] = given
            return
        self._by_path.pop(command.path, None)
        self._by_path[command.path] = given
        while len(self._by_path) > _KEPT:
            del self._by_path[next(iter(self._by_path))]

    def newest(self, path: str, time: Nanos) -> Given | None:
        """The last command to an alarm or to a component above it, if it was given about that time."""
        if not self._by_path:
            return None
        found = [given for above in (path, *ancestors(path)) if (given := self._by_path.get(above)) and _is_near(given, time)]
        return max(found, default=None)

    def last(self, kind: CommandKind, time: Nanos) -> Given | None:
        """The last switch of that kind, if it was given about that time."""
        given = self._switches.get(kind)
        return given if given is not None and _is_near(given, time) else None


def _is_near(given: Given, time: Nanos) -> bool:
    return abs(given.time - time) < _WINDOW_NS
