"""Events and dead letters as documents, and back."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from alarm_engine.errors import HistoryError, WireError
from alarm_engine.model.event import Event
from alarm_engine.model.path import name, system
from alarm_engine.model.severity import NAMES
from alarm_engine.model.times import NANOS_PER_MS
from alarm_engine.wire.event import decode_event
from backend.history.dead_letters import body_of
from backend.history.intervals import encode_state
from backend.history.matching import fold, search_parts
from backend.history.port import MAX_PATTERN, DeadLetter

_CHUNK = 8_000
"""Characters of a term: the server takes 32,766 bytes, a character has four at the most."""
_OVERLAP = 3 * MAX_PATTERN
"""So that what is searched for, which grows up to three times when it is folded, is whole in one of the chunks."""
_LONGEST_ID = 400


def document(event: Event) -> bytes:
    """The document of an event; raises what `dead_letters.body_of` does."""
    state = encode_state(event)
    pv, part_of_tree, folded = _of_path(event.path)
    fields = {
        "config": event.id.config,
        "epoch": event.id.epoch,
        "n": event.id.n,
        "time": event.time,
        "@timestamp": event.time // NANOS_PER_MS,
        "path": event.path,
        "pv": pv,
        "system": part_of_tree,
        "kind": event.kind.value,
        "severity": NAMES[event.to_severity],
        "user": event.user,
        "text": [term for part in dict.fromkeys([folded, *search_parts(event)]) for term in _terms(part)],
        "event": body_of(event).decode(),
    }
    if state is not None:
        fields["state"] = state
    return orjson.dumps(fields)


@lru_cache(maxsize=50_000)
def _of_path(path: str) -> tuple[str, str, str]:
    return name(path), system(path), fold(path)


def event_of(source: Mapping[str, Any]) -> Event:
    """The event of a document; raises `HistoryError` if it is none of ours."""
    try:
        return decode_event(source["event"])
    except (KeyError, AttributeError, WireError) as problem:
        raise HistoryError(f"a document of the history holds no event of ours ({problem}): was it written by something else?") from problem


def dead_document(letter: DeadLetter) -> bytes:
    """The document of a dead letter."""
    return orjson.dumps(
        {
            "config": letter.config,
            "key": letter.key,
            "reason": letter.reason,
            "body": base64.b64encode(letter.body).decode(),
            "@timestamp": time.time_ns() // NANOS_PER_MS,
        }
    )


def letter_of(source: Mapping[str, Any]) -> DeadLetter:
    """The dead letter of a document."""
    return DeadLetter(source["config"], source["key"], source["reason"], base64.b64decode(source["body"]))


def document_id(key: str) -> str:
    """The id of a document: the key, or its hash where the server would refuse it as too long."""
    encoded = key.encode()
    return key if len(encoded) <= _LONGEST_ID else "sha256." + hashlib.sha256(encoded).hexdigest()


def _terms(text: str) -> list[str]:
    if len(text) <= _CHUNK:
        return [text]
    return [text[at : at + _CHUNK] for at in range(0, len(text) - _OVERLAP, _CHUNK - _OVERLAP)]
