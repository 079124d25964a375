"""The server beside which we evaluate, as far as its published states tell: what it shows, what its operators did, whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

from alarm_engine.errors import WireError
from alarm_engine.journal.port import StoredRecord
from alarm_engine.logic.side_by_side import Act, Shown, act_between
from alarm_engine.model.path import canonical
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic
from alarm_engine.replay import Replayed
from alarm_engine.wire.keys import parse_key
from alarm_engine.wire.state import LeafState, Modes, NodeState, decode_state

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the two may be apart."""

    settles_s: float = 5.0
    """A difference that is over within so many seconds is none."""
    silent_s: float = 30.0
    """A server that wrote no state for so long is not compared with: it writes one each 10 s at the latest."""


class Shadowed:
    """Belongs to the loop of one shadow."""

    def __init__(self, patience: Patience, now: Moment) -> None:
        self._patience = patience
        self._shown: dict[str, Shown] = {}
        self._owed: dict[str, tuple[Act, Monotonic]] = {}
        """Acts that our side could not follow yet, and until when it is tried: it may hear of the alarm after the act."""
        self._heard: Monotonic = now.monotonic
        self.modes: Modes | None = None
        """Its switches, which stand in every state; None before the first."""
        self.published = 0
        """States since the start."""

    @property
    def paths(self) -> list[str]:
        """Of which it has published a state."""
        return list(self._shown)

    def begin(self, replayed: Replayed, now: Moment) -> None:
        """From what its topic has now."""
        self._shown = {path: _shown(state) for path, state in replayed.states.items()}
        self._owed.clear()
        self._heard = now.monotonic

    def shows(self, path: str) -> Shown | None:
        """What it published last; None: nothing, or it has taken that back."""
        return self._shown.get(path)

    def take(self, record: StoredRecord, latching: Callable[[str], bool | None], now: Moment) -> str | None:
        """A state that it published; returns its path. `latching`: whether the alarm at a path latches, None where we have none.

        None for a record that cannot be read.
        """
        self._heard = now.monotonic
        try:
            path = canonical(parse_key(record.key)[1])
            state = decode_state(record.value) if record.value is not None else None
        except WireError as problem:
            log.warning("record skipped", topic=record.topic, offset=record.offset, key=record.key, problem=str(problem))
            return None
        self.published += 1
        if state is None:
            self._shown.pop(path, None)
            return path
        self.modes = state.modes
        before, after = self._shown.get(path), _shown(state)
        self._shown[path] = after
        latches = latching(path)
        act = act_between(before, after, latches) if before is not None and latches is not None else None
        if act is not None:
            self._owed[path] = act, Monotonic(now.monotonic + round(self._patience.settles_s * NANOS_PER_SECOND))
        return path

    def acts(self, now: Moment) -> Iterator[tuple[str, Act, Shown]]:
        """What operators did there and our side has not followed yet, with what the server shows; those that are too old are dropped."""
        for path, (act, until) in list(self._owed.items()):
            theirs = self._shown.get(path)
            if theirs is None or now.monotonic > until:
                del self._owed[path]
            else:
                yield path, act, theirs

    def done(self, path: str) -> None:
        """Our side has followed, or need not."""
        self._owed.pop(path, None)

    def is_silent(self, now: Moment) -> bool:
        """It says nothing any more."""
        return (now.monotonic - self._heard) / NANOS_PER_SECOND > self._patience.silent_s


def _shown(state: LeafState | NodeState) -> Shown:
    if isinstance(state, LeafState):
        return Shown.of(state.alarm[:2], (state.current_severity, state.current_message))
    return Shown(state.severity)
