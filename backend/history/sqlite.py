"""History in the SQLite file of the journal."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from alarm_engine.errors import HistoryError, HistoryUnavailable, JournalError, JournalUnavailable, QueryTooLarge, WireError
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Access
from alarm_engine.journal.sqlite_readers import Readers
from alarm_engine.journal.sqlite_writer import Job
from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.history import sqlite_counts, sqlite_figures, sqlite_page, sqlite_past, sqlite_summaries
from backend.history.matching import check_buckets, check_limit, check_query, check_range, check_time
from backend.history.port import Bucket, CountBy, DeadLetter, EventPage, EventQuery, Frequency, Interval, PastStates
from backend.history.sqlite_schema import SCHEMA
from backend.history.sqlite_write import EventWriter, bury

T = TypeVar("T")

DELETE_STEP = 500
"""Events deleted in one transaction: some milliseconds, between which others may write."""
_STEPS_BETWEEN_CHECKS = 200_000
"""Instructions of SQLite's machine between looks at the clock (some milliseconds)."""


class SqliteHistory:
    """Stored events; questions run on reader threads and never hold the writer up."""

    def __init__(self, file: SqliteFile, reader_threads: int = 3, longest_query_s: float = 15.0, *, warm: bool = False) -> None:
        """`warm`: for a process that stays; the caches of its readers are filled at the start, in the background."""
        self._file = file
        self._warm = warm
        self._threads = reader_threads
        self._longest_s = longest_query_s
        self._writer = EventWriter()
        self._readers: Readers | None = None
        self.summaries = sqlite_summaries.SqliteSummaries(self._ask, self._change)

    @property
    def buried(self) -> int:
        """See `HistoryStore.buried`."""
        return self._writer.buried

    @property
    def losses(self) -> int:
        """See `HistoryStore.losses`: one, when the file was taken away; then nothing can be written until it is opened again."""
        return int(self._file.lost)

    async def start(self) -> None:
        """See `HistoryStore.start`; opens the file if nobody else has."""
        if self._readers is not None:
            return
        with _as_history():
            await self._file.start()
        try:
            if self._file.options.access is not Access.READ:
                with _as_history():
                    await self._file.write(Job(_create))
            self._readers = self._file.readers(self._threads, "history-reader")
        finally:
            if self._readers is None:
                await self._file.close()
        if self._warm:
            self._readers.warm(sqlite_page.read_newest)

    async def write(self, events: Sequence[Event]) -> int:
        """See `HistoryStore.write`."""
        self._opened()
        if not events:
            return 0
        given = tuple(events)
        with _as_history():
            return await self._file.write(Job(lambda connection: self._writer.write(connection, given), self._settled))

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """See `HistoryStore.bury`."""
        self._opened()
        given = tuple(letters)
        with _as_history():
            await self._file.write(Job(lambda connection: bury(connection, given)))

    async def dead_letters(self, config: str, limit: int = 100) -> list[DeadLetter]:
        """See `HistoryStore.dead_letters`."""
        check_limit(limit)
        return await self._ask(lambda connection: sqlite_page.dead_letters(connection, config, limit))

    async def events(self, query: EventQuery) -> EventPage:
        """See `HistoryStore.events`."""
        check_query(query)
        return await self._ask(lambda connection: sqlite_page.page(connection, query))

    async def last_before(self, config: str, paths: Sequence[str], time: Nanos) -> dict[str, Event]:
        """See `HistoryStore.last_before`."""
        check_time(time)
        return await self._ask(lambda connection: sqlite_figures.last_before(connection, config, tuple(paths), time))

    async def states_at(self, config: str, time: Nanos, path_prefix: str | None = None) -> PastStates:
        """See `HistoryStore.states_at`."""
        check_time(time)
        return await self._ask(lambda connection: sqlite_past.states_at(connection, config, time, path_prefix))

    async def checkpoint(self, config: str) -> bool:
        """See `HistoryStore.checkpoint`; worked out on a reader thread, so that the writer is held up for moments only."""
        time = await self._ask(lambda connection: sqlite_past.next_checkpoint(connection, config))
        if time is None:
            return False
        with _as_history():
            number = await self._file.write(Job(lambda connection: sqlite_past.announce(connection, config, time)))
        content = await self._ask(lambda connection: sqlite_past.content(connection, config, time))
        with _as_history():
            await self._file.write(Job(lambda connection: sqlite_past.fill_in(connection, number, content)))
        return True

    async def intervals(self, config: str, paths: Sequence[str], start: Nanos, end: Nanos) -> list[Interval]:
        """See `HistoryStore.intervals`."""
        check_range(start, end)
        if start >= end:
            return []
        return await self._ask(lambda connection: sqlite_figures.intervals(connection, config, tuple(paths), (start, end)))

    async def counts(
        self, config: str, start: Nanos, end: Nanos, bucket_s: int, by: CountBy, path_prefix: str | None = None
    ) -> list[Bucket]:
        """See `HistoryStore.counts`."""
        check_buckets(start, end, bucket_s)
        return await self._ask(lambda connection: sqlite_counts.counts(connection, config, (start, end), (bucket_s, by), path_prefix))

    async def most_frequent(self, config: str, start: Nanos, end: Nanos, limit: int, path_prefix: str | None = None) -> list[Frequency]:
        """See `HistoryStore.most_frequent`."""
        check_range(start, end)
        check_limit(limit)
        return await self._ask(lambda connection: sqlite_figures.most_frequent(connection, config, (start, end), limit, path_prefix))

    async def delete_before(self, config: str, time: Nanos) -> int:
        """See `HistoryStore.delete_before`."""
        check_time(time)
        deleted = 0
        after = (-(1 << 62), 0, 0)
        while True:
            rows = await self._ask(partial(sqlite_figures.expendable, config_name=config, time=time, after=after, limit=DELETE_STEP))
            if rows:
                with _as_history():
                    await self._file.write(Job(partial(_delete, until=(config, time), numbers=[row[3] for row in rows])))
                deleted += len(rows)
            if len(rows) < DELETE_STEP:
                break
            after = rows[-1][:3]
        if deleted:
            with _as_history():
                await self._file.write(Job(lambda connection: sqlite_counts.tidy(connection, config, time)))
        return deleted

    async def refilled(self, config: str, first: Event) -> None:
        """See `HistoryStore.refilled`: what is gone here is all gone, and known to be."""

    async def close(self) -> None:
        """See `HistoryStore.close`; the file is closed when its last user is."""
        readers, self._readers = self._readers, None
        if readers is not None:
            readers.close()
            await self._file.close()

    def _opened(self) -> Readers:
        if self._readers is None:
            raise HistoryUnavailable(f"the history in {self._file.path} is not open")
        return self._readers

    def _settled(self, committed: bool) -> None:
        if not committed:
            self._writer.forget()

    async def _change(self, job: Callable[[sqlite3.Connection], T]) -> T:
        self._opened()
        with _as_history():
            return await self._file.write(Job(job))

    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask on a reader thread, within the time limit."""

        def limited(connection: sqlite3.Connection) -> T:
            end = time.monotonic() + self._longest_s
            connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS_BETWEEN_CHECKS)
            try:
                return question(connection)
            except sqlite3.OperationalError as problem:
                if problem.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                raise QueryTooLarge(
                    f"the answer took longer than {self._longest_s:g} s: ask for a shorter range or for fewer alarms"
                ) from problem
            finally:
                connection.set_progress_handler(None, 0)

        with _as_history():
            return await self._opened().read(limited)


@contextmanager
def _as_history() -> Iterator[None]:
    """Errors of the shared file as those of the history."""
    try:
        yield
    except JournalUnavailable as problem:
        raise HistoryUnavailable(str(problem)) from problem
    except (JournalError, WireError) as problem:
        raise HistoryError(str(problem)) from problem
    except UnicodeEncodeError as problem:
        raise HistoryError(f"{problem.object!r} is not text that can be written as UTF-8") from problem


def _create(connection: sqlite3.Connection) -> None:
    for statement in (*SCHEMA, *sqlite_summaries.TABLES):
        connection.execute(statement)
    sqlite_counts.create(connection)


def _delete(connection: sqlite3.Connection, until: tuple[str, Nanos], numbers: Sequence[int]) -> None:
    sqlite_past.begin_at(connection, *until)
    sqlite_summaries.forget(connection, *until)
    sqlite_counts.uncount(connection, numbers)
    connection.executemany("DELETE FROM history WHERE id = ?", [(number,) for number in numbers])
