"""Documents of the Phoebus alarm logger as the records that they were made of, as far as they tell.

The logger removes backslashes from paths, so that a `/` in the name of a PV cannot be told from one between two components; a protocol
(`sim://sine`) gives itself away. It stores neither states of components nor tombstones, and a note of a deletion as settings without any.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.path import canonical, split
from alarm_engine.model.severity import BY_NAME
from alarm_engine.model.times import NANOS_PER_MS, NANOS_PER_SECOND, Nanos, from_datetime, within
from alarm_engine.wire.command import IGNORED, kind_of
from alarm_engine.wire.keys import RecordType, key, parse_key
from alarm_engine.wire.topics import Topics

_PROTOCOL = re.compile(r"/(\w+)://(.*)$", re.DOTALL)
_STATE_FIELDS = ("severity", "message", "value", "time", "current_severity", "current_message")
_NUMBER_BITS = 40
_OWN = frozenset({"config", "message_time", "pv", "APPLICATION-ID"})
"""What the logger adds to a message."""


class Unmapped(ValueError):
    """A document that no event can be made of; the message says why, the same for all of a kind."""


def records_of(config: str, source: Mapping[str, Any], is_alarm: Callable[[str], bool]) -> list[StoredRecord]:
    """The records that a document was made of; two for a deletion. `is_alarm`: what is known of a path so far. Raises `Unmapped`."""
    try:
        kind, raw_path = parse_key(str(source["config"]))
    except (KeyError, ValueError) as problem:
        raise Unmapped("its field config is no key such as state:/Demo/Pump1") from problem
    except Exception as problem:
        raise Unmapped("its field config begins with none of state:, config:, command:") from problem
    path = canonical(unfold(raw_path))
    if not path.startswith(f"/{config}/") and path != f"/{config}":
        raise Unmapped(f"it is of another configuration (/{(split(path) or ('',))[0]})")
    time = moment(source.get("message_time"), "message_time")
    if kind is RecordType.STATE:
        return [_record(config, kind, path, time, _state(source))]
    if kind is RecordType.COMMAND:
        return [_record(config, kind, path, time, _command(source))]
    if kind is not RecordType.CONFIG:
        raise Unmapped(f"it is of kind {kind.value}, which no logger stores")
    settings = _settings(source)
    if is_alarm(path) and settings.keys() <= {"user", "host", "enabled", "latching", "annunciating", "delay", "count", "filter"}:
        note = {"user": settings.get("user", ""), "host": settings.get("host", ""), "delete": "Deleting"}
        return [_record(config, kind, path, time, note), _record(config, kind, path, time, None)]
    return [_record(config, kind, path, time, settings)]


def unfold(path: str) -> str:
    r"""A path whose backslashes were removed, with those that can be told put back: `/Demo/sim://sine` is `/Demo/sim:\/\/sine`."""
    return _PROTOCOL.sub(lambda found: "/" + f"{found[1]}://{found[2]}".replace("/", "\\/"), path)


def moment(text: Any, name: str) -> Nanos:
    """A time as the logger writes it, `2026-09-21 14:13:20.301` in UTC; milliseconds and ISO texts too. Raises `Unmapped`."""
    try:
        if isinstance(text, int) and not isinstance(text, bool):
            return within(text * NANOS_PER_MS)
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
        return from_datetime(found if found.tzinfo is not None else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as problem:
        raise Unmapped(f"its {name} is missing or is no date") from problem


def _record(config: str, kind: RecordType, path: str, time: Nanos, data: Mapping[str, Any] | None) -> StoredRecord:
    value = None if data is None else orjson.dumps(data)
    digest = hashlib.sha256(orjson.dumps([kind.value, path, time // NANOS_PER_MS]) + (value or b"")).digest()
    number = int.from_bytes(digest[:8], "big") >> (64 - _NUMBER_BITS)
    topic = Topics(config).command if kind is RecordType.COMMAND else config
    return StoredRecord(topic, number, time, key(kind, path), value, ())


def _state(source: Mapping[str, Any]) -> dict[str, Any]:
    lacking = [name for name in _STATE_FIELDS if source.get(name) is None and name != "value"]
    if lacking:
        raise Unmapped(f"a state without {', '.join(lacking)}")
    for name in ("severity", "current_severity"):
        if source[name] not in BY_NAME:
            raise Unmapped(f"its {name} is none of {', '.join(BY_NAME)}")
    seconds, nano = divmod(moment(source["time"], "time"), NANOS_PER_SECOND)
    state: dict[str, Any] = {
        "severity": source["severity"],
        "message": str(source["message"]),
        "value": source.get("value"),
        "time": {"seconds": seconds, "nano": nano},
        "current_severity": source["current_severity"],
        "current_message": str(source["current_message"]),
    }
    if source.get("latch") in (True, "true"):
        state["latch"] = True
    if source.get("mode") == "maintenance":
        state["mode"] = "maintenance"
    return state


def _command(source: Mapping[str, Any]) -> dict[str, Any]:
    text = source.get("command")
    if not isinstance(text, str) or (kind_of(text) is None and text.lower() not in IGNORED):
        raise Unmapped("its command is none that a Phoebus server knows")
    return {"user": str(source.get("user") or ""), "host": str(source.get("host") or ""), "command": text}


def _settings(source: Mapping[str, Any]) -> dict[str, Any]:
    """The message as it was, without what the logger and its defaults added."""
    text = source.get("config_msg")
    try:
        data = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError as problem:
        raise Unmapped("its config_msg is no JSON") from problem
    if not isinstance(data, dict):
        raise Unmapped("its config_msg is missing")
    found = {name: value for name, value in data.items() if value is not None and value != [] and name not in _OWN}
    for name in ("user", "host"):
        found.setdefault(name, str(source.get(name) or ""))
    return found
