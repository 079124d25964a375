"""Threads that read a SQLite file while the writer writes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from alarm_engine.errors import JournalError, JournalUnavailable

T = TypeVar("T")

_PATIENCE_S = 5.0


class Readers:
    """A few threads, each with a read-only connection of its own that it opens when it first needs it."""

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], translate: Callable[[sqlite3.Error], JournalError], threads: int, name: str
    ) -> None:
        self._connect = connect
        self._translate = translate
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        self._closed = False

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer to a question; all that it reads is one state of the file. Raises errors of the journal."""
        if self._closed:
            raise JournalUnavailable("the file is closed")
        try:
            asked = self._pool.submit(self._ask, question)
        except RuntimeError as problem:  # closed by another thread meanwhile
            raise JournalUnavailable("the file is closed") from problem
        return await asyncio.wrap_future(asked)

    def warm(self, question: Callable[[sqlite3.Connection], object]) -> None:
        """Ask something on each thread, now, and forget the answer.

        The cache of a connection gets its memory page by page as it fills, and until it is full each page that is read costs several times
        what it costs afterwards. Returns at once; what cannot be read now is told to whoever asks for it.
        """
        all_there = threading.Barrier(self._threads)

        def on_each() -> None:
            with contextlib.suppress(threading.BrokenBarrierError):
                all_there.wait(_PATIENCE_S)  # or a quick thread would be given the questions of the others
            self._ask(question)

        for _ in range(self._threads):
            self._pool.submit(on_each)

    def close(self) -> None:
        """Wait for questions under way and close the connections."""
        self._closed = True
        self._pool.shutdown(wait=True)  # a cancelled question would look like a cancelled task to who asked
        for connection in self._connections:
            connection.close()

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                return question(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as problem:
            raise self._translate(problem) from problem

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._connect()
            self._own.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection
