"""What is kept of a span of time: small, mergeable, and enough for every figure of any part of the tree.

Size: each period of 10 minutes has one entry (three numbers, 16 bytes encoded) for each alarm and severity that was annunciated in it,
however often: a storm of one alarm costs no more than one annunciation. For N alarms that is never more than 4 N entries a period. Beside
them a summary has the path and five numbers for each alarm that anything happened to, one entry for each alarm that chattered or was
fleeting, and one for each alarm and bin of durations among those acknowledged. Merged by days, a summary is smaller than its parts.
Changes of level (stale, shelved, out of service) are kept one by one: people and days make them, not PVs. The first summary of a UTC day
lists all that is not normal, so that any range can be answered from the begin of its first day.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from alarm_engine.model.times import Nanos, iso
from backend.kpi.definitions import SEVERITIES
from backend.kpi.quantiles import BINS

Column: TypeAlias = "array[int]"
"""Numbers of one field, 4 bytes each (times: 8): millions of them are held, and added up at the speed of C."""

RISES = len(SEVERITIES)
"""A key of rises is `alarm * RISES` and the index of the severity; `alarm` is an index into `Summary.paths`."""


def column(numbers: Iterable[int] = ()) -> Column:
    """Numbers up to 4 billion."""
    return array("I", numbers)


def times(numbers: Iterable[int] = ()) -> Column:
    """Times in nanoseconds."""
    return array("Q", numbers)


class Level(IntEnum):
    """How an alarm stands, as far as that is followed over time."""

    NORMAL = 0
    STALE = 1
    SHELVED = 2
    OUT_OF_SERVICE = 3


class Change(NamedTuple):
    """An alarm is at another level from now on."""

    path: str
    time: Nanos
    level: Level
    since: Nanos
    """When that began: of a stale alarm when it began to stand, of a suppressed one when it was suppressed."""
    until: Nanos | None = None
    """End of shelving."""


class Counts(NamedTuple):
    """How often what happened, by key in rising order."""

    keys: Column
    counts: Column


class Marks(NamedTuple):
    """How often an alarm did something, and when; in rising order of alarms."""

    alarms: Column
    counts: Column
    firsts: Column
    """Nanoseconds."""
    lasts: Column


class Period(NamedTuple):
    """What was annunciated within 10 minutes; the columns are in the order in which a key came first."""

    start: Nanos
    """A multiple of 10 minutes, also where the summary begins later."""
    keys: Column
    counts: Column
    offsets_ms: Column
    """When it first came, in milliseconds since `start`."""


NO_COUNTS = Counts(column(), column())
NO_MARKS = Marks(column(), column(), times(), times())


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened from `start` until `end`; quiet periods are not listed."""

    config: str
    start: Nanos
    end: Nanos
    paths: tuple[str, ...] = ()
    """Alarms that anything is said of, in the order of their code points: what is below a component stands together."""
    periods: tuple[Period, ...] = ()
    """Annunciations in those periods that had any."""
    totals: tuple[Column, ...] = (column(),) * RISES
    """For each severity the annunciations of each alarm, in the order of `paths`."""
    silent: Column = field(default_factory=column)
    """How many of them were not spoken, by alarm."""
    chattering: Marks = NO_MARKS
    """Annunciations that were the third or a further one within 60 s."""
    fleeting: Marks = NO_MARKS
    """Annunciations whose PV was OK again within 15 s."""
    acknowledged: Counts = NO_COUNTS
    """Acknowledgements; a key is `alarm * quantiles.BINS` and the bin of the time that it took."""
    changes: tuple[Change, ...] = ()
    """By time, then by path."""
    opening: tuple[Change, ...] | None = None
    """All that is not normal at `start`, by path; None where an earlier summary has to be asked."""
    held: int = field(default=0, kw_only=True)
    """Events whose time ran back."""
    ahead: int = field(default=0, kw_only=True)
    """Events by a clock that was ahead, counted when the next one came by a clock that was not."""
    imported: bool = field(default=False, kw_only=True)
    """Of some of it only a logger of others knows: what it dropped is not here, so that not even quiet is certain."""

    def outline(self) -> Summary:
        """Without what was annunciated: next to nothing, where the summary of a busy day is a megabyte."""
        return Summary(
            self.config,
            self.start,
            self.end,
            changes=self.changes,
            opening=self.opening,
            held=self.held,
            ahead=self.ahead,
            imported=self.imported,
        )


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """By time, then by path; several of one alarm at one time stay in their order."""
    return tuple(sorted(changes, key=lambda change: (change.time, change.path)))


