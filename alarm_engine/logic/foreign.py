"""What is done about another one who writes states of our configuration, such as a Phoebus server that was left running."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic

QUIET_S = 30
"""A Phoebus server writes at least every 10 s; its own clients wait for three times that before they call it gone."""
_QUIET_NS = QUIET_S * NANOS_PER_SECOND
_FIRST_NS = NANOS_PER_SECOND
_LONGEST_NS = 60 * NANOS_PER_SECOND
MOST_PATHS = 2000
"""Written again in one go."""


class ForeignWriter(StrEnum):
    """What to do about a foreign writer. It cannot be kept from writing: plain producers are not fenced."""

    REASSERT = "reassert"
    """Write our states again over its own."""
    YIELD = "yield"
    """Write nothing until it is quiet."""


class Decision(NamedTuple):
    """What is to be done now."""

    begun: bool = False
    """It was quiet before: say so."""
    ended: bool = False
    """It is quiet again: say so."""
    again: tuple[str, ...] = ()
    """Paths whose states are to be written again."""


class Foreign:
    """Owned by one runner. Two who write over each other do so ever more seldom: the pause doubles for as long as it goes on."""

    def __init__(self, policy: ForeignWriter) -> None:
        self.policy = policy
        self.since: Moment | None = None
        """The first foreign record since it was quiet."""
        self.number = 0
        """Foreign records since the start."""
        self.first = ""
        """Path of the first since it was quiet."""
        self._told = False
        self._last: Monotonic = Monotonic(0)
        self._overwritten: dict[str, None] = {}
        self._next: Monotonic = Monotonic(0)
        self._pause_ns = _FIRST_NS

    @property
    def is_yielding(self) -> bool:
        """It has been told that somebody else writes, and we do not."""
        return self._told and self.policy is ForeignWriter.YIELD

    def is_quiet(self, now: Monotonic) -> bool:
        """Nobody has written for long enough."""
        return now - self._last >= _QUIET_NS

    def seen(self, path: str, now: Moment) -> None:
        """Somebody else wrote a state."""
        self.number += 1
        self._last = now.monotonic
        if self.since is None:
            self.since, self.first = now, path
        if self.policy is ForeignWriter.REASSERT:
            self._overwritten[path] = None

    def decide(self, now: Monotonic) -> Decision:
        """To be asked in each round."""
        if self.since is None:
            return Decision()
        begun, self._told = not self._told, True
        again: list[str] = []
        if self._overwritten and now >= self._next:
            again = list(self._overwritten)[:MOST_PATHS]
            for path in again:
                del self._overwritten[path]
            if not self._overwritten:
                self._next = Monotonic(now + self._pause_ns)
                self._pause_ns = min(2 * self._pause_ns, _LONGEST_NS)
        ended = not begun and not self._overwritten and self.is_quiet(now)
        if ended:
            self.since, self._told, self._pause_ns = None, False, _FIRST_NS
        return Decision(begun, ended, tuple(again))

    def next(self) -> Monotonic | None:
        """When to be asked again; None while nothing is to be done."""
        if self.since is None:
            return None
        quiet = Monotonic(self._last + _QUIET_NS)
        return min(quiet, self._next) if self._overwritten else quiet
