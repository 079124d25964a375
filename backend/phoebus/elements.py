"""Events as the elements that the Phoebus alarm logger answers with, so that CS-Studio's alarm log table shows our history."""

from __future__ import annotations

from typing import Any

import orjson

from alarm_engine.model.event import Event, EventKind, Origin
from alarm_engine.model.path import name
from alarm_engine.model.settings import AlarmSettings, Settings
from alarm_engine.model.severity import NAMES
from alarm_engine.model.times import iso
from alarm_engine.wire.keys import RecordType

Element = dict[str, Any]
"""Fields that have no value are left out; `enabled` is always there."""

_ENABLEMENT = {
    EventKind.SHELVED: False, EventKind.DISABLED: False, EventKind.UNSHELVED: True, EventKind.ENABLED: True, EventKind.REMOVED: True,
}  # fmt: skip
"""What an edit of `enabled` became; the logger takes a deletion for settings without any."""


def elements_of(event: Event) -> list[Element]:
    """What the logger would have stored: of one event of ours a state, an edit, a command, or two of them, or nothing."""
    found: list[Element] = []
    if event.snapshot is not None and event.kind is not EventKind.CONFIGURED:
        found.append(_state(event))
    if event.kind is EventKind.COMMAND:
        command = event.result.command if event.result is not None else event.reason
        found.append(_element(RecordType.COMMAND, event) | _by(event) | {"command": command})
    elif event.kind in _ENABLEMENT:
        found.append(_edit(event, enabled=_ENABLEMENT[event.kind]))
    elif event.kind is EventKind.CONFIGURED and not (event.origin is not Origin.ENGINE and "enabled" in event.reason):
        found.append(_edit(event, enabled=event.snapshot is None or event.snapshot.suppression is None))
    return found


def key_of(kind: RecordType, path: str) -> str:
    """The field `config`: the key of a record without its backslashes, which the logger removes."""
    return f"{kind.value}:{path}".replace("\\", "")


def settings_text(settings: Settings, path: str) -> str:
    """The field `config_msg`: all settings of an alarm or a component as one JSON text."""
    message: dict[str, Any] = {"config": key_of(RecordType.CONFIG, path)}
    if isinstance(settings, AlarmSettings):
        until = settings.enabled_at
        message |= {
            "description": settings.description,
            "enabled": settings.enabled if until is None else iso(until),
            "latching": settings.latching,
            "annunciating": settings.annunciating,
            "delay": settings.delay_s,
            "count": settings.count,
            "filter": settings.filter,
        }
    for entry in ("guidance", "displays", "commands"):
        message[entry] = [{"title": text.title, "details": text.details} for text in getattr(settings, entry)]
    message["actions"] = [{"title": one.title, "details": one.details, "delay": one.delay_s} for one in settings.actions]
    return orjson.dumps(message).decode()


def _element(kind: RecordType, event: Event) -> Element:
    return {"config": key_of(kind, event.path), "message_time": iso(event.time), "enabled": False}


def _by(event: Event) -> Element:
    return {field: text for field, text in (("user", event.user), ("host", event.host)) if text}


def _state(event: Event) -> Element:
    assert event.snapshot is not None
    alarm, current = event.snapshot.alarm, event.snapshot.current
    return _element(RecordType.STATE, event) | {
        "pv": name(event.path),
        "severity": NAMES[alarm.severity],
        "message": alarm.message,
        "value": alarm.value,
        "time": iso(alarm.time),
        "current_severity": NAMES[current.severity],
        "current_message": current.message,
    }


def _edit(event: Event, *, enabled: bool) -> Element:
    message = {"user": event.user, "host": event.host, "description": event.description, "enabled": enabled, "what": event.reason}
    text = orjson.dumps({field: value for field, value in message.items() if value != ""}).decode()
    return _element(RecordType.CONFIG, event) | _by(event) | {"pv": name(event.path), "enabled": enabled, "config_msg": text}
