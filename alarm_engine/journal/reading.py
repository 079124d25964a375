"""Reading topics from a position to their end, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from alarm_engine.errors import JournalCorrupt
from alarm_engine.journal.port import Journal, StoredRecord

_AT_ONCE = 1000
"""Records handed on before anybody else gets a turn."""


async def read_to_end(journal: Journal, topics: Sequence[str], start: Mapping[str, int] | None = None) -> AsyncIterator[StoredRecord]:
    """Every record from `start` (else the beginning) to what was the end when it got there.

    Raises `JournalCorrupt` where some cannot be had.
    """
    reader = journal.reader(topics, start)
    try:
        caught_up = False
        while not caught_up:
            fetched = await reader.fetch(max_records=_AT_ONCE, timeout_s=1.0)
            caught_up = fetched.caught_up
            for record in fetched.records:
                yield record
            await asyncio.sleep(0)  # what is buffered comes without waiting, and there may be minutes of it
        if reader.fault:
            raise JournalCorrupt(reader.fault)
    finally:
        await reader.close()
