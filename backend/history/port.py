"""Port to stored events.

Times are engine times (`Event.time`), ranges are half open `[start, end)`. Order is that of event ids (epoch, n) within one configuration.
Every query names one configuration. An event that is written again is the same: its id comes with the same time.
Adapters raise `HistoryUnavailable` when the store does not answer, and `QueryTooLarge` rather than cut an answer off without saying so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import Nanos
from backend.history.summaries import SummaryStore

MAX_RANGE_DAYS = 3660
MAX_PAGE = 10_000
MAX_PATTERN = 256
"""Most characters of a text to search for, and of a pattern."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events; all given conditions must hold."""

    config: str
    start: Nanos
    end: Nanos
    path_prefix: str | None = None
    """Canonical path: this node or alarm and everything below."""
    pv: str | None = None
    """Name of the PV, with `*` and `?` as wild cards; upper and lower case count."""
    severities: frozenset[Severity] = frozenset()
    """Severity after the event; empty: any."""
    kinds: frozenset[EventKind] = frozenset()
    """Empty: any."""
    user: str | None = None
    text: str | None = None
    """Part of path, description, message or comment, in any case."""
    oldest_first: bool = False
    limit: int = 100
    after: EventId | None = None
    """Cursor: the last event of the page before. Pages have no gaps or doubles while new events arrive."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of events."""

    events: tuple[Event, ...]
    next: EventId | None
    """Cursor of the following page, None at the end."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time in which an alarm had one severity, cut to the range asked for."""

    path: str
    start: Nanos
    end: Nanos
    severity: Severity | None
    """None: nothing is known (before the first event, after the alarm was removed from the tree)."""
    suppressed: bool
    out_of_service: bool
    """Suppressed without an end; else it is shelved."""
    connected: bool


class PastAlarm(NamedTuple):
    """An alarm as it was at some moment."""

    path: str
    severity: Severity
    """OK while suppressed."""
    suppressed: bool
    out_of_service: bool
    """Suppressed without an end; else it is shelved."""
    connected: bool
    event: EventId
    """What the state comes from."""
    time: Nanos
    """Of that event."""


@dataclass(frozen=True, slots=True)
class PastStates:
    """The alarms of a tree as they were at some moment."""

    alarms: tuple[PastAlarm, ...]
    """In the order of their paths."""
    complete: bool
    """False: older events than some that were deleted are asked for, and only what was kept of them is here."""


class CountBy(StrEnum):
    """What the bars of a count are split by."""

    SEVERITY = "severity"
    SYSTEM = "system"
    KIND = "kind"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Number of events in a span of time, by label."""

    start: Nanos
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Frequency:
    """How often one alarm rose."""

    path: str
    pv: str
    count: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be stored as an event."""

    config: str
    key: str
    """Id of the event; of a record that is none, where it stood (`TOPIC@OFFSET`). Unique in the configuration."""
    reason: str
    body: bytes
    """The record as it stood in the journal; where that cannot be had, its text."""


class History(Protocol):
    """What happened, for those who ask."""

    @property
    def summaries(self) -> SummaryStore:
        """What is kept of the events for figures of alarm performance."""
        ...

    async def start(self) -> None:
        """Open or connect; makes what the store needs (tables, indices)."""
        ...

    async def events(self, query: EventQuery) -> EventPage:
        """A page of events. `QueryTooLarge` beyond `MAX_PAGE`, `MAX_RANGE_DAYS` or `MAX_PATTERN`."""
        ...

    async def last_before(self, config: str, paths: Sequence[str], time: Nanos) -> dict[str, Event]:
        """For each path the last event before `time` that carries a snapshot; paths without one are left out."""
        ...

    async def states_at(self, config: str, time: Nanos, path_prefix: str | None = None) -> PastStates:
        """Every alarm that was in the tree at a moment, with events of that very time; those never heard of are left out.

        `QueryTooLarge` if too many events lie between that moment and the checkpoint before it.
        """
        ...

    async def intervals(self, config: str, paths: Sequence[str], start: Nanos, end: Nanos) -> list[Interval]:
        """Severity over time, per path in the given order; complete from `start` to `end`, the state at `start` looked up."""
        ...

    async def counts(
        self, config: str, start: Nanos, end: Nanos, bucket_s: int, by: CountBy, path_prefix: str | None = None
    ) -> list[Bucket]:
        """Rises (kind `alarm`) per bucket, empty buckets included; buckets begin at multiples of `bucket_s` since the epoch.

        Split by kind, events of every kind are counted.
        """
        ...

    async def most_frequent(self, config: str, start: Nanos, end: Nanos, limit: int, path_prefix: str | None = None) -> list[Frequency]:
        """Alarms that rose most often, most first, then by path."""
        ...

    async def close(self) -> None:
        """Close."""
        ...


class HistoryStore(History, Protocol):
    """A history that events are written to."""

    @property
    def buried(self) -> int:
        """Events that this store has put among the dead letters since it was made, because they could not be stored."""
        ...

    @property
    def losses(self) -> int:
        """How often since it was made this store has found that something stored is gone: an index was deleted, a file taken away."""
        ...

    async def write(self, events: Sequence[Event]) -> int:
        """Store events under their ids; one that is there already is left as it is. Returns how many were new.

        One that cannot be stored is put among the dead letters and does not stop the others. When this returns, all the others can be
        asked for through this store; what asks through another one may see them a second later.
        """
        ...

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Store dead letters under their keys; one that is there already is left as it is."""
        ...

    async def dead_letters(self, config: str, limit: int = 100) -> list[DeadLetter]:
        """The dead letters of a configuration in the order of their keys, no more than `limit` (1 to `MAX_PAGE`)."""
        ...

    async def checkpoint(self, config: str) -> bool:
        """Make the next checkpoint, from which `states_at` begins, if enough events have come since the last one.

        Returns False if it is not time yet, else it wants to be called again. Called by the one writer of the configuration.
        """
        ...

    async def delete_before(self, config: str, time: Nanos) -> int:
        """Forget events before `time`; returns how many.

        A store that deletes by whole months forgets those before the month (UTC) of `time`: then read `time` as the begin of its month.
        The last one of each alarm before `time` is kept, so that the state at any later time can still be looked up.
        """
        ...

    async def refilled(self, config: str, first: Event) -> None:
        """All events from that one on have been written again: what had been lost of them is there."""
        ...
