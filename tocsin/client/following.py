"""What a subscriber is told, from what comes over the line. No I/O and no clock: time comes in as `now`.

A subscription begins with a snapshot and goes on with events from the newest one in it. When the line breaks, it asks for what came after
the last event that it has; the server has that, from memory or from its history, or it says `reset`: then there is a new snapshot. So the
sequence is complete, and no event comes twice, whichever server answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import msgspec

from alarm_engine.model.state import EventId
from tocsin.client.answers import convert, renamed
from tocsin.client.errors import UnexpectedAnswer
from tocsin.client.sse import Message
from tocsin.client.types.events import Event
from tocsin.client.types.live import Alarm, AlarmList, AlarmState
from tocsin.client.types.names import EventKind, Severity, State
from tocsin.client.types.updates import Beat, Change, EngineStatus, Fresh, Snapshot, Stale, Update

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


class _Step(Enum):
    LOAD = "load all alarms, then follow what comes after"
    OPEN = "nothing has ever happened, so there is no event to go on from: open the stream first"
    LOAD_BESIDE = "load all alarms while the stream is open"
    FOLLOW = "follow"


class Following:
    """One subscription to one configuration."""

    def __init__(self, after: str | None = None, *, beats: bool = False) -> None:
        """`after`: event to go on from, without a snapshot. Raises `ValueError` for a text that is none."""
        self._known = EventId.parse(after) if after else None
        self._beats = beats
        self._step = _Step.FOLLOW if after is not None else _Step.LOAD
        self._gap = ""
        self._told_stale = ""
        """Kind of the reason that was told; empty: what was told is fresh."""
        self._good_at: datetime | None = None
        self._failures = 0

    @property
    def after(self) -> str | None:
        """The newest event that the subscriber has."""
        return str(self._known) if self._known else None

    @property
    def wants_snapshot(self) -> bool:
        """All alarms have to be loaded before anything else is told."""
        return self._step in (_Step.LOAD, _Step.LOAD_BESIDE)

    @property
    def wants_another_stream(self) -> bool:
        """Nothing more comes over this one that could be used."""
        return self._step is _Step.LOAD

    @property
    def pause_s(self) -> float:
        """How long to wait before the next try."""
        return min(FIRST_PAUSE_S * 2.0 ** min(max(self._failures - 1, 0), 10), LONGEST_PAUSE_S)

    def loaded(self, found: AlarmList, now: datetime) -> Iterator[Update]:
        """All alarms were loaded."""
        if found.as_of is None and self._step is _Step.LOAD:
            self._step = _Step.OPEN
            return
        self._known = EventId.parse(found.as_of) if found.as_of else None
        self._step = _Step.FOLLOW
        yield Snapshot(as_of=found.as_of, age_s=found.age_s, stale=found.stale, alarms=found.alarms, gap=self._gap)
        self._gap = ""
        if found.stale:
            yield from self._doubt(*_reason(found.age_s), self._since(found.age_s, now))
        else:
            yield from self._good(found.as_of, now)

    def take(self, message: Message, now: datetime) -> Iterator[Update]:
        """A message came."""
        if message.name == "event":
            yield from self._event(_read(message))
        elif message.name == "status" and self._step is _Step.OPEN:
            self._step = _Step.LOAD_BESIDE
        elif message.name == "status":
            yield from self._status(message, _read(message), now)
        elif message.name == "reset":
            self._gap = str(_read(message).get("reason") or "the server lacks what came in between")
            self._known, self._step = None, _Step.LOAD
        self._failures = 0

    def lost(self, why: str, now: datetime) -> Iterator[Update]:
        """The line broke, or nobody answered. It is told when the next try fails, too: most often it is but a server that is exchanged."""
        self._failures += 1
        self._step = _Step.LOAD if self._step is _Step.LOAD_BESIDE else self._step
        if self._failures > 1:
            yield from self._doubt("away", why, self._good_at or now)
            if self._beats:
                yield Beat(as_of=self.after, age_s=None, stale=True)

    def _event(self, data: dict[str, Any]) -> Iterator[Update]:
        event = convert(Event, renamed(data))
        identity = EventId.parse(event.id)
        if self._known is not None and identity[1:] <= self._known[1:]:
            return  # it was told, or is in the snapshot
        self._known = identity
        yield Change(event=event, alarm=alarm_after(event))

    def _status(self, message: Message, data: dict[str, Any], now: datetime) -> Iterator[Update]:
        as_of, age_s, stale = data.get("as_of"), data.get("age_s"), bool(data.get("stale", True))
        if message.id:  # what a filter left out counts as told
            newest = EventId.parse(message.id)
            self._known = newest if self._known is None or newest[1:] > self._known[1:] else self._known
        if stale:
            yield from self._doubt(*_reason(age_s), self._since(age_s, now))
        elif as_of is None or (self._known is not None and EventId.parse(as_of)[1:] <= self._known[1:]):
            yield from self._good(as_of, now)
        if self._beats:
            engine = data.get("engine")
            yield Beat(
                as_of=as_of,
                age_s=age_s,
                stale=bool(self._told_stale),
                unknown=int(data.get("unknown") or 0),
                maintenance=bool(data.get("maintenance")),
                notify=bool(data.get("notify", True)),
                engine=None if engine is None else convert(EngineStatus, engine),
                foreign=str(data.get("foreign") or ""),
            )

    def _good(self, as_of: str | None, now: datetime) -> Iterator[Update]:
        self._good_at = now
        if self._told_stale:
            self._told_stale = ""
            yield Fresh(as_of=as_of)

    def _doubt(self, kind: str, why: str, since: datetime) -> Iterator[Update]:
        if self._told_stale != kind:
            self._told_stale = kind
            yield Stale(since=since, why=why)

    def _since(self, age_s: float | None, now: datetime) -> datetime:
        silent_since = now if age_s is None else now - timedelta(seconds=age_s)
        return silent_since if self._good_at is None else min(self._good_at, silent_since)


def alarm_after(event: Event) -> Alarm | None:
    """The alarm as it is after an event; None where the event does not tell, and where the alarm left the tree."""
    state = event.state
    if state is None or event.kind is EventKind.REMOVED:
        return None
    standing = standing_of(state)
    fields = {name: getattr(state, name) for name in AlarmState.__dataclass_fields__}
    return Alarm(
        path=event.path,
        pv=event.pv,
        system=event.system,
        description=event.description,
        state=standing,
        known=standing is not State.UNKNOWN,
        version=event.id,
        **fields,
    )


def standing_of(state: AlarmState) -> State:
    """What an alarm counts as, as the server says it of a list."""
    if state.suppression is not None:
        return State.DISABLED if state.suppression.until is None else State.SHELVED
    if state.severity == Severity.OK:
        # A PV that went is UNDEFINED; one that is neither there nor in alarm has not come yet.
        return State.OK if state.connected else State.UNKNOWN
    return State.ACTIVE if state.severity.is_active else State.ACKNOWLEDGED


def _reason(age_s: float | None) -> tuple[str, str]:
    if age_s is None:
        return "silent", "the alarm engine has never given a life sign"
    if age_s > 5:
        return "silent", f"the alarm engine has given no life sign for {age_s:.0f} s"
    return "behind", "the server has not read all that the alarm engine wrote"


def _read(message: Message) -> dict[str, Any]:
    try:
        return msgspec.json.decode(message.data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise UnexpectedAnswer(f"a message of the stream cannot be read: {problem}") from problem
