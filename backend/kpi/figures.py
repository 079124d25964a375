"""The figures of a range: `figures(start, end, summaries)`, or `Gatherer` where there are too many summaries to hold.

Give summaries from the begin of the UTC day in which the range starts: they hold what was shelved or stale already, and the begin of a
flood. What lies before the range is not counted; merged summaries may lie before or within the range, but not across its edge. For the
present, add `Accumulator.running(now)`. Begin and end are widened to full periods of 10 minutes; to count less than a period, make its
summary from its events (`Accumulator(config, start)`, `running(end)`).

A configuration is taken for one operator position; where several share a tree, ask for each one's part by `Selection.prefix`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.kpi.definitions import DAY_NS
from backend.kpi.floods import Flood, floods
from backend.kpi.judged import Figure, Judge
from backend.kpi.levels import Hidden, LevelPoint, StaleAlarm, levels
from backend.kpi.ranking import Frequent, frequent
from backend.kpi.summary import Summary
from backend.kpi.tally import Repeated, Selection, Tally, add_up, widened

ENOUGH_DAYS = 30
"""Days that ISA-18.2 asks figures to be made of."""
EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a range, and the lists behind them."""

    start: Nanos
    """Of the range, widened to full periods of 10 minutes."""
    end: Nanos
    covered_s: float
    """How much of the range is known; rates are over that."""
    remarks: tuple[str, ...]
    """What has to be known to read the figures: too few days, holes, a clock that ran back."""
    figures: tuple[Figure, ...]
    """In the order of `docs/explanations/alarm-figures.md`; always all of them."""
    counts: tuple[tuple[Nanos, int], ...]
    """Annunciations by begin of the period, in order; periods without any are left out."""
    floods: tuple[Flood, ...]
    """By time."""
    frequent: tuple[Frequent, ...]
    """The ten alarms that were annunciated most often, most first, then by path."""
    chattering: tuple[Repeated, ...]
    """Most often first, then by path."""
    fleeting: tuple[Repeated, ...]
    """Most often first, then by path; alarms that chattered are not among them."""
    stale: tuple[StaleAlarm, ...]
    """Longest first."""
    shelved: tuple[Hidden, ...]
    """At the end of the range, by path."""
    out_of_service: tuple[Hidden, ...]
    """At the end of the range, by path."""
    over_time: tuple[LevelPoint, ...]
    """Stale, shelved and out of service where they changed."""

    def figure(self, name: str) -> Figure:
        """One figure by name; raises `KeyError` for an unknown one."""
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(name)


class Gatherer:
    """Figures of `[start, end)` being made of one summary after the other, none of which has to be kept."""

    def __init__(self, start: Nanos, end: Nanos, selection: Selection = EVERYTHING) -> None:
        self._sums = Tally(widened(start, end))
        self._selection = selection
        self.outlines: list[Summary] = []
        """Of the summaries that were taken in."""

    def take(self, summaries: Iterable[Summary]) -> None:
        """Take summaries in, in the order of time; raises `ValueError` for what overlaps or is of several configurations."""
        for summary in summaries:
            if summary.start < self._sums.span.end:
                self._check(summary)
                add_up(self._sums, summary, self._selection)
                self.outlines.append(summary.outline())

    def _check(self, summary: Summary) -> None:
        if not self.outlines:
            return
        before = self.outlines[-1]
        if before.config != summary.config:
            raise ValueError(f"summaries of {before.config} and of {summary.config} were mixed: figures are of one configuration")
        if summary.start < before.end:
            raise ValueError(f"two summaries of {before.config} speak of {iso(summary.start)}: it would be counted twice")

    def figures(self) -> Figures:
        """The figures of all that was taken in."""
        sums, selection, span = self._sums, self._selection, self._sums.span
        found = floods(sums, selection.limits, self.outlines[-1].end) if self.outlines else []
        stand = levels(span, self.outlines, selection.prefix)
        fleeting = [one for path, one in sums.fleeting.items() if path not in sums.chattering]
        return Figures(
            start=span.start,
            end=span.end,
            covered_s=sums.covered_ns / NANOS_PER_SECOND,
            remarks=_remarks(sums),
            figures=Judge(sums, found, stand, len(fleeting), selection).all(),
            counts=tuple(one for one in sorted(sums.counts.items()) if one[1] and span.start <= one[0] < span.end),
            floods=tuple(found),
            frequent=frequent(sums.alarms),
            chattering=_most_first(sums.chattering.values()),
            fleeting=_most_first(fleeting),
            stale=tuple(stand.stale),
            shelved=tuple(stand.shelved),
            out_of_service=tuple(stand.out_of_service),
            over_time=tuple(stand.over_time),
        )


def figures(start: Nanos, end: Nanos, summaries: Iterable[Summary], selection: Selection = EVERYTHING) -> Figures:
    """Figures of `[start, end)`; raises `ValueError` for summaries that overlap or are of several configurations."""
    gatherer = Gatherer(start, end, selection)
    gatherer.take(sorted(summaries, key=attrgetter("start", "end")))
    return gatherer.figures()


def _most_first(alarms: Iterable[Repeated]) -> tuple[Repeated, ...]:
    return tuple(sorted(alarms, key=lambda one: (-one.number, one.path)))


def _remarks(sums: Tally) -> tuple[str, ...]:
    known, covered = sums.covered_ns, sums.covered
    remarks = []
    if not known:
        remarks.append("Nothing is known of this range: there are no events of it yet, or none any more.")
    elif known < ENOUGH_DAYS * DAY_NS:
        remarks.append(f"From {known / DAY_NS:.1f} days of events; the standard asks for {ENOUGH_DAYS} or more.")
    if len(covered) > 1:
        holes = "is 1 hole" if len(covered) == 2 else f"are {len(covered) - 1} holes"
        remarks.append(f"There {holes} in what is known: what happened there is in no figure.")
    if sums.held:
        remarks.append(f"The clock ran back: {sums.held:,} times an event is counted at the time of the one before.")
    if sums.ahead:
        remarks.append(f"The clock was ahead: {sums.ahead:,} times an event is counted at the time of the next one that can be right.")
    if sums.imported:
        remarks.append("Some of this is imported: what the logger that it comes from did not store is missing, and looks quiet.")
    return tuple(remarks)
