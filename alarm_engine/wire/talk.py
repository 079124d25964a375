"""`talk:` records: what annunciators speak."""

from __future__ import annotations

from alarm_engine.model.severity import NAMES, Severity
from alarm_engine.wire.json_text import encode, quote


def encode_talk(severity: Severity, text: str, standout: bool = False) -> bytes:
    """The value of a `talk:` record; Phoebus's annunciator needs all three fields."""
    flag = "true" if standout else "false"
    return encode(f'{{"standout":{flag},"severity":"{NAMES[severity]}","talk":{quote(text)}}}')
