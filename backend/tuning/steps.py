"""From recorded events back to what the engine was given: samples, commands, switches."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from alarm_engine.evaluator.evaluator import NO_PV
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import is_below, name
from alarm_engine.model.reading import Connection, Failure, Input, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Sample, Snapshot
from alarm_engine.model.times import Monotonic, Nanos
from backend.kpi.definitions import BY_MAINTENANCE
from backend.tuning.recording import Recording


class Action(Enum):
    """What was done to the alarm, beside samples of its PV."""

    NONE = auto()
    ADD = auto()
    ADD_HIDDEN = auto()
    REMOVE = auto()
    HIDE = auto()
    SHOW = auto()
    ACKNOWLEDGE = auto()
    UNACKNOWLEDGE = auto()
    MAINTENANCE = auto()
    NORMAL = auto()
    TAKEOVER = auto()
    """Another engine took the configuration over."""


class Step(NamedTuple):
    """What the engine was given at one time."""

    time: Nanos
    input: Input | None
    """Taken in before the action."""
    action: Action
    about_hidden: bool
    """The alarm is hidden after it: an alarm of which nothing was known begins so."""


_ACTIONS = {
    EventKind.REMOVED: Action.REMOVE,
    EventKind.SHELVED: Action.HIDE,
    EventKind.DISABLED: Action.HIDE,
    EventKind.UNSHELVED: Action.SHOW,
    EventKind.ENABLED: Action.SHOW,
    EventKind.UNACKNOWLEDGED: Action.UNACKNOWLEDGE,
}
_SWITCHES = {CommandKind.MAINTENANCE.value: Action.MAINTENANCE, CommandKind.NORMAL.value: Action.NORMAL}
_COMMANDS = {CommandKind.ACKNOWLEDGE.value: Action.ACKNOWLEDGE, CommandKind.UNACKNOWLEDGE.value: Action.UNACKNOWLEDGE}


def steps(recording: Recording) -> Iterator[Step]:
    """In order. A sample that came between two events and changed neither severity nor message comes with the later one."""
    path, pv = recording.path, name(recording.path)
    before = recording.before.snapshot if recording.before is not None else None
    known = None if before is None else before.current
    for event in recording.events:
        if event.kind is EventKind.ENGINE:
            known = None  # a hidden alarm forgets what its PV said
            yield Step(event.time, None, Action.TAKEOVER, about_hidden=False)
        elif event.kind is EventKind.MODE:
            if event.reason in _SWITCHES:
                yield Step(event.time, None, _SWITCHES[event.reason], about_hidden=False)
        elif event.kind is EventKind.COMMAND:
            # Carried out again, since it may find another alarm than it did; where it did find one, its event came just before.
            if (action := _command(event, path)) is not Action.NONE:
                yield Step(event.time, None, action, about_hidden=False)
        elif event.path == path and event.kind is not EventKind.REFUSED:
            snapshot = event.snapshot
            given = None
            if snapshot is not None and snapshot.current != known:
                given, known = sample(pv, snapshot, event.time), snapshot.current
            yield Step(event.time, given, _own(event), snapshot is not None and snapshot.suppression is not None)


def sample(pv: str, snapshot: Snapshot, time: Nanos) -> Input | None:
    """What made a snapshot's PV side what it is; None where the PV has not been heard of."""
    current: Sample = snapshot.current
    arrival = Monotonic(time)
    if snapshot.connected:
        return Reading(pv, *current, arrival)
    if current.severity is not Severity.UNDEFINED:
        return None
    if current.message == NO_PV:
        return Failure(pv, current.message, time, arrival)
    return Connection(pv, up=False, server="", wall=time, arrival=arrival)


def _own(event: Event) -> Action:
    if event.kind is EventKind.ACKNOWLEDGED:
        return Action.NONE if event.reason == BY_MAINTENANCE else Action.ACKNOWLEDGE
    if event.kind is EventKind.CONFIGURED and event.reason == "added":
        hidden = event.snapshot is not None and event.snapshot.suppression is not None
        return Action.ADD_HIDDEN if hidden else Action.ADD
    return _ACTIONS.get(event.kind, Action.NONE)


def _command(event: Event, path: str) -> Action:
    result = event.result
    if result is None or path in result.left_alone or not is_below(path, event.path):
        return Action.NONE
    return _COMMANDS.get(result.command, Action.NONE)
