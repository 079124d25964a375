"""Commands of operators: carried out on an alarm or on everything below a component, and closed by one event."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from alarm_engine.evaluator.configuration import apply_enablement
from alarm_engine.evaluator.emit import Cause, Happening
from alarm_engine.evaluator.evaluator import Evaluator
from alarm_engine.evaluator.tree import Leaf
from alarm_engine.logic import shelving
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.event import CommandResult, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Moment
from alarm_engine.wire.config import whole_second
from alarm_engine.wire.runtime import Switches

_REMEMBERED = 10_000
_OTHER_COMMAND = "this id was given to another command before: give each command an id of its own"
_HIDING = frozenset({CommandKind.ACKNOWLEDGE, CommandKind.SHELVE, CommandKind.DISABLE})
"""Commands that take an alarm off the screen: not for one that the user has not seen."""

_SWITCHES: dict[CommandKind, Callable[[Switches], Switches]] = {
    CommandKind.MAINTENANCE: lambda s: Switches(True, s.notify),
    CommandKind.NORMAL: lambda s: Switches(False, s.notify),
    CommandKind.DISABLE_NOTIFY: lambda s: Switches(s.maintenance, False),
    CommandKind.ENABLE_NOTIFY: lambda s: Switches(s.maintenance, True),
}


class Given(NamedTuple):
    """An answer that was given."""

    path: str
    kind: EventKind
    reason: str
    result: CommandResult | None

    def answers(self, command: Command) -> bool:
        """True if it is about the same command: an id that is used again for another one must not look like success."""
        return self.path == command.path and (self.result is None or self.result.command == command.kind.value)


class Commander:
    """Carries commands out; remembers their ids, so that a retry is answered again but not executed again."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._answers: OrderedDict[str, Given] = OrderedDict()

    def remember(self, correlation: str, answer: Given) -> None:
        """An answer that was given, maybe before this engine started."""
        if correlation:
            self._answers[correlation] = answer
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)

    def execute(self, command: Command, now: Moment) -> None:
        """Carry a command out, or refuse it by an event that says why."""
        cause = Cause(command.user, command.host, command.reason, command.id)
        known = self._answers.get(command.id) if command.id else None
        if known is not None:
            if not known.answers(command):
                known = Given(command.path, EventKind.REFUSED, _OTHER_COMMAND, None)
            self._evaluator.emitter.event(known.kind, command.path, now, cause.because(known.reason), known.result)
            return
        problem = self._problem(command, now)
        if problem:
            self._answer(command, EventKind.REFUSED, cause.because(problem), None, now)
        elif command.kind in _SWITCHES:
            self._switch(command, cause, now)
            self._answer(command, EventKind.COMMAND, cause, CommandResult(command.kind.value, 1), now)
        else:
            self._answer(command, EventKind.COMMAND, cause, self._on_leaves(command, cause, now), now)

    def _answer(self, command: Command, kind: EventKind, cause: Cause, result: CommandResult | None, now: Moment) -> None:
        self._evaluator.emitter.event(kind, command.path, now, cause, result)
        self.remember(command.id, Given(command.path, kind, cause.reason, result))

    def _problem(self, command: Command, now: Moment) -> str:
        """Why a command cannot be carried out, empty if it can."""
        evaluator = self._evaluator
        limit = evaluator.settings.command_max_age_s
        age_s = (now.wall - command.sent) / NANOS_PER_SECOND if command.sent is not None else 0.0
        if age_s > limit:
            return (
                f"the command is {age_s:.0f} s old, more than {limit:.0f} s: give it again if it is still wanted; "
                f"if it was given just now, the clock of {command.host or 'its sender'} is behind"
            )
        if command.kind in _SWITCHES:
            return ""
        if command.path not in evaluator.tree.leaves and command.path not in evaluator.tree.nodes:
            return f"there is no alarm and no component {command.path}"
        if command.kind is CommandKind.SHELVE:
            if command.until is None:
                return "shelve needs a time until which the alarm is shelved"
            if why := shelving.refusal(command.until, now.wall):
                return f"the time until which it is shelved {why}"
        return ""

    def _on_leaves(self, command: Command, cause: Cause, now: Moment) -> CommandResult:
        tree = self._evaluator.tree
        one = tree.leaves.get(command.path)
        done, left_alone = 0, []
        for leaf in [one] if one is not None else list(tree.nodes[command.path].leaves()):
            unseen = command.seen is not None and leaf.rise is not None and leaf.rise[1:] > command.seen[1:]
            if unseen and command.kind in _HIDING and leaf.logic.alarm.severity.is_active:
                left_alone.append(leaf.path)
            elif self._on_leaf(leaf, command, cause, now):
                done += 1
        return CommandResult(command.kind.value, done, tuple(left_alone))

    def _on_leaf(self, leaf: Leaf, command: Command, cause: Cause, now: Moment) -> bool:
        kind = command.kind
        if kind is CommandKind.ACKNOWLEDGE:
            return self._acknowledge(leaf, cause, now)
        if kind is CommandKind.UNACKNOWLEDGE:
            return self._unacknowledge(leaf, cause, now)
        if kind in (CommandKind.UNSHELVE, CommandKind.ENABLE):
            wanted = leaf.suppression is not None and (leaf.suppression.until is not None) == (kind is CommandKind.UNSHELVE)
            if wanted:
                self._evaluator.release(leaf, cause, now)
            return wanted
        at = whole_second(command.until) if kind is CommandKind.SHELVE and command.until is not None else None
        if leaf.suppression is not None and leaf.suppression.until == at:
            return False
        leaf.settings = replace(leaf.settings, enabled=False, enabled_at=at)
        apply_enablement(self._evaluator, leaf, cause, now)
        self._evaluator.emitter.config(leaf, cause)
        return True

    def _acknowledge(self, leaf: Leaf, cause: Cause, now: Moment) -> bool:
        """True if there was something to take notice of. A suppressed alarm is left as it is."""
        logic = leaf.logic
        if not logic.enabled:
            return False
        before = logic.alarm
        logic.acknowledge(now)
        if not before.severity.is_active:
            self._evaluator.emitter.again(leaf)
            return False
        leaf.acknowledgement = cause.acknowledgement(now)
        if logic.alarm.severity is Severity.OK:
            leaf.kept = None
        self._evaluator.happened(leaf, Happening(EventKind.ACKNOWLEDGED, before, cause), now)
        return True

    def _unacknowledge(self, leaf: Leaf, cause: Cause, now: Moment) -> bool:
        logic = leaf.logic
        if not logic.enabled:
            return False
        before = logic.alarm
        logic.unacknowledge()
        leaf.kept = leaf.acknowledgement = None
        if before[:2] == logic.alarm[:2]:
            self._evaluator.emitter.again(leaf)
            self._evaluator.keep(leaf, now)
            return False
        # What becomes active again counts as risen: nobody has seen it as an open alarm.
        raised = logic.alarm.severity.is_active and not before.severity.is_active
        self._evaluator.happened(leaf, Happening(EventKind.UNACKNOWLEDGED, before, cause, raised), now)
        return True

    def _switch(self, command: Command, cause: Cause, now: Moment) -> None:
        """Modes hold for the whole configuration, wherever the command was sent to."""
        evaluator = self._evaluator
        former, evaluator.switches = evaluator.switches, _SWITCHES[command.kind](evaluator.switches)
        if evaluator.switches == former:
            return
        evaluator.emitter.event(EventKind.MODE, evaluator.tree.root.path, now, cause.because(command.kind.value))
        if evaluator.switches.maintenance and not former.maintenance:
            for leaf in evaluator.tree.root.leaves():
                if leaf.logic.alarm.severity >= Severity.INVALID:
                    self._acknowledge(leaf, cause.because("maintenance mode"), now)
        evaluator.publish_root()