def counts_of(found: Mapping[int, int]) -> Counts:
    """Counts of a mapping."""
    keys = sorted(found)
    return Counts(column(keys), column(map(found.__getitem__, keys)))


def marks_of(found: Mapping[int, tuple[int, Nanos, Nanos]]) -> Marks:
    """Marks of a mapping from alarms to number, first and last time."""
    if not found:
        return NO_MARKS
    keys = sorted(found)
    counts, firsts, lasts = zip(*map(found.__getitem__, keys), strict=True)
    return Marks(column(keys), column(counts), times(firsts), times(lasts))


def totals_of(periods: Iterable[Period], alarms: int) -> tuple[Column, ...]:
    """What periods of one summary add up to, for each severity and alarm."""
    found = [0] * (alarms * RISES)
    for period in periods:
        for key, count in zip(period.keys, period.counts, strict=True):
            found[key] += count
    return tuple(column(found[severity::RISES]) for severity in range(RISES))


def merge(summaries: Iterable[Summary]) -> Summary:
    """One summary of several that follow each other without a hole; raises `ValueError` for others and for none."""
    parts = sorted(summaries, key=attrgetter("start"))
    if not parts:
        raise ValueError("there is no summary to merge")
    for one, following in pairwise(parts):
        if (one.config, one.end) != (following.config, following.start):
            raise ValueError(
                f"the summaries of {one.config} until {iso(one.end)} and of {following.config} from {iso(following.start)} cannot be "
                "merged: they must be of one configuration and follow each other"
            )
    paths = tuple(sorted({path for part in parts for path in part.paths}))
    index = {path: number for number, path in enumerate(paths)}
    numbers = [[index[path] for path in part.paths] for part in parts]
    periods = [_renumbered(period, own) for part, own in zip(parts, numbers, strict=True) for period in part.periods]
    periods = [_joined(list(same)) for _, same in groupby(periods, key=attrgetter("start"))]
    return Summary(
        config=parts[0].config,
        start=parts[0].start,
        end=parts[-1].end,
        paths=paths,
        periods=tuple(periods),
        totals=totals_of(periods, len(paths)),
        silent=_all_numbers(zip(numbers, (part.silent for part in parts), strict=True), len(paths)),
        chattering=_all_marks(zip(numbers, (part.chattering for part in parts), strict=True)),
        fleeting=_all_marks(zip(numbers, (part.fleeting for part in parts), strict=True)),
        acknowledged=_all_counts(zip(numbers, (part.acknowledged for part in parts), strict=True)),
        changes=in_order(change for part in parts for change in part.changes),
        opening=parts[0].opening,
        held=sum(part.held for part in parts),
        ahead=sum(part.ahead for part in parts),
        imported=any(part.imported for part in parts),
    )


def _renumbered(period: Period, numbers: Sequence[int]) -> Period:
    return period._replace(keys=column([numbers[key // RISES] * RISES + key % RISES for key in period.keys]))


def _joined(parts: list[Period]) -> Period:
    """Parts of one period."""
    if len(parts) == 1:
        return parts[0]
    found: dict[int, tuple[int, int]] = {}
    for _, *columns in parts:
        for key, count, offset in zip(*columns, strict=True):
            before, first = found.get(key, (0, offset))
            found[key] = before + count, first
    counts, offsets = zip(*found.values(), strict=True)
    return Period(parts[0].start, column(found), column(counts), column(offsets))


def _all_numbers(parts: Iterable[tuple[Sequence[int], Column]], alarms: int) -> Column:
    found = [0] * alarms
    for numbers, part in parts:
        for alarm, number in zip(numbers, part, strict=True):
            found[alarm] += number
    return column(found)


def _all_counts(parts: Iterable[tuple[Sequence[int], Counts]]) -> Counts:
    found: dict[int, int] = {}
    for numbers, part in parts:
        for key, count in zip(*part, strict=True):
            key = numbers[key // BINS] * BINS + key % BINS
            found[key] = found.get(key, 0) + count
    return counts_of(found)


def _all_marks(parts: Iterable[tuple[Sequence[int], Marks]]) -> Marks:
    """Parts in the order of time."""
    found: dict[int, tuple[int, Nanos, Nanos]] = {}
    for numbers, part in parts:
        for alarm, count, first, last in zip(*part, strict=True):
            before, since, _ = found.get(numbers[alarm], (0, Nanos(first), last))
            found[numbers[alarm]] = before + count, since, Nanos(last)
    return marks_of(found)
