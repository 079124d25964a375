"""Files -> alarm tree, with all faults at once.

result = load_tree(Path("tree.yaml"))    # what is good survives, `faults` has the rest
tree = read_tree(Path("tree.yaml"))      # all or nothing
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from pathlib import Path

from alarm_engine.config import values
from alarm_engine.config.build import Builder, TreeTooLarge, report_text_problems
from alarm_engine.config.entries import EntryReader
from alarm_engine.config.fault import Fault, Faults, InvalidTree, Spot
from alarm_engine.config.files import CannotRead, Files, Limits, SourceFile
from alarm_engine.config.memory import Memory
from alarm_engine.config.scope import Scope
from alarm_engine.config.template import Template, UseReader, collect
from alarm_engine.config.tree import ConfigTree, arrange
from alarm_engine.config.values import BadValue
from alarm_engine.config.yaml_nodes import Mapping, Node, Scalar
from alarm_engine.garbage import nothing_collected
from alarm_engine.model import path as paths
from alarm_engine.model.times import Nanos, iso

_PLACEHOLDER = "macro-"
FIRST_FILE = "tree.yaml"
"""Where a directory is given instead of a file."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of loading a tree."""

    tree: ConfigTree | None
    """All that is good; None if not even the root could be made."""
    faults: tuple[Fault, ...]
    """Errors and warnings by file and line."""
    left_out: tuple[str, ...] = ()
    """Paths of alarms that were left out because of errors, and of components below which something is missing.

    Whoever applies such a tree must not take what is absent at or below these paths for removed.
    """
    files: tuple[str, ...] = ()
    """Files that were read."""

    @property
    def errors(self) -> tuple[Fault, ...]:
        """Faults that left something out."""
        return tuple(fault for fault in self.faults if fault.is_error)

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """Faults that left nothing out."""
        return tuple(fault for fault in self.faults if not fault.is_error)


def load_tree(path: Path, *, now: Nanos | None = None, limits: Limits | None = None, memory: Memory | None = None) -> LoadResult:
    """Load the tree in `path`, a file or a directory with a `tree.yaml`. Never raises for what is in the files.

    With `now`, dates in `enabled` that have passed are warned about. `memory` makes reading a tree again cheap.
    """
    memory = memory or Memory()
    memory.begin()
    with nothing_collected():
        return _load(path, now, limits or Limits(), memory)


def read_tree(path: Path, *, limits: Limits | None = None) -> ConfigTree:
    """The tree in `path` if it has no errors; else raises `InvalidTree`, a `ConfigError` whose message lists all of them."""
    result = load_tree(path, limits=limits)
    if result.tree is None or result.errors:
        raise InvalidTree(result.faults)
    return result.tree


def _load(path: Path, now: Nanos | None, limits: Limits, memory: Memory) -> LoadResult:
    faults = Faults()
    if os.path.isdir(path):  # unlike Path.is_dir it does not raise where a directory may not be entered
        path = path / FIRST_FILE
    files = Files(path.parent, limits, memory)
    try:
        first = files.open(path.name)
    except CannotRead as cannot:
        faults.error(Spot(str(path)), cannot.problem, "the first file of an alarm tree")
        return LoadResult(None, faults.result())
    report_text_problems(first, faults)
    if not isinstance(first.root, Mapping):
        if first.readable:
            _no_mapping(first, first.root, faults)
        return LoadResult(None, faults.result(), (), files.names)
    return _build(first, files, limits, faults, now)


def _build(first: SourceFile, files: Files, limits: Limits, faults: Faults, now: Nanos | None) -> LoadResult:
    zone_name, zone = _zone(first, faults)
    name = _name(first, faults)
    reader = EntryReader(faults, zone)
    templates = collect(first, files, reader, faults)
    builder = _builder(files, templates, zone, limits, faults)
    built = builder.built
    # Without a usable name the rest is checked all the same, so that all faults come at once.
    root = paths.join(None, name or "config")
    if first.problems:
        built.left_out[root] = None
    try:
        builder.first(first, root)
    except TreeTooLarge:
        built.left_out[root] = None
    for template in templates.values():
        if template.name not in builder.instantiated:
            tried = Faults()
            _try_out(template, _builder(files, templates, zone, limits, tried), faults, tried)
    if name is None:
        return LoadResult(None, faults.result(), tuple(built.left_out), files.names)
    tree = arrange(name, zone_name, built.nodes, built.alarms, built.places, built.ids)
    if now is not None:
        _look_at_dates(tree, now, faults)
    return LoadResult(tree, faults.result(), tuple(built.left_out), files.names)


def _no_mapping(file: SourceFile, root: Node | None, faults: Faults) -> None:
    problem = "is empty" if root is None else "holds no mapping"
    faults.error(Scope(file).spot(root, ""), problem, "config: NAME and systems: ...")


def _name(file: SourceFile, faults: Faults) -> str | None:
    assert isinstance(file.root, Mapping)
    node = file.root.get("config")
    scope = Scope(file)
    if node is None:
        faults.error(scope.spot(file.root, "", "config"), "is missing", "config: NAME, the name of the configuration")
        return None
    text = node.text if isinstance(node, Scalar) and not node.is_null else ""
    try:
        return values.config_name(text)
    except BadValue as bad:
        faults.error(scope.spot(node, "", "config"), bad.problem, bad.expected, text)
        return None


def _zone(file: SourceFile, faults: Faults) -> tuple[str, tzinfo]:
    assert isinstance(file.root, Mapping)
    node = file.root.get("time_zone")
    if node is None:
        return "UTC", UTC
    text = node.text if isinstance(node, Scalar) else ""
    try:
        return text, values.time_zone(text)
    except BadValue as bad:
        faults.error(Scope(file).spot(node, "", "time_zone"), bad.problem, bad.expected, text)
        return "UTC", UTC


def _builder(files: Files, templates: dict[str, Template], zone: tzinfo, limits: Limits, faults: Faults) -> Builder:
    reader = EntryReader(faults, zone, files.memory)
    return Builder(files, reader, UseReader(templates, reader, faults, limits.entries), faults, (limits.entries, limits.levels))


def _try_out(template: Template, builder: Builder, faults: Faults, tried: Faults) -> None:
    """Check a template that was put in nowhere: built from placeholders; what does not hang on them is wrong for every value."""
    macros = {name: f"{_PLACEHOLDER}{n}" for n, name in enumerate(sorted(template.required))} | dict(template.defaults)
    try:
        builder.template(template, macros)
    except TreeTooLarge:
        return
    for fault in tried.result():
        if fault.is_error and _PLACEHOLDER not in (fault.value or ""):
            field = f"templates.{template.name}" + (f": {fault.spot.field}" if fault.spot.field else "")
            faults.add(replace(fault, spot=replace(fault.spot, path="", field=field)))


def _look_at_dates(tree: ConfigTree, now: Nanos, faults: Faults) -> None:
    for path, settings in tree.alarms.items():
        if settings.enabled_at is not None and settings.enabled_at <= now:
            place = tree.places[path]
            spot = Spot(place.file, place.line, None, path, "enabled", place.used_at)
            faults.warning(spot, "has passed, so the alarm is in service; the entry can go", value=iso(settings.enabled_at))
