"""How far an answer about a moment can be trusted: what nothing is known of, a time or a misspelt path, must not look calm."""

from __future__ import annotations

from dataclasses import dataclass

from alarm_engine.model.event import Event
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.history.matching import MAX_RANGE_NS
from backend.history.port import EventQuery, HistoryStore, PastStates
from backend.live.model import LiveTree

_AHEAD_NS = 60 * NANOS_PER_SECOND
"""An event may be as much ahead of our clock: hosts differ."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The tree at a moment, and what is to be known about it."""

    time: Nanos
    states: PastStates
    newest: Event | None
    """The newest event that is in it; None: nothing was recorded by then."""
    remark: str
    """Why it may not be all; empty: it is."""

    @property
    def complete(self) -> bool:
        """Everything that happened until then is in it."""
        return not self.remark


async def moment(
    history: HistoryStore, config: str, time: Nanos, now: Nanos, prefix: str | None = None, tree: LiveTree | None = None
) -> Moment:
    """The alarms at and below a path at a moment. `tree`: how it is now, where it is known: it tells whether history is behind."""
    states = await history.states_at(config, time, prefix)
    newest = await _one(history, EventQuery(config, Nanos(time + 1 - MAX_RANGE_NS), Nanos(time + 1), limit=1))
    remark = await _remark(history, config, (time, states, newest), now, tree)
    if not remark and prefix is not None and not states.alarms:
        remark = f"there was no alarm and no component {prefix}"
    return Moment(time, states, newest, remark)


async def _remark(
    history: HistoryStore, config: str, found: tuple[Nanos, PastStates, Event | None], now: Nanos, tree: LiveTree | None
) -> str:
    time, states, newest = found
    if newest is None:
        return "nothing was recorded by then"
    if not states.complete:
        return "events of that time have been deleted: only what had not changed since is known"
    later = await _one(history, EventQuery(config, Nanos(time + 1), Nanos(time + MAX_RANGE_NS), limit=1, oldest_first=True))
    if later is not None:
        # The time of events never runs back, so a clock that was once ahead holds all that follows there.
        ahead = f"the clock of the engine was ahead: what it has recorded since stands at {iso(later.time)}, not before"
        return ahead if later.time > now + _AHEAD_NS else ""
    if tree is None:
        return f"nothing has been recorded since {iso(newest.time)}"
    freshness = tree.freshness()
    if freshness.as_of is not None and freshness.as_of[1:] > newest.id[1:]:
        return f"history is behind: what happened after {iso(newest.time)} is not in it yet"
    return "the alarm engine gives no life sign: what happened since is not known" if freshness.stale else ""


async def _one(history: HistoryStore, query: EventQuery) -> Event | None:
    events = (await history.events(query)).events
    return events[0] if events else None
