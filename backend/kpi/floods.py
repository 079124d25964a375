"""Floods: spans in which more alarms come than a person can answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from alarm_engine.model.path import is_below
from alarm_engine.model.times import NANOS_PER_MS, Nanos
from backend.kpi.definitions import LOST, PERIOD_NS
from backend.kpi.summary import RISES
from backend.kpi.tally import Selection, Tally
from backend.kpi.targets import Limits

FIRST_ALARMS = 10


class FirstAlarm(NamedTuple):
    """One of the alarms that a flood began with."""

    path: str
    time: Nanos
    """To the millisecond."""


@dataclass(frozen=True, slots=True)
class Flood:
    """One flood; with its true begin, also where that is before the range asked for."""

    start: Nanos
    """Begin of the period with more than 10."""
    end: Nanos
    """Begin of the first period with fewer than 5; of an ongoing one, end of what is known."""
    ongoing: bool
    """It had not ended where the summaries end."""
    size: int
    """Annunciations in all."""
    peak: int
    """Most in one period."""
    peak_at: Nanos
    """Begin of that period."""
    first: tuple[FirstAlarm, ...]
    """The first alarms of the first period, up to 10, in the order in which they came: the cause is often among them."""


def floods(sums: Tally, selection: Selection, known_until: Nanos) -> list[Flood]:
    """Floods that touch the range; `known_until` is the end of the last summary."""
    found = []
    for periods in _runs(sums.counts, selection.limits):
        start, end = periods[0], Nanos(periods[-1] + PERIOD_NS)
        if end <= sums.span.start or start >= sums.span.end:
            continue
        peak_at = max(periods, key=lambda period: (sums.counts[period], -period))
        size = sum(sums.counts[period] for period in periods)
        ongoing = end >= known_until
        first = _first(sums, start, selection)
        found.append(Flood(start, min(end, known_until), ongoing, size, sums.counts[peak_at], peak_at, first))
    return found


def _runs(counts: dict[Nanos, int], limits: Limits) -> Iterator[Sequence[Nanos]]:
    """Periods that belong together."""
    running: list[Nanos] = []
    for period in sorted(counts):
        if running and (period != running[-1] + PERIOD_NS or counts[period] < limits.flood_ends):
            yield running
            running = []
        if running or counts[period] > limits.flood_begins:
            running.append(period)
    if running:
        yield running


def _first(sums: Tally, period: Nanos, selection: Selection) -> tuple[FirstAlarm, ...]:
    found: dict[str, FirstAlarm] = {}
    for paths, part in sums.parts[period]:
        for key, offset in zip(part.keys, part.offsets_ms, strict=True):
            path = paths[key // RISES]
            counted = selection.lost_connections or key % RISES != LOST
            if counted and path not in found and is_below(path, selection.prefix):
                found[path] = FirstAlarm(path, Nanos(part.start + offset * NANOS_PER_MS))
                if len(found) == FIRST_ALARMS:
                    return tuple(found.values())
    return tuple(found.values())
