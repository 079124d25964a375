"""Fills a store from the journal, beside a running writer or without one: what is there already stays as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alarm_engine.journal.port import Journal, Position
from alarm_engine.wire.topics import Topics
from backend.history.port import HistoryStore
from backend.history.writer import HistoryWriter, WriterOptions

GROUP = "history-rebuild"
"""Name of its reading positions in the journal."""
_LOOK_EVERY_S = 0.1
_OPTIONS = WriterOptions(group=GROUP, batch_records=2_000, checkpoint_period_s=None)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is."""

    left: int
    """Offsets up to the end of the journal."""
    read: int
    """Records read."""
    new: int
    """Events that were not stored before."""
    dead: int
    """Records that are among the dead letters."""
    problem: str
    """Why it does not go on; empty while it does."""


async def rebuild(journal: Journal, store: HistoryStore, configs: Sequence[str], tell: Callable[[Progress], None]) -> Progress:
    """Copy all that is in the journal, always from its beginning: nobody knows what was lost since an earlier one was interrupted.

    Journal and store are started. While the store is away it waits, and says so to `tell`. Raises `JournalError`.
    """
    await journal.append([], [Position(GROUP, Topics(config).events, 0) for config in configs])
    writer = HistoryWriter(journal, store, configs, options=_OPTIONS)
    await writer.start()
    try:
        while not writer.reached_end:
            await asyncio.sleep(_LOOK_EVERY_S)
            if failure := writer.failure():
                raise failure
            tell(_progress(writer))
        return _progress(writer)
    finally:
        await writer.stop()


def _progress(writer: HistoryWriter) -> Progress:
    return Progress(writer.lag, writer.read, writer.written, writer.failed, writer.problem)
