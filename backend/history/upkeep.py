"""What is done to a store beside writing to it, again and again: old events are deleted, checkpoints are made.

Nothing is lost when one of these fails: it is said, and tried again at the next time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import HistoryError
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.port import HistoryStore

_DAY_NS = 86_400 * NANOS_PER_SECOND

log = structlog.get_logger()


def oldest_kept(clock: Clock, keep_days: int | None) -> Nanos:
    """Events before this may be gone."""
    return Nanos(0 if keep_days is None else clock.now().wall - keep_days * _DAY_NS)


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
    """Delete what is older than so many days by a clock."""
    days, clock = keep
    while True:
        for config in configs:
            try:
                deleted = await store.delete_before(config, oldest_kept(clock, days))
            except HistoryError as problem:
                log.warning("old events could not be deleted, trying again later", config=config, problem=str(problem))
            else:
                if deleted:
                    log.info("old events deleted", config=config, events=deleted, keep_days=days)
        await asyncio.sleep(period_s)
