"""Builds the tree from the nodes of its files: includes, templates and defaults are worked in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from alarm_engine.config import keys, values
from alarm_engine.config.entries import EntryReader, Fields
from alarm_engine.config.fault import Faults
from alarm_engine.config.files import CannotRead, Files, SourceFile
from alarm_engine.config.scope import Scope
from alarm_engine.config.template import Template, UseReader
from alarm_engine.config.tree import Place
from alarm_engine.config.values import BadValue
from alarm_engine.config.yaml_nodes import Node, Scalar, Sequence
from alarm_engine.model import path as paths
from alarm_engine.model.settings import AlarmSettings, NodeSettings


class TreeTooLarge(Exception):
    """The tree has more entries than is allowed; a fault is noted."""


@dataclass(slots=True)
class Built:
    """What has been built so far, in the order of the files."""

    nodes: dict[str, NodeSettings]
    alarms: dict[str, AlarmSettings]
    places: dict[str, Place]
    left_out: dict[str, None]
    """Paths of alarms that were left out, and of components of which something is missing."""
    ids: dict[str, str] = field(default_factory=dict)
    """Identities of components by path."""


@dataclass(frozen=True, slots=True)
class _Within:
    """The component that content is read into."""

    path: str
    inherited: Fields
    """What is handed down to alarms."""


class Builder:
    """Builds one tree. Use once: `first()` with the first file, then read `built`."""

    def __init__(self, files: Files, reader: EntryReader, uses: UseReader, faults: Faults, most: tuple[int, int]) -> None:
        self.built = Built({}, {}, {}, {})
        self._files = files
        self._reader = reader
        self._uses = uses
        self._faults = faults
        self._most_entries, self._most_levels = most
        self._entries = 0
        self._pvs: dict[str, str] = {}
        self._lists: dict[tuple[str, str], tuple[tuple[Any, ...], Place]] = {}
        self._root = ""
        self._identities: dict[str, tuple[str, Place]] = {}
        """Who has an identity: path and place, by the identity without regard to case (as some databases of Grafana compare them)."""
        self.instantiated: set[str] = set()
        """Names of templates that were put in somewhere."""

    def first(self, file: SourceFile, root: str) -> None:
        """Build all from the first file; raises `TreeTooLarge`."""
        assert file.root is not None
        self._root = root
        self.built.places[root] = Scope(file).place(file.root)
        self.built.nodes[root] = NodeSettings()
        self._content(file.root, keys.ROOT, Scope(file, files=frozenset({file.real})), _Within(root, {}))

    def template(self, template: Template, macros: dict[str, str]) -> None:
        """Build one template alone, below the root; raises `TreeTooLarge`."""
        within = _Within("", {})
        scope = Scope(template.file, macros, templates=(template.name,))
        self._content(template.body, keys.TEMPLATE, scope, within)

    def _content(self, node: Node, allowed: keys.Keys, scope: Scope, within: _Within) -> None:
        """Read a mapping of content into a component."""
        path = within.path
        before = self._faults.errors
        parts = {key: (name, value) for key, name, value in self._reader.mapping(node, allowed, scope, path)}
        if self._faults.errors != before:
            self._incomplete(path)
        if "defaults" in parts:
            within = replace(within, inherited=self._reader.defaults(parts["defaults"][1], scope, path, within.inherited))
        for name in keys.LISTS:
            if name in parts and name in keys.NODE:
                self._list(name, parts[name], scope, path)
        if "id" in parts:
            self._identity(parts["id"][1], scope, path)
        if "include" in parts:
            self._includes(parts["include"][1], scope, within)
        if "pvs" in parts:
            self._alarms(parts["pvs"][1], scope, within)
        if "systems" in parts:
            table = self._reader.expect_mapping(parts["systems"][1], "names of components with their content", scope, path, "systems")
            if table is None:
                self._incomplete(path)
            self._components(table.entries if table else [], scope, within)
        for use in self._reader.expect_list(parts["use"][1], "a list of templates", scope, path, "use") if "use" in parts else ():
            self._use(use, scope, within)

    def _includes(self, node: Node, scope: Scope, within: _Within) -> None:
        path = within.path
        if scope.macros is not None:
            self._faults.error(
                scope.spot(node, path, "include"), "stands in a template", "the content itself; an include cannot depend on macros"
            )
            self._incomplete(path)
            return
        for item in node.items if isinstance(node, Sequence) else [node]:
            name = self._reader.text(item, scope, path, "include")
            if name is None:
                self._incomplete(path)
                continue
            try:
                file = self._files.open(name, scope.file)
            except CannotRead as cannot:
                self._faults.error(scope.spot(item, path, "include"), cannot.problem, cannot.expected, name)
                self._incomplete(path)
                continue
            if file.real in scope.files:
                problem = f"closes a circle: {file.shown} is being included already"
                self._faults.error(scope.spot(item, path, "include"), problem, "a file that does not lead back here", name)
                self._incomplete(path)
                continue
            self._included(file, replace(scope, file=file, files=scope.files | {file.real}, depth=scope.depth + 1), within, (scope, item))

    def _included(self, file: SourceFile, scope: Scope, within: _Within, by: tuple[Scope, Node]) -> None:
        self._grow(scope, by[1], within.path)
        report_text_problems(file, self._faults, within.path)
        if file.problems:
            self._incomplete(within.path)
        if file.root is not None:
            self._content(file.root, keys.FILE, scope, within)
        elif file.readable:
            self._faults.warning(by[0].spot(by[1], within.path, "include"), "is an empty file", value=file.shown)

    def _components(self, entries: list[tuple[Scalar, Node]], scope: Scope, within: _Within) -> None:
        seen: dict[str, Scalar] = {}
        for key, node in entries:
            if key.text in seen:
                # Its alarms are kept: where they belong may be in doubt, that they are wanted is not.
                problem = f"is given twice, first in line {seen[key.text].line}"
                self._faults.error(scope.spot(key, within.path, "systems"), problem, "each component once in a list", key.text)
            seen[key.text] = key
            self._component(key, node, scope, within)

    def _component(self, key: Scalar, node: Node, scope: Scope, within: _Within) -> None:
        """Read a component. Several files and templates may add to the same one."""
        path = self._path_of(key, scope, within.path, "component")
        if path is None:
            return
        self._grow(scope, key, path)
        if path in self.built.places and path not in self.built.nodes:
            problem = f"is also the name of an alarm, at {self.built.places[path]}"
            self._faults.error(scope.spot(key, path), problem, "each path once in the tree")
            self._incomplete(path)
            return
        self.built.places.setdefault(path, scope.place(key))
        self.built.nodes.setdefault(path, NodeSettings())
        if not (isinstance(node, Scalar) and node.is_null):
            self._content(node, keys.NODE, replace(scope, depth=scope.depth + 1), _Within(path, within.inherited))

    def _list(self, name: str, part: tuple[Scalar, Node], scope: Scope, path: str) -> None:
        """Guidance, displays, commands or actions of a component: in one place, or the same everywhere."""
        entries = self._reader.lists(name, part[1], scope, path)
        known = self._lists.setdefault((path, name), (entries, scope.place(part[0])))
        if known[0] != entries:
            problem = f"is given differently at {known[1]}"
            self._faults.error(scope.spot(part[0], path, name), problem, "one place for it among the files and templates of a component")
        elif entries and path in self.built.nodes:
            self.built.nodes[path] = replace(self.built.nodes[path], **{name: entries})

    def _identity(self, node: Node, scope: Scope, path: str) -> None:
        """The identity of a component: one, and nobody else's."""
        text = self._reader.text(node, scope, path, "id")
        if text is None or not isinstance(node, Scalar):
            self._incomplete(path)
            return
        try:
            given = values.component_id(text)
            self._look_at_identity(given, path, scope.place(node))
            self.built.ids[path] = given
        except BadValue as bad:
            self._reader.bad(bad, node, scope, path, "id")
            self._incomplete(path)

    def _look_at_identity(self, given: str, path: str, place: Place) -> None:
        if path == self._root:
            raise BadValue("stands at the root", "no id: the root is known by the name of the configuration")
        former = self.built.ids.get(path, given)
        if former != given:
            raise BadValue(f"differs from {former}, which is given elsewhere for this component", "one id")
        owner, where = self._identities.setdefault(given.casefold(), (path, place))
        if owner != path:
            raise BadValue(f"is the id of {owner} too, at {where}", "each id once in the tree, in whatever case")

    def _alarms(self, node: Node, scope: Scope, within: _Within) -> None:
        if (table := self._reader.expect_mapping(node, "names of PVs with their fields", scope, within.path, "pvs")) is None:
            self._incomplete(within.path)
            return
        for key, value in table.entries:
            path = self._path_of(key, scope, within.path, "PV")
            if path is None:
                continue
            self._grow(scope, key, path)
            if known := self.built.places.get(path):
                what = "is also the name of a component, at" if path in self.built.nodes else "is defined twice, first at"
                self._faults.error(scope.spot(key, path), f"{what} {known}", "each path once in the tree")
                continue
            # The place is kept also for an alarm that is left out: a second one at the same path is a fault all the same.
            self.built.places[path] = scope.place(key)
            settings = self._reader.alarm(value, scope, path, within.inherited)
            if settings is None:
                self.built.left_out[path] = None
                continue
            self.built.alarms[path] = settings
            self._look_at_name(key, scope, path)

    def _look_at_name(self, key: Scalar, scope: Scope, path: str) -> None:
        name = key.text if "$" not in key.text else scope.text(key)
        if "://" in name and (odd := values.odd_pv_name(name)):
            self._faults.warning(scope.spot(key, path), odd, value=name)
        other = self._pvs.setdefault(name.removeprefix("ca://"), path)
        if other != path:
            problem = f"watches the same PV as {other} at {self.built.places[other]}"
            self._faults.warning(scope.spot(key, path), problem, "one alarm for a PV, unless both places need it")

    def _path_of(self, key: Scalar, scope: Scope, parent: str, what: str) -> str | None:
        try:
            name = "" if key.is_null else scope.text(key)
            name = values.pv_name(name) if what == "PV" else values.component_name(name)
        except BadValue as bad:
            self._reader.bad(bad, key, scope, parent, "pvs" if what == "PV" else "systems")
            self._incomplete(parent)
            return None
        return paths.join(parent, name) if "/" in name else f"{parent}/{name}"

    def _use(self, node: Node, scope: Scope, within: _Within) -> None:
        use = self._uses.read(node, scope, within.path)
        if use is None:
            self._incomplete(within.path)
            return
        template = use.template
        if template.name in scope.templates:
            circle = " -> ".join([*scope.templates, template.name])
            self._faults.error(
                scope.spot(node, within.path, "use"), f"closes a circle of templates: {circle}", "templates that do not lead back"
            )
            self._incomplete(within.path)
            return
        self.instantiated.add(template.name)
        for macros in use.instances:
            inside = Scope(
                template.file,
                macros,
                scope.used_at or f"{scope.file.shown}:{node.line}",
                templates=(*scope.templates, template.name),
                depth=scope.depth + 1,
            )
            self._grow(inside, template.body, within.path)
            self._content(template.body, keys.TEMPLATE, inside, within)

    def _incomplete(self, path: str) -> None:
        self.built.left_out[path] = None

    def _grow(self, scope: Scope, node: Node, path: str) -> None:
        """Count an entry. Includes and templates count too, or they could multiply without ever making an alarm."""
        self._entries += 1
        problem = ""
        if self._entries > self._most_entries:
            problem = f"is one more than the {self._most_entries} alarms, components, includes and templates that a tree may have"
        elif scope.depth > self._most_levels:
            problem = f"lies deeper than {self._most_levels} components, includes and templates within each other"
        if problem:
            self._faults.error(scope.spot(node, path), problem, "a tree that a person can read")
            raise TreeTooLarge(problem)


def report_text_problems(file: SourceFile, faults: Faults, path: str = "") -> None:
    """Note what is wrong with the text of a file."""
    for found in file.problems:
        node = None if found.line is None else Scalar("", found.line, found.column or 1)
        faults.error(Scope(file).spot(node, path), found.problem, found.expected, found.value)
