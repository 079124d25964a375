"""JSON strings spelled as Phoebus's writer (Jackson) spells them, so that records are equal to the byte."""

from __future__ import annotations

import re
from json.encoder import encode_basestring
from typing import Any

from alarm_engine.model.times import Nanos

_GREATEST = 2**63
_PLAIN = re.compile(r'[^\x00-\x1f"\\\U00010000-\U0010ffff]*').fullmatch
_SPECIAL = re.compile(r"\\u00[0-9a-f]{2}|[\U00010000-\U0010ffff]")


def quote(text: str) -> str:
    r"""The text as a JSON string: control characters escaped (`\u001B`), beyond the BMP as surrogates, all else as it is."""
    if _PLAIN(text):
        return f'"{text}"'
    return _SPECIAL.sub(_respell, encode_basestring(text))


def _respell(match: re.Match[str]) -> str:
    found = match.group()
    if len(found) > 1:
        return "\\u" + found[2:].upper()
    code = ord(found) - 0x10000
    return f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}"


def encode(text: str) -> bytes:
    """UTF-8; a lone surrogate, which no JSON text can hold, becomes `?`."""
    return text.encode("utf-8", "replace")


def moment(value: Any) -> Nanos:
    """A time as our records have it, an integer of 64 bits; raises `TypeError` for anything else, which would fail much later."""
    if type(value) is int and -_GREATEST < value < _GREATEST:
        return value  # type: ignore[return-value]  # `Nanos()` is a call, and there are four for each event
    raise TypeError(f"{str(value)[:40]!r} is not a time in nanoseconds")
