"""What the topics say about one alarm, and the state that follows from it.

The topics of a configuration may be delivered in any interleaving. So each topic's last word is kept by itself, and the state is a
function of those words alone: whatever came first, the same words give the same state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from alarm_engine.model.event import Event
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import Nanos
from alarm_engine.wire.runtime import Runtime
from alarm_engine.wire.state import LeafState, StateExtras

_DISABLED = "Disabled"
_DISCONNECTED = "Disconnected"


@dataclass(frozen=True, slots=True)
class StateWord:
    """The last state record."""

    state: LeafState
    extras: StateExtras | None
    """None: a foreign writer, a Phoebus server."""
    time: Nanos
    """Time stamp of the record."""

    @property
    def event(self) -> EventId | None:
        """The event that the record comes from, if one of our engines wrote it."""
        return self.extras.event if self.extras else None


@dataclass(frozen=True, slots=True)
class EventWord:
    """The newest event that says what the state is; `snapshot` is None if it says that the alarm was removed."""

    id: EventId
    snapshot: Snapshot | None
    time: Nanos
    """Time stamp of the record."""


@dataclass(slots=True)
class Facts:
    """The last word of each topic on one path."""

    state: StateWord | None = None
    event: EventWord | None = None
    runtime: Runtime | None = None

    def take_event(self, event: Event, time: Nanos) -> bool:
        """An event about this alarm; False if a newer one is known."""
        if self.event is not None and self.event.id[1:] > event.id[1:]:
            return False
        self.event = EventWord(event.id, event.snapshot, time)
        return True

    def conclude(self, settings: AlarmSettings) -> tuple[Snapshot | None, EventId | None]:
        """The state that follows, and the event it comes from."""
        word, event = self.state, self.event
        if event is not None and (word is None or _covers(event, word)):
            snapshot = event.snapshot
            if snapshot is not None and word is not None and word.event == event.id and word.state.alarm != snapshot.alarm:
                snapshot = replace(snapshot, alarm=word.state.alarm)  # published again, with nothing that was worth an event
            return snapshot, event.id
        if word is None:
            return None, None
        return _compose(word, self.runtime, settings), word.event


def _covers(event: EventWord, word: StateWord) -> bool:
    """True if the state record says nothing newer than the event.

    A record of our engine names its event. A foreign one does not: there the time stamps of the two records decide, and a tie goes to
    the record, since nothing else will ever tell of it; unless it says what the event says.
    """
    if word.extras is None:
        return event.time > word.time or _says_no_more(word.state, event.snapshot)
    return word.event is None or event.id[1:] >= word.event[1:]


def _says_no_more(state: LeafState, snapshot: Snapshot | None) -> bool:
    """True for a record that is published again, or from which the event was derived."""
    if snapshot is None:
        return False
    current = snapshot.current
    return (state.alarm[:4], state.current_severity, state.current_message) == (snapshot.alarm[:4], current.severity, current.message)


def _compose(word: StateWord, runtime: Runtime | None, settings: AlarmSettings) -> Snapshot:
    """The snapshot as the records have it, for an alarm whose last event is out of reach."""
    state, extras = word.state, word.extras
    alarm = state.alarm
    if extras is not None:
        current = Sample(state.current_severity, state.current_message, extras.current_value, extras.current_time)
    else:
        current = Sample(state.current_severity, state.current_message, "", alarm.time)
    acknowledgement = runtime.acknowledgement if runtime and alarm.severity.is_acknowledged else None
    return Snapshot(
        alarm=alarm,
        current=current,
        connected=extras.connected if extras is not None else state.current_message != _DISCONNECTED,
        since=extras.since if extras is not None else alarm.time,
        rise=extras.rise if extras is not None else None,
        acknowledgement=acknowledgement,
        suppression=_suppression(word, runtime, settings),
        annunciating=settings.annunciating,
    )


def _suppression(word: StateWord, runtime: Runtime | None, settings: AlarmSettings) -> Suppression | None:
    alarm = word.state.alarm
    if alarm.severity is not Severity.OK or alarm.message != _DISABLED:
        return None
    if runtime is not None and runtime.suppression is not None:
        return runtime.suppression
    if settings.enabled:
        return None
    return Suppression("", "", "", alarm.time, settings.enabled_at)
