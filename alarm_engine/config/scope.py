"""From where a node is read: its file, and the macros of the template that it stands in."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field

from alarm_engine.config.fault import Spot
from alarm_engine.config.files import SourceFile
from alarm_engine.config.tree import Place
from alarm_engine.config.values import BadValue
from alarm_engine.config.yaml_nodes import Node, Scalar

MACRO_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"\$(\$(?=[({{]))|\$(?:\(({MACRO_NAME})\)|\{{({MACRO_NAME})\}})|\$([({{][^)}}]{{0,40}}[)}}]?)")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where we are."""

    file: SourceFile
    macros: MappingOf[str, str] | None = None
    """Values of macros inside a template; None outside, where `$(X)` is only text (a display may have macros of its own)."""
    used_at: str = ""
    """Inside a template: place of the entry that uses it."""
    files: frozenset[object] = frozenset()
    """Files that we are inside of."""
    templates: tuple[str, ...] = ()
    """Templates that we are inside of."""
    depth: int = 0
    """Components, includes and templates around us."""

    def text(self, node: Scalar) -> str:
        """The text of a node, macros put in; raises `BadValue`."""
        if self.macros is None or "$" not in node.text:
            return node.text
        return expand(node.text, self.macros)

    def spot(self, node: Node | None, path: str, name: str = "") -> Spot:
        """The place of a node for a message; None: the file as a whole."""
        if node is None:
            return Spot(self.file.shown, path=path, field=name, used_at=self.used_at)
        return Spot(self.file.shown, node.line, node.column, path, name, self.used_at)

    def place(self, node: Node) -> Place:
        """The place of a node to be kept."""
        return Place(self.file.shown, node.line, self.used_at)


@dataclass(frozen=True, slots=True)
class References:
    """Macros that a text refers to."""

    names: frozenset[str] = field(default_factory=frozenset)
    broken: tuple[str, ...] = ()
    """What looks like a macro and is none."""


def references(text: str) -> References:
    """Macros in a text: `$(NAME)` and `${NAME}`; `$$(` is a plain `$(`."""
    names, broken = set(), []
    for _, round_name, curly_name, other in _REFERENCE.findall(text):
        if round_name or curly_name:
            names.add(round_name or curly_name)
        elif other:
            broken.append("$" + other)
    return References(frozenset(names), tuple(broken))


def expand(text: str, macros: MappingOf[str, str]) -> str:
    """The text with the values of its macros; raises `BadValue` for one that has no value."""

    def value(match: re.Match[str]) -> str:
        escaped, round_name, curly_name, _ = match.groups()
        if escaped:
            return "$"
        name = round_name or curly_name
        if name and name in macros:
            return macros[name]
        # Noted when the template was read, since it is so for every use.
        raise BadValue(f"has {match.group()}, which the template does not name", "macros that are named in `macros`", noted=True)

    return _REFERENCE.sub(value, text)
