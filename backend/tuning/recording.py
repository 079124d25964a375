"""What the history has about one alarm over a range, and how its PV went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos


@dataclass(frozen=True, slots=True)
class Recording:
    """The events that decide about one alarm.

    Every change of severity or message of a PV is an event, whether the alarm changed or not (it waited for its delay, was latched,
    acknowledged): so longer and shorter delays can be judged alike. Of a hidden alarm only changes of the severity are.
    """

    config: str
    path: str
    start: Nanos
    end: Nanos
    events: tuple[Event, ...]
    """In the order of their ids: those of the alarm, and of the whole configuration commands, switches and engines that took over."""
    before: Event | None = None
    """The last event about the alarm before `start` that has a snapshot; None: it is not known how it stood."""
    maintenance: bool = False
    """Maintenance mode was on at `start`."""
    is_cut: bool = False
    """More was asked for: `start` is later, since there are too many events."""

    @property
    def own(self) -> Iterator[Event]:
        """Events about the alarm itself."""
        return (event for event in self.events if event.path == self.path and event.kind not in _OF_A_CONFIGURATION)

    @property
    def known_from(self) -> Nanos:
        """Since when it is known how the alarm stood; `end` if nothing is."""
        if self.before is not None:
            return self.start
        return next((event.time for event in self.own), self.end)

    @property
    def edited(self) -> tuple[Event, ...]:
        """Edits of its settings within the range: what was recorded before them was decided by others."""
        return tuple(event for event in self.own if event.kind is EventKind.CONFIGURED and event.reason.startswith("changed: "))

    @property
    def breaks(self) -> int:
        """How often an event does not go on from the one before: events are missing there."""
        last = None if self.before is None or self.before.snapshot is None else self.before.snapshot.alarm.severity
        found = 0
        for event in self.own:
            found += last is not None and event.from_severity is not last
            last = event.snapshot.alarm.severity if event.snapshot is not None else None
        return found


@dataclass(frozen=True, slots=True)
class Excursion:
    """The PV rose to a severity, and until `end` was not below it: what an alarm is there to tell, whatever its settings.

    As with annunciations, MINOR that gets MAJOR is a second excursion within the first one.
    """

    severity: Severity
    start: Nanos
    end: Nanos
    is_over: bool = True
    """False: it lasted to the end of the recording."""

    @property
    def duration_ns(self) -> int:
        """How long, as far as it is known."""
        return self.end - self.start


def excursions(recording: Recording) -> tuple[Excursion, ...]:
    """All that began within the recording, by begin. While an alarm is hidden its PV counts as OK: nobody waits for it then."""
    found: list[Excursion] = []
    open_ones: list[tuple[Severity, Nanos]] = []
    last = _visible(recording.before) if recording.before is not None else Severity.OK
    for event in recording.own:
        severity = _visible(event)
        if severity > last:
            open_ones.append((severity, event.time))
        while open_ones and open_ones[-1][0] > severity:
            found.append(Excursion(*open_ones.pop(), event.time))
        last = severity
    found += [Excursion(*one, recording.end, is_over=False) for one in open_ones]
    return tuple(sorted(found, key=lambda one: (one.start, one.severity)))


_OF_A_CONFIGURATION = frozenset(
    {EventKind.COMMAND, EventKind.REFUSED, EventKind.MODE, EventKind.ENGINE, EventKind.SERVER, EventKind.FOREIGN}
)


def _visible(event: Event) -> Severity:
    """What the PV says after an event, as far as an operator may hear of it."""
    snapshot = event.snapshot
    return Severity.OK if snapshot is None or snapshot.suppression is not None else snapshot.current.severity
