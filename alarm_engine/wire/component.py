"""`component:` records: what a component has beyond the fields of Phoebus, on a topic that Phoebus does not read."""

from __future__ import annotations

import orjson

from alarm_engine.errors import WireError
from alarm_engine.wire.json_text import encode, quote


def encode_component(identity: str) -> bytes:
    """The record of a component with a lasting identity; one without has none."""
    return encode(f'{{"id":{quote(identity)}}}')


def decode_component(value: bytes) -> str:
    """The identity, `""` if there is none; raises `WireError`."""
    try:
        data = orjson.loads(value)
    except ValueError as problem:
        raise WireError(f"component record is no JSON ({problem}): {value[:200]!r}") from problem
    identity = data.get("id", "") if isinstance(data, dict) else None
    if not isinstance(identity, str):
        raise WireError(f"component record without an id that is a text: {value[:200]!r}")
    return identity
