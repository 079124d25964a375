"""What is done for a history while this process serves it: events are copied, and what is made of them is made."""

from __future__ import annotations

from typing import NamedTuple

from backend.history.summariser import Summariser
from backend.history.writer import HistoryWriter


class Counts(NamedTuple):
    """What was done, since the start."""

    written: int = 0
    """Events stored; those that were there already are not counted."""
    unreadable: int = 0
    """Records that are no events."""
    failures: int = 0
    """Tries that did not succeed."""

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(*map(sum, zip(self, other, strict=True)))


class Shift:
    """Serves some configurations from `start` until `stop`. Another one goes on where it ended."""

    def __init__(self, writer: HistoryWriter, summariser: Summariser) -> None:
        """Both for the same configurations and store, and not started."""
        self._writer = writer
        self._summariser = summariser

    @property
    def lag(self) -> int:
        """See `HistoryWriter.lag`."""
        return self._writer.lag

    @property
    def problem(self) -> str:
        """See `HistoryWriter.problem`."""
        return self._writer.problem

    @property
    def counts(self) -> Counts:
        """What it did."""
        return Counts(self._writer.written, self._writer.unreadable, self._writer.failures)

    def failure(self) -> BaseException | None:
        """What ended a part of it, which must not end; None while all goes on."""
        return self._writer.failure() or self._summariser.failure()

    async def start(self) -> None:
        """Begin."""
        await self._writer.start()
        await self._summariser.start()

    async def stop(self) -> None:
        """Stop; may be called again."""
        await self._summariser.stop()
        await self._writer.stop()
