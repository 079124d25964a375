"""What is different between two alarm trees, by path and field."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from alarm_engine.config.tree import TreeLike, order
from alarm_engine.model.settings import AlarmSettings, NodeSettings, Settings


class ChangeKind(StrEnum):
    """What happened to a path."""

    REMOVED = "removed"
    ADDED = "added"
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of an edited path."""

    field: str
    """Name in `AlarmSettings` or `NodeSettings`."""
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one path."""

    kind: ChangeKind
    path: str
    old: Settings | None
    """None if added."""
    new: Settings | None
    """None if removed."""
    fields: tuple[FieldChange, ...] = ()
    """What was edited."""

    @property
    def is_alarm(self) -> bool:
        """An alarm, no component."""
        return isinstance(self.new or self.old, AlarmSettings)


def diff(old: TreeLike, new: TreeLike) -> list[Change]:
    """Changes that lead from `old` to `new`, in an order in which they can be applied.

    First what goes, leaves before their components; then the rest in the order of the tree, components before what is below them. A path
    that turns from a component into an alarm, or back, is removed and added.
    """
    before, after = _settings(old), _settings(new)
    removed, rest = [], []
    for path in {**before, **after}:
        was, now = before.get(path), after.get(path)
        if was == now:
            continue
        if was is not None and type(was) is type(now):
            rest.append(Change(ChangeKind.EDITED, path, was, now, _edited(was, now)))
            continue
        if was is not None:
            removed.append(Change(ChangeKind.REMOVED, path, was, None))
        if now is not None:
            rest.append(Change(ChangeKind.ADDED, path, None, now))
    removed.sort(key=lambda change: order(change.path), reverse=True)
    rest.sort(key=lambda change: order(change.path))
    return removed + rest


def _settings(tree: TreeLike) -> dict[str, Settings]:
    together: dict[str, NodeSettings | AlarmSettings] = {**tree.nodes}
    together.update(tree.alarms)
    return together


def _edited(old: Settings, new: Settings | None) -> tuple[FieldChange, ...]:
    pairs = ((f.name, getattr(old, f.name), getattr(new, f.name)) for f in fields(old))
    return tuple(FieldChange(name, was, now) for name, was, now in pairs if was != now)
