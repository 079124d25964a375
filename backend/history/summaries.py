"""Port to the stored summaries of alarm figures (`backend.kpi`): a chain of parts, each with the events that it was made of.

A part holds the summaries of about an hour, and goes on where the part before it ended; the last one of a UTC day brings the whole day as
one summary too. Order is that of event ids. A part speaks of all events from one id until before another one, that of the first event after
it; it is taken only if those are all that the store has between the two, and whoever writes an event before the end of the chain cuts it
back to the end of a day before that event. So no part is ever kept that misses an event: late ones, imported ones and those of a history
that is filled again are counted like any other.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from alarm_engine.errors import HistoryError, WireError
from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.kpi.encoding import decode_summary, encode_summary
from backend.kpi.summary import Summary

Mark = tuple[int, int]
"""Epoch and number of an event."""
NOTHING: Mark = (-1, -1)
"""Before all events."""

_BETWEEN = b"\n"
_FAST = 1
"""Level of compression: a fourth of the size, at little more than the time that it takes to write and read the rest."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """Where the chain ends."""

    end: Nanos
    next: Mark
    """The first event that is not in."""
    carried: bytes
    """What is known of the alarms there (`encode_carried`), so that the next part can be made."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Summaries that follow each other."""

    start: Nanos
    end: Nanos
    body: bytes
    """See `pack`."""


@dataclass(frozen=True, slots=True)
class Part:
    """One more link of the chain."""

    config: str
    first: Mark
    """`next` of the part before it; `NOTHING` for the first one."""
    events: int
    """How many events it was made of: all those with ids from `first` until before `next`."""
    summaries: Stored
    frontier: Frontier
    """The end of the chain with this part."""
    day: Stored | None = None
    """If a UTC day ends here: that day, or what is known of it, as one summary."""


class SummaryStore(Protocol):
    """Stored summaries, beside the events that they are made of."""

    async def begin(self, config: str) -> Nanos | None:
        """Events before that time were deleted, all but the last one of each alarm; None: none were."""
        ...

    async def is_whole(self, config: str, time: Nanos) -> bool:
        """False: events are missing that are needed to know how all was at a time: they were deleted, or are being filled in again."""
        ...

    async def has_events_from(self, config: str, time: Nanos) -> bool:
        """False: events of that time or later are missing. How all was then may still need older ones."""
        ...

    async def doubtful_until(self, config: str) -> Nanos:
        """Of what was before that, summaries may have been made without events that had been lost; 0: of nothing."""
        ...

    async def following(self, config: str, first: Mark, limit: int, before: Nanos | None = None) -> list[Event]:
        """Events from that id on, in the order of their ids, no more than `limit`; of those only the ones before a time, if it is given."""
        ...

    async def frontier(self, config: str) -> Frontier | None:
        """The end of the chain; None: there is none."""
        ...

    async def append(self, *parts: Part) -> bool:
        """Make the chain longer by parts that follow each other, from one process for each configuration: by all of them or by none.

        False if it does not end (any more) where the first one begins, if they do not follow each other, or if the store has other events
        than those that they were made of: then look at the frontier again.
        """
        ...

    async def between(self, config: str, start: Nanos, end: Nanos, *, days: bool) -> list[Stored]:
        """Parts, or whole days, that begin in `[start, end)`, in the order of time."""
        ...


def pack(summaries: Iterable[Summary]) -> bytes:
    """Summaries as they are stored: their encodings (JSON, without line breaks), one a line, compressed."""
    return zlib.compress(_BETWEEN.join(map(encode_summary, summaries)), _FAST)


def unpack(parts: Iterable[Stored]) -> Iterator[Summary]:
    """The summaries of parts, one by one; raises `HistoryError` for what is none."""
    try:
        for part in parts:
            # They were not always compressed.
            body = part.body if part.body.startswith(b"{") else zlib.decompress(part.body)
            yield from map(decode_summary, body.split(_BETWEEN))
    except (WireError, zlib.error) as problem:
        raise HistoryError(f"stored figures cannot be read: {problem}") from problem


def is_chain(before: Frontier | None, parts: Iterable[Part]) -> bool:
    """True if parts go on, each where the one before it ended, and the first one at the end of the chain."""
    for part in parts:
        goes_on = part.first == NOTHING if before is None else (before.next, before.end) == (part.first, part.summaries.start)
        if not goes_on:
            return False
        before = part.frontier
    return True


def follow_each_other(parts: Sequence[Stored], start: Nanos, end: Nanos) -> bool:
    """True if parts fill a span without a hole."""
    for part in parts:
        if part.start != start:
            return False
        start = part.end
    return start == end
