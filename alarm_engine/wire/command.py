"""`command:` records: what operators and clients ask for."""

from __future__ import annotations

import orjson

from alarm_engine.errors import WireError
from alarm_engine.journal.port import Headers, Record, StoredRecord
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.path import canonical
from alarm_engine.model.state import EventId
from alarm_engine.model.times import Nanos
from alarm_engine.wire.headers import ID, REASON, SEEN, UNTIL, headers
from alarm_engine.wire.json_text import encode, quote
from alarm_engine.wire.keys import RecordType, key

IGNORED = frozenset({"dump", "pvs", "disconnected", "pv", "shutdown", "restart"})
"""Commands to the Phoebus server itself, which mean nothing to ours."""


def encode_command(command: Command, topic: str) -> Record:
    """The record of a command: JSON as Phoebus's, everything else in headers."""
    value = encode(f'{{"user":{quote(command.user)},"host":{quote(command.host)},"command":"{command.kind.value}"}}')
    extra: Headers = headers(
        id=command.id,
        reason=command.reason,
        seen=str(command.seen) if command.seen else None,
        until=str(command.until) if command.until is not None else None,
    )
    return Record(topic, key(RecordType.COMMAND, command.path), value, extra)


def kind_of(text: str) -> CommandKind | None:
    """The command that Phoebus's server would execute for this text: `ack...` and `unack...` by their beginning."""
    if text.startswith("ack"):
        return CommandKind.ACKNOWLEDGE
    if text.startswith("unack"):
        return CommandKind.UNACKNOWLEDGE
    try:
        return CommandKind(text)
    except ValueError:
        return None


def decode_command(record: StoredRecord, path: str) -> Command | None:
    """The command of a record; None for one that only a Phoebus server understands. Raises `WireError`."""
    try:
        data = orjson.loads(record.value or b"")
        text = data["command"]
        kind = kind_of(text)
        if kind is None:
            if text.lower() in IGNORED:
                return None
            raise WireError(f"command {text!r}: expected one of {', '.join(CommandKind)}")
        seen, until = record.header(SEEN), record.header(UNTIL)
        return Command(
            path=canonical(path),
            kind=kind,
            user=str(data.get("user", "")),
            host=str(data.get("host", "")),
            id=record.header(ID) or "",
            reason=record.header(REASON) or "",
            seen=EventId.parse(seen) if seen else None,
            until=Nanos(int(until)) if until else None,
            sent=record.time,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise WireError(f"not a command record ({problem!r}): {(record.value or b'')[:200]!r}") from problem
