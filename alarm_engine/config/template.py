"""Templates for repeated equipment: where they are defined, and what an entry under `use` asks for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from alarm_engine.config import keys
from alarm_engine.config.entries import EntryReader
from alarm_engine.config.fault import Faults
from alarm_engine.config.files import CannotRead, Files, SourceFile
from alarm_engine.config.scope import MACRO_NAME, Scope, references
from alarm_engine.config.values import LONGEST_NAME, BadValue
from alarm_engine.config.yaml_nodes import Mapping, Node, Scalar, Sequence

_MACRO = re.compile(MACRO_NAME)
_RANGE = re.compile(r"\s*(\d{1,9})\s*\.\.\s*(\d{1,9})\s*")


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it is defined."""

    name: str
    key: Scalar
    """Where its name stands."""
    body: Mapping
    file: SourceFile
    required: frozenset[str]
    """Macros that must be given."""
    defaults: MappingOf[str, str]
    """Macros that may be left out, with their value then."""


def collect(first: SourceFile, files: Files, reader: EntryReader, faults: Faults) -> dict[str, Template]:
    """The templates of all files of the tree, by name. What else is wrong with the files is found when the tree is built."""
    found: dict[str, Template] = {}
    for file in _reachable(first, files):
        scope = Scope(file)
        if not isinstance(file.root, Mapping) or (node := file.root.get("templates")) is None:
            continue
        table = reader.expect_mapping(node, "names of templates with their content", scope, "", "templates")
        for key, body in table.entries if table else ():
            template = _define(key, body, scope, reader, faults)
            if template is None:
                continue
            if first_one := found.get(key.text):
                place = f"{first_one.file.shown}:{first_one.key.line}"
                faults.error(
                    scope.spot(key, "", "templates"), f"is defined twice, first at {place}", "each name once in the tree", key.text
                )
                continue
            found[key.text] = template
    return found


def _reachable(first: SourceFile, files: Files) -> Iterator[SourceFile]:
    """Each file of the tree once, in the order in which they are met."""
    waiting: list[tuple[SourceFile, Node | None]] = [(first, first.root)]
    seen: set[object] = {first.real}
    yield first
    while waiting:
        file, node = waiting.pop()
        if not isinstance(node, Mapping) or id(node) in seen:
            continue
        seen.add(id(node))
        include = node.get("include")
        for item in include.items if isinstance(include, Sequence) else [include]:
            try:
                if isinstance(item, Scalar) and (other := files.open(item.text, file)).real not in seen:
                    seen.add(other.real)
                    waiting.append((other, other.root))
                    yield other
            except CannotRead:
                continue
        systems = node.get("systems")
        if isinstance(systems, Mapping):
            waiting.extend((file, below) for _, below in reversed(systems.entries))


def _define(key: Scalar, body: Node, scope: Scope, reader: EntryReader, faults: Faults) -> Template | None:
    name = f"templates.{key.text}"
    parts = {entry: value for entry, _, value in reader.mapping(body, keys.TEMPLATE, scope, "", name)}
    if not isinstance(body, Mapping):
        return None
    named, defaults = _named(parts["macros"], scope, reader, f"{name}.macros") if "macros" in parts else ({}, {})
    _look_at_macros(body, named, scope, name, faults)
    return Template(key.text, key, body, scope.file, frozenset(named.keys() - defaults.keys()), defaults)


def _named(node: Node, scope: Scope, reader: EntryReader, name: str) -> tuple[dict[str, Scalar], dict[str, str]]:
    """Macros that a template names, and values of those that may be left out."""
    named: dict[str, Scalar] = {}
    defaults: dict[str, str] = {}
    table = reader.expect_mapping(node, "names of macros and what they stand for", scope, "", name)
    for macro, meaning in table.entries if table else ():
        if not _MACRO.fullmatch(macro.text):
            reader.bad(BadValue("is no name of a macro", "letters, digits and underscores"), macro, scope, "", name)
        named[macro.text] = macro
        if not isinstance(meaning, Mapping):
            continue
        parts = {k: v for k, _, v in reader.mapping(meaning, keys.MACRO, scope, "", f"{name}.{macro.text}")}
        if "default" in parts and (text := reader.text(parts["default"], scope, "", f"{name}.{macro.text}.default")) is not None:
            defaults[macro.text] = text
    return named, defaults


def _look_at_macros(body: Mapping, named: MappingOf[str, Scalar], scope: Scope, name: str, faults: Faults) -> None:
    used: set[str] = set()
    for scalar in _scalars(body):
        refers = references(scalar.text)
        used |= refers.names
        spot = scope.spot(scalar, "", name)
        for unknown in sorted(refers.names - named.keys()):
            problem = f"has the macro {unknown}, which the template does not name{faults.hint(unknown, named)}"
            faults.error(spot, problem, f"{unknown} under `macros` of the template, or $$({unknown}) to leave it alone", scalar.text)
        for broken in refers.broken:
            faults.error(spot, f"has {broken}, which is no macro", "$(NAME) or ${NAME}; $$( for a plain $(", scalar.text)
    for unused in sorted(named.keys() - used):
        faults.warning(scope.spot(named[unused], "", f"{name}.macros"), "is a macro that the template does not use", value=unused)


