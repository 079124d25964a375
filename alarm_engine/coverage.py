"""Tells from the journal, as it is read, which inputs an engine that runs the configuration has taken."""

from __future__ import annotations

from collections.abc import Callable

from alarm_engine.errors import WireError
from alarm_engine.intake import Intake
from alarm_engine.journal.port import StoredRecord
from alarm_engine.logic.alarm_logic import DISABLED, TRACKED
from alarm_engine.model.path import canonical, split
from alarm_engine.model.state import Sample
from alarm_engine.replay import Replayed
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.keys import RecordType, parse_key
from alarm_engine.wire.state import LeafState
from alarm_engine.wire.topics import Topics

_STATE = f"{RecordType.STATE}:"
_TRACKED = TRACKED.reason.encode()


def covering(intake: Intake, topics: Topics) -> Callable[[StoredRecord, Replayed], None]:
    """What to call with each record of the journal after it was applied."""

    def look(record: StoredRecord, replayed: Replayed) -> None:
        if record.topic == topics.config and record.key.startswith(_STATE):
            _state(intake, record, replayed)
        elif record.topic == topics.events and _TRACKED in (record.value or b""):
            _tracked(intake, record)

    return look


def _state(intake: Intake, record: StoredRecord, replayed: Replayed) -> None:
    try:
        path = canonical(parse_key(record.key)[1])
    except WireError:
        return  # it was told when it was applied
    state = replayed.states.get(path)
    # A suppressed alarm says nothing of its PV, and another alarm on the same PV may have to decide still.
    if isinstance(state, LeafState) and state.alarm.message != DISABLED:
        extras = replayed.extras.get(path)
        time = extras.current_time if extras is not None else state.alarm.time
        sample = Sample(state.current_severity, state.current_message, "", time)
        version = extras.event if extras is not None else None
        intake.cover(split(path)[-1], sample, extras is None or extras.connected, version)


def _tracked(intake: Intake, record: StoredRecord) -> None:
    """Of a suppressed alarm the state record stays as it is: its events say what its PV does."""
    try:
        event = decode_event(record.value or b"")
    except WireError:
        return
    if event.reason == TRACKED.reason and event.snapshot is not None:
        intake.cover(split(event.path)[-1], event.snapshot.current, event.snapshot.connected, event.id)
