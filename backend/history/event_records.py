"""The events in records of the journal, checked for what no store could keep: one bad record must not stop all those after it."""

from __future__ import annotations

from alarm_engine.errors import WireError
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.event import Event
from alarm_engine.wire.event import decode_event
from backend.history.port import DeadLetter

_GREATEST = 1 << 62
"""No store takes larger numbers."""
_LONGEST_REASON = 500


def event_in(record: StoredRecord, config: str) -> Event:
    """The event of a record of that configuration; raises `WireError` for one that is none."""
    if record.value is None:
        raise WireError("not an event record: it has no value")
    event = decode_event(record.value)
    if event.id.config != config:
        raise WireError(f"event {event.id} is not of configuration {config!r}")
    for name, number in (
        ("time", event.time),
        ("epoch", event.id.epoch),
        ("n", event.id.n),
        ("pv_time", event.pv_time or 0),
        ("since", event.since or 0),
    ):
        if not isinstance(number, int) or not 0 <= number < _GREATEST:
            raise WireError(f"event {event.id}: {name} is {number!r}, expected an integer from 0 to {_GREATEST}")
    for name in ("path", "reason", "description", "user", "host", "comment", "correlation"):
        if not isinstance(text := getattr(event, name), str):
            raise WireError(f"event {event.id}: {name} is {text!r}, expected a text")
    snapshot = event.snapshot
    if snapshot is not None and not (isinstance(snapshot.alarm.message, str) and isinstance(snapshot.current.message, str)):
        raise WireError(f"event {event.id}: the messages of its state are not texts")
    return event


def letter_for(record: StoredRecord, config: str, problem: WireError) -> DeadLetter:
    """The dead letter of a record that is no event."""
    return DeadLetter(config, f"{record.topic}@{record.offset}", str(problem)[:_LONGEST_REASON], record.value or b"")
