"""An evaluator on a clock of the test, with its effects collected."""

from __future__ import annotations

from datetime import UTC

from alarm_engine.evaluator import Cause, Changes, Commander, Evaluator, EvaluatorSettings
from alarm_engine.evaluator.configuration import configure, remove
from alarm_engine.evaluator.tree import Leaf
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.reading import Connection, Reading
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import Moment, Monotonic, Nanos
from alarm_engine.publisher import Publisher
from alarm_engine.replay import Replayed
from alarm_engine.wire.topics import Topics

START = Moment(Nanos(1_800_000_000_000_000_000), Monotonic(1_000_000_000))
TOPICS = Topics("Demo")
MESSAGES = {
    Severity.OK: "NO_ALARM", Severity.MINOR: "HIGH_ALARM", Severity.MAJOR: "HIHI_ALARM", Severity.INVALID: "LINK_ALARM",
    Severity.UNDEFINED: "odd",
}  # fmt: skip


class Control:
    """A control room in one object."""

    def __init__(self, alarms: dict[str, AlarmSettings] | None = None, start: Moment = START, **settings: float) -> None:
        self.now = start
        self.pv_time = START.wall
        self.evaluator = Evaluator(EvaluatorSettings("Demo", **settings), start.wall // 1_000_000_000, start.wall)
        self.commander = Commander(self.evaluator)
        self.publisher = Publisher(None, TOPICS, UTC, self.evaluator.emitter._epoch)  # type: ignore[arg-type]
        self.records: list[StoredRecord] = []
        self.history: list[Changes] = []
        for path, setting in (alarms or {}).items():
            self.configure(path, setting)
        self.evaluator.begin(self.now)
        self.take()

    def take(self) -> Changes:
        changes = self.evaluator.take(self.now)
        self.history.append(changes)
        for record in self.publisher.records(changes):
            self.records.append(StoredRecord(record.topic, len(self.records), self.now.wall, *record[1:]))
        return changes

    def advance(self, seconds: float) -> Changes:
        """Let time pass, timers at their deadlines."""
        end = self.now.plus_s(seconds)
        merged = Changes(self.take().modes)
        while (deadline := self.evaluator.deadline()) is not None and deadline <= end.monotonic:
            self.now = self.now.plus_s(max(0, deadline - self.now.monotonic) / 1e9)
            self.evaluator.tick(self.now)
            changes = self.take()
            merged.steps += changes.steps
            merged.talks += changes.talks
            merged.nodes += changes.nodes
        self.now = end
        return merged

    def sample(self, pv: str, severity: Severity, message: str | None = None, value: str = "1.0") -> Changes:
        self.now, self.pv_time = self.now.plus_s(0.001), Nanos(self.pv_time + 1_000_000)
        text = MESSAGES[severity] if message is None else message
        self.evaluator.feed([Reading(pv, severity, text, value, self.pv_time, self.now.monotonic)], self.now)
        return self.take()

    def link(self, pv: str, up: bool) -> Changes:
        self.now = self.now.plus_s(0.001)
        self.evaluator.feed([Connection(pv, up, "ioc:5064", self.now.wall, self.now.monotonic)], self.now)
        return self.take()

    def command(self, kind: CommandKind, path: str, **fields: object) -> Changes:
        self.now = self.now.plus_s(0.001)
        arguments = {"user": "mara", "host": "ops7", "sent": self.now.wall, **fields}
        self.commander.execute(Command(path=path, kind=kind, **arguments), self.now)  # type: ignore[arg-type]
        return self.take()

    def configure(self, path: str, settings: AlarmSettings) -> Changes:
        assert configure(self.evaluator, path, settings, Cause("sam", "git"), self.now) is None
        return self.take()

    def remove(self, path: str) -> Changes:
        remove(self.evaluator, path, Cause("sam", "git"), self.now)
        return self.take()

    def leaf(self, path: str) -> Leaf:
        return self.evaluator.tree.leaves[path]

    def severity(self, path: str) -> Severity:
        leaf = self.evaluator.tree.leaves.get(path)
        return leaf.logic.alarm.severity if leaf else self.evaluator.tree.nodes[path].tally.highest()

    def restarted(self) -> Control:
        """Another control room, restored from the records of this one."""
        replayed = Replayed()
        for record in self.records:
            replayed.apply(record, TOPICS, UTC)
        for path, leaf in self.evaluator.tree.leaves.items():
            replayed.settings[path] = leaf.settings  # clients, not the engine, write these
        other = Control(start=self.now.plus_s(1))
        other.pv_time = self.pv_time
        other.evaluator = Evaluator(self.evaluator.settings, self.evaluator.emitter._epoch + 1, self.now.wall)
        other.commander = Commander(other.evaluator)
        replayed.restore(other.evaluator, other.now)
        return other


def kinds(changes: Changes) -> list[EventKind]:
    return [event.kind for event in changes.events]


def only(changes: Changes) -> Event:
    (event,) = changes.events
    return event


def event_id(control: Control) -> EventId:
    return next(event.id for changes in reversed(control.history) for event in reversed(changes.events))
