"""Servers of process variables (IOCs, gateways) that go and come back: thousands of connection changes, one outcome for each server.

A *wave* is what one server lost at once. It is complete when none of the PVs that are known to be there is connected any more, or when
no further one has gone for a moment. So a wave that reaches the evaluator in several batches is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from alarm_engine.model.times import NANOS_PER_SECOND, Monotonic, Nanos

MANY = 10
"""More PVs of one server than that are worth telling, even if others of it are still there (a gateway, a server with many devices)."""
_QUIET_NS = NANOS_PER_SECOND // 2
_LONGEST_NS = 5 * NANOS_PER_SECOND
_QUIET_BACK_NS = 5 * NANOS_PER_SECOND
"""libca searches in turns: there are pauses between the PVs of one server that come back."""
_LONGEST_BACK_NS = 30 * NANOS_PER_SECOND
_NEVER, _NO_TIME = Monotonic(0), Nanos(0)


class Went(NamedTuple):
    """PVs of a server were lost: all of them, or many."""

    server: str
    """`host:port`."""
    pvs: int
    """Lost in this wave."""
    total: int
    """PVs that were known to be there."""
    since: Nanos
    """Time of day of the first loss."""


class Back(NamedTuple):
    """What a server had lost is there again, or as much of it as has come."""

    server: str
    pvs: int
    """Those that are back."""
    lost: int
    away_ns: int
    """From the first loss to the first that came back; not a difference of times of day, which may have been set in between."""
    time: Nanos
    """Time of day of the first that came back."""
    elsewhere: tuple[str, ...]
    """Other servers on which they are now: an IOC may get another port."""


Outcome = Went | Back


@dataclass(slots=True, eq=False)
class _Wave:
    server: str
    since: Nanos
    first: Monotonic
    last: Monotonic
    lost: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    is_guessed: bool = False
    """Some of its PVs were not known to be there: nobody can say that these were all."""
    fresh: int = 0
    """Lost since the last `close`."""
    is_flowing: bool = False
    """Several came at once."""
    back: int = 0
    places: set[str] = field(default_factory=set)
    back_time: Nanos = _NO_TIME
    back_first: Monotonic = _NEVER
    back_last: Monotonic = _NEVER


class Servers:
    """Which PV is where, and what servers have lost; owned by one evaluator. Times are those at which the changes came."""

    def __init__(self) -> None:
        self._home: dict[str, str] = {}
        self._there: dict[str, set[str]] = {}
        self._gathering: dict[str, _Wave] = {}
        self._away: list[_Wave] = []
        """Told, and waited for."""
        self._missing: dict[str, _Wave] = {}

    @property
    def is_gathering(self) -> bool:
        """A server is losing PVs just now, and it is not known yet how many. One that loses them one by one is not waited for."""
        return any(wave.is_flowing for wave in self._gathering.values())

    def found(self, pv: str, server: str, wall: Nanos, at: Monotonic) -> None:
        """A PV is connected."""
        self._leave(pv)
        self._home[pv] = server
        self._there.setdefault(server, set()).add(pv)
        wave = self._missing.pop(pv, None)
        if wave is not None:
            wave.missing.discard(pv)
            if not wave.back:
                wave.back_time, wave.back_first = wall, at
            wave.back += 1
            wave.back_last = at
            wave.places.add(server)

    def heard(self, pv: str, wall: Nanos, at: Monotonic) -> None:
        """A PV has a value: where its connection was not told of, it is where it was."""
        if pv in self._missing:
            self.found(pv, self._home[pv], wall, at)

    def lost(self, pv: str, server: str, wall: Nanos, at: Monotonic) -> None:
        """A PV went; `server` is where it was, empty if that is not known (then nothing follows from it)."""
        is_known = pv in self._home
        self._leave(pv)
        if not server or pv in self._missing:
            return
        self._home[pv] = server
        wave = self._gathering.get(server)
        if wave is None:
            wave = self._gathering[server] = _Wave(server, wall, at, at)
        wave.last = at
        wave.lost.add(pv)
        wave.missing.add(pv)
        wave.fresh += 1
        wave.is_flowing |= wave.fresh > 1
        wave.is_guessed |= not is_known
        self._missing[pv] = wave

    def restore(self, lost: Iterable[tuple[str, str, Nanos, Monotonic]]) -> None:
        """What was lost before these servers were watched here: it was told already, and that it is back is still to be told.

        PV, server and times as of `lost`; to be called when those that are there are known.
        """
        waves: dict[str, _Wave] = {}
        for pv, server, wall, at in lost:
            if server:
                wave = waves.setdefault(server, _Wave(server, wall, at, at))
                wave.lost.add(pv)
                self._home[pv] = server
        for wave in waves.values():
            if len(wave.lost) > MANY or not self._there.get(wave.server):
                wave.missing = set(wave.lost)
                self._missing.update(dict.fromkeys(wave.lost, wave))
                self._away.append(wave)

    def forget(self, pv: str) -> None:
        """Nobody watches it any more."""
        self._leave(pv)
        self._home.pop(pv, None)
        wave = self._missing.pop(pv, None)
        if wave is not None:
            wave.missing.discard(pv)

    def close(self, now: Monotonic) -> list[Outcome]:
        """What is complete, or has been waited for long enough; to be called after each batch, and at `next`."""
        outcomes: list[Outcome] = []
        for wave in list(self._gathering.values()):
            wave.fresh = 0
            if self._is_complete(wave) or now >= _end(wave):
                del self._gathering[wave.server]
                remaining = len(self._there.get(wave.server, set()) - wave.lost)
                if len(wave.lost) > MANY or (not remaining and not wave.is_guessed):
                    outcomes.append(Went(wave.server, len(wave.lost), len(wave.lost) + remaining, wave.since))
                    self._away.append(wave)
                else:
                    self._dismiss(wave)
        for wave in [wave for wave in self._away if not wave.missing or (wave.back and now >= _end_of_return(wave))]:
            self._away.remove(wave)
            self._dismiss(wave)
            if wave.back:
                elsewhere = tuple(sorted(wave.places - {wave.server}))
                outcomes.append(Back(wave.server, wave.back, len(wave.lost), wave.back_first - wave.first, wave.back_time, elsewhere))
        return outcomes

    def next(self) -> Monotonic | None:
        """When `close` has to be called if nothing comes; None while nothing is waited for."""
        ends = [_end(wave) for wave in self._gathering.values()]
        ends += [_end_of_return(wave) for wave in self._away if wave.back]
        return min(ends, default=None)

    def _is_complete(self, wave: _Wave) -> bool:
        return not wave.is_guessed and not self._there.get(wave.server)

    def _dismiss(self, wave: _Wave) -> None:
        for pv in wave.missing:
            if self._missing.get(pv) is wave:
                del self._missing[pv]

    def _leave(self, pv: str) -> None:
        home = self._home.get(pv)
        there = self._there.get(home) if home is not None else None
        if home is not None and there is not None:
            there.discard(pv)
            if not there:
                del self._there[home]


def _end(wave: _Wave) -> Monotonic:
    return Monotonic(min(wave.last + _QUIET_NS, wave.first + _LONGEST_NS))


def _end_of_return(wave: _Wave) -> Monotonic:
    return Monotonic(min(wave.back_last + _QUIET_BACK_NS, wave.back_first + _LONGEST_BACK_NS))
