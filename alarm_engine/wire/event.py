"""Our event record: JSON with the form version in `v`, on `<config>Events`."""

from __future__ import annotations

from typing import Any

import orjson

from alarm_engine.errors import WireError
from alarm_engine.model.event import CommandResult, Event, EventKind, Origin
from alarm_engine.model.severity import BY_NAME, NAMES
from alarm_engine.model.state import Acknowledgement, Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.wire.frozen import maker
from alarm_engine.wire.json_text import moment

VERSION = 1

_event, _snapshot = maker(Event), maker(Snapshot)
_made = tuple.__new__
_KINDS = {kind.value: kind for kind in EventKind}
_ORIGINS = {origin.value: origin for origin in Origin}


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


def decode_event(value: bytes) -> Event:
    """The event of a record; raises `WireError` for anything else, a newer form version included."""
    try:
        data = orjson.loads(value)
        if data["v"] != VERSION:
            raise WireError(f"event record of form version {data['v']}: this tocsin reads version {VERSION}; update it")
        get, result, snapshot = data.get, data.get("result"), data.get("state")
        event_id = EventId.parse(data["id"])
        return _event(
            event_id,
            moment(data["time"]),
            _KINDS[data["kind"]],
            data["path"],
            BY_NAME[data["from"]],
            BY_NAME[data["to"]],
            get("reason", ""),
            get("pv_time"),
            get("description", ""),
            get("annunciated", False),
            get("user", ""),
            get("host", ""),
            get("comment", ""),
            get("correlation", ""),
            CommandResult(result["command"], result["done"], tuple(result["left_alone"])) if result else None,
            decode_snapshot(snapshot, event_id, data["id"]) if snapshot else None,
            _ORIGINS[data["origin"]] if "origin" in data else Origin.ENGINE,
            get("since"),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as problem:
        raise WireError(f"not an event record ({problem!r}): {value[:200]!r}") from problem


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


def decode_snapshot(data: dict[str, Any], event_id: EventId | None = None, id_text: str = "") -> Snapshot:
    """State of an alarm from its JSON object; raises `KeyError`, `ValueError`, `TypeError`.

    `event_id`: that of the event which brought it, and how it is written, for mostly that is the rise.
    """
    get = data.get
    severity, message, value, time = data["alarm"]
    now_severity, now_message, now_value, now_time = data["current"]
    rise, ack, suppression = get("rise"), get("ack"), get("suppression")
    return _snapshot(
        # Events are read by the thousand: this is what the two classes do, without their own functions.
        _made(Alarm, (BY_NAME[severity], message, value, moment(time), get("latch", False))),
        _made(Sample, (BY_NAME[now_severity], now_message, now_value, moment(now_time))),
        get("connected", True),
        moment(data["since"]),
        (event_id if rise == id_text else EventId.parse(rise)) if rise else None,
        decode_acknowledgement(ack) if ack else None,
        decode_suppression(suppression) if suppression else None,
        get("annunciating", True),
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
