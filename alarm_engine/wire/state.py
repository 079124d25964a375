"""`state:` records: what an alarm or a component is now, as Phoebus writes and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from alarm_engine.errors import WireError
from alarm_engine.model.severity import BY_NAME, NAMES, Severity
from alarm_engine.model.state import Alarm, EventId, Sample
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, within
from alarm_engine.wire.json_text import encode, moment, quote


@dataclass(frozen=True, slots=True)
class Modes:
    """Switches of a whole configuration; they stand in every state record while they are set."""

    maintenance: bool = False
    notify: bool = True


NORMAL = Modes()


@dataclass(frozen=True, slots=True)
class LeafState:
    """State of an alarm as the record has it."""

    alarm: Alarm
    current_severity: Severity
    current_message: str
    modes: Modes


@dataclass(frozen=True, slots=True)
class NodeState:
    """State of a component as the record has it."""

    severity: Severity
    modes: Modes


@dataclass(frozen=True, slots=True)
class StateExtras:
    """What the snapshot of an alarm has beyond its state record; travels in the header `tocsin-state`."""

    event: EventId | None
    """The event that the record comes from."""
    rise: EventId | None
    since: Nanos
    connected: bool
    current_value: str
    current_time: Nanos


def _suffix(modes: Modes) -> str:
    if modes is NORMAL:
        return ""
    return (',"mode":"maintenance"' if modes.maintenance else "") + ("" if modes.notify else ',"notify":false')


def encode_leaf_state(alarm: Alarm, current: Sample, modes: Modes = NORMAL) -> bytes:
    """The value of an alarm's `state:` record, in the field order of Phoebus."""
    severity, message, value, time, latch = alarm
    seconds, nano = divmod(time, NANOS_PER_SECOND)
    return encode(
        f'{{"severity":"{NAMES[severity]}",{_LATCH if latch else ""}"message":{quote(message)},"value":{quote(value)},'
        f'"time":{{"seconds":{seconds},"nano":{nano}}},"current_severity":"{NAMES[current[0]]}",'
        f'"current_message":{quote(current[1])}{_suffix(modes)}}}'
    )


_LATCH = '"latch":true,'


def encode_node_state(severity: Severity, modes: Modes = NORMAL) -> bytes:
    """The value of a component's `state:` record."""
    return f'{{"severity":"{NAMES[severity]}"{_suffix(modes)}}}'.encode()


def decode_state(value: bytes) -> LeafState | NodeState:
    """What the record says; an alarm's record has a `current_severity`. Raises `WireError` if a field is missing or unknown."""
    try:
        data = orjson.loads(value)
        modes = Modes(data.get("mode") == "maintenance", data.get("notify", True) is not False)
        if modes == NORMAL:
            modes = NORMAL
        severity = BY_NAME[data["severity"]]
        if "current_severity" not in data:
            return NodeState(severity, modes)
        stamp = data["time"]
        text = data["value"]
        return LeafState(
            alarm=Alarm(
                severity,
                str(data["message"]),
                "null" if text is None else str(text),
                within(int(stamp["seconds"]) * NANOS_PER_SECOND + int(stamp["nano"])),
                data.get("latch") is True,
            ),
            current_severity=BY_NAME[data["current_severity"]],
            current_message=str(data["current_message"]),
            modes=modes,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise WireError(f"not a state record ({problem!r}): {value[:200]!r}") from problem


def encode_extras(extras: StateExtras) -> bytes:
    """The value of the header."""
    return orjson.dumps(
        [
            str(extras.event) if extras.event else None,
            str(extras.rise) if extras.rise else None,
            extras.since,
            extras.connected,
            extras.current_value,
            extras.current_time,
        ]
    )


def decode_extras(text: str) -> StateExtras:
    """The header's text as `encode_extras` wrote it; raises `WireError`."""
    try:
        data: list[Any] = orjson.loads(text)
        event, rise, since, connected, value, time = data
        return StateExtras(
            EventId.parse(event) if event else None,
            EventId.parse(rise) if rise else None,
            moment(since),
            connected is True,
            str(value),
            moment(time),
        )
    except (ValueError, TypeError, AttributeError) as problem:
        raise WireError(f"header of a state record cannot be read ({problem!r}): {text[:200]!r}") from problem
