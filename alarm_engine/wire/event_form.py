"""The form of our event record, for a parser that checks types while it reads: events are read by the million.

Fields that are absent have the defaults here. Fields that are not named here are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from alarm_engine.model.event import EventKind, Origin

Integer = Annotated[int, msgspec.Meta(ge=-(2**63) + 1, le=2**63 - 1)]
"""Nanoseconds, of 64 bits: a larger number would fail much later."""


class StateForm(msgspec.Struct, gc=False):
    """The new state of the alarm, in `state`."""

    alarm: tuple[str, str, str, Integer]
    """Severity, message, value, time."""
    current: tuple[str, str, str, Integer]
    since: Integer
    latch: bool = False
    connected: bool = True
    annunciating: bool = True
    rise: str | None = None
    ack: dict[str, Any] | None = None
    suppression: dict[str, Any] | None = None


class ResultForm(msgspec.Struct, gc=False):
    """What a command did, in `result`."""

    command: str
    done: int
    left_alone: tuple[str, ...]


class EventForm(msgspec.Struct, gc=False, rename={"from_": "from"}):
    """The record."""

    v: int
    id: str
    time: Integer
    kind: EventKind
    path: str
    from_: str
    to: str
    reason: str = ""
    description: str = ""
    user: str = ""
    host: str = ""
    comment: str = ""
    correlation: str = ""
    origin: Origin = Origin.ENGINE
    pv_time: Integer | None = None
    since: Integer | None = None
    annunciated: bool = False
    result: ResultForm | None = None
    state: StateForm | None = None


read_form: Callable[[bytes | str], EventForm] = msgspec.json.Decoder(EventForm).decode
"""The record's fields; raises `msgspec.DecodeError` with a sentence that names the field, `UnicodeDecodeError`."""
