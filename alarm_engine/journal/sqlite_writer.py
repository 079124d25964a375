"""The one thread that writes to a SQLite file: jobs that queue up while a commit runs are committed together."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog

from alarm_engine.errors import JournalError, JournalUnavailable

T = TypeVar("T")

MAX_GROUP = 256
"""Most jobs in one transaction."""
TICK_S = 0.25
"""How often the thread looks around when it has nothing to do, and at most while it has."""

_log = structlog.get_logger()


def _nothing(committed: bool) -> None:
    """For jobs that keep nothing in memory."""


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """Something to do inside a write transaction."""

    run: Callable[[sqlite3.Connection], T]
    """May run twice (once in a group, then alone)."""
    settled: Callable[[bool], None] = _nothing
    """Called on the writer thread after the commit (True) or after a rollback (False), before the future is resolved."""
    urgent: bool = False
    """Goes before jobs that are not; those get one turn after each commit of urgent ones."""
    future: Future[T] = field(default_factory=Future)


class Writer:
    """Owns the only writing connection of the process."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        translate: Callable[[sqlite3.Error], JournalError],
        tick: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._connect = connect
        self._translate = translate
        self._tick = tick
        self._connection: sqlite3.Connection | None = None
        self._wake = threading.Condition()
        self._urgent: deque[Job[Any]] = deque()
        self._later: deque[Job[Any]] = deque()
        self._stopping = False
        self.commits = 0
        """Transactions since the start."""
        self._thread = threading.Thread(target=self._loop, name="sqlite-writer", daemon=True)

    def start(self, connection: sqlite3.Connection) -> None:
        """Begin, with a connection that is handed over."""
        self._connection = connection
        self._thread.start()

    def submit(self, job: Job[Any]) -> None:
        """Queue a job; `JournalUnavailable` once the writer is stopping."""
        with self._wake:
            if self._stopping:
                raise JournalUnavailable("the file is closed")
            (self._urgent if job.urgent else self._later).append(job)
            self._wake.notify()

    def stop(self) -> None:
        """Do what is queued, close the connection, end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        next_tick = time.monotonic()
        turn_for_later = False
        while True:
            with self._wake:
                if not (self._urgent or self._later or self._stopping):
                    self._wake.wait(max(0.0, next_tick - time.monotonic()))
                jobs = self._take(turn_for_later)
                stopping = self._stopping
            turn_for_later = bool(jobs) and jobs[0].urgent
            jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if jobs:
                self._commit(jobs)
            elif stopping and not (self._urgent or self._later):
                break
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK_S
                self._look_around()
        self._disconnect()

    def _take(self, turn_for_later: bool) -> list[Job[Any]]:
        if self._later and (turn_for_later or not self._urgent):
            return [self._later.popleft()]
        return [self._urgent.popleft() for _ in range(min(len(self._urgent), MAX_GROUP))]

    def _commit(self, jobs: list[Job[Any]]) -> None:
        """One transaction for all; if one of them fails, each alone, so that none suffers for another."""
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
        except (sqlite3.Error, JournalError) as problem:
            self._rollback()
            for job in jobs:
                self._fail(job, problem)
            return
        try:
            results = [job.run(connection) for job in jobs]
            connection.execute("COMMIT")
        except Exception as problem:  # noqa: BLE001 - handed to whoever waits for the job
            self._rollback()
            for job in jobs:
                job.settled(False)
            if len(jobs) == 1:
                self._fail(jobs[0], problem)
                return
            for job in jobs:
                self._commit([job])
            return
        self.commits += 1
        for job, result in zip(jobs, results, strict=True):
            job.settled(True)
            job.future.set_result(result)

    def _fail(self, job: Job[Any], problem: Exception) -> None:
        if not isinstance(problem, sqlite3.Error):
            job.future.set_exception(problem)
            return
        error = self._translate(problem)
        error.__cause__ = problem
        job.future.set_exception(error)

    def _look_around(self) -> None:
        try:
            self._tick(self._connected())
        except (sqlite3.Error, OSError, JournalError) as problem:
            _log.warning("journal file could not be checked", problem=str(problem))

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _rollback(self) -> None:
        """Back to a clean connection; one that cannot roll back is thrown away."""
        if self._connection is None or not self._connection.in_transaction:
            return
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as problem:
                _log.warning("journal file could not be closed", problem=str(problem))
