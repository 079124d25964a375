"""The state of every alarm at one moment: what a checkpoint holds, and what later events make of it.

At a moment an alarm is what the event with the greatest id among those up to then says. So a checkpoint and the events after it give the
same as all events, in whatever order they are looked at, and also where a clock ran back.

A checkpoint is announced before it is worked out and filled in afterwards; whoever writes events that are not newer deletes checkpoints
from their time on, announced ones too, and what is gone cannot be filled in. So none is ever kept that misses an event.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import orjson

from alarm_engine.errors import HistoryError, QueryTooLarge
from alarm_engine.model.path import is_below
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import Nanos
from backend.history.intervals import decode_state
from backend.history.port import PastAlarm, PastStates

EVENTS_BETWEEN = 10_000
"""So many events lie between two checkpoints: more make questions slower, fewer make the store larger."""
MOST_REPLAYED = 200_000
"""Events that one question reads after a checkpoint. There are more only while checkpoints are not made, or not yet made again."""

_VERSION = 1
_FAST = 1


class State(NamedTuple):
    """What one event says of its alarm."""

    path: str
    state: int
    """As `intervals.encode_state` has it."""
    epoch: int
    n: int
    time: Nanos


States = dict[str, State]
"""By path; alarms that were removed among them, for an older event must not bring them back."""


def replay(states: States, events: Iterable[State]) -> States:
    """The states after more events, in any order; `states` is changed."""
    for event in events:
        known = states.get(event.path)
        if known is None or (event.epoch, event.n) > (known.epoch, known.n):
            states[event.path] = event
    return states


def check_replayed(number: int) -> None:
    """Raise `QueryTooLarge` for more than `MOST_REPLAYED` events."""
    if number > MOST_REPLAYED:
        raise QueryTooLarge(
            f"more than {MOST_REPLAYED} events lie between that moment and the checkpoint before it: the history writer makes checkpoints"
            " by itself, look whether it runs, and ask again later"
        )


def next_time(base: Nanos | None, nth: Nanos) -> Nanos:
    """The moment of the next checkpoint: before the time of that event, of which more may come, unless there is nothing before it."""
    return nth if base is not None and nth - 1 <= base else Nanos(nth - 1)


def encode(states: States) -> bytes:
    """The content of a checkpoint."""
    columns = list(zip(*states.values(), strict=True)) or [()] * len(State._fields)
    return zlib.compress(orjson.dumps({"v": _VERSION, **dict(zip(State._fields, columns, strict=True))}), _FAST)


def decode(content: bytes) -> States:
    """The states of a checkpoint; raises `HistoryError` if it is none, or of a newer form."""
    try:
        columns = orjson.loads(zlib.decompress(content))
        if columns.pop("v") != _VERSION:
            raise ValueError("its form is another one")
        rows = zip(*(columns[field] for field in State._fields), strict=True)
        return {row[0]: State._make(row) for row in rows}
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise HistoryError(f"a checkpoint of the history cannot be read ({problem}): was it written by a newer tocsin?") from problem


def past_states(config: str, states: States, prefix: str | None, *, complete: bool) -> PastStates:
    """The alarms that were there, at and below a path."""
    below = sorted(states if prefix is None else (path for path in states if is_below(path, prefix)))
    there = (state for state in map(states.__getitem__, below) if state.state >= 0)
    alarms = tuple(PastAlarm(path, *_shown(state), EventId(config, epoch, n), time) for path, state, epoch, n, time in there)
    return PastStates(alarms, complete)


@cache
def _shown(state: int) -> tuple[Severity, bool, bool, bool]:
    """Severity, suppressed, out of service, connected; there are only some dozen states."""
    what = decode_state(state)
    assert what.severity is not None, "removed alarms are left out"
    return what.severity, what.suppressed, what.out_of_service, what.connected
