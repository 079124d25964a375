"""An alarm tree as it is configured: the settings of every component and alarm, in one order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from alarm_engine.model import path as paths
from alarm_engine.model.settings import AlarmSettings, NodeSettings


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the files an entry stands."""

    file: str
    line: int
    """From 1."""
    used_at: str = ""
    """For content of a template: `FILE:LINE` of the entry that uses it."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f" (used at {self.used_at})" if self.used_at else "")


class TreeLike(Protocol):
    """Settings by canonical path, from files or from the journal."""

    @property
    def nodes(self) -> Mapping[str, NodeSettings]:
        """Components, the root included."""
        ...

    @property
    def alarms(self) -> Mapping[str, AlarmSettings]:
        """Alarms."""
        ...


@dataclass(frozen=True, slots=True)
class ConfigTree:
    """A resolved alarm tree: includes, templates and defaults are worked in. Make one with `arrange`."""

    name: str
    """Name of the configuration; the root is `/name`."""
    time_zone: str
    """IANA name; dates without a zone are read in it."""
    nodes: dict[str, NodeSettings]
    """Components by canonical path: the root first, parents before children, siblings in natural order."""
    alarms: dict[str, AlarmSettings]
    """Alarms by canonical path, in the order of the tree."""
    places: dict[str, Place] = field(default_factory=dict, compare=False)
    """Where each path stands in the files; no part of what the tree is."""
    ids: dict[str, str] = field(default_factory=dict)
    """Lasting identities of components that have one, by path. They are no part of a Phoebus record, so they stand apart."""

    @property
    def root(self) -> str:
        """Path of the root."""
        return paths.join(None, self.name)


def order(path: str) -> tuple[tuple[tuple[tuple[int, int, str], ...], str], ...]:
    """Sort key: parents before what is below them, siblings in natural order."""
    return tuple([(paths.natural_key(element), element) for element in paths.split(path)])


def arrange(
    name: str,
    time_zone: str,
    nodes: Mapping[str, NodeSettings],
    alarms: Mapping[str, AlarmSettings],
    places: Mapping[str, Place] | None = None,
    ids: Mapping[str, str] | None = None,
) -> ConfigTree:
    """A tree in its order; components that are missing above something get empty settings. Paths must be canonical, ids unique."""
    complete = {paths.join(None, name): NodeSettings()} | dict(nodes)
    for parent in {path.rpartition("/")[0] if "\\/" not in path else paths.parent(path) for path in (*nodes, *alarms)}:
        while parent not in complete and parent not in ("", "/"):
            complete[parent] = NodeSettings()
            parent = paths.parent(parent)
    return ConfigTree(
        name,
        time_zone,
        {path: complete[path] for path in sorted(complete, key=order)},
        {path: alarms[path] for path in sorted(alarms, key=order)},
        dict(places or {}),
        {path: ids[path] for path in sorted(ids or {}, key=order)} if ids else {},
    )


def below(tree: ConfigTree, path: str) -> ConfigTree:
    """The part of the tree at and below `path`, with the bare components above it; `KeyError` if there is no such path."""
    path = paths.canonical(path)
    if path not in tree.nodes and path not in tree.alarms:
        raise KeyError(path)
    return arrange(
        tree.name,
        tree.time_zone,
        {p: settings for p, settings in tree.nodes.items() if paths.is_below(p, path)},
        {p: settings for p, settings in tree.alarms.items() if paths.is_below(p, path)},
        {p: place for p, place in tree.places.items() if paths.is_below(p, path)},
        {p: one for p, one in tree.ids.items() if paths.is_below(p, path)},
    )
