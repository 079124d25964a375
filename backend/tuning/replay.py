"""Plays a recording through the evaluator of the engine, with any settings.

Only what the engine was given comes from the recording; what it makes of that is decided again, by the same code. Delays run on the times
of the events. Acknowledgements come when they came, also where the alarm is another one by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alarm_engine.evaluator import Commander, Evaluator, EvaluatorSettings
from alarm_engine.evaluator.configuration import configure, remove
from alarm_engine.evaluator.emit import NOBODY
from alarm_engine.evaluator.restoration import Saved, restore_leaf
from alarm_engine.evaluator.tree import Leaf
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import name
from alarm_engine.model.reading import Input
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Snapshot
from alarm_engine.model.times import Moment, Monotonic, Nanos
from alarm_engine.wire.runtime import Runtime, Switches
from alarm_engine.wire.state import NORMAL, LeafState, StateExtras
from backend.tuning.recording import Recording
from backend.tuning.steps import Action, Step, sample, steps

_NEVER_S = 1e9
"""A PV that did not connect is in the recording."""
_COMMANDS = {
    Action.ACKNOWLEDGE: CommandKind.ACKNOWLEDGE,
    Action.UNACKNOWLEDGE: CommandKind.UNACKNOWLEDGE,
    Action.MAINTENANCE: CommandKind.MAINTENANCE,
    Action.NORMAL: CommandKind.NORMAL,
}


@dataclass(frozen=True, slots=True)
class Played:
    """What an alarm did."""

    start: Nanos
    end: Nanos
    begins: Severity
    """At `start`."""
    events: tuple[Event, ...]
    """Those of the alarm, in order; their ids are of no use outside."""


def play(recording: Recording, in_force: AlarmSettings, other: AlarmSettings | None = None) -> Played:
    """What the alarm would have done with `other` settings, or with those `in_force`.

    The alarm begins as it was recorded, and the other settings come into force at the begin of the recording, as an edit does.
    """
    player = _Player(recording, in_force)
    begins = player.begin(other)
    for step in steps(recording):
        player.take(step)
    return Played(recording.start, recording.end, begins, tuple(player.finish()))


class _Player:
    def __init__(self, recording: Recording, settings: AlarmSettings) -> None:
        self._recording = recording
        self._settings = replace(settings, enabled=True, enabled_at=None)
        self._path = recording.path
        self._events: list[Event] = []
        self._now = Moment(recording.start, Monotonic(recording.start))
        self._epoch = 0
        self._evaluator = self._make(Switches(recording.maintenance))

    @property
    def _leaf(self) -> Leaf | None:
        return self._evaluator.tree.leaves.get(self._path)

    def begin(self, other: AlarmSettings | None) -> Severity:
        """Restore the alarm, edit it; returns what it is then. Nothing of that counts as having happened."""
        before = self._recording.before
        if before is not None and before.snapshot is not None:
            self._restore(before.snapshot, before)
        if other is not None:
            self._settings = replace(other, enabled=True, enabled_at=None)
        leaf = self._leaf
        if leaf is None:
            return Severity.OK
        configure(self._evaluator, self._path, replace(self._settings, enabled=leaf.suppression is None), NOBODY, self._now)
        self._evaluator.take(self._now)
        return leaf.logic.alarm.severity

    def take(self, step: Step) -> None:
        self._pass_until(step.time)
        now, evaluator = self._now, self._evaluator
        if self._leaf is None and step.input is not None:
            self._add(hidden=step.about_hidden)
        if step.input is not None:
            evaluator.feed((step.input,), now)
        self._act(step.action)

    def finish(self) -> Sequence[Event]:
        self._pass_until(self._recording.end)
        self._collect()
        return self._events

    def _make(self, switches: Switches) -> Evaluator:
        self._epoch += 1
        settings = EvaluatorSettings(self._recording.config, connection_timeout_s=_NEVER_S, idle_s=0, nag_period_s=0)
        evaluator = Evaluator(settings, self._epoch, self._now.wall)
        evaluator.switches = switches
        self._commander = Commander(evaluator)
        return evaluator

    def _restore(self, snapshot: Snapshot, event: Event) -> None:
        """The alarm as it was recorded; what its PV said is told again, for a delay that was running."""
        hidden = snapshot.suppression
        current = snapshot.current
        extras = StateExtras(event.id, snapshot.rise, snapshot.since, snapshot.connected, current.value, current.time)
        runtime = Runtime(snapshot.acknowledgement, suppression=None if hidden is None else replace(hidden, until=None))
        state = LeafState(snapshot.alarm, current.severity, current.message, NORMAL)
        saved = Saved(replace(self._settings, enabled=hidden is None), state, extras, runtime)
        restore_leaf(self._evaluator, self._path, saved, self._now)
        given: Input | None = sample(name(self._path), snapshot, self._now.wall)
        if given is not None:
            self._evaluator.feed((given,), self._now)

    def _pass_until(self, time: Nanos) -> None:
        """Timers that ring before `time`; what comes at the very time is taken in first, as the engine does."""
        while (deadline := self._evaluator.deadline()) is not None and deadline < time:
            self._evaluator.tick(Moment(Nanos(deadline), deadline))
        self._now = Moment(time, Monotonic(time))

    def _act(self, action: Action) -> None:
        path = self._recording.path
        if action in (Action.ADD, Action.ADD_HIDDEN):
            remove(self._evaluator, path, NOBODY, self._now)
            self._add(hidden=action is Action.ADD_HIDDEN)
        elif action is Action.REMOVE:
            remove(self._evaluator, path, NOBODY, self._now)
        elif action in (Action.HIDE, Action.SHOW):
            if self._leaf is not None:
                configure(self._evaluator, path, replace(self._settings, enabled=action is Action.SHOW), NOBODY, self._now)
        elif action is Action.TAKEOVER:
            self._take_over()
        elif action in _COMMANDS:
            self._commander.execute(Command(path, _COMMANDS[action], user="", host=""), self._now)

    def _add(self, *, hidden: bool) -> None:
        configure(self._evaluator, self._path, replace(self._settings, enabled=not hidden), NOBODY, self._now)

    def _take_over(self) -> None:
        """Another engine restores what this one left."""
        leaf, former = self._leaf, self._evaluator
        self._collect()
        self._evaluator = self._make(former.switches)
        if leaf is not None:
            current = leaf.logic.current
            state = LeafState(leaf.logic.alarm, current.severity, current.message, NORMAL)
            restore_leaf(self._evaluator, self._path, Saved(leaf.settings, state, leaf.extras(), leaf.runtime(self._now)), self._now)

    def _collect(self) -> None:
        changes = self._evaluator.take(self._now)
        # What answers a command is not about the alarm, though it may have its path.
        self._events += [event for event in changes.events if event.snapshot is not None or event.kind is EventKind.REMOVED]
