"""How long nobody wrote: measured in what was published, and told as a table. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Mark:
    """A fault began, and ended."""

    fault: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Gap:
    """What a fault cost."""

    fault: str
    first_state_s: float | None
    """From the fault to the first new state of an alarm of another reign; None if the reign did not change."""
    silence_s: float
    """The longest time without a new event, from the fault to a while after its end."""


def gaps(evidence: Evidence, marks: Iterable[Mark], until: int) -> list[Gap]:
    """One for each fault, in their order; `until` is the end of all."""
    marks = list(marks)
    ends = [mark.begin for mark in marks[1:]] + [until]
    return [_gap(evidence, mark, end) for mark, end in zip(marks, ends, strict=True)]


def _gap(evidence: Evidence, mark: Mark, end: int) -> Gap:
    before = [event for event in evidence.events if event.seen.time < mark.begin]
    within = [event for event in evidence.events if mark.begin <= event.seen.time <= end]
    reign = before[-1].epoch if before else 0
    first = next((event for event in within if event.epoch != reign and event.state), None)
    times = [mark.begin, *(event.seen.time for event in within), end]
    silence = max(later - earlier for earlier, later in pairwise(times))
    return Gap(mark.fault, (first.seen.time - mark.begin) / 1e9 if first else None, silence / 1e9)


def table(found: Sequence[Gap]) -> str:
    """By kind of fault: how often, and the median and the longest of both."""
    lines = [f"{'fault':28} {'times':>5} {'taken over':>10} {'first state p50':>15} {'max':>7} {'silence p50':>12} {'max':>7}"]
    for fault in sorted({gap.fault for gap in found}):
        these = [gap for gap in found if gap.fault == fault]
        firsts = [gap.first_state_s for gap in these if gap.first_state_s is not None]
        silences = [gap.silence_s for gap in these]
        first = f"{statistics.median(firsts):15.2f} {max(firsts):7.2f}" if firsts else f"{'-':>15} {'-':>7}"
        lines.append(f"{fault:28} {len(these):5} {len(firsts):10} {first} {statistics.median(silences):12.2f} {max(silences):7.2f}")
    return "\n".join(lines)
