"""Reading a configuration back from the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo

import structlog

from alarm_engine.errors import WireError
from alarm_engine.evaluator import Commander, Evaluator, Saved
from alarm_engine.evaluator.commands import Given
from alarm_engine.evaluator.restoration import restore_leaf, restore_node
from alarm_engine.journal.port import Journal, StoredRecord
from alarm_engine.journal.reading import read_to_end
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import canonical, split
from alarm_engine.model.settings import AlarmSettings, Settings
from alarm_engine.model.times import Moment
from alarm_engine.wire.config import decode_config
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.headers import STATE
from alarm_engine.wire.keys import RecordType, parse_key
from alarm_engine.wire.runtime import Runtime, Switches, decode_runtime, decode_switches
from alarm_engine.wire.state import LeafState, Modes, NodeState, StateExtras, decode_extras, decode_state
from alarm_engine.wire.topics import Topics

log = structlog.get_logger()


@dataclass(slots=True)
class Replayed:
    """The last word of the journal on everything in a configuration."""

    settings: dict[str, Settings] = field(default_factory=dict)
    states: dict[str, LeafState | NodeState] = field(default_factory=dict)
    extras: dict[str, StateExtras] = field(default_factory=dict)
    runtimes: dict[str, Runtime] = field(default_factory=dict)
    switches: Switches = field(default_factory=Switches)
    modes: Modes | None = None
    """What the newest state record says of the switches, whoever wrote it: every one carries them."""
    next_config: int = 0
    """Offset after the last record of the configuration topic."""
    broken: int = 0
    """Records that could not be read."""

    @property
    def newest_epoch(self) -> int:
        """The newest epoch that an alarm's state comes from: known even when no event is left, after a month of quiet."""
        return max((extras.event.epoch for extras in self.extras.values() if extras.event is not None), default=0)

    def apply(self, record: StoredRecord, topics: Topics, zone: tzinfo) -> None:
        """One record; a broken one is reported and left aside, so that every other alarm lives."""
        if record.topic == topics.config:
            self.next_config = record.offset + 1
        try:
            kind, raw_path = parse_key(record.key)
            path = canonical(raw_path)
            if kind is RecordType.CONFIG:
                self._config(path, record.value, zone)
            elif kind is RecordType.STATE:
                self._state(path, record)
            elif kind is RecordType.RUNTIME:
                self._runtime(path, record.value, topics)
        except WireError as problem:
            self.broken += 1
            log.warning("record skipped", topic=record.topic, offset=record.offset, key=record.key, problem=str(problem))
        except Exception:
            self.broken += 1
            log.exception("record skipped by a fault of tocsin, please report it", topic=record.topic, offset=record.offset)

    def _config(self, path: str, value: bytes | None, zone: tzinfo) -> None:
        if value is None:
            self.settings.pop(path, None)
            return
        decoded = decode_config(value, zone, self.settings.get(path))
        if decoded.settings is not None:
            self.settings[path] = decoded.settings

    def _state(self, path: str, record: StoredRecord) -> None:
        self.extras.pop(path, None)
        if record.value is None:
            self.states.pop(path, None)
            return
        self.states[path] = state = decode_state(record.value)
        self.modes = state.modes
        header = record.header(STATE)
        if header:
            self.extras[path] = decode_extras(header)

    def _runtime(self, path: str, value: bytes | None, topics: Topics) -> None:
        if path == "/" + topics.config_name:
            self.switches = decode_switches(value) if value is not None else Switches()
        elif value is None:
            self.runtimes.pop(path, None)
        else:
            self.runtimes[path] = decode_runtime(value)

    def restore(self, evaluator: Evaluator, now: Moment) -> None:
        """Build the tree: components first, siblings and their parents in any order."""
        evaluator.switches = self.switches
        if self.modes is not None and self.switches != (shown := Switches(self.modes.maintenance, self.modes.notify)):
            # A Phoebus server had the configuration before us.
            evaluator.switches = evaluator.emitter.changes.switches = shown
        for path in sorted(self.settings, key=lambda p: len(split(p))):
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


async def replay(journal: Journal, topics: Topics, zone: tzinfo) -> Replayed:
    """Read the configuration from its beginning to its end."""
    replayed = Replayed()
    async for record in read_to_end(journal, [topics.config, topics.runtime]):
        replayed.apply(record, topics, zone)
    return replayed


async def last_events(journal: Journal, topics: Topics, wanted: int = 20_000) -> list[Event]:
    """The newest events of a configuration, oldest first: at least one if there is any."""
    end = await journal.end(topics.events)
    window = wanted
    while True:
        start = max(0, end - window)
        read = read_to_end(journal, [topics.events], {topics.events: start})
        events = [event async for record in read if (event := _event(record)) is not None]
        if events or start == 0:
            return events[-wanted:]
        window *= 8


def _event(record: StoredRecord) -> Event | None:
    try:
        return decode_event(record.value or b"")
    except WireError as problem:
        log.warning("record skipped", topic=record.topic, offset=record.offset, key=record.key, problem=str(problem))
        return None


def remember_answers(commander: Commander, events: list[Event]) -> None:
    """Commands that were answered before this engine started: a retry is not executed again."""
    for event in events:
        if event.correlation and event.kind in (EventKind.COMMAND, EventKind.REFUSED):
            commander.remember(event.correlation, Given(event.path, event.kind, event.reason, event.result))