def _scalars(body: Mapping) -> Iterator[Scalar]:
    """All texts of a template but those of `macros`."""
    waiting: list[Node] = [value for key, value in body.entries if key.text != "macros"]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Scalar):
            yield node
        elif isinstance(node, Sequence):
            waiting.extend(node.items)
        else:
            waiting.extend(part for entry in node.entries for part in entry)


@dataclass(frozen=True, slots=True)
class Use:
    """An entry under `use`, read: a template and the macros of each of its instances."""

    template: Template
    instances: tuple[dict[str, str], ...]


class UseReader:
    """Reads entries under `use`."""

    def __init__(self, templates: MappingOf[str, Template], reader: EntryReader, faults: Faults, most: int) -> None:
        self._templates = templates
        self._reader = reader
        self._faults = faults
        self._most = most

    def read(self, node: Node, scope: Scope, path: str) -> Use | None:
        """What the entry asks for; None (and faults) if it cannot be had."""
        before = self._faults.errors
        parts = {key: value for key, _, value in self._reader.mapping(node, keys.USE, scope, path, "use")}
        if self._faults.errors != before:
            return None
        if "template" not in parts:
            self._faults.error(scope.spot(node, path, "use"), "names no template", "template: NAME")
            return None
        name = self._reader.text(parts["template"], scope, path, "use.template")
        if name is None:
            return None
        template = self._templates.get(name)
        if template is None:
            known = ", ".join(sorted(self._templates)) or "a template under `templates` (there is none yet)"
            self._faults.error(
                scope.spot(parts["template"], path, "use.template"),
                f"is no template of this tree{self._faults.hint(name, self._templates)}",
                known,
                name,
            )
            return None
        given = self._macros(parts["macros"], scope, path, "use.macros") if "macros" in parts else {}
        each = list(self._each(parts["each"], scope, path)) if "each" in parts else [{}]
        if self._faults.errors != before or not self._complete(template, given, each, (scope, node, path)):
            return None
        return Use(template, tuple({**template.defaults, **given, **one} for one in each))

    def _complete(self, template: Template, given: dict[str, str], each: list[dict[str, str]], at: tuple[Scope, Node, str]) -> bool:
        scope, node, path = at
        known = template.required | template.defaults.keys()
        spot = scope.spot(node, path, "use")
        asked = ", ".join(sorted(known)) or "no macros"
        names = {macro for one in each for macro in one} | given.keys()
        for macro in sorted(names - known):
            self._faults.error(spot, f"is no macro of template {template.name}{self._faults.hint(macro, known)}", asked, macro)
        missing = {macro for one in each for macro in template.required - given.keys() - one.keys()}
        for macro in sorted(missing):
            self._faults.error(spot, f"gives no value to the macro {macro} of template {template.name}", asked)
        return not missing and names <= known

    def _macros(self, node: Node, scope: Scope, path: str, name: str) -> dict[str, str]:
        table = self._reader.expect_mapping(node, "names of macros with their values", scope, path, name)
        found: dict[str, str] = {}
        for key, value in table.entries if table else ():
            if key.text in found:
                self._faults.error(scope.spot(key, path, name), "is given twice", "each macro once", key.text)
            found[key.text] = self._value(value, scope, path, f"{name}.{key.text}")
        return found

    def _value(self, node: Node, scope: Scope, path: str, name: str) -> str:
        text = self._reader.text(node, scope, path, name) or ""
        if len(text) > LONGEST_NAME:
            self._faults.error(scope.spot(node, path, name), f"has {len(text)} characters", f"at most {LONGEST_NAME} as value of a macro")
        return text

    def _each(self, node: Node, scope: Scope, path: str) -> Iterator[dict[str, str]]:
        if isinstance(node, Sequence):
            for item in node.items:
                yield self._macros(item, scope, path, "use.each")
            return
        table = self._reader.expect_mapping(node, "a list of macros, or macros with a list or a range like 1..12", scope, path, "use.each")
        axes: dict[str, list[str]] = {}
        total = 1
        for key, value in table.entries if table else ():
            axes[key.text] = self._axis(value, scope, path, f"use.each.{key.text}")
            total *= len(axes[key.text])
            if total > self._most:
                self._faults.error(
                    scope.spot(key, path, "use.each"), f"makes more than {self._most} instances", "a tree that a person can read"
                )
                return
        for combination in itertools.product(*axes.values()):
            yield dict(zip(axes, combination, strict=True))

    def _axis(self, node: Node, scope: Scope, path: str, name: str) -> list[str]:
        if isinstance(node, Sequence):
            return [self._value(item, scope, path, name) for item in node.items]
        text = self._reader.text(node, scope, path, name)
        if text is None or not isinstance(node, Scalar):
            return []
        match = _RANGE.fullmatch(text)
        if not match or int(match[1]) > int(match[2]):
            self._reader.bad(BadValue("is no range", "a list, or a range like 1..12 (01..12 keeps the zeros)"), node, scope, path, name)
            return []
        first, last = int(match[1]), int(match[2])
        if last - first >= self._most:
            self._reader.bad(BadValue(f"makes more than {self._most} instances", "a tree that a person can read"), node, scope, path, name)
            return []
        width = len(match[1]) if match[1].startswith("0") and len(match[1]) > 1 else 0
        return [str(n).zfill(width) for n in range(first, last + 1)]
