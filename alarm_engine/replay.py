"""Reading a configuration back from the journal."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo

import structlog

from alarm_engine.errors import WireError
from alarm_engine.evaluator import Evaluator, Saved
from alarm_engine.evaluator.commands import Given
from alarm_engine.evaluator.emit import by_itself
from alarm_engine.evaluator.moving import arrived
from alarm_engine.evaluator.restoration import restore_leaf, restore_node
from alarm_engine.journal.port import Journal, StoredRecord
from alarm_engine.journal.reading import read_to_end
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import canonical, name, split
from alarm_engine.model.settings import AlarmSettings, Settings
from alarm_engine.model.times import Moment, Nanos
from alarm_engine.revisions import Due, Staging, moves, records_of, with_choice
from alarm_engine.wire.config import decode_config
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.headers import ENGINE, STATE
from alarm_engine.wire.keys import RecordType, key, parse_key
from alarm_engine.wire.runtime import RootRuntime, Runtime, Switches, decode_root, decode_runtime
from alarm_engine.wire.state import LeafState, Modes, NodeState, StateExtras, decode_extras, decode_state
from alarm_engine.wire.topics import Topics

log = structlog.get_logger()

_EVENTS = 20_000
"""Newest events that are looked at: commands that were answered in them are not carried out again."""
_AT_ONCE = 500
"""Alarms worked in before anybody else gets a turn."""


@dataclass(slots=True)
class Replayed:
    """The last word of the journal on everything in a configuration."""

    settings: dict[str, Settings] = field(default_factory=dict)
    states: dict[str, LeafState | NodeState] = field(default_factory=dict)
    extras: dict[str, StateExtras] = field(default_factory=dict)
    runtimes: dict[str, Runtime] = field(default_factory=dict)
    root: RootRuntime = field(default_factory=RootRuntime)
    modes: Modes | None = None
    """What the newest state record says of the switches, whoever wrote it: every one carries them."""
    next: dict[str, int] = field(default_factory=dict)
    """By topic: offset after the last record that was read."""
    next_state: int = 0
    """Offset after the last `state:` record of an alarm or a component."""
    last_sign: Nanos | None = None
    """When an engine of ours last wrote a state; one that has nothing else to write does so every 10 s."""
    broken: int = 0
    """Records that could not be read."""
    staging: Staging | None = None
    """What is held back of revisions."""
    _newest: deque[bytes] = field(default_factory=lambda: deque(maxlen=8))
    """The newest events, as they were read."""
    _answers: deque[bytes] = field(default_factory=lambda: deque(maxlen=_EVENTS))
    """Events that answer somebody; decoded only when they are asked for, for there may be very many others."""

    @property
    def newest_epoch(self) -> int:
        """The newest epoch that an alarm's state comes from: known even when no event is left, after a month of quiet."""
        return max((extras.event.epoch for extras in self.extras.values() if extras.event is not None), default=0)

    def apply(self, record: StoredRecord, topics: Topics, zone: tzinfo) -> None:
        """One record; a broken one is reported and left aside, so that every other alarm lives."""
        self.next[record.topic] = record.offset + 1
        if record.topic == topics.events:
            self._keep(record)
            return
        try:
            if self.staging is None:
                self.staging = Staging(topics)
            for due in records_of(self.staging.take(record)):
                self._take(due, topics, zone)
        except WireError as problem:
            self._skip(record, problem)

    def settle(self, topics: Topics, zone: tzinfo) -> None:
        """Everything was read: what belongs to no open revision is in force; may be called again."""
        for _ in self.settling(topics, zone):
            pass

    def settling(self, topics: Topics, zone: tzinfo) -> Iterator[None]:
        """The same in steps of milliseconds."""
        if self.staging is None:
            self.staging = Staging(topics)
        if not self.staging.is_settled:
            prefix = len(key(RecordType.CONFIG, ""))
            due = records_of(self.staging.settle(lambda config: canonical(config[prefix:]) in self.states))
            for number, one in enumerate(due):
                if number % _AT_ONCE == 0:
                    yield
                self._take(one, topics, zone)

    @property
    def is_closing(self) -> bool:
        """A revision has closed, and records of it are still to be read."""
        return self.staging is not None and self.staging.is_closing

    def _skip(self, record: StoredRecord, problem: WireError) -> None:
        self.broken += 1
        log.warning("record skipped", topic=record.topic, offset=record.offset, key=record.key, problem=str(problem))

    def _take(self, due: Due, topics: Topics, zone: tzinfo) -> None:
        record = due.record
        try:
            kind, raw_path = parse_key(record.key)
            path = canonical(raw_path)
            if kind is RecordType.CONFIG:
                self._config(path, due, zone)
            elif kind is RecordType.STATE:
                self._state(path, record)
            elif kind is RecordType.RUNTIME:
                self._runtime(path, record.value, topics)
        except WireError as problem:
            self._skip(record, problem)
        except Exception:
            self.broken += 1
            log.exception("record skipped by a fault of tocsin, please report it", topic=record.topic, offset=record.offset)

    def _config(self, path: str, due: Due, zone: tzinfo) -> None:
        if due.record.value is None:
            self.settings.pop(path, None)
            return
        before = self.settings.get(path)
        decoded = decode_config(due.record.value, zone, before)
        if decoded.settings is not None:
            self.settings[path] = with_choice(decoded.settings, before) if due.overtaken else decoded.settings

    def _state(self, path: str, record: StoredRecord) -> None:
        self.next_state = record.offset + 1
        self.extras.pop(path, None)
        if record.value is None:
            self.states.pop(path, None)
            return
        self.states[path] = state = decode_state(record.value)
        self.modes = state.modes
        header = record.header(STATE)
        if header:
            self.extras[path] = decode_extras(header)
        if header or record.header(ENGINE):
            self.last_sign = max(self.last_sign or record.time, record.time)

    def _runtime(self, path: str, value: bytes | None, topics: Topics) -> None:
        if path == "/" + topics.config_name:
            self.root = decode_root(value) if value is not None else RootRuntime()
        elif value is None:
            self.runtimes.pop(path, None)
        else:
            self.runtimes[path] = decode_runtime(value)

    def _keep(self, record: StoredRecord) -> None:
        value = record.value or b""
        self._newest.append(value)
        if b'"correlation"' in value:
            self._answers.append(value)

    @property
    def last_event(self) -> Event | None:
        """The newest event that can be read, None if there was none."""
        return next((event for value in reversed(self._newest) if (event := _decode(value)) is not None), None)

    @property
    def has_events(self) -> bool:
        """One was read."""
        return bool(self._newest)

    def answers(self) -> Iterator[tuple[str, Given]]:
        """Correlation ids of commands that were answered lately, each with the answer: a retry is not carried out again."""
        for value in self._answers:
            event = _decode(value)
            if event is not None and event.correlation and event.kind in (EventKind.COMMAND, EventKind.REFUSED):
                yield event.correlation, Given(event.path, event.kind, event.reason, event.result)

    def restore(self, evaluator: Evaluator, now: Moment) -> None:
        """Build the tree, at once."""
        for _ in self.restoring(evaluator, now):
            pass

    def restoring(self, evaluator: Evaluator, now: Moment) -> Iterator[None]:
        """Build the tree in steps of milliseconds: components first, siblings and their parents in any order."""
        evaluator.go_on_from(self.root)
        if self.modes is not None:  # as every state record has them: a Phoebus server may have had the configuration before us
            evaluator.switches = Switches(self.modes.maintenance, self.modes.notify)
        moved = self._carry_over()
        for number, path in enumerate(sorted(self.settings, key=lambda p: len(split(p)))):
            if number % _AT_ONCE == 0:
                yield
            settings = self.settings[path]
            state = self.states.get(path)
            if isinstance(settings, AlarmSettings):
                leaf_state = state if isinstance(state, LeafState) else None
                saved = Saved(settings, leaf_state, self.extras.get(path), self.runtimes.get(path))
                if not restore_leaf(evaluator, path, saved, now):
                    log.warning("alarm left out: something else stands there or above, or outside of the configuration", path=path)
            else:
                restore_node(evaluator, path, settings, None)
        for path, node in list(evaluator.tree.nodes.items()):
            state = self.states.get(path)
            if isinstance(state, NodeState):
                evaluator.tree.count_node(node, state.severity)
        for old, new in moved.items():
            arrived(evaluator, new, old, now)
        for path, state in self.states.items():
            if isinstance(state, LeafState) and path in self.extras and path not in self.settings:
                # An engine of ours had it, and was not there any more when it was removed.
                evaluator.emitter.left(path, state.alarm.severity, "", by_itself("removed while no engine ran"), now)

    def _carry_over(self) -> dict[str, str]:
        """Alarms that a revision moved while no engine was there to move them, or one died over it: what was known goes to the new path."""
        gone = [path for path, state in self.states.items() if path not in self.settings and isinstance(state, LeafState)]
        if not gone:
            return {}
        pvs = {name(path) for path in gone}
        alarms = [path for path, one in self.settings.items() if isinstance(one, AlarmSettings)]
        moved = moves(gone, [path for path in alarms if path not in self.states and name(path) in pvs])
        for old, path in moved.items():
            self.states[path] = self.states.pop(old)
            if old in self.extras:
                self.extras[path] = self.extras.pop(old)
            if old in self.runtimes:
                self.runtimes[path] = self.runtimes.pop(old)
        return moved


