"""`events.md`, from the model of events and from records as they are really encoded."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson

from alarm_engine.model.event import CommandResult, Event, EventKind, Origin
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Acknowledgement, Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from alarm_engine.wire.event import VERSION, encode_event
from tocsin.reference.markdown import code, documented, page, prose, summary, table

_SECOND = Nanos(1_790_000_000 * NANOS_PER_SECOND)

FIELDS = {"from": "from_severity", "to": "to_severity", "state": "snapshot"}
"""Names in the record that differ from those of the model."""
STATE_FIELDS = {"ack": "acknowledgement"}
_EXTRA = {
    "id": "Identity: `CONFIG.EPOCH.N`. Epoch grows with every engine that takes over (about the Unix seconds of that moment), "
    "n counts from 1. Ids of a configuration are ordered by epoch and n.",
    "kind": "What happened: see the table of kinds.",
    "pv_time": "Time stamp of the PV's sample that caused it.",
    "since": "Of kind `engine`: when an engine last wrote a state before that one took over; it does so every 10 s at the latest."
    " From then on none may have run.",
    "snapshot": "New state of the alarm; absent for events that are not about one alarm.",
    "annunciated": "True: it was spoken.",
    "user": "Who did it, empty for the engine itself.",
    "host": "From where.",
    "origin": "Who says that it happened. Absent: an engine of ours, which decided it. `derived`: concluded from two successive records "
    "of a Phoebus server. `imported`: concluded in the same way from what a Phoebus alarm logger had stored.",
    "result": "For the kind `command`: `command`, `done` (alarms acted on), "
    "`left_alone` (paths of alarms that rose after what the user had seen).",
}
_STATE_EXTRA = {
    "acknowledgement": "Who took notice: `user`, `host`, `reason`, `time`.",
    "suppression": "Shelved or out of service: `user`, `host`, `reason`, `since`, `until` (null: out of service).",
    "annunciating": "False: the alarm is not spoken.",
    "connected": "False: the PV is not connected.",
}
_TUPLES = {"alarm": "`[severity, message, value, time]`. ", "current": "`[severity, message, value, time]`. "}
_LATCH = "True when the alarm has just latched to a higher level."


def example() -> Event:
    """An event in which every field of the record is given."""
    ack = Acknowledgement("mara", "ops7", "pump is being changed", Nanos(_SECOND + 60 * NANOS_PER_SECOND))
    shelf = Suppression("mara", "ops7", "pump is being changed", ack.time, Nanos(_SECOND + 3600 * NANOS_PER_SECOND))
    rise = EventId("Site", 1_789_999_000, 41)
    alarm = Alarm(Severity.MAJOR_ACK, "LOLO_ALARM", "1.25", _SECOND, latch=True)
    current = Sample(Severity.MINOR, "LOW_ALARM", "2.5", ack.time)
    snapshot = Snapshot(alarm, current, False, _SECOND, rise, ack, shelf, annunciating=False)
    return Event(
        id=EventId("Site", 1_789_999_000, 42),
        time=ack.time,
        kind=EventKind.ACKNOWLEDGED,
        path="/Site/Cooling/Pump1:Flow",
        from_severity=Severity.MAJOR,
        to_severity=Severity.MAJOR_ACK,
        reason="acknowledged",
        pv_time=_SECOND,
        since=_SECOND,
        description="Pump 1 flow low",
        annunciated=True,
        user=ack.user,
        host=ack.host,
        comment=ack.reason,
        correlation="6f1c2a",
        result=CommandResult("acknowledge", 3, ("/Site/Cooling/Pump2:Flow",)),
        snapshot=snapshot,
        origin=Origin.DERIVED,
    )


def typical() -> Event:
    """An alarm that rises."""
    event = EventId("Site", 1_789_999_000, 41)
    alarm = Alarm(Severity.MAJOR, "LOLO_ALARM", "1.25", _SECOND, latch=True)
    snapshot = Snapshot(alarm, Sample(*alarm[:4]), True, _SECOND, event)
    return Event(
        event, _SECOND, EventKind.ALARM, "/Site/Cooling/Pump1:Flow", Severity.OK, Severity.MAJOR, "raised", _SECOND, "Pump 1 flow low",
        annunciated=True, snapshot=snapshot,
    )  # fmt: skip


def events_page() -> str:
    """The form of an event record."""
    data: dict[str, Any] = orjson.loads(encode_event(example()))
    pretty = orjson.dumps(orjson.loads(encode_event(typical())), option=orjson.OPT_INDENT_2).decode()
    return page(
        "Event records",
        prose(
            "An event is one line of history: what happened to one alarm, why, by whom, and the complete new state of that alarm. "
            "The engine writes it to the topic `<config>Events` in the same batch as the state record that it explains. "
            "The REST interface shows the same fields in a form of its own (times as text): see [openapi.json](openapi.json)."
        ),
        prose(
            f"The value is JSON, form version {VERSION} (field `v`); a reader refuses a version that it does not know. Times are integer "
            "nanoseconds since 1970, UTC. A field at its default is left out. The key of the record is `event:` and the path."
        ),
        f"```json\n{pretty}\n```",
        "## Fields",
        table(["field", "meaning"], _rows(data, Event, FIELDS, _EXTRA, {"v": "Form version."})),
        "## Fields of `state`",
        prose(summary(Snapshot)),
        table(["field", "meaning"], _rows(data["state"], Snapshot, STATE_FIELDS, _STATE_EXTRA, {"latch": _LATCH})),
        "## Kinds",
        table(["kind", "what happened"], [[code(kind.value), _kind(kind)] for kind in EventKind]),
    )


def _rows(data: dict[str, Any], model: type[Any], names: dict[str, str], extra: dict[str, str], own: dict[str, str]) -> list[list[str]]:
    """A row for each field of the record, in its order; a field that nobody has described is a fault."""
    docs = documented(model)
    known = {field.name for field in fields(model)}
    rows = []
    for name in data:
        attribute = names.get(name, name)
        if attribute not in known and name not in own:
            raise KeyError(f"{model.__name__}: the record has a field {name!r} that is not described")
        text = own.get(name) or extra.get(attribute) or docs.get(attribute) or ""
        if not text:
            raise KeyError(f"{model.__name__}.{attribute} has no docstring")
        rows.append([code(name), _TUPLES.get(name, "") + text])
    return rows


_PLAIN = {
    EventKind.ACKNOWLEDGED: "Somebody took notice of the alarm.",
    EventKind.UNACKNOWLEDGED: "Somebody took that back.",
    EventKind.SHELVED: "Somebody took the alarm out of sight for a time.",
    EventKind.UNSHELVED: "Shelving ended, by somebody or by its time.",
    EventKind.REMOVED: "The alarm left the tree.",
}


def _kind(kind: EventKind) -> str:
    text = documented(EventKind)[kind.name] or _PLAIN.get(kind, "")
    if not text:
        raise KeyError(f"the kind of event {kind.value!r} has no docstring")
    return text
