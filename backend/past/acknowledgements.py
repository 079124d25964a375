"""Who acknowledged what, and how long after it was put before the operator."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.matching import MAX_RANGE_NS
from backend.history.port import EventQuery, History
from backend.kpi.definitions import ABOUT_AN_ALARM, ACTIVE, ANNUNCIATES, BY_MAINTENANCE

_AT_ONCE = 8
"""Alarms that are looked up at the same time."""
_LOOKED_AT_FIRST = 8
"""Events before the acknowledgement that are looked at as they come: mostly the annunciation is the one before, and all is known."""
_PAGES = (3, 30, 300, 3_000)
"""Events of further questions. The first is the one, but where the alarm's path is (or was) that of a component: then those below it come
in between, and beyond so many the annunciation is not known."""
_NOT_ACTIVE = frozenset(severity for severity in Severity if severity < ACTIVE)
_ACTIVE = frozenset(severity for severity in Severity if severity >= ACTIVE)
_SPEAKS = ABOUT_AN_ALARM | {EventKind.CONFIGURED}
"""Kinds that may say how an alarm is."""


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


async def acknowledgements(history: History, query: EventQuery) -> tuple[list[Acknowledged], EventId | None]:
    """A page of acknowledgements, and the cursor of the next; `query.kinds` is ours to say."""
    page = await history.events(replace(query, kinds=frozenset({EventKind.ACKNOWLEDGED})))
    free = asyncio.Semaphore(_AT_ONCE)

    async def look_up(event: Event) -> Acknowledged:
        async with free:
            return Acknowledged(event, None if event.reason == BY_MAINTENANCE else await _annunciation(history, event))

    return list(await asyncio.gather(*map(look_up, page.events))), page.next


async def _annunciation(history: History, acknowledged: Event) -> Event | None:
    """The first one that nobody had answered; as `backend.kpi` counts the time to acknowledge.

    An alarm may have changed thousands of times since. So what comes last before it that was not active is asked for, and then what was
    annunciated first after that: a few events are read, however many there are.
    """
    before = _before(acknowledged)
    page = await history.events(replace(before, limit=_LOOKED_AT_FIRST))
    first: Event | None = None
    for event in page.events:
        if not _speaks(event, acknowledged.path):
            continue
        if event.to_severity < ACTIVE:
            return first
        if event.kind in ANNUNCIATES:
            first = event
    if page.next is None:
        return first
    try:
        answered = await _first_of(history, replace(before, severities=_NOT_ACTIVE, kinds=_SPEAKS, after=page.next))
        since = answered.id if answered is not None else None
        rise = await _first_of(history, replace(before, severities=_ACTIVE, kinds=ANNUNCIATES, oldest_first=True, after=since))
    except _TooFar:
        return None
    return rise if rise is not None and rise.id < acknowledged.id else None


class _TooFar(Exception):
    """What was asked for is beyond what is looked at."""


def _before(acknowledged: Event) -> EventQuery:
    """What happened to the alarm before it was acknowledged, the newest first."""
    config, end = acknowledged.id.config, Nanos(acknowledged.time + 1)
    start = Nanos(end - MAX_RANGE_NS)
    return EventQuery(config, start, end, path_prefix=acknowledged.path, after=acknowledged.id)


def _speaks(event: Event, path: str) -> bool:
    """It says how the alarm is: a command to it does not, nor what happened to what once was below such a path."""
    return event.path == path and (event.snapshot is not None or event.kind in ABOUT_AN_ALARM)


async def _first_of(history: History, query: EventQuery) -> Event | None:
    """The first event of a question that says how the alarm is; raises `_TooFar`."""
    for limit in _PAGES:
        page = await history.events(replace(query, limit=limit))
        for event in page.events:
            if query.path_prefix is not None and _speaks(event, query.path_prefix):
                return event
        if page.next is None:
            return None
        query = replace(query, after=page.next)
    raise _TooFar
