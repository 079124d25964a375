"""What a sync from files would write.

The difference is three-way: what the last sync wrote, what the topic has now, what the files say. Engineers own the tree, so files win;
operators own `enabled` (shelving, out of service), so the topic wins there unless the files changed their mind. What somebody else added
to the topic is left alone and reported; what somebody else edited or deleted is overwritten, or kept until the files say something new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from alarm_engine.config.identities import changes
from alarm_engine.config.tree import ConfigTree
from alarm_engine.model.path import ancestors, is_below, split
from alarm_engine.model.settings import AlarmSettings, NodeSettings, Settings
from alarm_engine.revisions import moves
from alarm_engine.wire.report import Drift

_ENABLEMENT = ("enabled", "enabled_at")


@dataclass(slots=True)
class SyncPlan:
    """What a sync is about to write."""

    added: list[str] = field(default_factory=list)
    """Paths that the topic does not have, parents first."""
    edited: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    """Paths that are gone from the files, children first."""
    moved: dict[str, str] = field(default_factory=dict)
    """New path by old path of alarms that are among the added and removed, and whose PV stays: their state goes with them."""
    foreign: list[str] = field(default_factory=list)
    """Paths that only the topic has and no sync ever wrote: left alone."""
    drifted: list[str] = field(default_factory=list)
    """Paths that somebody else edited or deleted since the files were last changed there."""
    write: dict[str, Settings] = field(default_factory=dict)
    """New value of each added or edited path."""
    synced: dict[str, Settings] = field(default_factory=dict)
    """What files say now, where that is not what the last sync wrote."""
    forgotten: list[str] = field(default_factory=list)
    """Paths that a sync wrote once, and that neither files nor topic have any more."""
    ids: dict[str, str | None] = field(default_factory=dict)
    """New lasting identity of a component by its path; None: it has none any more."""

    @property
    def is_empty(self) -> bool:
        """The topic is as the files are."""
        return not (self.write or self.removed or self.synced or self.forgotten or self.ids)


def plan(
    tree: ConfigTree,
    topic: Mapping[str, Settings],
    synced: Mapping[str, Settings],
    left_out: Sequence[str] = (),
    *,
    keep: bool = False,
    ids: Mapping[str, str] | None = None,
) -> SyncPlan:
    """The difference between files, topic and the last sync.

    `left_out`: paths at or below which the files have faults; what is missing there is not taken for removed.
    `keep`: what somebody else edited or deleted stays so until the files say something new there.
    `ids`: lasting identities of components in force, by path.
    """
    result, root = SyncPlan(ids=changes(tree, ids or {}, left_out)), f"/{tree.name}"
    wanted: dict[str, Settings] = {**tree.nodes, **tree.alarms}
    # Most of a large tree is as it was: only the others are looked at closely.
    news = [path for path, settings in wanted.items() if not (_same(synced.get(path), settings) and _same(topic.get(path), settings))]
    # What stands at a path keeps its kind until it is deleted: an alarm does not become a component by being written as one.
    retyped = {path for path in news if path in topic and type(topic[path]) is not type(wanted[path])}
    for path in sorted(news, key=_depth):
        settings = wanted[path]
        there, last = (None if path in retyped else topic.get(path)), synced.get(path)
        if last != settings:
            result.synced[path] = settings
        target = _with_operators_choice(settings, there, last)
        if there is None and path == root and target == NodeSettings():
            continue  # Phoebus writes no record for a root that has nothing to say
        if there == target:
            continue
        if last == settings and path not in retyped:
            result.drifted.append(path)
            if keep:
                continue
        (result.edited if there is not None else result.added).append(path)
        result.write[path] = target
    gone = [path for path in topic if path not in wanted and path != root]
    _plan_removals(result, gone, synced, retyped, left_out)
    unknown = [path for path in synced if path not in wanted and path not in topic]
    result.forgotten = [path for path in unknown if not any(is_below(path, faulty) for faulty in left_out)]
    _plan_moves(result, topic, synced)
    return result


def drift(plan: SyncPlan, topic: Mapping[str, Settings], tree: ConfigTree) -> list[Drift]:
    """What others made of the tree, by path: of a plan made before it was written."""
    found = [Drift(path, "added") for path in plan.foreign]
    for path in plan.drifted:
        there, wanted = topic.get(path), tree.alarms.get(path) or tree.nodes.get(path)
        if there is None or type(there) is not type(wanted):
            found.append(Drift(path, "removed"))
        else:
            fields = tuple(f for f in there.__dataclass_fields__ if f not in _ENABLEMENT and getattr(there, f) != getattr(wanted, f))
            found.append(Drift(path, "edited", fields))
    return sorted(found, key=lambda one: one.path)


def _plan_removals(result: SyncPlan, gone: list[str], synced: Mapping[str, Settings], retyped: set[str], left_out: Sequence[str]) -> None:
    """What only the topic has, children first. A component goes only if all below goes: its deletion takes everything with it."""
    needed: set[str] = set()
    for path in sorted([*gone, *retyped], key=_depth, reverse=True):
        if path in retyped or any(above in retyped for above in ancestors(path)):
            result.removed.append(path)
        elif any(is_below(path, faulty) for faulty in left_out):
            needed.update(ancestors(path))
        elif path in synced and path not in needed:
            result.removed.append(path)
        else:
            result.foreign.append(path)
            needed.update(ancestors(path))


def _plan_moves(result: SyncPlan, topic: Mapping[str, Settings], synced: Mapping[str, Settings]) -> None:
    """An alarm whose PV leaves one path and comes to another takes with it what operators chose."""
    gone = [path for path in result.removed if isinstance(topic.get(path), AlarmSettings)]
    came = [path for path in result.added if isinstance(result.write[path], AlarmSettings)]
    result.moved = moves(gone, came)
    for old, new in result.moved.items():
        result.write[new] = _with_operators_choice(result.write[new], topic[old], synced.get(old))


def _with_operators_choice(settings: Settings, there: Settings | None, last: Settings | None) -> Settings:
    if not isinstance(settings, AlarmSettings) or not isinstance(there, AlarmSettings):
        return settings
    changed_its_mind = isinstance(last, AlarmSettings) and _enablement(last) != _enablement(settings)
    if changed_its_mind or _enablement(there) == _enablement(settings):
        return settings
    return replace(settings, enabled=there.enabled, enabled_at=there.enabled_at)


def _enablement(settings: AlarmSettings) -> tuple[bool, int | None]:
    return settings.enabled, settings.enabled_at


def _same(one: Settings | None, other: Settings) -> bool:
    return one is other or one == other


def _depth(path: str) -> int:
    return len(split(path))
