"""Leave to publish: an engine that did not reach the journal asks whether it is still the one to decide.

While it was away another engine may have been elected, and may have heard what this one did not: what that one kept is decided only if
nothing newer of the same process variables was published before. So whoever is in doubt publishes nothing until the others have answered.
"""

from __future__ import annotations

import asyncio
import time

from alarm_engine.errors import JournalError, JournalUnavailable
from alarm_engine.journal.port import Journal
from alarm_engine.ownership.port import Lease

PATIENCE_S = 10.0
"""Where the journal can be used, and an election does not end for so long: an alarm that the wrong engine tells is better than none."""
_LOOK_S = 0.1


class MakesRoom(JournalError):
    """Another engine is to decide: the message says why."""


class Leave:
    """Of one configuration while it is held."""

    def __init__(self, lease: Lease, journal: Journal, topic: str) -> None:
        """`topic`: any of the configuration, to see whether the journal can be reached."""
        self._lease = lease
        self._journal = journal
        self._topic = topic
        self._asked: float | None = None
        """Since when there could be an answer."""
        self._told = lease.doubted_at
        """The doubt that was spoken of last."""

    async def answered(self) -> bool:
        """Waits while it is in doubt whose the configuration is; True if it came to be so since this was answered last.

        Raises `JournalUnavailable` as long as nobody can know.
        """
        in_doubt = self._lease.in_doubt
        if not in_doubt:
            self._asked = None
            return self._news()
        try:
            await self._journal.end(self._topic)
        except JournalUnavailable:
            self._asked = None
            raise
        self._asked = self._asked or time.monotonic()
        while time.monotonic() - self._asked < PATIENCE_S:
            if not self._lease.in_doubt:
                break
            await asyncio.sleep(_LOOK_S)
        return self._news()

    def _news(self) -> bool:
        before, self._told = self._told, self._lease.doubted_at
        return before != self._told
