"""The newest events of a configuration, in order, up to a bound."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from alarm_engine.model.event import Event
from alarm_engine.model.state import EventId

KEPT = 20_000


class EventRing:
    """Keeps about the last `kept` events."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._events: list[Event] = []

    @property
    def newest(self) -> EventId | None:
        """The newest event, None before the first."""
        return self._events[-1].id if self._events else None

    def append(self, event: Event) -> bool:
        """One more event; False for one that is there already (a batch that was written twice)."""
        newest = self.newest
        if newest is not None and event.id[1:] <= newest[1:]:
            return False
        self._events.append(event)
        if len(self._events) >= self._kept + self._kept // 4 + 1:
            del self._events[: -self._kept]
        return True

    def after(self, known: EventId | None) -> list[Event] | None:
        """Events after that one, oldest first; None if some of them may not be kept any more. After `None`: all that are kept."""
        events = self._events
        if known is None:
            return events.copy()
        if not events or known[1:] < events[0].id[1:]:
            return None
        return events[bisect_right(events, known[1:], key=_order) :]

    def contradicts(self, known: EventId) -> bool:
        """True for an id that never was: newer events and older ones are kept, and it is not among them."""
        events = self._events
        at = bisect_left(events, known[1:], key=_order)
        return 0 < at < len(events) and events[at].id[1:] != known[1:]


def _order(event: Event) -> tuple[int, int]:
    return event.id.epoch, event.id.n
