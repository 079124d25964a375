"""Our event record: JSON with the form version in `v`, on `<config>Events`."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from alarm_engine.errors import WireError
from alarm_engine.model.event import CommandResult, Event, Origin
from alarm_engine.model.severity import BY_NAME, NAMES
from alarm_engine.model.state import Acknowledgement, Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.wire.event_form import StateForm, read_form
from alarm_engine.wire.frozen import maker
from alarm_engine.wire.json_text import moment

VERSION = 1

_event, _snapshot = maker(Event), maker(Snapshot)
_made = tuple.__new__


def encode_event(event: Event) -> bytes:
    """The record's value. Absent fields have their defaults; times are integer nanoseconds."""
    data: dict[str, Any] = {
        "v": VERSION,
        "id": str(event.id),
        "time": event.time,
        "kind": str(event.kind),
        "path": event.path,
        "from": NAMES[event.from_severity],
        "to": NAMES[event.to_severity],
    }
    for name in ("reason", "description", "user", "host", "comment", "correlation"):
        if text := getattr(event, name):
            data[name] = text
    if event.origin is not Origin.ENGINE:
        data["origin"] = event.origin.value
    if event.pv_time is not None:
        data["pv_time"] = event.pv_time
    if event.since is not None:
        data["since"] = event.since
    if event.annunciated:
        data["annunciated"] = True
    if event.result is not None:
        data["result"] = {
            "command": event.result.command, "done": event.result.done, "left_alone": list(event.result.left_alone),
        }  # fmt: skip
    if event.snapshot is not None:
        data["state"] = encode_snapshot(event.snapshot)
    return orjson.dumps(data)


def decode_event(value: bytes | str, known: EventId | None = None) -> Event:
    """The event of a record; raises `WireError` for anything else, a newer form version included.

    `known`: its id, where that is stored beside it: to read it from the text takes a fifth of the time.
    """
    try:
        form = read_form(value)
        if form.v != VERSION:
            raise _newer(form.v)
        event_id = known or EventId.parse(form.id)
        result, state = form.result, form.state
        return _event(
            event_id,
            form.time,
            form.kind,
            form.path,
            BY_NAME[form.from_],
            BY_NAME[form.to],
            form.reason,
            form.pv_time,
            form.description,
            form.annunciated,
            form.user,
            form.host,
            form.comment,
            form.correlation,
            CommandResult(result.command, result.done, result.left_alone) if result else None,
            _decode_snapshot(state, event_id, form.id) if state else None,
            form.origin,
            form.since,
        )
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise _newer_or_none(value, problem) from problem


def _newer_or_none(value: bytes | str, problem: Exception) -> WireError:
    """Why it is no event; what a newer version has changed must not look like damage."""
    try:
        version = orjson.loads(value)["v"]
    except (ValueError, KeyError, TypeError, IndexError):
        version = VERSION
    return WireError(f"not an event record ({problem!r}): {value[:200]!r}") if version == VERSION else _newer(version)


def _newer(version: object) -> WireError:
    return WireError(f"event record of form version {version}: this tocsin reads version {VERSION}; update it")


def encode_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """State of an alarm as a JSON object."""
    alarm, current = snapshot.alarm, snapshot.current
    data: dict[str, Any] = {
        "alarm": [NAMES[alarm.severity], alarm.message, alarm.value, alarm.time],
        "current": [NAMES[current.severity], current.message, current.value, current.time],
        "since": snapshot.since,
    }
    if alarm.latch:
        data["latch"] = True
    if not snapshot.connected:
        data["connected"] = False
    if not snapshot.annunciating:
        data["annunciating"] = False
    if snapshot.rise is not None:
        data["rise"] = str(snapshot.rise)
    if snapshot.acknowledgement is not None:
        data["ack"] = encode_acknowledgement(snapshot.acknowledgement)
    if snapshot.suppression is not None:
        data["suppression"] = encode_suppression(snapshot.suppression)
    return data


def _decode_snapshot(state: StateForm, event_id: EventId, id_text: str) -> Snapshot:
    """The state in an event with that id, and how the id is written: mostly it is the rise too."""
    severity, message, value, time = state.alarm
    now_severity, now_message, now_value, now_time = state.current
    rise, ack, suppression = state.rise, state.ack, state.suppression
    return _snapshot(
        # This is what the two classes do, without their own functions.
        _made(Alarm, (BY_NAME[severity], message, value, time, state.latch)),
        _made(Sample, (BY_NAME[now_severity], now_message, now_value, now_time)),
        state.connected,
        state.since,
        (event_id if rise == id_text else EventId.parse(rise)) if rise else None,
        decode_acknowledgement(ack) if ack else None,
        decode_suppression(suppression) if suppression else None,
        state.annunciating,
    )


def encode_acknowledgement(ack: Acknowledgement) -> dict[str, Any]:
    """Who took notice, as a JSON object."""
    return {"user": ack.user, "host": ack.host, "reason": ack.reason, "time": ack.time}


def decode_acknowledgement(data: dict[str, Any]) -> Acknowledgement:
    """Who took notice, from its JSON object."""
    return Acknowledgement(data["user"], data["host"], data["reason"], moment(data["time"]))


def encode_suppression(suppression: Suppression) -> dict[str, Any]:
    """Shelving or out of service, as a JSON object."""
    return {
        "user": suppression.user, "host": suppression.host, "reason": suppression.reason,
        "since": suppression.since, "until": suppression.until,
    }  # fmt: skip


def decode_suppression(data: dict[str, Any]) -> Suppression:
    """Shelving or out of service, from its JSON object."""
    until = data["until"]
    return Suppression(data["user"], data["host"], data["reason"], moment(data["since"]), None if until is None else moment(until))
