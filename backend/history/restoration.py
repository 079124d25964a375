"""A journal that was lost, made again from the history: states, acknowledgements, shelving and switches as they were last stored.

The tree itself comes from its files. What only the journal knew is lost: running delays, alarms counted for `count`, and an acknowledgement
that a disconnect or a suppression hid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo

from alarm_engine.errors import JournalCorrupt, JournalError
from alarm_engine.journal.port import Journal, Record
from alarm_engine.journal.reading import read_to_end
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.state import Sample, Suppression
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from alarm_engine.replay import Replayed
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.headers import STATE
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.runtime import RootRuntime, Runtime, Switches, encode_root, encode_runtime
from alarm_engine.wire.state import LeafState, Modes, StateExtras, encode_extras, encode_leaf_state
from alarm_engine.wire.topics import Topics
from backend.history.port import MAX_RANGE_DAYS, EventQuery, History

_AT_ONCE = 500
"""Alarms that are asked for, and written in one transaction."""
_SWITCHING = {
    CommandKind.MAINTENANCE.value: ("maintenance", True),
    CommandKind.NORMAL.value: ("maintenance", False),
    CommandKind.DISABLE_NOTIFY.value: ("notify", False),
    CommandKind.ENABLE_NOTIFY.value: ("notify", True),
}
_DAY_NS = 86_400 * NANOS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be restored, and as of when."""

    config: str
    zone: tzinfo
    """Zone of dates without one."""
    time: Nanos
    """Events later than that are left aside."""
    now: Nanos
    over: bool = False
    """Also where an engine has written states since the journal was lost."""


@dataclass(slots=True)
class Restored:
    """What was written."""

    alarms: int = 0
    acknowledged: int = 0
    suppressed: int = 0
    """Shelved and out of service."""
    unknown: int = 0
    """Alarms of the tree that the history does not know: they begin anew."""
    switches: Switches = field(default_factory=Switches)


async def restore(journal: Journal, history: History, wanted: Wanted) -> Restored:
    """Write what the history knows of the alarms that are in the tree; twice is the same as once.

    `journal`: open as the one writer of the configuration. Raises `HistoryError`, and `JournalError` where there is no
    tree yet or an engine has written states.
    """
    topics = Topics(wanted.config)
    await journal.ensure_topics(topics.specs())
    known = Replayed()
    async for record in read_to_end(journal, [topics.config, topics.settings, topics.runtime]):
        known.apply(record, topics, wanted.zone)
    known.settle(topics, wanted.zone)
    alarms = {path: one for path, one in known.settings.items() if isinstance(one, AlarmSettings)}
    if not alarms:
        raise JournalCorrupt(
            f"topic {topics.config} has no alarm: bring the tree into force first, `tocsin config sync`; nothing was restored"
        )
    events: dict[str, Event] = {}
    for some in _chunks(list(alarms)):
        found = await history.last_before(wanted.config, some, Nanos(wanted.time + 1))
        events |= {path: event for path, event in found.items() if event.kind is not EventKind.REMOVED}
    if not wanted.over:
        _refuse_newer(known, events, topics)
    done = Restored(unknown=len(alarms) - len(events), switches=await _switches(history, wanted))
    modes = Modes(done.switches.maintenance, done.switches.notify)
    for some in _chunks(list(events)):
        records = [record for path in some for record in _records(alarms[path], events[path], modes, wanted)]
        await journal.append(records)
        done.alarms += len(some)
        done.acknowledged += sum(_is_acknowledged(events[path]) for path in some)
        done.suppressed += sum(_suppression(events[path], wanted.now) is not None for path in some)
    await journal.append([Record(topics.runtime, key(RecordType.RUNTIME, "/" + wanted.config), encode_root(RootRuntime(done.switches)))])
    return done


def _refuse_newer(known: Replayed, events: Mapping[str, Event], topics: Topics) -> None:
    """A state that is none of ours was written by an engine since: what it knows is newer than the history."""
    for path, state in known.states.items():
        extras, event = known.extras.get(path), events.get(path)
        if not isinstance(state, LeafState) or extras is None or event is None or extras.event != event.id:
            raise JournalError(
                f"topic {topics.config} has states already, the first is that of {path}: an engine has written them since the journal was "
                "lost; nothing was restored. To write older ones over them say --over, and with --at the time of the loss"
            )


def _records(settings: AlarmSettings, event: Event, modes: Modes, wanted: Wanted) -> Iterator[Record]:
    snapshot, topics = event.snapshot, Topics(wanted.config)
    assert snapshot is not None  # `last_before` answers no others
    suppression = _suppression(event, wanted.now)
    if suppression is not None:
        hidden = replace(settings, enabled=False, enabled_at=suppression.until)
        value = encode_config(hidden, suppression.user, suppression.host, wanted.zone)
        yield Record(topics.config, key(RecordType.CONFIG, event.path), value)
    current = snapshot.current
    shown = Sample(snapshot.alarm.severity, "OK", "", snapshot.alarm.time) if snapshot.suppression is not None else current
    extras = StateExtras(event.id, snapshot.rise, snapshot.since, snapshot.connected, current.value, current.time)
    state = encode_leaf_state(snapshot.alarm._replace(latch=False), shown, modes)
    yield Record(topics.config, key(RecordType.STATE, event.path), state, ((STATE, encode_extras(extras)),))
    acknowledgement = snapshot.acknowledgement if _is_acknowledged(event) else None
    # None removes what an engine knew that began too early: an acknowledgement that it kept would be given to what is restored.
    runtime = encode_runtime(Runtime(acknowledgement=acknowledgement, suppression=suppression))
    yield Record(topics.runtime, key(RecordType.RUNTIME, event.path), runtime)


def _is_acknowledged(event: Event) -> bool:
    return event.snapshot is not None and event.snapshot.alarm.severity.is_acknowledged


def _suppression(event: Event, now: Nanos) -> Suppression | None:
    suppression = event.snapshot.suppression if event.snapshot is not None else None
    ended = suppression is not None and suppression.until is not None and suppression.until <= now
    return None if ended else suppression


async def _switches(history: History, wanted: Wanted) -> Switches:
    """As they were switched last, each by its own event; looked for as far back as one question may reach."""
    begin = Nanos(max(0, wanted.time - (MAX_RANGE_DAYS - 1) * _DAY_NS))
    query = EventQuery(wanted.config, begin, Nanos(wanted.time + 1), path_prefix="/" + wanted.config, kinds=frozenset({EventKind.MODE}))
    found: dict[str, bool] = {}
    for event in (await history.events(query)).events:  # newest first
        if event.reason in _SWITCHING:
            name, value = _SWITCHING[event.reason]
            found.setdefault(name, value)
    return Switches(**found)


def _chunks(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(paths), _AT_ONCE):
        yield paths[begin : begin + _AT_ONCE]
