"""An alarm whose PV goes on at another path: its state goes with it."""

from __future__ import annotations

from alarm_engine.evaluator.configuration import configure
from alarm_engine.evaluator.emit import Cause, Happening
from alarm_engine.evaluator.evaluator import Evaluator
from alarm_engine.evaluator.timing import Timer
from alarm_engine.evaluator.tree import AlarmTree, Leaf
from alarm_engine.model.event import EventKind
from alarm_engine.model.path import ancestors
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic


def move(evaluator: Evaluator, old: Leaf, path: str, settings: AlarmSettings, cause: Cause, now: Moment) -> bool:
    """Bring an alarm to another path, with latch, acknowledgement, suppression and running delay; then give it its new settings.

    The PV stays subscribed. False where something else stands in the way: nothing has happened then.
    """
    tree = evaluator.tree
    if not _is_free(tree, path, old):
        return False
    waiting = (Timer.CONNECT, old) in evaluator.timers
    evaluator.emitter.removed(old, cause.because(f"moved to {path}"), now)
    evaluator.forget(old, unwatched=False)
    tree.remove_leaf(old)
    leaf = tree.add(path, old.settings, now)
    assert leaf is not None
    _take_over(leaf, old)
    if waiting:
        timeout = round(evaluator.settings.connection_timeout_s * NANOS_PER_SECOND)
        evaluator.timers.set((Timer.CONNECT, leaf), Monotonic(now.monotonic + timeout))
    evaluator.watch_shelf(leaf, now)
    evaluator.happened(leaf, Happening(EventKind.CONFIGURED, leaf.logic.alarm, cause.because(f"moved from {old.path}")), now)
    evaluator.schedule(leaf)
    configure(evaluator, path, settings, cause, now)
    return True


def arrived(evaluator: Evaluator, path: str, old: str, now: Moment) -> None:
    """An alarm was restored with what was known of it at another path: say so, and forget it there."""
    leaf = evaluator.tree.leaves.get(path)
    if leaf is not None:
        evaluator.emitter.gone(old, leaf, Cause(reason=f"moved to {path}"), now)
        evaluator.happened(leaf, Happening(EventKind.CONFIGURED, leaf.logic.alarm, Cause(reason=f"moved from {old}")), now)


def _take_over(leaf: Leaf, old: Leaf) -> None:
    for name in ("acknowledgement", "connected", "kept", "logic", "rise", "since", "suppression"):
        setattr(leaf, name, getattr(old, name))


def _is_free(tree: AlarmTree, path: str, old: Leaf) -> bool:
    """An alarm can be put there once `old` is gone."""
    if path in tree.nodes or path in tree.leaves:
        return False
    above = ancestors(path)
    return bool(above) and above[-1] == tree.root.path and not any(one in tree.leaves and one != old.path for one in above)
