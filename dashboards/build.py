"""All dashboards of alarm trees as files: the same trees and options give the same bytes."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Protocol

from grafanalib.core import Dashboard

from alarm_engine.model import path as paths
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.subsystem import MAX_PAGES, Made, shape
from dashboards.adding import Adding, Given, config_of
from dashboards.audit import audit
from dashboards.health import health
from dashboards.history import history
from dashboards.hooks import BuildError, Hook, hooks
from dashboards.kit.additions import SETTINGS_IDS
from dashboards.kit.dashboard import encode
from dashboards.kit.links import GENERATED
from dashboards.kit.simple_panels import SimplePanel, addition
from dashboards.kit.site import Look, Site
from dashboards.kit.targets import DEFAULT_UIDS, Datasource, Kind
from dashboards.overview import overview
from dashboards.performance import performance
from dashboards.pv import alarm
from dashboards.subsystem import browser, component, top_level
from dashboards.time_travel import time_travel
from dashboards.wall import wall

MAX_COMPONENTS = MAX_PAGES
"""Components that get a dashboard of their own; the others are looked at on the one where any component can be chosen, and links lead
there."""

_WEB_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_REFRESH = re.compile(r"|\d+[smh]")
_ANY_ADDRESS = re.compile(r"(https?://|/)\S*")


class Tree(Protocol):
    """An alarm tree, as its files have it."""

    @property
    def name(self) -> str:
        """Name of the configuration."""
        ...

    @property
    def nodes(self) -> Mapping[str, NodeSettings]:
        """Components by canonical path, in the order of the tree."""
        ...

    @property
    def alarms(self) -> Mapping[str, AlarmSettings]:
        """Alarms by canonical path, in the order of the tree."""
        ...

    @property
    def ids(self) -> Mapping[str, str]:
        """Lasting identities of components that have one, by path."""
        ...


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a site chooses."""

    look: Look = field(default_factory=Look)
    datasource: Kind = Kind.INFINITY
    datasource_uid: str | None = None
    """None: the one that the provisioning gives."""
    depth: int = 1
    """Components down to that depth have a dashboard of their own; 1: those directly below the root."""
    extra: Path | None = None
    """Directory with files `NAME.dashboard.py` of the site."""
    panels: tuple[SimplePanel, ...] = ()
    """Panels that go onto the generated dashboards."""


def systems_of(tree: Tree) -> list[str]:
    """Names of the components directly below the root in the order of the tree; `""` last if alarms stand there too."""
    found = [elements[1] for elements in map(paths.split, tree.nodes) if len(elements) == 2]
    return [*found, ""] if any(len(paths.split(path)) == 2 for path in tree.alarms) else found


def build(trees: Sequence[Tree], options: BuildOptions | None = None) -> dict[str, bytes]:
    """Content of each file by its name `CONFIGURATION/UID.json`; raises `BuildError` if two would be the same, or links lead nowhere."""
    options = options or BuildOptions()
    _refuse(options, [tree.name for tree in trees])
    files: dict[str, bytes] = {}
    source = Datasource(options.datasource, options.datasource_uid or DEFAULT_UIDS[options.datasource])
    own = hooks(options.extra)
    for tree in trees:
        chosen = _components(tree, options.depth)
        site = Site(tree.name, source, options.look, shape(_made(tree)), frozenset(chosen), tree.ids)
        made = chain(_dashboards(tree, site, chosen), *(hook.dashboards_of(site) for hook in own))
        for dashboard in Adding(site, [*_from_settings(options.panels, site), *_from_hooks(own, site)]).into(made):
            name = f"{tree.name}/{dashboard.uid}.json"
            if name in files:
                raise BuildError(f"two dashboards would be {name}: is the configuration {tree.name!r} or the uid given twice?")
            try:
                files[name] = encode(dashboard)
            except TypeError as problem:  # of a site's own: a class of grafanalib that is no panel of any plugin, or a value of no kind
                raise BuildError(f"{name} cannot be written: {problem}") from problem
    return files


def _from_settings(panels: Sequence[SimplePanel], site: Site) -> Iterator[Given]:
    for number, panel in enumerate(panels):
        if _config_of(panel) in ("", site.config):
            # Two ids for each, by its place in the list: what is added below it changes none.
            yield Given(_origin(number, panel), addition(site, SETTINGS_IDS[2 * number], panel))


def _from_hooks(own: Sequence[Hook], site: Site) -> Iterator[Given]:
    for hook in own:
        for one in hook.panels_of(site):
            yield Given(hook.origin, one)