async def settle(journal: Journal, topics: Topics, replayed: Replayed, zone: tzinfo) -> None:
    """Read how far revisions have come, after all else, and work in what is in force. Whoever follows the journal has done that."""
    if replayed.staging is None or not replayed.staging.is_settled:
        start = {topics.settings: replayed.next.get(topics.settings, 0)}
        async for record in read_to_end(journal, [topics.settings], start):
            replayed.apply(record, topics, zone)
        for _ in replayed.settling(topics, zone):
            await asyncio.sleep(0)


async def starts_of(journal: Journal, topics: Topics, replayed: Replayed) -> dict[str, int]:
    """Where to read on, by topic; of events only the newest are needed. What is not in it is read from its beginning."""
    return {topics.events: max(0, await journal.end(topics.events) - _EVENTS), **replayed.next}


Look = Callable[[StoredRecord, Replayed], None]
"""Is told of each record after it was applied."""


async def replay(journal: Journal, topics: Topics, zone: tzinfo, known: Replayed | None = None, look: Look | None = None) -> Replayed:
    """Read the configuration to its end: from its beginning, or on from where `known` ends."""
    replayed = known or Replayed()
    starts = await starts_of(journal, topics, replayed)
    begun, window = starts[topics.events], _EVENTS
    async for record in read_to_end(journal, [topics.config, topics.runtime, topics.events], starts):
        replayed.apply(record, topics, zone)
        if look is not None:
            look(record, replayed)
    while not replayed.has_events and begun > 0:
        # Nothing but the marks of transactions in there: an engine that changed nothing for long.
        window *= 8
        begun = max(0, begun - window)
        async for record in read_to_end(journal, [topics.events], {topics.events: begun}):
            replayed.apply(record, topics, zone)
    return replayed


def _decode(value: bytes) -> Event | None:
    try:
        return decode_event(value)
    except WireError as problem:
        log.warning("event skipped", problem=str(problem))
        return None
