"""Reads recordings from a history store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.times import Nanos
from backend.history.port import MAX_PAGE, MAX_RANGE_DAYS, EventQuery, History
from backend.kpi.definitions import DAY_NS
from backend.tuning.recording import Recording

MOST_EVENTS = 100_000
"""Of one alarm; of more the newest are taken, and the recording begins with them."""
_SHARED = frozenset({EventKind.COMMAND, EventKind.MODE, EventKind.ENGINE})
_MODES = frozenset({CommandKind.MAINTENANCE.value, CommandKind.NORMAL.value})


@dataclass(frozen=True, slots=True)
class Range:
    """What is asked for; half open."""

    config: str
    start: Nanos
    end: Nanos


class Gatherer:
    """Recordings of one configuration over one range."""

    def __init__(self, history: History, span: Range, most_events: int = MOST_EVENTS) -> None:
        self._history = history
        self._span = span
        self._most = most_events
        self._shared: tuple[list[Event], bool] | None = None

    async def worst(self, prefix: str, number: int) -> list[str]:
        """The alarms at and below a path that rose most often, most first."""
        span = self._span
        found = await self._history.most_frequent(span.config, span.start, span.end, number, prefix)
        return [one.path for one in found]

    async def touched(self, paths: Sequence[str]) -> list[str]:
        """Those of the alarms to which something happened within the range."""
        span = self._span
        last = await self._history.last_before(span.config, paths, span.end)
        return [path for path in paths if path in last and last[path].time >= span.start]

    async def recording(self, path: str) -> Recording:
        """What there is about an alarm. Where there are too many events, it begins later than it was asked for."""
        span = self._span
        query = EventQuery(span.config, span.start, span.end, path_prefix=path)
        own, cut = await self._all(query, self._most)
        start = own[0].time if cut else span.start
        if self._shared is None:
            # Commands may have been given to a component above, switches and takeovers are about the whole configuration.
            self._shared = await self._all(EventQuery(span.config, span.start, span.end, kinds=_SHARED), MOST_EVENTS)
        shared, shared_cut = self._shared
        if shared_cut:  # what is older would be replayed without the commands and switches of its time
            start, cut = max(start, shared[0].time), True
        together = {event.id: event for event in (*shared, *own) if event.time >= start}
        events = tuple(together[event_id] for event_id in sorted(together, key=lambda one: one[1:]))
        before, maintenance = await self._before(path, start), await self._maintenance(start)
        return Recording(span.config, path, start, span.end, events, before, maintenance, is_cut=cut)

    async def _before(self, path: str, time: Nanos) -> Event | None:
        """The last event before; none for an alarm that was removed since."""
        found = (await self._history.last_before(self._span.config, [path], time)).get(path)
        if found is None:
            return None
        query = EventQuery(self._span.config, found.time, time, path_prefix=path, kinds=frozenset({EventKind.REMOVED}), limit=1)
        gone = (await self._history.events(query)).events
        return None if gone and gone[0].id > found.id else found

    async def _maintenance(self, time: Nanos) -> bool:
        earliest = Nanos(max(0, time - MAX_RANGE_DAYS * DAY_NS))
        page = await self._history.events(EventQuery(self._span.config, earliest, time, kinds=frozenset({EventKind.MODE}), limit=MAX_PAGE))
        last = next((event.reason for event in page.events if event.reason in _MODES), None)
        return last == CommandKind.MAINTENANCE.value

    async def _all(self, query: EventQuery, most: int) -> tuple[list[Event], bool]:
        """All events of a query, the oldest first, and whether there are more than are wanted."""
        found: list[Event] = []
        page = await self._history.events(replace(query, limit=MAX_PAGE))
        found += page.events
        while page.next is not None and len(found) < most:
            page = await self._history.events(replace(query, limit=MAX_PAGE, after=page.next))
            found += page.events
        return found[::-1], page.next is not None
