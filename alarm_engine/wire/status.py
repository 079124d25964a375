"""`status:` records: the life sign of an engine, once a second on `<cell>Status`."""

from __future__ import annotations

from dataclasses import asdict

import orjson

from alarm_engine.errors import WireError
from alarm_engine.model.status import EngineStatus

VERSION = 1


def encode_status(status: EngineStatus) -> bytes:
    """The value of the record."""
    return orjson.dumps({"v": VERSION, **asdict(status)})


def decode_status(value: bytes) -> EngineStatus:
    """The life sign; fields that are not known are left aside. Raises `WireError`."""
    try:
        data = orjson.loads(value)
        return EngineStatus(**{name: data[name] for name in EngineStatus.__dataclass_fields__ if name in data})
    except (ValueError, KeyError, TypeError) as problem:
        raise WireError(f"not a status record ({problem!r}): {value[:200]!r}") from problem
