"""The past of one configuration, read from the journal only as far back as somebody asks, into a store that is thrown away.

What is stored has no hole: from some time on there is everything, and `reach` moves that time back. A topic that has forgotten its first
records (retention) does not tell by itself how alarms stood at its begin: the first event about each tells what it was before, and the
live tree those that have been silent since.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.times import Nanos, iso
from backend.history.port import HistoryStore
from backend.history.upkeep import make_checkpoints

PERIOD_S = 60.0
_TELL_S = 2.0


@dataclass(frozen=True, slots=True)
class ReadSoFar:
    """How much of a topic was read."""

    read: int
    """Records, by their offsets."""
    total: int
    """So many there are, or are read at most."""
    since: Nanos | None
    """Everything from that time on was read; None: nothing was read yet."""
    whole: bool
    """There is no more to be read."""
    begin: Nanos | None
    """Of what was before that time nothing is left; None: nothing was ever dropped, or it is not known yet."""


@dataclass(frozen=True, slots=True)
class PastOptions:
    """How the past is read."""

    most_records: int = 2_000_000
    """No more than that are read back: the oldest ones then count as dropped."""
    patience_s: float = 10.0
    """A question waits for so long; then it is told how far the reading is."""
    first_chunk: int = 2_000
    largest_chunk: int = 100_000
    """Records that are read at once, twice as many each time."""
    tell: Callable[[str], None] = lambda _: None
    """Is told every few seconds how far it is, on the thread that reads."""


class Teller:
    """Tells how far a reading is, once it takes seconds."""

    def __init__(self, config: str, tell: Callable[[str], None]) -> None:
        self._config = config
        self._tell = tell
        self._said = time.monotonic()

    def look(self, progress: ReadSoFar) -> None:
        """Called as often as there is something new."""
        if time.monotonic() - self._said > _TELL_S:
            self._said = time.monotonic()
            self._tell(reading(self._config, progress))


class Past(Protocol):
    """What is asked of either kind: of events that an engine wrote, and of those that follow from the records of a Phoebus server."""

    @property
    def progress(self) -> ReadSoFar:
        """How far it is read."""
        ...

    @property
    def complete_from(self) -> Nanos:
        """How all alarms stood is known from that time on. Known once all was read."""
        ...

    @property
    def followed(self) -> int:
        """Events that came since the first question."""
        ...

    async def current(self) -> None:
        """Have what the live tree shows."""
        ...

    async def reach(self, time: Nanos) -> None:
        """Have everything from that time on. Raises `HistoryUnavailable` with how far it is, if that takes long."""
        ...

    async def is_truncated(self) -> bool:
        """The topic has forgotten its first records."""
        ...

    async def close(self) -> None:
        """End."""
        ...


class Waiting:
    """Those who wait for a reading to get somewhere. Belongs to one event loop."""

    def __init__(self, config: str, patience_s: float) -> None:
        self._config = config
        self._patience_s = patience_s
        self._turned = asyncio.Event()
        self.problem = ""
        """Why it does not go on."""

    def turn(self, problem: str = "") -> None:
        """It got further, or ran into a problem."""
        self.problem = problem
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    async def wait(self, past: Past, since: Nanos) -> None:
        """Wait until everything from that time on was read; raises `HistoryUnavailable`."""
        try:
            async with asyncio.timeout(self._patience_s):
                while not is_reached(past.progress, since):
                    if self.problem:
                        raise HistoryUnavailable(f"the past of {self._config} cannot be read from Kafka: {self.problem}")
                    await self._turned.wait()
        except TimeoutError:
            raise HistoryUnavailable(sentence(self._config, past.progress)) from None


def is_reached(progress: ReadSoFar, time: Nanos) -> bool:
    """Everything from that time on was read."""
    return progress.whole or (progress.since is not None and progress.since < time)


def reading(config: str, progress: ReadSoFar) -> str:
    """For people: how far it is."""
    back = f", back to {iso(progress.since)}" if progress.since is not None else ""
    return f"the past of {config} is being read from Kafka: {progress.read:,} of {progress.total:,} records so far{back}"


def sentence(config: str, progress: ReadSoFar) -> str:
    """The same for who has asked too early."""
    return f"{reading(config, progress)}; ask again in a moment, or for a shorter time"


class Checkpoints:
    """Made when all was read, so that questions for a moment are quick, and kept up after that."""

    def __init__(self, store: HistoryStore, config: str) -> None:
        self._store = store
        self._config = config
        self._task: asyncio.Task[None] | None = None

    async def make(self) -> None:
        """Make all that are due. Raises `HistoryError`."""
        while await self._store.checkpoint(self._config):
            pass
        if self._task is None:
            self._task = asyncio.create_task(make_checkpoints(self._store, [self._config], PERIOD_S), name="checkpoints")

    async def stop(self) -> None:
        """End."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
