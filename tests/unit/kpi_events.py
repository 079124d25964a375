"""Events drawn by hand, for the tests of the figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import BY_NAME, Severity
from alarm_engine.model.state import Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import Nanos
from backend.kpi.accumulator import Accumulator
from backend.kpi.figures import EVERYTHING, Figures, figures
from backend.kpi.summary import Summary
from backend.kpi.tally import Selection

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = 20_000 * DAY
"""2024-10-04T00:00:00Z: tests count from here."""


def at(seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> Nanos:
    """A time after midnight."""
    return Nanos(MIDNIGHT + round(seconds * SECOND + minutes * MINUTE + hours * HOUR + days * DAY))


class Script:
    """Writes events in the order of their ids; each alarm goes on from what it was."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._states: dict[str, tuple[Severity, Severity]] = {}
        """Alarm and current severity."""
        self._hidden: dict[str, Suppression | None] = {}

    def add(self, time: Nanos, kind: str, path: str, to: str, current: str | None = None, **fields: object) -> Event:
        """One event; `current` is what the PV says, the alarm's severity unless given."""
        severity = BY_NAME[to]
        before, _ = self._states.get(path, (Severity.OK, Severity.OK))
        now = BY_NAME[current] if current else severity.unacknowledged
        self._states[path] = severity, now
        hidden = self._hidden.get(path)
        fields = {"annunciated": kind == "alarm", **fields}
        since = fields.pop("since", time)
        if fields.pop("bare", False):
            snapshot = None
        else:
            snapshot = Snapshot(Alarm(severity, "", "", time), Sample(now, "", "", time), True, since, suppression=hidden)  # type: ignore[arg-type]
        number = len(self.events) + 1
        event = Event(EventId("Site", 1, number), time, EventKind(kind), path, before, severity, snapshot=snapshot, **fields)  # type: ignore[arg-type]
        self.events.append(event)
        return event

    def rise(self, time: Nanos, path: str, to: str = "MAJOR") -> None:
        self.add(time, "alarm", path, to)

    def clear(self, time: Nanos, path: str) -> None:
        self.add(time, "cleared", path, "OK")

    def pulse(self, time: Nanos, path: str, seconds: float = 20, to: str = "MAJOR") -> None:
        """A rise, and the way back to normal."""
        self.rise(time, path, to)
        self.clear(Nanos(time + round(seconds * SECOND)), path)

    def acknowledge(self, time: Nanos, path: str, **fields: object) -> None:
        severity, current = self._states[path]
        self.add(time, "acknowledged", path, severity.acknowledged.name, current.name, user="mara", **fields)

    def hide(self, time: Nanos, path: str, until: Nanos | None = None) -> None:
        """Shelve, or without an end take out of service."""
        self._hidden[path] = Suppression("mara", "ops7", "", time, until)
        _, current = self._states.get(path, (Severity.OK, Severity.OK))
        self.add(time, "disabled" if until is None else "shelved", path, "OK", current.name)

    def show(self, time: Nanos, path: str, to: str = "OK") -> None:
        hidden = self._hidden.pop(path)
        self.add(time, "enabled" if hidden is None or hidden.until is None else "unshelved", path, to, annunciated=to != "OK")

    def in_order(self) -> list[Event]:
        """The same events, numbered in the order of their times."""
        times = sorted(self.events, key=lambda event: event.time)
        return [_numbered(event, number) for number, event in enumerate(times, 1)]


def _numbered(event: Event, number: int) -> Event:
    return replace(event, id=EventId("Site", 1, number))


def summaries(events: Iterable[Event], end: Nanos, start: Nanos | None = None) -> list[Summary]:
    """All of a range, the last one as far as `end`."""
    accumulator = Accumulator("Site", at() if start is None else start)
    found = list(accumulator.feed(events))
    running = accumulator.running(end)
    return [*found, running] if running.end > running.start else found


def figures_of(script: Script, end: Nanos, start: Nanos | None = None, selection: Selection = EVERYTHING) -> Figures:
    """Figures from midnight (or `start`) until `end`."""
    return figures(at() if start is None else start, end, summaries(script.events, end), selection)
