"""What happened to an alarm lately, and how often it comes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tocsin.client.types import Event, EventKind
from tocsin.explaining.facts import Past
from tocsin.explaining.story import Transition
from tocsin.explaining.words import base, because, known, person, since

_SHOWN = 8
_DOINGS = {
    EventKind.ACKNOWLEDGED: "acknowledged",
    EventKind.UNACKNOWLEDGED: "acknowledgement taken back",
    EventKind.SHELVED: "shelved",
    EventKind.UNSHELVED: "unshelved",
    EventKind.DISABLED: "taken out of service",
    EventKind.ENABLED: "put back into service",
}
_BACK = (EventKind.UNSHELVED, EventKind.ENABLED)
_OFTEN = 10
"""An alarm that comes more often than that in a day is a nuisance, whatever it says."""


def transitions(past: Past, now: datetime) -> Iterator[Transition]:
    """The last ones, newest first, in words."""
    # What closes a command says nothing of the alarm: that it was shelved, say, is an event of its own.
    told = [event for event in past.events if event.kind != EventKind.COMMAND]
    for event in told[:_SHOWN]:
        yield Transition(event.time, what(event))


def what(event: Event) -> str:
    """One event of an alarm."""
    if event.kind in _DOINGS:
        who = (
            f" by {person(event.user, event.host)}{because(event.comment)}" if event.user else f" ({event.reason})" if event.reason else ""
        )
        return f"{_DOINGS[event.kind]}{who}{_again(event)}"
    if event.kind == EventKind.REFUSED:
        return f"a command of {person(event.user, event.host)} was refused: {event.reason}"
    if event.kind == EventKind.REMOVED:
        return "left the alarm tree"
    change = f"{event.from_severity} → {event.to_severity}" if event.from_severity != event.to_severity else f"stays {event.to_severity}"
    told = f"{change}{_pv(event)}"
    return f"{told}; {event.reason}" if event.reason else told


def _again(event: Event) -> str:
    """As what an alarm comes back that was hidden."""
    in_alarm = event.kind in _BACK and known(event.to_severity) != known(event.to_severity).OK
    return f"; in alarm: {event.to_severity}" if in_alarm else ""


def _pv(event: Event) -> str:
    current = event.state.current if event.state is not None else None
    if event.state is None or current is None:
        return ""
    if not event.state.connected:
        return ", PV not connected"
    value = f" with value {current.value}" if current.value else ""
    return f", PV {base(current.severity)}{value}"


def often(past: Past, path: str, now: datetime) -> Iterator[str]:
    """How often it rose, and whether it is a nuisance."""
    if past.problem:
        yield f"The history can not be asked: {past.problem}"
        return
    if not past.rises_week:
        yield "It did not rise in the last 7 days."
    elif not past.rises_day:
        yield f"It did not rise in the last 24 hours, and {_times(past.rises_week)} in the last 7 days."
    else:
        yield f"It rose {_times(past.rises_day)} in the last 24 hours, {_times(past.rises_week)} in the last 7 days."
    tune = f"`tocsin tune '{path}'` tells which delay would have kept it quiet."
    if past.chattering is not None:
        number, last = past.chattering.number, since(past.chattering.last, now)
        yield f"It chatters: {_times(number)} it was announced for at least the third time within a minute, last at {last}. {tune}"
    elif past.fleeting is not None:
        yield f"It was over within seconds {_times(past.fleeting.number)}, last at {since(past.fleeting.last, now)}. {tune}"
    elif past.rises_day > _OFTEN:
        yield f"That is often. {tune}"


def _times(number: int) -> str:
    return "once" if number == 1 else "twice" if number == 2 else f"{number:,} times"
