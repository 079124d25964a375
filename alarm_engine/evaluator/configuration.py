"""Configuration applied by difference: what is not touched keeps connection, latch, acknowledgement and shelving."""

from __future__ import annotations

from dataclasses import replace

from alarm_engine.evaluator.emit import Cause, Happening
from alarm_engine.evaluator.evaluator import Evaluator
from alarm_engine.evaluator.tree import Leaf, Node, in_force
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings, NodeSettings, Settings
from alarm_engine.model.times import Moment


def known_settings(evaluator: Evaluator, path: str) -> Settings | None:
    """Settings of whatever stands at a path."""
    leaf = evaluator.tree.leaves.get(path)
    if leaf is not None:
        return leaf.settings
    node = evaluator.tree.nodes.get(path)
    return node.settings if node is not None else None


def configure(evaluator: Evaluator, path: str, settings: Settings, cause: Cause, now: Moment) -> str | None:
    """Settings of an alarm or a component, new or edited. Returns what is wrong with them, None if they were taken."""
    if isinstance(settings, NodeSettings):
        return _configure_node(evaluator, path, settings, cause, now)
    leaf = evaluator.tree.leaves.get(path)
    if leaf is not None:
        _edit(evaluator, leaf, in_force(settings, now), cause, now)
        return None
    leaf = evaluator.tree.add(path, in_force(settings, now), now)
    if leaf is None:
        return f"{path} cannot be an alarm: it is outside of {evaluator.tree.root.path}, too deep, or something else stands there or above"
    evaluator.watch(leaf, now)
    if not leaf.settings.enabled:
        leaf.suppression = cause.suppression(now, leaf.settings.enabled_at)
        leaf.start_hidden(now)
        evaluator.watch_shelf(leaf, now)
    happening = Happening(EventKind.CONFIGURED, leaf.logic.alarm, cause.because("added"), publish=not leaf.logic.enabled)
    evaluator.happened(leaf, happening, now)
    evaluator.adopt(leaf, now)
    return None


def remove(evaluator: Evaluator, path: str, cause: Cause, now: Moment) -> None:
    """An alarm, or a component with everything below; an unknown path is no fault (a replayed deletion)."""
    tree = evaluator.tree
    doomed: Leaf | Node | None = tree.leaves.get(path) or tree.nodes.get(path)
    if doomed is None or doomed is tree.root:
        return
    for leaf in [doomed] if isinstance(doomed, Leaf) else list(doomed.leaves()):
        evaluator.emitter.removed(leaf, cause, now)
        evaluator.forget(leaf, unwatched=tree.remove_leaf(leaf))
    if isinstance(doomed, Node):
        tree.remove_node(doomed)


def _configure_node(evaluator: Evaluator, path: str, settings: NodeSettings, cause: Cause, now: Moment) -> str | None:
    new = path not in evaluator.tree.nodes
    node = evaluator.tree.node(path)
    if node is None:
        return f"{path} cannot be a component: it is outside of {evaluator.tree.root.path}, too deep, or an alarm stands there or above"
    if new or node.settings != settings:
        node.settings = settings
        evaluator.emitter.event(EventKind.CONFIGURED, path, now, cause.because("added" if new else "edited"))
    return None


def _edit(evaluator: Evaluator, leaf: Leaf, new: AlarmSettings, cause: Cause, now: Moment) -> None:
    """An edited alarm keeps connection, latch and acknowledgement, unless the edit takes their reason away."""
    old = leaf.settings
    if old == new:
        return
    leaf.settings = new
    leaf.logic.configure(new, now)
    enablement = ("enabled", "enabled_at")
    fields = [f for f in old.__dataclass_fields__ if f not in enablement and getattr(old, f) != getattr(new, f)]
    if fields:
        before = leaf.logic.alarm
        if not new.latching and leaf.logic.follows():
            leaf.logic.unacknowledge()
        edited = cause.because("changed: " + ", ".join(fields))
        publish = leaf.logic.alarm is not before
        evaluator.happened(leaf, Happening(EventKind.CONFIGURED, before, edited, publish=publish), now)
    if any(getattr(old, f) != getattr(new, f) for f in enablement):
        apply_enablement(evaluator, leaf, cause, now)


def apply_enablement(evaluator: Evaluator, leaf: Leaf, cause: Cause, now: Moment) -> None:
    """Bring an alarm to what `enabled` in its settings says."""
    if not leaf.settings.enabled:
        kind = EventKind.DISABLED if leaf.settings.enabled_at is None else EventKind.SHELVED
        evaluator.suppress(leaf, kind, cause, now)
    elif leaf.suppression is not None:
        kind = EventKind.ENABLED if leaf.suppression.until is None else EventKind.UNSHELVED
        evaluator.reveal(leaf, kind, cause, now)


def merged(evaluator: Evaluator, path: str, settings: Settings) -> Settings:
    """A foreign edit that was written before it could know what an operator did: `enabled` is the operator's."""
    leaf = evaluator.tree.leaves.get(path)
    if leaf is None or not isinstance(settings, AlarmSettings):
        return settings
    return replace(settings, enabled=leaf.settings.enabled, enabled_at=leaf.settings.enabled_at)
