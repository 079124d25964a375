"""`runtime:` records: what must survive a restart beyond the state record of an alarm; absent when everything is at its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from alarm_engine.errors import WireError
from alarm_engine.model.severity import BY_NAME, NAMES, Severity
from alarm_engine.model.state import Acknowledgement, Alarm, Suppression
from alarm_engine.model.times import Nanos
from alarm_engine.wire.event import (
    decode_acknowledgement,
    decode_suppression,
    encode_acknowledgement,
    encode_suppression,
)  # fmt: skip
from alarm_engine.wire.json_text import moment

VERSION = 1


@dataclass(frozen=True, slots=True)
class Runtime:
    """What an alarm needs to go on after a restart."""

    acknowledgement: Acknowledgement | None = None
    """Who acknowledged the alarm."""
    kept: Alarm | None = None
    """Acknowledged alarm that a disconnect or a suppression hides, and that comes back with its PV."""
    suppression: Suppression | None = None
    pending: Alarm | None = None
    """Waits for its delay."""
    deadline: Nanos | None = None
    """End of that delay, by the wall clock of the engine that wrote it."""
    ring: tuple[Nanos, ...] = ()
    """PV times of the last alarms, for `count`."""


@dataclass(frozen=True, slots=True)
class Switches:
    """Switches of a configuration."""

    maintenance: bool = False
    notify: bool = True


@dataclass(frozen=True, slots=True)
class Unsaid:
    """Alarms that were annunciated and are not spoken of yet: more may belong into the same sentence."""

    number: int = 0
    worst: Severity = Severity.OK
    since: Nanos | None = None
    """When the first of them was raised, by the wall clock of the engine that wrote it; None: that was not noted."""


@dataclass(frozen=True, slots=True)
class RootRuntime:
    """What a whole configuration needs to go on after a restart, in the `runtime:` record of its root."""

    switches: Switches = Switches()
    unsaid: Unsaid = Unsaid()


def encode_runtime(runtime: Runtime) -> bytes | None:
    """The record's value; None (a tombstone) if there is nothing to keep."""
    data: dict[str, Any] = {}
    if runtime.acknowledgement:
        data["ack"] = encode_acknowledgement(runtime.acknowledgement)
    if runtime.kept:
        data["kept"] = _encode_alarm(runtime.kept)
    if runtime.suppression:
        data["suppression"] = encode_suppression(runtime.suppression)
    if runtime.pending:
        data["pending"] = _encode_alarm(runtime.pending)
        data["deadline"] = runtime.deadline
    if runtime.ring:
        data["ring"] = list(runtime.ring)
    return orjson.dumps({"v": VERSION, **data}) if data else None


def encode_root(root: RootRuntime) -> bytes | None:
    """The value of the root's record; None (a tombstone) if there is nothing to keep."""
    if root == RootRuntime():
        return None
    data: dict[str, Any] = {"v": VERSION, "maintenance": root.switches.maintenance, "notify": root.switches.notify}
    if root.unsaid.number:
        since = {} if root.unsaid.since is None else {"since": root.unsaid.since}
        data["unsaid"] = {"number": root.unsaid.number, "worst": NAMES[root.unsaid.worst], **since}
    return orjson.dumps(data)


def decode_runtime(value: bytes) -> Runtime:
    """What an alarm needs to go on; raises `WireError`."""
    try:
        data = _load(value)
        ack, kept, suppression, pending = (data.get(name) for name in ("ack", "kept", "suppression", "pending"))
        return Runtime(
            acknowledgement=decode_acknowledgement(ack) if ack else None,
            kept=_decode_alarm(kept) if kept else None,
            suppression=decode_suppression(suppression) if suppression else None,
            pending=_decode_alarm(pending) if pending else None,
            deadline=moment(data["deadline"]) if pending else None,
            ring=tuple(moment(time) for time in data.get("ring", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise WireError(f"not a runtime record ({problem!r}): {value[:200]!r}") from problem


def decode_root(value: bytes) -> RootRuntime:
    """What a whole configuration needs to go on; raises `WireError`."""
    try:
        data = _load(value)
        unsaid = data.get("unsaid")
        return RootRuntime(
            Switches(data["maintenance"] is True, data["notify"] is not False),
            _decode_unsaid(unsaid) if unsaid else Unsaid(),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise WireError(f"not a runtime record of a configuration ({problem!r}): {value[:200]!r}") from problem


def _load(value: bytes) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(value)
    if data["v"] != VERSION:
        raise WireError(f"runtime record of form version {data['v']}: this tocsin reads version {VERSION}; update it")
    return data


def _decode_unsaid(data: dict[str, Any]) -> Unsaid:
    return Unsaid(int(data["number"]), BY_NAME[data["worst"]], moment(data["since"]) if "since" in data else None)


def _encode_alarm(alarm: Alarm) -> list[Any]:
    return [NAMES[alarm.severity], alarm.message, alarm.value, alarm.time, alarm.latch]


def _decode_alarm(data: list[Any]) -> Alarm:
    severity, message, value, time, latch = data
    return Alarm(BY_NAME[severity], str(message), str(value), moment(time), latch is True)