def _config_of(panel: SimplePanel) -> str:
    return panel.config or config_of(panel.dashboard)


def _origin(number: int, panel: SimplePanel) -> str:
    return f"dashboards.panels.{number} ({panel.title})"


def _made(tree: Tree) -> Made:
    """What `_dashboards` takes from a tree."""
    return Made(tree.nodes, tree.ids, next(iter(tree.alarms), ""), "" in systems_of(tree))


def _refuse(options: BuildOptions, configs: Sequence[str]) -> None:
    look, faults = options.look, []
    if not _WEB_ADDRESS.fullmatch(look.page_url):
        faults.append(f"page url {look.page_url!r}: expected http://host:port as browsers reach the operator's page, without query")
    if not _REFRESH.fullmatch(look.refresh):
        faults.append(f"refresh {look.refresh!r}: expected a time as 10s or 1m, or nothing for never")
    if look.prometheus and not _UID.fullmatch(look.prometheus):
        faults.append(f"prometheus {look.prometheus!r}: expected the uid of a datasource, letters, digits, - and _")
    if options.depth < 1:
        faults.append(f"depth {options.depth}: expected 1 or more")
    if look.archiver_url and not _ANY_ADDRESS.fullmatch(look.archiver_url):
        faults.append(f"archiver url {look.archiver_url!r}: expected an address with {{pv}} where the name of the PV goes")
    faults += [f"link {title!r}: {url!r} is no address" for title, url in look.links if not _ANY_ADDRESS.fullmatch(url)]
    if len(options.panels) > len(SETTINGS_IDS) // 2:
        faults.append(f"{len(options.panels)} panels: at most {len(SETTINGS_IDS) // 2} are possible; a file NAME.dashboard.py can add more")
    for number, panel in enumerate(options.panels):
        if _config_of(panel) not in ("", *configs):
            faults.append(f"{_origin(number, panel)}: no configuration {_config_of(panel)!r}; there are {', '.join(configs) or 'none'}")
    if faults:
        raise BuildError("; ".join(faults))


def _components(tree: Tree, depth: int) -> list[str]:
    """Paths of the components that get a dashboard, the nearest to the root first."""
    by_depth = [(len(paths.split(path)) - 1, path) for path in tree.nodes]
    return [path for _, path in sorted((one for one in by_depth if 1 <= one[0] <= depth), key=lambda one: one[0])][:MAX_COMPONENTS]


def _dashboards(tree: Tree, site: Site, chosen: Sequence[str]) -> Iterable[Dashboard]:
    systems = systems_of(tree)
    children: dict[str, list[str]] = {}
    for path in tree.nodes:
        children.setdefault(paths.parent(path), []).append(path)
    yield wall(site, systems)
    yield overview(site, systems)
    for path in chosen:
        yield component(site, path, children.get(path, []))
    if "" in systems:
        yield top_level(site)
    yield browser(site, next(iter(children.get(paths.join(None, tree.name), [])), paths.join(None, tree.name)))
    first = next(iter(tree.alarms), "")
    yield alarm(site, (paths.name(first), first))
    for view in (history, time_travel, performance, audit, health):
        yield view(site)


@dataclass(frozen=True, slots=True)
class Written:
    """What `write` did, as file names relative to the directory."""

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def write(files: Mapping[str, bytes], directory: Path, *, clear: bool = True) -> Written:
    """Bring the files into the directory. Raises `BuildError`.

    Each file appears whole or not at all (Grafana reads while we write); an equal one is not touched. With `clear` generated dashboards
    that are not among the files are removed, files of others never.
    """
    changed: list[str] = []
    unchanged: list[str] = []
    try:
        for name, content in files.items():
            target = directory / name
            if target.is_file() and target.read_bytes() == content:
                unchanged.append(name)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, content)
            changed.append(name)
        removed = [
            path for path in sorted(directory.rglob("*.json")) if clear and _name(path, directory) not in files and is_generated(path)
        ]
        for path in removed:
            path.unlink()
    except OSError as problem:
        raise BuildError(f"cannot write to {directory}: {problem.strerror or problem} ({problem.filename})") from problem
    return Written(tuple(changed), tuple(unchanged), tuple(_name(path, directory) for path in removed))


def _name(path: Path, directory: Path) -> str:
    return path.relative_to(directory).as_posix()


def _replace(target: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def is_generated(path: Path) -> bool:
    """True for a dashboard file with our tag."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    tags = data.get("tags") if isinstance(data, dict) else None
    return isinstance(tags, list) and GENERATED in tags
