"""Ids of events that no engine numbered: made of the record alone, so that whoever reads it again, anywhere, makes the same id.

`epoch` is the second of the record's time stamp, as it is about that of a take-over for our engines: events of either follow those of the
other in time. `n` is the millisecond in that second, then a number of the record, then a place for each of its events: in all 53 bits, the
most that a reader of JSON can be trusted with. A topic that is made anew counts its offsets from 0 again, but not its time.
"""

from __future__ import annotations

from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_MS, Nanos

_PLACES = 8
"""Events of one record that have a place of their own; the few more that a removed component brings are counted on."""
_NUMBERS = 1 << 40


def derived_id(config: str, time: Nanos, number: int, place: int = 0) -> EventId:
    """The id of an event that follows from a record; `number`: what tells it from others of the same millisecond, such as its offset."""
    seconds, ms = divmod(time // NANOS_PER_MS, 1000)
    return EventId(config, seconds, (ms * _NUMBERS + number % _NUMBERS) * _PLACES + place)
