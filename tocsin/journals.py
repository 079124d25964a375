"""Opening the journal of a site for a short while, beside a running engine or without one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alarm_engine.journal.port import Journal
from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Access, FileOptions
from tocsin.settings import Settings


@asynccontextmanager
async def visiting(settings: Settings, *, writing: bool = False) -> AsyncIterator[Journal]:
    """The journal, to read or to write a few records in. Raises `JournalError`."""
    journal = SqliteJournal(SqliteFile(settings.store, FileOptions(access=Access.GUEST if writing else Access.READ)))
    await journal.start()
    try:
        yield journal
    finally:
        await journal.close()
