"""How far an answer about a moment can be trusted: what nothing is known of, a time or a misspelt path, must not look calm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from alarm_engine.model.event import Event, EventKind, Origin
from alarm_engine.model.path import is_below
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.history.horizon import horizon, stands_ahead
from backend.history.matching import MAX_RANGE_NS
from backend.history.port import EventPage, EventQuery, History, PastStates
from backend.live.model import LiveTree

_SETTLING_NS = 5 * NANOS_PER_SECOND
"""So long an event may be on its way to the store: lists of events go on, and are not old for that."""


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


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question for events says beside its query."""

    has_start: bool
    """It names the begin of its range."""
    tree: LiveTree
    """How the tree is now: it tells whether history is behind."""


async def moment(history: History, config: str, time: Nanos, now: Nanos, prefix: str | None = None, tree: LiveTree | None = None) -> Moment:
    """The alarms at and below a path at a moment. `tree`: how it is now, where it is known: it tells whether history is behind."""
    states = await history.states_at(config, time, prefix)
    newest = await _newest(history, config, time)
    remark = await _remark(history, config, (time, states.complete, newest), now, tree)
    if not remark and newest is not None and tree is not None:
        remark = _what_is_lost(states, newest, prefix or "/", tree)
    if not remark and prefix is not None and not states.alarms:
        remark = f"there was no alarm and no component {prefix}"
    return Moment(time, states, newest, remark)


async def span_remark(history: History, config: str, span: tuple[Nanos, Nanos], now: Nanos, tree: LiveTree | None = None) -> str:
    """Why an answer about a range may not be all; empty: it is."""
    return await _span_remark(history, config, span, _Judging(now, tree, history.summaries.is_whole))


@dataclass(frozen=True, slots=True)
class _Judging:
    """What a range is judged by."""

    now: Nanos
    tree: LiveTree | None
    is_kept: Callable[[str, Nanos], Awaitable[bool]]
    """What is needed of a time is there."""


async def _span_remark(history: History, config: str, span: tuple[Nanos, Nanos], by: _Judging) -> str:
    for time in span:
        newest = await _newest(history, config, time)
        if remark := await _remark(history, config, (time, await by.is_kept(config, time), newest), by.now, by.tree):
            return f"{iso(time)}: {remark}"
    taken_over = await _one(history, EventQuery(config, *span, kinds=frozenset({EventKind.ENGINE}), limit=1))
    if taken_over is None:
        return ""
    since = "before" if taken_over.since is None else f"from {iso(taken_over.since)} on"
    return f"an engine took over at {iso(taken_over.time)}: what happened {since}, while none ran, is not known"


async def page_remark(history: History, query: EventQuery, page: EventPage, now: Nanos, asked: Asked) -> str:
    """Why a page of events may not be all that happened in the part of the range that it covers; empty: it is.

    Without a start the range begins with the oldest event that there is. What has just happened need not be there yet.
    """
    if query.start > now:
        return f"{iso(query.start)} lies in the future, of which nothing is known"
    times = [event.time for event in page.events]
    first, last = (times[0], times[-1]) if times else (None, None)
    begin: Nanos | None = query.start
    if not asked.has_start:
        begin = Nanos(min(times) + 1) if times else None  # what was before the first of all is not asked for
    end = max([min(query.end, Nanos(now - _SETTLING_NS)), *times])
    if query.oldest_first:
        since, until = (begin if query.after is None else first), (end if page.next is None else last)
    else:
        since, until = (begin if page.next is None else last), (end if query.after is None else first)
    if until is None:
        return ""  # the page after the last one
    span = (until if since is None else min(since, until), until)
    return await _span_remark(history, query.config, span, _Judging(now, asked.tree, history.summaries.has_events_from))


async def ahead_since(history: History, config: str, now: Nanos) -> Nanos | None:
    """The last event before the clock of the engine went ahead, if all that came since stands at a time to come; None if it does not."""
    ahead = await _one(history, EventQuery(config, Nanos(horizon(now) + 1), Nanos(now + MAX_RANGE_NS), limit=1, oldest_first=True))
    if ahead is None:
        return None
    last = await _newest(history, config, horizon(now))
    if last is None:
        return Nanos(0)
    return None if last.id[1:] > ahead.id[1:] else last.time


async def _remark(history: History, config: str, found: tuple[Nanos, bool, Event | None], now: Nanos, tree: LiveTree | None) -> str:
    time, is_kept, newest = found
    if not is_kept:
        return "events of that time, or of one before it, are missing: they were deleted, or are being filled in again"
    if newest is None:
        return "nothing was recorded by then"
    if newest.origin is Origin.IMPORTED:
        return "it was imported: what the logger that it comes from did not store is not known"
    later = await _one(history, EventQuery(config, Nanos(time + 1), Nanos(time + MAX_RANGE_NS), limit=1, oldest_first=True))
    if later is not None:
        return _between(newest, later, time, now)
    if tree is None:
        return f"nothing has been recorded since {iso(newest.time)}"
    if _is_behind(tree, newest, time):
        return f"history is behind: what happened after {iso(newest.time)} is not in it yet"
    return "the alarm engine gives no life sign: what happened since is not known" if tree.freshness().stale else ""


def _is_behind(tree: LiveTree, newest: Event, time: Nanos) -> bool:
    """Something that has happened by then is not stored yet."""
    as_of = tree.freshness().as_of
    if as_of is None or as_of[1:] <= newest.id[1:]:
        return False
    missing = tree.recent(newest.id)
    return not missing or missing[0].time <= time


def _between(newest: Event, later: Event, time: Nanos, now: Nanos) -> str:
    """What two events that follow each other say of a time between them."""
    if later.time > horizon(now):
        # The time of events never runs back, so a clock that was once ahead holds all that follows there.
        return stands_ahead(later.time)
    if later.kind is EventKind.ENGINE and (later.since is None or time >= later.since):
        if later.since is not None:
            return f"an engine took over at {iso(later.time)}: what happened after {iso(later.since)}, while none ran, is not known"
        return f"an engine took over at {iso(later.time)}: whether one ran since {iso(newest.time)} is not known"
    return ""


def _what_is_lost(states: PastStates, newest: Event, prefix: str, tree: LiveTree) -> str:
    """Alarms still are as an event has made them that was before the newest one, and is not there."""
    then = {alarm.path: alarm.event[1:] for alarm in states.alarms}
    lost = [
        path
        for path, alarm in tree.alarms.items()
        if (version := alarm.version) is not None
        and version[1:] <= newest.id[1:]
        and then.get(path, (-1, -1)) < version[1:]
        and is_below(path, prefix)
    ]
    return f"events are missing: how {lost[0]} was{f', and {len(lost) - 1} more,' if len(lost) > 1 else ''} is not known" if lost else ""


async def _newest(history: History, config: str, time: Nanos) -> Event | None:
    return await _one(history, EventQuery(config, Nanos(time + 1 - MAX_RANGE_NS), Nanos(time + 1), limit=1))


async def _one(history: History, query: EventQuery) -> Event | None:
    events = (await history.events(query)).events
    return events[0] if events else None
