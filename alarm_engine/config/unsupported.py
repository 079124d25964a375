"""What a tree may say and this version keeps and publishes, but does not carry out: nobody should trust in it unawares."""

from __future__ import annotations

from alarm_engine.config.tree import TreeLike
from alarm_engine.model.path import name


def unsupported(tree: TreeLike) -> list[str]:
    """A sentence for each kind of setting that has no effect yet."""
    filters = sorted(path for path, settings in tree.alarms.items() if settings.filter)
    nodes = [path for path, settings in tree.nodes.items() if settings.actions]
    actions = sorted([*nodes, *(path for path, settings in tree.alarms.items() if settings.actions)])
    foreign = sorted(path for path in tree.alarms if not _is_channel_access(name(path)))
    notes = []
    if foreign:
        notes.append(f"PV of {_some(foreign)}: only Channel Access is read by this version, so the alarm stays UNDEFINED")
    if filters:
        notes.append(
            f"filter of {_some(filters)}: kept and published, but not evaluated by this version, so the alarm is always in service"
        )
    if actions:
        notes.append(f"actions of {_some(actions)}: kept and published, but not carried out by this version")
    return notes


def _is_channel_access(pv: str) -> bool:
    protocol, separator, _ = pv.partition("://")
    return not pv.startswith("=") and (not separator or protocol == "ca")


def _some(paths: list[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
