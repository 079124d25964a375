"""Keys of records: `<type>:<path>`; the first colon ends the type, later ones belong to the path."""

from __future__ import annotations

from enum import StrEnum

from alarm_engine.errors import WireError


class RecordType(StrEnum):
    """What a record is about. The first four are Phoebus's."""

    CONFIG = "config"
    STATE = "state"
    COMMAND = "command"
    TALK = "talk"
    EVENT = "event"
    RUNTIME = "runtime"
    """What must survive a restart beyond the state record."""
    SYNCED = "synced"
    """What the last sync from files wrote for a path."""
    COMPONENT = "component"
    """What a component has beyond the fields of Phoebus."""
    REVISION = "revision"
    """How far the newest sync from files has come; the path is that of the root."""
    REPORT = "report"
    """What a sync process says of the files of a tree; the path is that of the root."""
    STATUS = "status"
    """Life sign of the engine that runs a configuration."""
    STANDBY = "standby"
    """Life sign of one that could take it over; of a type of its own, so that nobody takes it for the other."""


def key(record_type: RecordType, path: str) -> str:
    """The key of a record."""
    return f"{record_type}:{path}"


_NO_TEXT = "\ufffd"
"""What stands for bytes that are not UTF-8."""


def parse_key(text: str) -> tuple[RecordType, str]:
    """Type and path of a key, the path as it stands there; raises `WireError` for a key that is none of ours."""
    if _NO_TEXT in text:
        raise WireError(f"key {text!r}: is not UTF-8")
    kind, colon, path = text.partition(":")
    try:
        if colon:
            return RecordType(kind), path
    except ValueError:
        pass
    raise WireError(f"key {text!r}: expected one of {', '.join(t.value for t in RecordType)}, a colon and a path")
