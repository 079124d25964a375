"""Two outcomes of the same recording side by side: what came later, what never came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.kpi.definitions import CHATTER_NS
from backend.tuning.outcome import Outcome
from backend.tuning.recording import Excursion

LONG_NS = 60 * NANOS_PER_SECOND
"""An excursion of that length or more is one that an operator can do something about: no setting is proposed that misses one (ours)."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Excursions that an alarm told of before, and would not tell of any more.

    One that still lasted at the end of the recording is none of them: its alarm might have come.
    """

    number: int = 0
    long: int = 0
    """How many of them lasted for `LONG_NS` or more."""
    longest_ns: int = 0
    longest_at: Nanos | None = None
    """When the longest one began."""
    stretch_ns: int = 0
    """The longest time in which missed ones followed each other within a minute: the PV came and went, and no alarm told so."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What other settings change for the excursions of a PV."""

    later: int
    """Excursions whose alarm would have come later."""
    latest_ns: int
    """The most by which one would."""
    median_ns: int
    """Of those that would."""
    earlier: int
    """Excursions whose alarm would have come earlier."""
    missed: Missed
    gained: int
    """Excursions that had no alarm, and would have one."""


def compare(excursions: Sequence[Excursion], old: Outcome, new: Outcome) -> Comparison:
    """What `new` changes against `old`; both are of the same excursions."""
    delays: list[int] = []
    missed: list[Excursion] = []
    kept: list[Excursion] = []
    gained = 0
    for excursion, before, after in zip(excursions, old.shown, new.shown, strict=True):
        if after is not None:
            gained += before is None
            delays += [] if before is None else [after - before]
            kept.append(excursion)
        elif before is not None and excursion.is_over:
            missed.append(excursion)
    late = [delay for delay in delays if delay > 0]
    return Comparison(
        later=len(late),
        latest_ns=max(late, default=0),
        median_ns=round(median(late)) if late else 0,
        earlier=sum(delay < 0 for delay in delays),
        missed=_missed(missed, kept),
        gained=gained,
    )


def _missed(missed: Sequence[Excursion], kept: Sequence[Excursion]) -> Missed:
    if not missed:
        return Missed()
    longest = max(missed, key=lambda one: one.duration_ns)
    return Missed(
        number=len(missed),
        long=sum(one.duration_ns >= LONG_NS for one in missed),
        longest_ns=longest.duration_ns,
        longest_at=longest.start,
        stretch_ns=_stretch(missed, kept),
    )


def _stretch(missed: Sequence[Excursion], kept: Sequence[Excursion]) -> int:
    """From the begin of the first to the end of the last one of a row that nothing interrupts."""
    longest = 0
    begin: Nanos | None = None
    end = Nanos(0)
    for excursion, is_missed in sorted([(one, True) for one in missed] + [(one, False) for one in kept], key=lambda pair: pair[0].start):
        if not is_missed:
            begin = None
            continue
        if begin is None or excursion.start - end > CHATTER_NS:
            begin = excursion.start
        end = max(end, excursion.end)
        longest = max(longest, end - begin)
    return longest
