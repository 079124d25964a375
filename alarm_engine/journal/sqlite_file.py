"""One SQLite file for the journal and the history of a process: one writer thread, reader threads, a keeper, a lock."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from alarm_engine.errors import JournalCorrupt, JournalError, JournalUnavailable
from alarm_engine.journal.file_lock import FileLock
from alarm_engine.journal.sqlite_errors import translate
from alarm_engine.journal.sqlite_open import Access, FileOptions, check, connect, prepare
from alarm_engine.journal.sqlite_readers import Readers
from alarm_engine.journal.sqlite_writer import Job, Writer

T = TypeVar("T")

CHECKPOINT_COMMITS = 200
CHECKPOINT_ROWS = 10_000
"""After so many commits or rows the keeper moves the write-ahead log into the file (some megabytes)."""

_log = structlog.get_logger()


@dataclass(slots=True)
class _Chore:
    period_s: float
    run: Callable[[], None]
    due: float
    running: Future[None] | None = None


class SqliteFile:
    """A file that several adapters of one process share; usable from several event loops in several threads.

    Each user calls `start` and, later, `close`: the first one opens the file, the last one closes it. Every method may raise
    `JournalUnavailable` or `JournalCorrupt`.
    """

    def __init__(self, path: Path | str, options: FileOptions | None = None) -> None:
        self._path = Path(path).resolve()
        self._options = options or FileOptions()
        self._lock = threading.Lock()
        self._users = 0
        self._writer: Writer | None = None
        self._keeper: ThreadPoolExecutor | None = None
        self._file_lock = FileLock(self._path)
        self._chores: list[_Chore] = []
        self._watchers: list[Callable[[], None]] = []
        self._identity: tuple[int, int] | None = None
        self._data_version = 0
        self._lost = False
        self._checkpointed = (0, 0)

    @property
    def lost(self) -> bool:
        """It was removed or replaced while it was in use: what is written goes nowhere."""
        return self._lost

    @property
    def path(self) -> Path:
        """Where it is, absolute."""
        return self._path

    @property
    def options(self) -> FileOptions:
        """How it is used."""
        return self._options

    async def start(self) -> None:
        """Open the file for one more user."""
        await asyncio.to_thread(self._acquire)

    async def close(self) -> None:
        """One user less; the last one finishes what is queued and closes the file."""
        await asyncio.to_thread(self._release)

    async def write(self, job: Job[T]) -> T:
        """Do a job in a transaction of the writer thread; returns its result when it is committed."""
        return await asyncio.wrap_future(self.submit(job))

    def submit(self, job: Job[T]) -> Future[T]:
        """The same for threads that have no event loop."""
        writer = self._writer
        if writer is None:
            raise JournalUnavailable(f"{self._path} is not open")
        if self._options.access is Access.READ:
            raise JournalUnavailable(f"{self._path} was opened for reading only")
        if self._lost:
            raise JournalCorrupt(f"{self._path} was removed or replaced while it was in use: start again")
        writer.submit(job)
        return job.future

    def readers(self, threads: int, name: str) -> Readers:
        """Reader threads with connections of their own, which the caller closes before the file."""
        return Readers(lambda: connect(self._path, self._options, read_only=True), self.translate, threads, name)

    @property
    def stopping(self) -> bool:
        """The keeper should come to an end."""
        return self._keeper is None

    async def keep(self, task: Callable[[], T]) -> T:
        """Run something long on the keeper's thread, beside the writer; it may `submit` jobs and wait for them."""
        keeper = self._keeper
        if keeper is None:
            raise JournalUnavailable(f"{self._path} is not open")
        try:
            kept = keeper.submit(task)
        except RuntimeError as problem:  # closed by another thread meanwhile
            raise JournalUnavailable(f"{self._path} is not open") from problem
        return await asyncio.wrap_future(kept)

    def every(self, period_s: float, chore: Callable[[], None]) -> None:
        """Run a chore on the keeper's thread again and again, for as long as the file is open."""
        self._chores.append(_Chore(period_s, chore, time.monotonic() + period_s))

    def no_longer(self, chore: Callable[[], None]) -> None:
        """End a chore or a watch."""
        self._chores = [known for known in self._chores if known.run != chore]
        self._watchers = [known for known in self._watchers if known != chore]

    def on_foreign_commit(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` on the writer thread soon after another process wrote."""
        self._watchers.append(watcher)

    def translate(self, problem: sqlite3.Error) -> JournalError:
        """The error of the house for one of SQLite's."""
        return translate(problem, self._path)

    def _acquire(self) -> None:
        with self._lock:
            if self._users == 0:
                self._open()
            self._users += 1

    def _open(self) -> None:
        if not self._path.parent.is_dir():
            raise JournalUnavailable(f"{self._path} cannot be opened: there is no directory {self._path.parent}")
        if self._options.access is Access.ENGINE:
            self._file_lock.acquire()
        try:
            connection = self._connect(first=True)
        except JournalError:
            self._file_lock.release()
            raise
        status = self._path.stat()
        self._identity = (status.st_dev, status.st_ino)
        self._lost = False
        self._checkpointed = (0, 0)
        self._data_version = connection.execute("PRAGMA data_version").fetchone()[0]
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="sqlite-keeper")
        self._writer = Writer(self._connect, self.translate, self._tick)
        self._writer.start(connection)

    def _connect(self, *, first: bool = False) -> sqlite3.Connection:
        """A connection to a file that is ours."""
        try:
            connection = connect(self._path, self._options)
            try:
                prepare(connection, self._path, self._options)
                if first and self._options.access is Access.ENGINE:
                    check(connection, self._path)
            except (sqlite3.Error, JournalError):
                connection.close()
                raise
            return connection
        except sqlite3.Error as problem:
            raise self.translate(problem) from problem
        except OSError as problem:
            raise JournalUnavailable(f"{self._path} cannot be opened: {problem.strerror}") from problem

    def _release(self) -> None:
        with self._lock:
            self._users = max(0, self._users - 1)
            if self._users > 0 or self._writer is None or self._keeper is None:
                return
            # The keeper first: its chores wait for jobs of the writer.
            keeper, self._keeper = self._keeper, None
            keeper.shutdown(wait=True)
            writer, self._writer = self._writer, None
            writer.stop()
            self._file_lock.release()

    def _tick(self, connection: sqlite3.Connection) -> None:
        """On the writer thread: has somebody else written, is the file still there, is a chore due."""
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self._data_version = version
            for watcher in self._watchers:
                watcher()
        self._look_for_file()
        now = time.monotonic()
        for chore in self._chores:
            if now >= chore.due and (chore.running is None or chore.running.done()):
                chore.due = now + chore.period_s
                chore.running = self._hand_to_keeper(chore.run)
        self._checkpoint_if_due(connection)

    def _hand_to_keeper(self, task: Callable[[], None]) -> Future[None] | None:
        keeper = self._keeper
        try:
            return keeper.submit(self._guarded, task) if keeper else None
        except RuntimeError:  # shut down between the two lines
            return None

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        except sqlite3.Error as problem:
            _log.warning("upkeep of the journal file failed, it is tried again", problem=str(self.translate(problem)))
        except JournalError as problem:
            _log.warning("upkeep of the journal file failed, it is tried again", problem=str(problem))

    def _look_for_file(self) -> None:
        try:
            status = os.stat(self._path)
            here = (status.st_dev, status.st_ino)
        except FileNotFoundError:
            here = None
        if here != self._identity and not self._lost:
            self._lost = True
            _log.error("the journal file was removed or replaced while it was in use", file=str(self._path))

    def _checkpoint_if_due(self, connection: sqlite3.Connection) -> None:
        writer = self._writer
        if writer is None or self._options.access is Access.READ:
            return
        done = (writer.commits, connection.total_changes)
        commits, rows = (now - before for now, before in zip(done, self._checkpointed, strict=True))
        if commits >= CHECKPOINT_COMMITS or abs(rows) >= CHECKPOINT_ROWS:
            self._checkpointed = done
            self._hand_to_keeper(self._checkpoint)

    def _checkpoint(self) -> None:
        """Move the write-ahead log into the file without holding the writer up."""
        connection = connect(self._path, self._options)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()
