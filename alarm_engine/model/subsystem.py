"""Subsystems as people see them: the name on a tile, and the identity of the dashboard behind it.

Dashboards are generated on one side and linked to by rows of the backend on the other; both take names and identities from here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from alarm_engine.model.path import split

TOP_LEVEL = "(top level)"
"""Name on the tile of alarms that stand directly below the root, in no component."""

DIRECT = "(directly here)"
"""Name on the tile of alarms that stand in a component itself, beside components."""

MAX_UID = 40
"""Grafana's limit for the identity of a dashboard."""

MAX_PAGES = 300
"""Components of a configuration that get a dashboard of their own, those nearest to the root first."""

_PLAIN = re.compile(r"[A-Za-z0-9]+")
_ODD = re.compile(r"[^A-Za-z0-9]+")
_DIGEST = 8
_SHAPE = 12


def title(system: str) -> str:
    """What a subsystem is called where people read it."""
    return system or TOP_LEVEL


def system_of(title: str) -> str:
    """The name in the tree of what people read."""
    return "" if title == TOP_LEVEL else title


def overview_uid(config: str) -> str:
    """Dashboard with all subsystems of a configuration."""
    return _uid((config,), "")


def system_uid(config: str, system: str, identity: str = "") -> str:
    """Dashboard of one subsystem; `""` is what stands directly below the root."""
    if identity:
        return _uid((config, identity), "id")
    return _uid((config, system), "") if system else _uid((config,), "top")


def component_uid(config: str, path: str, identity: str = "") -> str:
    """Dashboard of a component at any depth, by its canonical path; of one directly below the root that is `system_uid`.

    With an `identity` of its own, that and not the path: it stays the same when the component is renamed or moved.
    """
    return _uid((config, identity), "id") if identity else _uid((config, *split(path)[1:]), "")


def browser_uid(config: str) -> str:
    """Dashboard that shows whichever component is chosen on it."""
    return _uid((config,), "component")


def view_uid(config: str, view: str) -> str:
    """One of the further dashboards of a configuration: `wall`, `history`, ..."""
    return _uid((config,), view)


def alarm_uid(config: str) -> str:
    """Dashboard that shows one alarm of a configuration."""
    return _uid((config,), "pv")


def folder_uid(config: str) -> str:
    """Folder of a configuration's dashboards."""
    return _uid((config,), "folder")


@lru_cache(maxsize=10_000)
def _uid(parts: tuple[str, ...], purpose: str) -> str:
    """Readable, the same for ever, and different for different parts.

    Plain names are joined by `-` as they are. Names with other characters, or too long, are cut, and a digest after `_` tells them
    apart; `_` stands nowhere else but before a purpose.
    """
    suffix = f"_{purpose}" if purpose else ""
    plain = "-".join(("tocsin", *parts)) + suffix
    if all(_PLAIN.fullmatch(part) for part in parts) and len(plain) <= MAX_UID:
        return plain
    digest = hashlib.sha256("\0".join((*parts, purpose)).encode()).hexdigest()[:_DIGEST]
    readable = "-".join(("tocsin", *(_ODD.sub("-", part).strip("-") for part in parts)))
    return f"{readable[: MAX_UID - _DIGEST - 1].rstrip('-')}_{digest}"


@dataclass(frozen=True, slots=True)
class Made:
    """All of a tree that dashboards are made from; the rest of it they ask for."""

    components: Iterable[str]
    """Paths, the root included."""
    ids: Mapping[str, str]
    """Lasting identities by path; those of paths that are no components do not count."""
    first_alarm: str
    """Path of the first alarm in the order of the tree: what the page of one alarm shows unless another is chosen; empty: there is none."""
    has_direct: bool
    """Alarms stand directly below the root."""


def shape(made: Made) -> str:
    """A short text that is the same for trees of which the same dashboards are made."""
    parts = [f"{path}\0{made.ids.get(path, '')}" for path in sorted(made.components)]
    return hashlib.sha256("\0\0".join((*parts, made.first_alarm, str(made.has_direct))).encode()).hexdigest()[:_SHAPE]
