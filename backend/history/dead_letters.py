"""What no store could keep as an event: put aside with its reason, so that it is neither lost nor in the way of those after it."""

from __future__ import annotations

from alarm_engine.model.event import Event
from alarm_engine.wire.event import encode_event
from backend.history.port import DeadLetter

_LONGEST_REASON = 500
_INT64 = 1 << 63
CANNOT_BE_WRITTEN = (TypeError, ValueError, OverflowError)
"""What `body_of` raises."""


def body_of(event: Event) -> bytes:
    """The event as it is in the journal; raises one of `CANNOT_BE_WRITTEN` if no store could take it."""
    body = encode_event(event)
    for number in (event.id.epoch, event.id.n, event.time):
        if not -_INT64 <= number < _INT64:
            raise OverflowError(f"{number} has more than 64 bits")
    return body


def letter_of(event: Event, reason: object) -> DeadLetter:
    """The dead letter of an event that a store refuses."""
    try:
        body = encode_event(event)
    except CANNOT_BE_WRITTEN:
        body = repr(event).encode(errors="backslashreplace")
    return DeadLetter(_plain(event.id.config), _plain(str(event.id)), _plain(str(reason))[:_LONGEST_REASON], body)


def _plain(text: str) -> str:
    """A text that can be written as UTF-8."""
    return text.encode(errors="backslashreplace").decode()
