"""Topics that are read again from their beginning, because the store is new or has lost something."""

from __future__ import annotations

from collections.abc import Iterable

from alarm_engine.model.event import Event
from alarm_engine.wire.topics import Topics
from backend.history.port import HistoryStore


class Refill:
    """What is being filled again."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store
        self._first: dict[str, Event | None] = {}
        """By topic the first event that it has; None: not known yet."""

    def begin(self, topic: str) -> None:
        """A topic is read from its beginning."""
        self._first[topic] = None

    def take(self, events: Iterable[Event]) -> None:
        """These were stored, in the order in which they were read."""
        for event in events if None in self._first.values() else ():
            topic = Topics(event.id.config).events
            if topic in self._first and self._first[topic] is None:
                self._first[topic] = event

    async def end(self) -> None:
        """All topics were read to their end; raises `HistoryError`, and may be called again."""
        for topic, first in list(self._first.items()):
            if first is not None:
                await self._store.refilled(first.id.config, first)
                del self._first[topic]
