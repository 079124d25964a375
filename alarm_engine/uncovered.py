"""What an engine that waits has heard, less what the journal shows that the engine that runs has taken.

Both watch the same process variables, so most of what the one hears the other publishes a moment later, or did so a moment before. What
is left is what a take-over has to decide: alarms that came, or came and went, while nobody decided (DESIGN, rule 2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from alarm_engine.model.reading import Connection, Input, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Sample
from alarm_engine.model.times import Nanos

_REMEMBERED = 16
"""Samples of a PV that are known to be taken, should the journal have been faster than the network of the IOC."""

Taken = tuple[Severity, str, Nanos]
"""Severity, message and PV time: what tells one sample of a PV from another."""


class _Variable:
    """One process variable."""

    __slots__ = ("current", "kept", "taken")

    def __init__(self) -> None:
        self.kept: list[tuple[int, Input]] = []
        """Not covered, with their places in the order over all PVs."""
        self.taken: deque[Taken] = deque(maxlen=_REMEMBERED)
        self.current: tuple[Severity, str] | None = None
        """What the journal says last."""


class Uncovered:
    """Not thread safe, reads no clock."""

    def __init__(self) -> None:
        self._variables: dict[str, _Variable] = {}
        self._next = 0
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def add(self, inputs: Iterable[Input]) -> None:
        """What was heard, in order. Equal samples are not kept, nor what the journal has already."""
        for item in inputs:
            if isinstance(item, Connection) and item.up:
                continue  # says nothing yet: a hung IOC accepts connections and sends no value
            variable = self._variables.get(item.pv)
            if variable is None:
                variable = self._variables[item.pv] = _Variable()
            kept = variable.kept
            if isinstance(item, Reading):
                if (item.severity, item.message, item.pv_time) in variable.taken:
                    self._drop(variable, len(kept))
                    continue
                if _standing(variable) == (item.severity, item.message):
                    continue
            elif kept and not isinstance(kept[-1][1], Reading):
                continue  # gone already
            kept.append((self._next, item))
            self._next += 1
            self._number += 1

    def cover(self, pv: str, sample: Sample, connected: bool) -> None:
        """The journal has this sample of a PV: it, and what came before it, was taken by the engine that runs.

        Where that one has a sample which never came to us (a server may merge what comes fast), the time stamp of the PV decides what was
        before; once only, for a state is published again with the same sample when somebody acknowledges it.
        """
        variable = self._variables.get(pv)
        if variable is None:
            variable = self._variables[pv] = _Variable()
        variable.current = sample.severity, sample.message
        if not connected:
            variable.taken.clear()
            self._drop(variable, _after_last(variable, None))
            return
        taken = sample.severity, sample.message, sample.time
        if taken in variable.taken:
            return
        variable.taken.append(taken)
        number = _after_last(variable, taken)
        if number:
            self._drop(variable, number)
            return
        left = [entry for entry in variable.kept if not isinstance(entry[1], Reading) or entry[1].pv_time > sample.time]
        self._number -= len(variable.kept) - len(left)
        variable.kept = left

    def forget(self, pvs: Iterable[str]) -> None:
        """PVs that are watched no more."""
        for pv in pvs:
            variable = self._variables.pop(pv, None)
            self._number -= len(variable.kept) if variable is not None else 0

    def inputs(self) -> list[Input]:
        """All of it, in the order in which it came."""
        entries = [entry for variable in self._variables.values() for entry in variable.kept]
        return [item for _, item in sorted(entries, key=lambda entry: entry[0])]

    def replace(self, inputs: Sequence[Input]) -> None:
        """Keep this instead of what was kept; what is known of the journal stays."""
        for variable in self._variables.values():
            variable.kept = []
        self._number = 0
        for item in inputs:
            self._variables.setdefault(item.pv, _Variable()).kept.append((self._next, item))
            self._next += 1
            self._number += 1

    def _drop(self, variable: _Variable, number: int) -> None:
        del variable.kept[:number]
        self._number -= number


def _standing(variable: _Variable) -> tuple[Severity, str] | None:
    """What the PV said last, as far as it is known; None if it is gone, or was never heard."""
    if not variable.kept:
        return variable.current
    item = variable.kept[-1][1]
    return (item.severity, item.message) if isinstance(item, Reading) else None


def _after_last(variable: _Variable, taken: Taken | None) -> int:
    """Place behind the last kept input that is this sample (None: a lost connection); 0 if there is none."""
    for place in range(len(variable.kept), 0, -1):
        item = variable.kept[place - 1][1]
        found = (item.severity, item.message, item.pv_time) if isinstance(item, Reading) else None
        if found == taken:
            return place
    return 0
