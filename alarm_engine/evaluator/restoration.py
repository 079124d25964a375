"""Bringing a tree back from what the journal has of it."""

from __future__ import annotations

from dataclasses import dataclass

from alarm_engine.evaluator.emit import NOBODY
from alarm_engine.evaluator.evaluator import Evaluator
from alarm_engine.evaluator.tree import Leaf, in_force
from alarm_engine.logic.alarm_logic import DISABLED
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.severity import PRIORITY, Severity
from alarm_engine.model.state import Sample
from alarm_engine.model.times import Moment, Monotonic
from alarm_engine.wire.runtime import Runtime
from alarm_engine.wire.state import LeafState, StateExtras


@dataclass(frozen=True, slots=True)
class Saved:
    """What the journal has about an alarm."""

    settings: AlarmSettings
    state: LeafState | None = None
    extras: StateExtras | None = None
    runtime: Runtime | None = None


def restore_node(evaluator: Evaluator, path: str, settings: NodeSettings | None, published: Severity | None) -> None:
    """A component as the journal has it; `published` is its last state record."""
    node = evaluator.tree.node(path)
    if node is not None:
        node.settings = settings or node.settings
        if published is not None:
            evaluator.tree.count_node(node, published)


def restore_leaf(evaluator: Evaluator, path: str, saved: Saved, now: Moment) -> bool:
    """An alarm as the journal has it: acknowledgement and latch survive, an equal first sample will be silent.

    Returns False where something else stands in the way.
    """
    runtime = saved.runtime or Runtime()
    # A shelf of ours that ended while nobody was there is ended by its timer, which says so to everybody and in the configuration.
    at = runtime.suppression.until if runtime.suppression is not None else None
    settings = saved.settings if at is not None and at == saved.settings.enabled_at else in_force(saved.settings, now)
    leaf = evaluator.tree.add(path, settings, now)
    if leaf is None:
        return False
    leaf.has_runtime = saved.runtime is not None
    leaf.acknowledgement, leaf.kept = runtime.acknowledgement, runtime.kept
    if not leaf.settings.enabled:
        suppression = runtime.suppression
        known = suppression is not None and suppression.until == leaf.settings.enabled_at
        leaf.suppression = suppression if known else NOBODY.suppression(now, leaf.settings.enabled_at)
        leaf.start_hidden(now)
        if saved.state is not None and _says_disabled(saved.state):
            leaf.logic.alarm, leaf.since = saved.state.alarm, saved.state.alarm.time
    elif saved.state is not None:
        _restore_state(leaf, saved.state, saved.extras, delayed=runtime.pending is not None)
    if saved.extras is not None:
        leaf.rise, leaf.version, leaf.since = saved.extras.rise, saved.extras.event, saved.extras.since
    _restore_delay(leaf, runtime, now)
    # An acknowledged alarm may find its PV not processed yet (a rebooting IOC): the acknowledgement waits for it.
    if leaf.kept is None and leaf.logic.alarm.severity.is_acknowledged:
        leaf.kept = leaf.logic.alarm
    evaluator.watch(leaf, now)
    evaluator.watch_shelf(leaf, now)
    evaluator.schedule(leaf)
    evaluator.tree.count(leaf)
    return True


def _says_disabled(state: LeafState) -> bool:
    return state.alarm.message == DISABLED and state.alarm.severity is Severity.OK


def _restore_state(leaf: Leaf, state: LeafState, extras: StateExtras | None, *, delayed: bool) -> None:
    if _says_disabled(state):
        return  # it was suppressed, and its date passed while nobody was there: what the PV says is new
    value, time = (extras.current_value, extras.current_time) if extras else ("", state.alarm.time)
    leaf.logic.alarm = state.alarm
    leaf.logic.current = Sample(state.current_severity, state.current_message, value, time)
    leaf.since = state.alarm.time
    if not delayed and PRIORITY[state.current_severity] > PRIORITY[state.alarm.severity]:
        # A delay was running that only the memory of a Phoebus server knew: whatever the PV says first is new, and begins it again.
        leaf.logic.current = Sample(Severity.OK, "", "", state.alarm.time)


def _restore_delay(leaf: Leaf, runtime: Runtime, now: Moment) -> None:
    logic = leaf.logic
    if not logic.enabled:
        return
    if runtime.pending is not None and runtime.deadline is not None:
        # One that has passed stays in the past: inputs that were kept since then come after it.
        left = min(runtime.deadline - now.wall, logic.delay_ns)
        logic.pending, logic.deadline = runtime.pending, Monotonic(now.monotonic + left)
    logic.restore_ring(runtime.ring)
