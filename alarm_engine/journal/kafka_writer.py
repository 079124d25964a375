"""The thread that writes transactions: one at a time, each for all appends that wait."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from alarm_engine.errors import JournalError, JournalFenced, JournalUnavailable
from alarm_engine.journal.kafka_transactions import Transactions
from alarm_engine.journal.port import Position, Record

MAX_GROUP = 64
"""Appends in one transaction ..."""
MAX_GROUP_RECORDS = 20_000
"""... and records, from which on no further append joins."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """An append that waits."""

    records: Sequence[Record]
    positions: Sequence[Position]
    deadline: float
    size: int
    taken_back: bool = False
    """It is to end, and to undo, what lies open before it: it is written alone."""
    future: Future[None] = field(default_factory=Future)


def size_of(records: Sequence[Record]) -> int:
    """Bytes of records, roughly."""
    return sum(100 + len(record.key) + len(record.value or b"") for record in records)


class TransactionalWriter:
    """Appends from any thread, each in one transaction; an idle writer begins at once, a busy one takes together what waits."""

    def __init__(self, transactions: Transactions, name: str, settled: Callable[[], None]) -> None:
        """`settled` is called on the writer's thread after each group: there is room again."""
        self._transactions = transactions
        self._settled = settled
        self._wake = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._pending = 0
        self._stopping = False
        self._begun: float | None = None
        """When what is being written was begun."""
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def pending_bytes(self) -> int:
        """Bytes of appends that are not settled."""
        return self._pending

    @property
    def waiting_s(self) -> float:
        """For how long Kafka has not confirmed what is being written."""
        begun = self._begun
        return 0.0 if begun is None else time.monotonic() - begun

    def submit(self, job: Job) -> None:
        """Queue an append; its future is resolved when it is safe, or fails with a `JournalError`."""
        with self._wake:
            if self._stopping:
                raise JournalUnavailable("the journal is closed")
            self._jobs.append(job)
            self._pending += job.size
            self._wake.notify()

    def stop(self) -> None:
        """Write what is queued, then end. Blocks."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._jobs or self._stopping)
                group = self._take()
            if not group:
                break
            running = [job for job in group if job.future.set_running_or_notify_cancel()]
            self._begun = time.monotonic()
            try:
                self._write(running)
            finally:
                self._begun = None
                with self._wake:
                    self._pending -= sum(job.size for job in group)
                self._settled()
        self._transactions.close()

    def _take(self) -> list[Job]:
        group: list[Job] = []
        records = 0
        while self._jobs and len(group) < MAX_GROUP and (not group or records + len(self._jobs[0].records) <= MAX_GROUP_RECORDS):
            group.append(self._jobs.popleft())
            records += len(group[-1].records)
        return group

    def _write(self, group: Sequence[Job]) -> None:
        """One transaction for all; if it fails for one of them, each alone, so that none suffers for another."""
        now = time.monotonic()
        late = [job for job in group if job.deadline <= now]
        for job in late:
            job.future.set_exception(JournalUnavailable("cannot write: Kafka was busy or away for too long; the records were not written"))
        jobs = [job for job in group if job.deadline > now]
        if not jobs:
            return
        if len(jobs) > 1 and any(job.taken_back or self._transactions.in_doubt(job.records) for job in jobs):
            for job in jobs:
                self._write([job])
            return
        problem = self._try(jobs)
        if problem is None:
            for job in jobs:
                job.future.set_result(None)
        elif len(jobs) == 1 or isinstance(problem, JournalFenced):
            for job in jobs:
                job.future.set_exception(problem)
        else:
            for job in jobs:
                self._write([job])

    def _try(self, jobs: Sequence[Job]) -> Exception | None:
        batches = [job.records for job in jobs]
        positions = [position for job in jobs for position in job.positions]
        try:
            if jobs[0].taken_back:
                self._transactions.take_back(jobs[0].records, jobs[0].deadline)
                return None
            self._transactions.write(batches, positions, min(job.deadline for job in jobs))
        except JournalError as problem:
            return _without_frames(problem)
        except Exception as problem:  # noqa: BLE001 - handed to whoever waits for the append
            return problem
        return None


def _without_frames(problem: JournalError) -> JournalError:
    """The error alone: its traceback would keep a producer alive, threads and connections too, as long as somebody remembers the error."""
    link: BaseException | None = problem
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return problem
