"""What an engine that waits has heard, less what the journal shows that the engine that runs has taken.

Both watch the same process variables, so most of what the one hears the other publishes a moment later, or did so a moment before. What
is left is what a take-over has to decide: alarms that came, or came and went, while nobody decided (DESIGN, rule 2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from alarm_engine.model.reading import Connection, Input, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId, Sample
from alarm_engine.model.times import Monotonic, Nanos

_REMEMBERED = 16
"""Samples of a PV that are known to be taken, should the journal have been faster than the network of the IOC."""

Taken = tuple[Severity, str, Nanos]
"""Severity, message and PV time: what tells one sample of a PV from another."""


class _Kept:
    """Inputs of one process variable that are not covered, with their places in the order over all of them. Dropping them is cheap, however
    many there are."""

    __slots__ = ("entries", "places")

    def __init__(self) -> None:
        self.entries: deque[tuple[int, Input]] = deque()
        self.places: dict[Taken | None, deque[int]] = {}
        """Where each sample is, and where a connection was lost."""

    def append(self, place: int, item: Input) -> None:
        self.entries.append((place, item))
        self.places.setdefault(_identity(item), deque()).append(place)

    def drop(self, number: int) -> None:
        """The first ones."""
        for _ in range(number):
            identity = _identity(self.entries.popleft()[1])
            self.places[identity].popleft()
            if not self.places[identity]:
                del self.places[identity]

    def drop_to(self, identity: Taken | None) -> bool:
        """Up to the first that is this, and it too; False if there is none. A sample may be there several times, if its time stamp stands
        still: then up to the last before a connection is lost, for that was not decided."""
        places = self.places.get(identity)
        if places is None:
            return False
        place = places[0]
        if identity is not None and len(places) > 1:
            end = next((lost for lost in self.places.get(None, ()) if lost > place), None)
            place = next(last for last in reversed(places) if end is None or last < end)
        while self.entries and self.entries[0][0] <= place:
            self.drop(1)
        return True

    def drop_older(self, time: Nanos) -> None:
        """Samples that are no newer than this; and connections that were lost before such a sample came."""
        last = max((place for place, item in self.entries if isinstance(item, Reading) and item.pv_time <= time), default=None)
        if last is not None:
            former, self.entries, self.places = self.entries, deque(), {}
            for place, item in former:
                if place > last or (isinstance(item, Reading) and item.pv_time > time):
                    self.append(place, item)


class _Variable:
    """One process variable."""

    __slots__ = ("current", "kept", "taken", "version")

    def __init__(self) -> None:
        self.kept: _Kept | None = None
        """Not covered; None for nothing, as of nearly every one of very many."""
        self.taken: tuple[Taken, ...] = ()
        """The newest samples that are known to be taken."""
        self.current: tuple[Severity, str] | None = None
        """What the journal says last, ..."""
        self.version: EventId | None = None
        """... and the event that it comes from."""


class Uncovered:
    """Not thread safe, reads no clock."""

    def __init__(self) -> None:
        self._variables: dict[str, _Variable] = {}
        self._next = 0
        self._number = 0
        self.is_behind = False
        """The journal is read from far back, and not to its end yet: what it says last of a PV is not what it says now."""

    def __len__(self) -> int:
        return self._number

    def add(self, inputs: Iterable[Input]) -> None:
        """What was heard, in order. Equal samples are not kept, nor what the journal has already."""
        for item in inputs:
            if isinstance(item, Connection) and item.up:
                continue  # says nothing yet: a hung IOC accepts connections and sends no value
            variable = self._variable(item.pv)
            if isinstance(item, Reading):
                if _identity(item) in variable.taken:
                    if variable.kept is not None:
                        self._shorten(variable, variable.kept, len(variable.kept.entries))
                    continue
                if self._standing(variable) == _said(item):
                    continue
            elif variable.kept is not None and not isinstance(variable.kept.entries[-1][1], Reading):
                continue  # gone already
            self._keep(variable, item)

    def cover(self, pv: str, sample: Sample, connected: bool, version: EventId | None = None) -> None:
        """The journal has this sample of a PV: it, and what came before it, was taken by the engine that runs.

        `version`: the event that says so. Topics are read side by side: one may tell of what is long over when the other told the newest.

        Where that one has a sample which never came to us (a server may merge what comes fast), the time stamp of the PV decides what was
        before; once only, for a state is published again with the same sample when somebody acknowledges it.
        """
        variable = self._variable(pv)
        if version is not None:
            if variable.version is not None and version < variable.version:
                return
            variable.version = version
        variable.current = sample.severity, sample.message
        taken = (sample.severity, sample.message, sample.time) if connected else None
        known = taken in variable.taken
        if taken is None:
            variable.taken = ()
        elif not known:
            variable.taken = (*variable.taken, taken)[-_REMEMBERED:]
        kept = variable.kept
        if kept is None or known:
            return
        before = len(kept.entries)
        if not kept.drop_to(taken) and taken is not None:
            kept.drop_older(sample.time)
        self._number -= before - len(kept.entries)
        self._shorten(variable, kept, 0)

    def settle(self, before: Monotonic) -> None:
        """The journal was read to its end, and the engine that runs has decided whatever came to it before that.

        So a sample that is what the journal says anyway, only with another time stamp, is nothing to be decided; nor is a connection that
        only we lost, and that brought this when it was back. It would be kept for as long as the PV stays as it is, and be an alarm of long
        ago whenever we take over.
        """
        for variable in self._variables.values():
            while variable.kept is not None:
                entries = variable.kept.entries
                number = 1 if isinstance(entries[0][1], Reading) or len(entries) == 1 else 2
                item = entries[number - 1][1]
                if not isinstance(item, Reading) or _said(item) != variable.current or item.arrival >= before:
                    break
                self._shorten(variable, variable.kept, number)

    def forget(self, pvs: Iterable[str]) -> None:
        """PVs that are watched no more."""
        for pv in pvs:
            variable = self._variables.pop(pv, None)
            self._number -= len(variable.kept.entries) if variable is not None and variable.kept is not None else 0

    def inputs(self) -> list[Input]:
        """All of it, in the order in which it came."""
        entries = [entry for variable in self._variables.values() if variable.kept is not None for entry in variable.kept.entries]
        return [item for _, item in sorted(entries, key=lambda entry: entry[0])]

    def replace(self, inputs: Sequence[Input]) -> None:
        """Keep this instead of what was kept; what is known of the journal stays."""
        for variable in self._variables.values():
            variable.kept = None
        self._number = 0
        for item in inputs:
            self._keep(self._variable(item.pv), item)

    def _variable(self, pv: str) -> _Variable:
        variable = self._variables.get(pv)
        if variable is None:
            variable = self._variables[pv] = _Variable()
        return variable

    def _standing(self, variable: _Variable) -> tuple[Severity, str] | None:
        """What a PV said last, as far as it is known; None if it is gone, or was never heard."""
        if variable.kept is not None:
            return _said(variable.kept.entries[-1][1])
        return None if self.is_behind else variable.current

    def _keep(self, variable: _Variable, item: Input) -> None:
        if variable.kept is None:
            variable.kept = _Kept()
        variable.kept.append(self._next, item)
        self._next += 1
        self._number += 1

    def _shorten(self, variable: _Variable, kept: _Kept, number: int) -> None:
        kept.drop(number)
        self._number -= number
        if not kept.entries:
            variable.kept = None


def _identity(item: Input) -> Taken | None:
    """What tells a sample from another; None for a lost connection."""
    return (item.severity, item.message, item.pv_time) if isinstance(item, Reading) else None


def _said(item: Input) -> tuple[Severity, str] | None:
    """What a PV says with an input; None: it is gone."""
    return (item.severity, item.message) if isinstance(item, Reading) else None
