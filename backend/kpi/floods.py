"""Floods: spans in which more alarms come than a person can answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alarm_engine.model.times import Nanos
from backend.kpi.definitions import PERIOD_NS
from backend.kpi.tally import FirstAlarm, Tally
from backend.kpi.targets import Limits


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


def floods(sums: Tally, limits: Limits, known_until: Nanos) -> list[Flood]:
    """Floods that touch the range; `known_until` is the end of the last summary."""
    found = []
    for periods in _runs(sums.counts, limits):
        start, end = periods[0], Nanos(periods[-1] + PERIOD_NS)
        if end <= sums.span.start or start >= sums.span.end:
            continue
        peak_at = max(periods, key=lambda period: (sums.counts[period], -period))
        size = sum(sums.counts[period] for period in periods)
        ongoing = end >= known_until
        found.append(Flood(start, min(end, known_until), ongoing, size, sums.counts[peak_at], peak_at, sums.first[start]))
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
