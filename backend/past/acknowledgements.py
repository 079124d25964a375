"""Who acknowledged what, and how long after it was put before the operator."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.matching import MAX_RANGE_NS
from backend.history.port import EventQuery, HistoryStore
from backend.kpi.definitions import ACTIVE, ANNUNCIATES, BY_MAINTENANCE

_AT_ONCE = 8
"""Alarms that are looked up at the same time."""
_LOOKED_AT = (20, 1_000)
"""Events of an alarm that are looked at for its annunciation: mostly it is the one before."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One alarm that was acknowledged."""

    event: Event
    annunciation: Event | None
    """The first one that nobody had answered; None where it is not known, or where maintenance mode acknowledged and nobody else."""

    @property
    def after_s(self) -> float | None:
        """Seconds from the annunciation to the acknowledgement; never negative."""
        if self.annunciation is None:
            return None
        return max(0, self.event.time - self.annunciation.time) / NANOS_PER_SECOND


async def acknowledgements(history: HistoryStore, query: EventQuery) -> tuple[list[Acknowledged], EventId | None]:
    """A page of acknowledgements, and the cursor of the next; `query.kinds` is ours to say."""
    page = await history.events(replace(query, kinds=frozenset({EventKind.ACKNOWLEDGED})))
    free = asyncio.Semaphore(_AT_ONCE)

    async def look_up(event: Event) -> Acknowledged:
        async with free:
            return Acknowledged(event, None if event.reason == BY_MAINTENANCE else await _annunciation(history, event))

    return list(await asyncio.gather(*map(look_up, page.events))), page.next


async def _annunciation(history: HistoryStore, acknowledged: Event) -> Event | None:
    """Back from the acknowledgement over all that nobody had answered; as `backend.kpi` counts the time to acknowledge."""
    first: Event | None = None
    after: EventId | None = acknowledged.id
    end = Nanos(acknowledged.time + 1)
    for limit in _LOOKED_AT:
        query = EventQuery(acknowledged.id.config, Nanos(end - MAX_RANGE_NS), end, path_prefix=acknowledged.path, limit=limit, after=after)
        page = await history.events(query)
        for event in page.events:
            if event.path != acknowledged.path or event.snapshot is None:
                continue  # a command to it, or to what once was below it
            if event.to_severity < ACTIVE:
                return first
            if event.kind in ANNUNCIATES:
                first = event
        after = page.next
        if after is None:
            return first
    return None
