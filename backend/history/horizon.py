"""Events by a clock that was ahead: which they are, and when they count.

The time of events is the engine's and never runs back within a configuration, so after its clock was ahead all that it records stands at
that later time, until it has come. Such a time says nothing. What is known is the order of ids, so an event that stands beyond our clock
counts when the first one after it comes that does not; where there is none, nobody can say when it was, and whoever reads stops there and
says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alarm_engine.model.event import Event
from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.history.summaries import Mark, SummaryStore

AHEAD_NS = 60 * NANOS_PER_SECOND
"""An event may be as much ahead of our clock: hosts differ."""
PAGE = 2_000
"""Events read at once."""


def horizon(now: Nanos) -> Nanos:
    """No event can be later, by our clock."""
    return Nanos(now + AHEAD_NS)


def stands_ahead(time: Nanos) -> str:
    """What to tell people where the first event by a clock that was ahead stands at that time."""
    return f"the clock of the engine was ahead: what it has recorded since stands at {iso(time)}, not before"


@dataclass(frozen=True, slots=True)
class Page:
    """Some events that follow each other, and when they count."""

    events: Sequence[Event]
    others: Mapping[EventId, Nanos] = field(default_factory=dict)
    """When those count that do not at their own time."""
    is_last: bool = True
    """There is no more, or nothing more that can be counted yet."""
    ahead: Event | None = None
    """The first of those that cannot be counted yet, for nobody knows when they were."""


async def read_page(store: SummaryStore, config: str, first: Mark, until: Nanos) -> Page:
    """Events from that id on; `until` is the `horizon`."""
    events = await store.following(config, first, PAGE)
    is_last = len(events) < PAGE
    if not events or all(event.time <= until for event in events):
        return Page(events, is_last=is_last)
    epoch, n = events[-1].id[1:]
    later = await store.following(config, (epoch, n + 1), 1, Nanos(until + 1)) if events[-1].time > until else []
    time = later[0].time if later else None
    others: dict[EventId, Nanos] = {}
    ahead: int | None = None
    for index in range(len(events) - 1, -1, -1):
        if events[index].time <= until:
            time = events[index].time
        elif time is None:
            ahead = index
        else:
            others[events[index].id] = time
    if ahead is None:
        return Page(events, others, is_last)
    return Page(events[:ahead], others, is_last=True, ahead=events[ahead])
