"""The history of a site as its settings choose it: for the parts of a process, and for a short visit beside a running one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Access, FileOptions
from backend.history.port import HistoryStore
from backend.history.sqlite import SqliteHistory
from tocsin.settings import Settings


def open_history(settings: Settings, file: SqliteFile | None = None, *, visiting: bool = False) -> HistoryStore:
    """The store of the settings; started and closed by whoever asked for it.

    `file`: the embedded store, where a process shares it with its journal; absent: one of its own, to read. `visiting`: for a question or
    two, for which nothing is made ready.
    """
    if settings.history.store == "elasticsearch":
        from backend.history.elastic import ElasticHistory  # a quarter of the start of a command, for those who have another store

        return ElasticHistory(settings.history.elasticsearch.options())
    return SqliteHistory(file or SqliteFile(settings.store, FileOptions(access=Access.READ)), warm=not visiting)


@asynccontextmanager
async def visiting_history(settings: Settings, *, writing: bool = False) -> AsyncIterator[HistoryStore]:
    """The store, to read or to write beside a running system. Raises `HistoryError`."""
    if settings.history.store == "sqlite" and not writing and not settings.store.exists():
        raise HistoryUnavailable(f"{settings.store} does not exist: there is no history yet; `tocsin run` begins one")
    file = SqliteFile(settings.store, FileOptions(access=Access.GUEST if writing else Access.READ))
    history = open_history(settings, file, visiting=True)
    await history.start()
    try:
        yield history
    finally:
        await history.close()
