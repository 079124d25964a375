"""The alarms and components that an evaluator owns, as mutable objects of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from alarm_engine.logic.alarm_logic import DISABLED, AlarmLogic
from alarm_engine.logic.rollup import Tally
from alarm_engine.model.path import ancestors, natural_key, split
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.severity import PRIORITY, Severity
from alarm_engine.model.state import Acknowledgement, Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import Moment, Nanos
from alarm_engine.wire.runtime import Runtime
from alarm_engine.wire.state import StateExtras

DEEPEST = 100
"""Most levels of components: the tree is walked recursively, and one record with a mad path must not end the engine."""


class Leaf:
    """One alarm."""

    __slots__ = (
        "acknowledgement", "connected", "counted", "has_runtime", "kept", "logic", "parent", "path", "pv", "rise", "settings", "since",
        "suppression", "version",
    )  # fmt: skip

    def __init__(self, path: str, settings: AlarmSettings, parent: Node, now: Moment) -> None:
        self.path = path
        self.pv = split(path)[-1]
        self.settings = settings
        self.parent = parent
        # The empty message of an alarm that has never heard of its PV is Phoebus's.
        self.logic = AlarmLogic(settings, Sample(Severity.OK, "", "", now.wall), Alarm(Severity.OK, "", "", now.wall))
        self.connected = False
        self.since: Nanos = now.wall
        self.rise: EventId | None = None
        self.version: EventId | None = None
        """Last event about this alarm."""
        self.acknowledgement: Acknowledgement | None = None
        """Of the alarm as it stands, or of `kept`."""
        self.kept: Alarm | None = None
        """Acknowledged alarm hidden by a disconnect, a restart or a suppression; comes back with its PV."""
        self.suppression: Suppression | None = None
        self.counted: Severity | None = None
        """Severity that the parent has in its tally, None while suppressed."""
        self.has_runtime = False
        """There is a runtime record that may have to be removed."""

    @property
    def current(self) -> Sample:
        """What the PV says now, also while the alarm is suppressed."""
        return self.logic.current if self.logic.enabled or self.logic.saved is None else self.logic.saved

    def snapshot(self) -> Snapshot:
        """The complete state."""
        alarm = self.logic.alarm
        return Snapshot(
            alarm=alarm,
            current=self.current,
            connected=self.connected,
            since=self.since,
            rise=self.rise,
            acknowledgement=self.acknowledgement if alarm.severity.is_acknowledged else None,
            suppression=self.suppression,
            annunciating=self.settings.annunciating,
        )

    def extras(self) -> StateExtras:
        """What the state record cannot say."""
        current = self.logic.current
        return StateExtras(self.version, self.rise, self.since, self.connected, current.value, current.time)

    def runtime(self, now: Moment) -> Runtime | None:
        """What a restart needs, None for nothing."""
        logic = self.logic
        if not (self.acknowledgement or self.kept or self.suppression or logic.pending or logic.ring):
            return None
        acknowledged = logic.alarm.severity.is_acknowledged
        kept = None if self.kept == logic.alarm else self.kept
        runtime = Runtime(
            acknowledgement=self.acknowledgement if acknowledged or kept else None,
            kept=kept,
            suppression=self.suppression,
            pending=logic.pending,
            deadline=None if logic.deadline is None else Nanos(now.wall + logic.deadline - now.monotonic),
            ring=tuple(logic.ring) if logic.ring else (),
        )
        return None if runtime == NOTHING else runtime

    def hide(self, now: Moment) -> None:
        """Suppress: the PV goes on being tracked, an acknowledgement is kept."""
        if self.logic.alarm.severity.is_acknowledged:
            self.kept = self.logic.alarm
        self.logic.cancel()
        self.logic.disable(now)

    def reappear(self, now: Moment, maintenance: bool) -> None:
        """End a suppression: an acknowledgement that covers what the PV says is still good, anything else counts as new."""
        kept, saved = self.kept, self.logic.saved
        if kept is not None and saved is not None and is_covered(kept.severity, saved.severity):
            self.logic.enabled, self.logic.saved, self.kept = True, None, None
            self.logic.restore(kept, saved)
            return
        if self.connected:
            self.kept = None
        self.logic.enable(now, maintenance)

    def enable(self) -> None:
        """Settings that say enabled."""
        self.settings = replace(self.settings, enabled=True, enabled_at=None)

    def start_hidden(self, now: Moment) -> None:
        """Be suppressed from the start."""
        self.logic.enabled = False
        self.logic.current = Sample(Severity.OK, "OK", "", now.wall)
        self.logic.alarm = Alarm(Severity.OK, DISABLED, "", now.wall)


NOTHING = Runtime()


class Node:
    """One component."""

    __slots__ = ("children", "depth", "name", "parent", "path", "published", "settings", "tally")

    def __init__(self, path: str, settings: NodeSettings, parent: Node | None) -> None:
        elements = split(path)
        self.path = path
        self.name = elements[-1]
        self.depth = len(elements)
        self.settings = settings
        self.parent = parent
        self.children: dict[str, Node | Leaf] = {}
        self.tally = Tally()
        self.published: Severity | None = None
        """Severity in the last state record and in the tally of the parent; None before the first."""

    def leaves(self) -> Iterator[Leaf]:
        """All alarms below, siblings in natural order as Phoebus walks them."""
        for name in sorted(self.children, key=natural_key):
            child = self.children[name]
            if isinstance(child, Leaf):
                yield child
            else:
                yield from child.leaves()

    @property
    def has_leaves(self) -> bool:
        """There is an alarm somewhere below."""
        return any(isinstance(child, Leaf) or child.has_leaves for child in self.children.values())

    def nodes(self) -> Iterator[Node]:
        """This and all components below, from the bottom up."""
        for child in self.children.values():
            if isinstance(child, Node):
                yield from child.nodes()
        yield self


class AlarmTree:
    """Alarms and components by path, with the roll-up kept up to date."""

    def __init__(self, config: str) -> None:
        self.root = Node("/" + config, NodeSettings(), None)
        self.nodes: dict[str, Node] = {self.root.path: self.root}
        self.leaves: dict[str, Leaf] = {}
        self.watchers: dict[str, list[Leaf]] = {}
        """Alarms by the name of their PV: the same PV may stand in several places."""
        self._dirty: set[Node] = set()

    def node(self, path: str) -> Node | None:
        """The component at a path, made if it is missing; None where an alarm stands in the way, outside this tree, or too deep."""
        node = self.nodes.get(path)
        if node is not None:
            return node
        above = ancestors(path)
        parent = self.node(above[0]) if 0 < len(above) < DEEPEST and path not in self.leaves else None
        if parent is None:
            return None
        node = self.nodes[path] = Node(path, NodeSettings(), parent)
        parent.children[node.name] = node
        self._dirty.add(node)
        return node

    def add(self, path: str, settings: AlarmSettings, now: Moment) -> Leaf | None:
        """A new alarm; None where something else stands in the way, or outside this tree."""
        above = ancestors(path)
        if not above or path in self.nodes or path in self.leaves:
            return None
        parent = self.node(above[0])
        if parent is None:
            return None
        leaf = Leaf(path, settings, parent, now)
        parent.children[leaf.pv] = leaf
        self._dirty.add(parent)
        self.leaves[path] = leaf
        self.watchers.setdefault(leaf.pv, []).append(leaf)
        return leaf

    def remove_leaf(self, leaf: Leaf) -> bool:
        """Take an alarm out; True if nobody watches its PV any more."""
        if leaf.counted is not None:
            leaf.parent.tally.remove(leaf.counted)
            self._dirty.add(leaf.parent)
        leaf.parent.children.pop(leaf.pv, None)
        del self.leaves[leaf.path]
        watching = self.watchers[leaf.pv]
        watching.remove(leaf)
        if not watching:
            del self.watchers[leaf.pv]
        return not watching

    def remove_node(self, node: Node) -> None:
        """Take a component out whose alarms are gone already."""
        for below in list(node.nodes()):
            self.nodes.pop(below.path, None)
            self._dirty.discard(below)
        if node.parent is not None:
            if node.published is not None:
                node.parent.tally.remove(node.published)
            node.parent.children.pop(node.name, None)
            self._dirty.add(node.parent)

    def count(self, leaf: Leaf) -> None:
        """Bring the parent's tally up to date with an alarm; suppressed ones are left out."""
        severity = leaf.logic.alarm.severity if leaf.suppression is None else None
        if severity == leaf.counted:
            return
        if leaf.counted is not None:
            leaf.parent.tally.remove(leaf.counted)
        if severity is not None:
            leaf.parent.tally.add(severity)
        leaf.counted = severity
        self._dirty.add(leaf.parent)

    def count_node(self, node: Node, severity: Severity | None) -> None:
        """Bring the parent's tally up to date with a component."""
        if node.parent is not None:
            if node.published is not None:
                node.parent.tally.remove(node.published)
            if severity is not None:
                node.parent.tally.add(severity)
            self._dirty.add(node.parent)
        node.published = severity

    def mark_all(self) -> None:
        """Look at every component in the next `roll_up`."""
        self._dirty.update(self.nodes.values())

    def roll_up(self) -> list[Node]:
        """Components whose severity differs from what was last published, from the bottom up; they count as published then.

        As with Phoebus, one below which there never was an alarm has no state; the root always has.
        """
        changed: list[Node] = []
        for depth in range(max((node.depth for node in self._dirty), default=0), 0, -1):
            for node in sorted((n for n in self._dirty if n.depth == depth), key=lambda n: n.path):
                severity = node.tally.highest()
                if severity != node.published and (node.published is not None or node is self.root or node.has_leaves):
                    self.count_node(node, severity)
                    changed.append(node)
        self._dirty.clear()
        return changed


def is_covered(kept: Severity, severity: Severity) -> bool:
    """True if an acknowledgement of `kept` covers a PV that comes back with `severity`: in alarm, and not above it."""
    return severity is not Severity.OK and PRIORITY[severity] <= PRIORITY[kept]


def in_force(settings: AlarmSettings, now: Moment) -> AlarmSettings:
    """Settings as they are now: a date in `enabled` that has passed means enabled."""
    if settings.enabled_at is not None and settings.enabled_at <= now.wall:
        return replace(settings, enabled=True, enabled_at=None)
    return settings
