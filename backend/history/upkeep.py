"""What is done to a store beside writing to it, again and again: old events are deleted, checkpoints are made.

Nothing is lost when one of these fails: it is said, and tried again at the next time. Nothing is deleted because a clock has just said so:
one that is far ahead for a while, at the start of a machine or by a mistake, would have all that is young deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import HistoryError
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic, Nanos
from backend.history.port import EventQuery, HistoryStore

_DAY_NS = 86_400 * NANOS_PER_SECOND
_SOON_S = 60.0
"""What was deleted in part is finished soon: until then some events may be there twice."""
_PATIENCE_NS = _DAY_NS
"""A clock that has gone on evenly for that long is right."""
_JUMP_NS = 3600 * NANOS_PER_SECOND
"""A clock that went further than the monotonic one, by more than that, was set."""
_RECENT_NS = 8 * _DAY_NS
"""So is one by which something was recorded in the week before yesterday: it is not further ahead than that."""

log = structlog.get_logger()


def oldest_kept(clock: Clock, keep_days: int | None) -> Nanos:
    """Events before this may be gone."""
    return Nanos(0 if keep_days is None else clock.now().wall - keep_days * _DAY_NS)


class Evenness:
    """Whether a clock has gone on evenly for long enough to be trusted."""

    def __init__(self) -> None:
        self._beyond: int | None = None
        """By how much the clock is beyond the monotonic one."""
        self._since = Monotonic(0)

    def lasts(self, now: Moment) -> bool:
        """True if it has not been set forward for a day; to be asked every now and then."""
        beyond = now.wall - now.monotonic
        if self._beyond is None or beyond > self._beyond + _JUMP_NS:
            self._beyond, self._since = beyond, now.monotonic
        self._beyond = min(self._beyond, beyond)
        return now.monotonic - self._since >= _PATIENCE_NS


async def _was_recorded_lately(store: HistoryStore, config: str, now: Nanos) -> bool:
    query = EventQuery(config, Nanos(now - _RECENT_NS), Nanos(now - _PATIENCE_NS), limit=1)
    return bool((await store.events(query)).events)


async def make_checkpoints(store: HistoryStore, configs: Sequence[str], period_s: float) -> None:
    """They make questions about the past quick."""
    while True:
        for config in configs:
            try:
                while await store.checkpoint(config):
                    pass
            except HistoryError as problem:
                log.warning("no checkpoint of the history could be made, trying again later", config=config, problem=str(problem))
        await asyncio.sleep(period_s)


async def expire(store: HistoryStore, configs: Sequence[str], keep: tuple[int, Clock], period_s: float) -> None:
    """Delete what is older than so many days by a clock that can be trusted."""
    days, clock = keep
    evenness = Evenness()
    while True:
        now = clock.now()
        is_even, pause_s = evenness.lasts(now), period_s
        for config in configs:
            try:
                time: Nanos | None = Nanos(now.wall - days * _DAY_NS)
                if not is_even and not await _was_recorded_lately(store, config, now.wall):
                    time = await store.summaries.begin(config)  # what was begun is finished; nothing else hurries
                deleted = 0 if time is None else await store.delete_before(config, time)
            except HistoryError as problem:
                pause_s = min(period_s, _SOON_S)
                log.warning("old events could not be deleted, trying again later", config=config, problem=str(problem))
            else:
                if deleted:
                    log.info("old events deleted", config=config, events=deleted, keep_days=days)
        await asyncio.sleep(pause_s)
