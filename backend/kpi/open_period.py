"""The period that is being counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alarm_engine.model.times import NANOS_PER_MS, Nanos
from backend.kpi.definitions import period_of
from backend.kpi.quantiles import BINS
from backend.kpi.summary import RISES, Change, Marks, Period, column, counts_of, marks_of, totals_of

_Marked = dict[int, tuple[int, Nanos, Nanos]]


class OpenPeriod:
    """Counts of one period by alarm number; owned by one accumulator."""

    __slots__ = (
        "acknowledged", "ahead", "begin", "changes", "chattering", "counting", "fleeting", "held", "imported", "offsets_ms", "rises",
        "silent", "start", "touched",
    )  # fmt: skip

    def __init__(self, begin: Nanos) -> None:
        self.begin = begin
        """Where counting begins, within the period."""
        self.start = period_of(begin)
        self.rises: dict[int, int] = {}
        self.offsets_ms: dict[int, int] = {}
        self.silent: dict[int, int] = {}
        self.chattering: _Marked = {}
        self.fleeting: _Marked = {}
        self.acknowledged: dict[int, int] = {}
        self.changes: list[Change] = []
        self.held = 0
        self.ahead = 0
        self.imported = False
        self.touched = False
        """An event has come."""
        self.counting = True
        """False while events come that only bring the alarms to their state."""

    def rise(self, alarm: int, severity: int, time: Nanos) -> None:
        """An annunciation; the severity as its index."""
        key, rises = alarm * RISES + severity, self.rises
        if key in rises:
            rises[key] += 1
        elif self.counting:
            rises[key] = 1
            self.offsets_ms[key] = (time - self.start) // NANOS_PER_MS

    def not_spoken(self, alarm: int) -> None:
        """The annunciation was silent."""
        if self.counting:
            self.silent[alarm] = self.silent.get(alarm, 0) + 1

    def mark(self, marks: _Marked, alarm: int, time: Nanos) -> None:
        """An alarm chattered or was fleeting."""
        if self.counting:
            number, first, _ = marks.get(alarm, (0, time, time))
            marks[alarm] = number + 1, first, time

    def acknowledge(self, alarm: int, bin_: int) -> None:
        """An acknowledgement, by the bin of the time that it took."""
        if self.counting:
            key = alarm * BINS + bin_
            self.acknowledged[key] = self.acknowledged.get(key, 0) + 1

    def content(self, names: Sequence[str]) -> dict[str, Any]:
        """What a summary keeps of it, as its fields. `names`: paths by alarm number."""
        used = {key // RISES for key in self.rises} | {key // BINS for key in self.acknowledged} | set(self.fleeting)  # who chatters rises
        if not used:
            return {}
        numbers = {alarm: position for position, alarm in enumerate(sorted(used, key=names.__getitem__))}
        keys = column([numbers[key // RISES] * RISES + key % RISES for key in self.rises])
        period = Period(self.start, keys, column(self.rises.values()), column(self.offsets_ms.values()))
        return {
            "paths": tuple(names[alarm] for alarm in numbers),
            "periods": (period,) if keys else (),
            "totals": totals_of([period], len(numbers)),
            "silent": column([self.silent.get(alarm, 0) for alarm in numbers]),
            "chattering": _marks(self.chattering, numbers),
            "fleeting": _marks(self.fleeting, numbers),
            "acknowledged": counts_of({numbers[key // BINS] * BINS + key % BINS: count for key, count in self.acknowledged.items()}),
        }


def _marks(found: _Marked, numbers: Mapping[int, int]) -> Marks:
    return marks_of({numbers[alarm]: mark for alarm, mark in found.items()})
