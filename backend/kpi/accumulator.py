"""Events in, finished summaries out: one for each 10 minutes with events, and one for each quiet span of a day between them.

    accumulator = Accumulator("Site", start)
    for summary in accumulator.feed(events):       # in the order of their ids
        store(summary, accumulator.carried())      # and after a restart: Accumulator.resumed(carried)
    live = accumulator.running(now)                # the period that is not over yet

An event counts at its own time, or at another one that is given for it where its own cannot be right. Times never run back here: one that
does is held at the last one. Events whose id is not above the last one are left aside, so feeding some again does no harm. Events before
`start` bring the alarms to their state and are not counted: to begin somewhere in the middle (a range that begins within a period, a store
that has forgotten what was before), feed what is there from before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Self

from alarm_engine.model.event import Event, Origin
from alarm_engine.model.state import EventId
from alarm_engine.model.times import Nanos
from backend.kpi.carried import CarriedState
from backend.kpi.definitions import ABOUT_AN_ALARM, DAY_NS, PERIOD_NS, period_of
from backend.kpi.following import Follower
from backend.kpi.open_period import OpenPeriod
from backend.kpi.summary import Change, Level, Summary, in_order

NO_OTHERS: Mapping[EventId, Nanos] = MappingProxyType({})

_NEVER = (-1, -1)


class Accumulator:
    """Makes the summaries of one configuration. Not thread safe."""

    def __init__(self, config: str, start: Nanos) -> None:
        """Counting begins at `start`."""
        self.config = config
        self.ignored = 0
        """Events left aside because their id was not above the last one."""
        self._last = _NEVER
        self._time = Nanos(0)
        self._start = start
        self._day = -1
        self._follower = Follower()
        self._open = OpenPeriod(start)
        self._open.counting = False
        self._opening: tuple[Change, ...] = ()
        self._imported = False
        """The last event was imported: until the next one comes, not even quiet is certain."""

    @classmethod
    def resumed(cls, carried: CarriedState) -> Self:
        """One that goes on where another one was."""
        self = cls(carried.config, carried.end)
        self._last, self._time, self._day = carried.last, carried.time, carried.day
        self._imported = self._open.imported = carried.imported
        self._follower.resume(carried.alarms)
        return self

    def carried(self) -> CarriedState:
        """The state at the end of the last summary; raises `ValueError` where events have come in since.

        Exact just after `feed` or `close` handed out a summary, before the next one is asked for.
        """
        if self._open.touched:
            raise ValueError("the carried state is that between two summaries: ask for it when a summary was handed out, before going on")
        alarms = self._follower.carry(self._start)
        return CarriedState(self.config, self._last, self._time, self._start, self._day, alarms, self._imported)

    def feed(self, events: Iterable[Event], others: Mapping[EventId, Nanos] = NO_OTHERS) -> Iterator[Summary]:
        """Take events in; each summary is handed out when the first event after it has come. Read the iterator to its end.

        `others`: when those count that do not at their own time. Raises `ValueError` for an event of another configuration.
        """
        config, start, end = self.config, self._start, self._open.start + PERIOD_NS
        for event in events:
            name, epoch, number = event.id
            if name != config:
                raise ValueError(f"event {event.id} is not of configuration {config}")
            if (epoch, number) <= self._last:
                self.ignored += 1
                continue
            time = max(others.get(event.id, event.time) if others else event.time, self._time)
            if time >= start and not self._open.counting:
                self._begin()
            if time >= end:
                yield from self.close(period_of(time))
                self._begin()
                start, end = self._start, self._open.start + PERIOD_NS
            self._last, self._time = (epoch, number), time
            self._open.touched = True
            if time != event.time and self._open.counting:
                self._open.held += event.time < time
                self._open.ahead += event.time > time
            self._imported = event.origin is Origin.IMPORTED
            self._open.imported |= self._imported
            if event.snapshot is not None or event.kind in ABOUT_AN_ALARM:
                self._follower.take(event, time, self._open)

    def close(self, until: Nanos) -> Iterator[Summary]:
        """Finish all before `until`, the begin of a period: no event from before it is to come. Read the iterator to its end.

        A quiet span is one summary, cut at full days.
        """
        if until != period_of(until):
            raise ValueError("periods end at full 10 minutes: use `running` for a part of one")
        while self._start < until:
            end = Nanos(self._open.start + PERIOD_NS)
            if not self._open.touched:
                end = Nanos(min(until, (self._start // DAY_NS + 1) * DAY_NS))
            yield self._finish(end)

    def running(self, until: Nanos) -> Summary:
        """What is not finished yet, as if it ended at `until`; changes nothing.

        Later than the period of the last event, it is a quiet span. Earlier than what is counted already, all of that is in it still.
        """
        end = Nanos(max(self._start, until, self._time + 1 if self._open.touched else 0))
        opening = self._opening if self._open.counting else self._follower.levels(self._start)
        known = {change.path for change in opening}
        aged = [state.as_stale() for state in self._follower.becoming_stale(end) if self._open.counting or state.path not in known]
        return self._summary(end, aged, opening)

    def _begin(self) -> None:
        """Counting begins: what is not normal now is the opening."""
        if not self._open.counting:
            self._open.counting = True
            self._opening = self._follower.levels(self._start) if self._opens else ()
            self._age(self._start)

    @property
    def _opens(self) -> bool:
        """The next summary is the first one of its day."""
        return self._start // DAY_NS != self._day

    def _age(self, until: Nanos) -> list[Change]:
        """Alarms that have stood for so long by now."""
        changes = []
        for state in self._follower.becoming_stale(until):
            changes.append(state.as_stale())
            state.level, state.level_since = Level.STALE, state.standing
        self._follower.forget_due(until)
        return changes

    def _finish(self, end: Nanos) -> Summary:
        self._begin()
        summary = self._summary(end, self._age(end), self._opening)
        self._day = summary.start // DAY_NS
        self._start = end
        self._open = OpenPeriod(end)
        self._open.counting = False
        self._open.imported = self._imported
        return summary

    def _summary(self, end: Nanos, aged: list[Change], opening: tuple[Change, ...]) -> Summary:
        return Summary(
            config=self.config,
            start=self._start,
            end=end,
            changes=in_order([*self._open.changes, *aged]),
            opening=opening if self._opens else None,
            held=self._open.held,
            ahead=self._open.ahead,
            imported=self._open.imported,
            **self._open.content(self._follower.paths),
        )
