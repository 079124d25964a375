"""History in memory: for tests, and the plainest statement of what each question means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import is_below, name, system
from alarm_engine.model.severity import NAMES
from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.dead_letters import CANNOT_BE_WRITTEN, body_of, letter_of
from backend.history.intervals import UNKNOWN, Condition, condition, condition_of
from backend.history.matching import check_buckets, check_limit, check_query, check_range, check_time, fold, glob, search_text
from backend.history.memory_summaries import MemorySummaries
from backend.history.port import Bucket, CountBy, DeadLetter, EventPage, EventQuery, Frequency, Interval, PastAlarm, PastStates


class MemoryHistory:
    """Looks at every event for every question."""

    def __init__(self) -> None:
        self._events: dict[EventId, Event] = {}
        self._letters: dict[tuple[str, str], DeadLetter] = {}
        self._buried = 0
        self.summaries = MemorySummaries(self._of)
        self._complete_from: dict[str, Nanos] = {}

    @property
    def buried(self) -> int:
        """See `HistoryStore.buried`."""
        return self._buried

    @property
    def losses(self) -> int:
        """See `HistoryStore.losses`: none."""
        return 0

    async def start(self) -> None:
        """See `HistoryStore.start`."""

    async def write(self, events: Sequence[Event]) -> int:
        """See `HistoryStore.write`."""
        before = len(self._events)
        for event in events:
            try:
                body_of(event)
            except CANNOT_BE_WRITTEN as problem:
                self._buried += 1
                await self.bury([letter_of(event, problem)])
            else:
                if event.id not in self._events:
                    self._events[event.id] = event
                    self.summaries.cut(event.id.config, event.id[1:])
        return len(self._events) - before

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """See `HistoryStore.bury`."""
        for letter in letters:
            self._letters.setdefault((letter.config, letter.key), letter)

    async def dead_letters(self, config: str, limit: int = 100) -> list[DeadLetter]:
        """See `HistoryStore.dead_letters`."""
        check_limit(limit)
        return [self._letters[key] for key in sorted(self._letters) if key[0] == config][:limit]

    async def events(self, query: EventQuery) -> EventPage:
        """See `HistoryStore.events`."""
        check_query(query)
        found = [event for event in self._of(query.config) if _matches(event, query)]
        if not query.oldest_first:
            found.reverse()
        more = len(found) > query.limit
        return EventPage(tuple(found[: query.limit]), found[query.limit - 1].id if more else None)

    async def last_before(self, config: str, paths: Sequence[str], time: Nanos) -> dict[str, Event]:
        """See `HistoryStore.last_before`."""
        wanted = set(paths)
        return {e.path: e for e in self._of(config) if e.path in wanted and e.time < time and e.snapshot is not None}

    async def states_at(self, config: str, time: Nanos, path_prefix: str | None = None) -> PastStates:
        """See `HistoryStore.states_at`."""
        check_time(time)
        last = {e.path: e for e in self._of(config) if e.time <= time and condition(e) is not None}
        there = (last[path] for path in sorted(last) if is_below(path, path_prefix or "/"))
        alarms = tuple(alarm for event in there if (alarm := _past(event)) is not None)
        return PastStates(alarms, complete=time >= self._complete_from.get(config, time))

    async def checkpoint(self, config: str) -> bool:
        """See `HistoryStore.checkpoint`; there is nothing to be made."""
        return False

    async def intervals(self, config: str, paths: Sequence[str], start: Nanos, end: Nanos) -> list[Interval]:
        """See `HistoryStore.intervals`."""
        check_range(start, end)
        found: list[Interval] = []
        for path in paths:
            events = [event for event in self._of(config) if event.path == path]
            edges = sorted({start, end, *(event.time for event in events if start < event.time < end)})
            own: list[Interval] = []
            for edge, following in pairwise(edges):
                what = _at(events, edge)
                if own and condition_of(own[-1]) == what:
                    edge = own.pop().start
                own.append(Interval(path, edge, following, *what))
            found += own if start < end else []
        return found

    async def counts(
        self, config: str, start: Nanos, end: Nanos, bucket_s: int, by: CountBy, path_prefix: str | None = None
    ) -> list[Bucket]:
        """See `HistoryStore.counts`."""
        check_buckets(start, end, bucket_s)
        width = bucket_s * NANOS_PER_SECOND
        buckets = {at: Counter[str]() for at in range(start // width * width, end, width)} if start < end else {}
        for event in self._of(config):
            if start <= event.time < end and is_below(event.path, path_prefix or "/") and (by is CountBy.KIND or _is_rise(event)):
                label = {CountBy.KIND: event.kind.value, CountBy.SEVERITY: NAMES[event.to_severity], CountBy.SYSTEM: system(event.path)}[by]
                buckets[event.time // width * width][label] += 1
        return [Bucket(Nanos(at), dict(counts)) for at, counts in buckets.items()]

    async def most_frequent(self, config: str, start: Nanos, end: Nanos, limit: int, path_prefix: str | None = None) -> list[Frequency]:
        """See `HistoryStore.most_frequent`."""
        check_range(start, end)
        check_limit(limit)
        rises = Counter(e.path for e in self._of(config) if start <= e.time < end and is_below(e.path, path_prefix or "/") and _is_rise(e))
        ranked = sorted(rises.items(), key=lambda item: (-item[1], item[0]))
        return [Frequency(path, name(path), count) for path, count in ranked[:limit]]

    async def delete_before(self, config: str, time: Nanos) -> int:
        """See `HistoryStore.delete_before`."""
        old = [event for event in self._of(config) if event.time < time]
        kept = {event.path: event.id for event in old if condition(event) is not None}
        gone = [event.id for event in old if kept.get(event.path) != event.id]
        for event_id in gone:
            del self._events[event_id]
        if gone:
            self._complete_from[config] = max(time, self._complete_from.get(config, time))
            self.summaries.forget(config, time)
        return len(gone)

    async def refilled(self, config: str, first: Event) -> None:
        """See `HistoryStore.refilled`: what is gone here is all gone, and known to be."""

    async def close(self) -> None:
        """See `HistoryStore.close`."""

    def _of(self, config: str) -> list[Event]:
        """Events of a configuration, oldest first."""
        return [self._events[event_id] for event_id in sorted(self._events) if event_id.config == config]


def _at(events: Sequence[Event], time: Nanos) -> Condition:
    known = [what for event in events if event.time <= time and (what := condition(event)) is not None]
    return known[-1] if known else UNKNOWN


def _past(event: Event) -> PastAlarm | None:
    what = condition(event)
    if what is None or what.severity is None:
        return None
    return PastAlarm(event.path, what.severity, what.suppressed, what.out_of_service, what.connected, event.id, event.time)


def _is_rise(event: Event) -> bool:
    return event.kind is EventKind.ALARM


def _matches(event: Event, query: EventQuery) -> bool:
    after = query.after
    return (
        query.start <= event.time < query.end
        and (query.path_prefix is None or is_below(event.path, query.path_prefix))
        and (query.pv is None or glob(query.pv).fullmatch(name(event.path)) is not None)
        and (not query.severities or event.to_severity in query.severities)
        and (not query.kinds or event.kind in query.kinds)
        and (query.user is None or event.user == query.user)
        and (query.text is None or fold(query.text) in fold(event.path) or fold(query.text) in search_text(event))
        and (after is None or ((event.id[1:] > after[1:]) if query.oldest_first else (event.id[1:] < after[1:])))
    )
