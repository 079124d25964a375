"""One configuration as it is now, kept up to date record by record. No I/O here, and no clock: time comes in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo

import structlog

from alarm_engine.errors import WireError
from alarm_engine.foreign import BEGUN
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import canonical, is_below, name, natural_key, parent, system
from alarm_engine.model.settings import AlarmSettings, NodeSettings, Settings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import Nanos
from alarm_engine.wire.component import decode_component
from alarm_engine.wire.config import decode_config
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.headers import STATE
from alarm_engine.wire.keys import RecordType, key, parse_key
from alarm_engine.wire.runtime import Runtime, Switches, decode_root, decode_runtime
from alarm_engine.wire.state import NORMAL, NodeState, decode_extras, decode_state
from alarm_engine.wire.topics import Topics
from backend.live.facts import Facts, StateWord
from backend.live.files import TreeFiles
from backend.live.model import LiveAlarm, LiveNode
from backend.live.ring import EventRing
from backend.live.standing import NOTABLE, Standing, count, standing

log = structlog.get_logger()

_MAX_DEPTH = 100
_COMPONENT = key(RecordType.COMPONENT, "")
_ANSWERS = 10_000
BROKEN = (WireError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError)
"""A record's fields are others' work: one of a wrong type must not end the tree."""


@dataclass(slots=True)
class _Node(LiveNode):
    parent: _Node | None = None


@dataclass(slots=True)
class _Alarm(LiveAlarm):
    above: _Node = field(default_factory=lambda: _Node("", "", NodeSettings()))
    facts: Facts = field(default_factory=Facts)
    counted: tuple[Standing, Severity, bool] | None = None
    """As what the components above have it in their counts."""


class Tree:
    """Components, alarms and recent events of one configuration."""

    def __init__(self, config: str, zone: tzinfo) -> None:
        """`zone` is that of dates without one in `config:` records."""
        self.config = config
        self.topics = Topics(config)
        self.files = TreeFiles(self.topics)
        """What is known of the files that the tree comes from."""
        self.ring = EventRing()
        self.notable: dict[Standing, dict[str, LiveAlarm]] = {one: {} for one in sorted(NOTABLE)}
        """Alarms that are in alarm or suppressed, by what they are and by path."""
        self.answers: OrderedDict[str, Event] = OrderedDict()
        """The newest events that closed a command, by its id."""
        self.ids: dict[str, str] = {}
        """Lasting identities of components that have one, by path."""
        self.broken = 0
        """Records that could not be understood."""
        self.foreign = ""
        """What an engine said last of somebody else who writes states; empty once it is over."""
        self._zone = zone
        self._root = _Node("/" + config, config, NodeSettings())
        self._nodes: dict[str, _Node] = {self._root.path: self._root}
        self._alarms: dict[str, _Alarm] = {}
        self._facts: dict[str, Facts] = {}
        self._unsorted: set[str] = set()
        self._switches = Switches()
        self._modes = NORMAL
        self._newest_state: EventId | None = None
        self._apply: dict[RecordType, Callable[[str, StoredRecord], None]] = {
            RecordType.CONFIG: self._apply_config,
            RecordType.STATE: self._apply_state,
            RecordType.RUNTIME: self._apply_runtime,
            RecordType.COMPONENT: self._apply_component,
            RecordType.EVENT: self._apply_event,
        }

    @property
    def root(self) -> LiveNode:
        """Top of the tree."""
        return self._root

    @property
    def alarms(self) -> Mapping[str, LiveAlarm]:
        """All alarms by path."""
        return self._alarms

    @property
    def nodes(self) -> Mapping[str, LiveNode]:
        """All components by path, the root included."""
        return self._nodes

    def runtime(self, path: str) -> Runtime | None:
        """What the engine keeps of an alarm for a restart: a delay that runs, among other things; None: nothing."""
        facts = self._facts.get(path)
        return None if facts is None else facts.runtime

    @property
    def maintenance(self) -> bool:
        """The configuration is in maintenance mode."""
        return self._switches.maintenance or self._modes.maintenance

    @property
    def notify(self) -> bool:
        """Notifications are on."""
        return self._switches.notify and self._modes.notify

    @property
    def as_of(self) -> EventId | None:
        """The newest event that is worked in; where the events topic is empty, the newest that a state record names."""
        return self.ring.newest or self._newest_state

    def apply(self, record: StoredRecord) -> None:
        """Work one record in; one that cannot be understood is counted and reported, and harms nothing else. `settle` must follow."""
        try:
            due = self.files.take(record)
        except BROKEN as problem:
            self._skip(record, problem)
            return
        for one in due:
            self._work_in(one.record, one.overtaken)

    def _skip(self, record: StoredRecord, problem: Exception) -> None:
        self.broken += 1
        log.warning("record skipped", topic=record.topic, offset=record.offset, key=record.key, problem=str(problem))

    def _work_in(self, record: StoredRecord, overtaken: bool) -> None:
        """`overtaken`: an operator has chosen `enabled` after this was written, and before it came into force."""
        if record.topic == self.topics.settings and not record.key.startswith(_COMPONENT):
            return  # what files last said is for those who sync them
        try:
            kind, raw_path = parse_key(record.key)
            apply = self._apply.get(kind)
            if apply is None:
                raise WireError(f"a {kind} record does not belong on this topic")
            path = self._place(raw_path)
            before = self._settings(path) if overtaken else None
            apply(path, record)
            if isinstance(before, AlarmSettings) and (alarm := self._alarms.get(path)) is not None:
                alarm.settings = replace(alarm.settings, enabled=before.enabled, enabled_at=before.enabled_at)
                self._conclude(path)
        except BROKEN as problem:
            self._skip(record, problem)

    def settle(self) -> None:
        """After a batch of records, when there are no more: what is in force of revisions, and siblings in their order."""
        for one in self.files.settle(lambda path: path in self._facts and self._facts[path].state is not None):
            self._work_in(one.record, one.overtaken)
        for path in self._unsorted:
            node = self._nodes.get(path)
            if node is not None:
                node.nodes = dict(sorted(node.nodes.items(), key=_natural))
                node.alarms = dict(sorted(node.alarms.items(), key=_natural))
        self._unsorted.clear()

    def _place(self, raw_path: str) -> str:
        path = canonical(raw_path)
        if not is_below(path, self._root.path):
            raise WireError(f"path {path} is outside of {self._root.path}")
        if path.count("/") > _MAX_DEPTH:
            raise WireError(f"path {path[:200]} is more than {_MAX_DEPTH} levels deep")
        return path

    # ------------------------------------------------------------------ records

    def _apply_config(self, path: str, record: StoredRecord) -> None:
        if record.value is None:
            self._remove(path)
            return
        decoded = decode_config(record.value, self._zone, self._settings(path))
        if decoded.problems:
            log.warning("settings read in part", topic=record.topic, offset=record.offset, key=record.key, problems=decoded.problems)
        if isinstance(decoded.settings, NodeSettings):
            self._node(path).settings = decoded.settings
        elif decoded.settings is not None:
            alarm = self._alarms.get(path) or self._add(path, decoded.settings)
            alarm.settings = decoded.settings
            self._conclude(path)

    def _apply_state(self, path: str, record: StoredRecord) -> None:
        facts = self._facts.get(path)
        if record.value is None:
            if facts is not None:
                facts.state = None
                self._conclude(path)
            return
        state = decode_state(record.value)
        if isinstance(state, NodeState):
            if path == self._root.path:
                self._modes = state.modes
            return
        header = record.header(STATE)
        word = StateWord(state, decode_extras(header) if header else None, record.time)
        if facts is None:
            facts = self._facts[path] = Facts()
        facts.state = word
        if word.event is not None and (self._newest_state is None or word.event[1:] > self._newest_state[1:]):
            self._newest_state = word.event
        self._conclude(path)

    def _apply_runtime(self, path: str, record: StoredRecord) -> None:
        if path == self._root.path:
            self._switches = Switches() if record.value is None else decode_root(record.value).switches
            return
        runtime = None if record.value is None else decode_runtime(record.value)
        self._facts.setdefault(path, Facts()).runtime = runtime
        self._conclude(path)

    def _apply_component(self, path: str, record: StoredRecord) -> None:
        identity = "" if record.value is None else decode_component(record.value)
        if identity:
            self.ids[path] = identity
        else:
            self.ids.pop(path, None)

    def _apply_event(self, _: str, record: StoredRecord) -> None:
        event = decode_event(record.value or b"")
        if event.id.config != self.config:
            raise WireError(f"event {event.id} is of another configuration than {self.config}")
        new = self.ring.append(event)
        if new and event.kind in (EventKind.FOREIGN, EventKind.ENGINE):
            self.foreign = event.comment if event.reason == BEGUN else ""
        if new and event.correlation and event.kind in (EventKind.COMMAND, EventKind.REFUSED):
            self.answers[event.correlation] = event
            if len(self.answers) > _ANSWERS:
                self.answers.popitem(last=False)
        if event.snapshot is not None or event.kind is EventKind.REMOVED:
            path = self._place(event.path)
            if self._facts.setdefault(path, Facts()).take_event(event, record.time):
                self._conclude(path)

    def unseen(self) -> list[str]:
        """Paths of suppressed alarms whose last event was not read: what their PVs say is not known."""
        hidden = (*self.notable[Standing.SHELVED], *self.notable[Standing.DISABLED])
        return [path for path in hidden if self._alarms[path].facts.event is None]

    def recall(self, event: Event) -> None:
        """Take an event of long ago from elsewhere than the journal; it counts where nothing newer is known."""
        if event.snapshot is not None and self._facts.setdefault(event.path, Facts()).take_event(event, Nanos(0)):
            self._conclude(event.path)

    # ------------------------------------------------------------------ the tree

    def _settings(self, path: str) -> Settings | None:
        known: LiveAlarm | LiveNode | None = self._alarms.get(path) or self._nodes.get(path)
        return known.settings if known is not None else None

    def _node(self, path: str) -> _Node:
        """The component at a path, made if it is missing; `WireError` where an alarm stands in the way."""
        node = self._nodes.get(path)
        if node is not None:
            return node
        if path in self._alarms:
            raise WireError(f"{path} cannot be a component, it is an alarm")
        above = self._node(parent(path))
        node = self._nodes[path] = _Node(path, name(path), NodeSettings(), parent=above)
        above.nodes[node.name] = node
        self._unsorted.add(above.path)
        return node

    def _add(self, path: str, settings: AlarmSettings) -> _Alarm:
        if path in self._nodes:
            raise WireError(f"{path} cannot be an alarm, it is a component")
        above = self._node(parent(path))
        facts = self._facts.setdefault(path, Facts())
        alarm = _Alarm(path, name(path), system(path), settings, None, above=above, facts=facts)
        self._alarms[path] = above.alarms[alarm.pv] = alarm
        self._unsorted.add(above.path)
        return alarm

    def _conclude(self, path: str) -> None:
        """Bring an alarm, and the counts of everything above it, to what the facts say."""
        alarm = self._alarms.get(path)
        if alarm is not None:
            alarm.snapshot, alarm.version = alarm.facts.conclude(alarm.settings)
            disconnected = alarm.snapshot is not None and not alarm.snapshot.connected
            before, now = alarm.counted, (standing(alarm), alarm.severity, disconnected)
            if before is None or before[0] is not now[0]:
                self._note(alarm, before[0] if before else None, now[0])
            _recount(alarm, now)

    def _note(self, alarm: _Alarm, before: Standing | None, now: Standing | None) -> None:
        if before in self.notable:
            del self.notable[before][alarm.path]
        if now in self.notable:
            self.notable[now][alarm.path] = alarm

    def _remove(self, path: str) -> None:
        """An alarm, or a component with everything below; the root stays. What other topics said is kept: it may be added again."""
        alarm = self._alarms.pop(path, None)
        if alarm is not None:
            self._note(alarm, alarm.counted[0] if alarm.counted else None, None)
            _recount(alarm, None)
            del alarm.above.alarms[alarm.pv]
            return
        node = self._nodes.get(path)
        if node is None:
            return
        for below in [*(n.path for n in node.nodes.values()), *(a.path for a in node.alarms.values())]:
            self._remove(below)
        node.settings = NodeSettings()
        if node.parent is not None:
            del node.parent.nodes[node.name]
            del self._nodes[path]


def _recount(alarm: _Alarm, now: tuple[Standing, Severity, bool] | None) -> None:
    """Bring the counts of all components above to what an alarm is now; None: it is gone."""
    before = alarm.counted
    if before == now:
        return
    alarm.counted = now
    node: _Node | None = alarm.above
    while node is not None:
        if before is not None:
            count(node.counts, before, -1)
        if now is not None:
            count(node.counts, now)
        node.severity = node.counts.highest()
        node = node.parent


def _natural(item: tuple[str, object]) -> tuple[tuple[tuple[int, int, str], ...], str]:
    return natural_key(item[0]), item[0]
