"""All dashboards of alarm trees as files: the same trees and options give the same bytes."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from alarm_engine.errors import TocsinError
from alarm_engine.model import path as paths
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from dashboards.kit.alarm_panels import Site
from dashboards.kit.dashboard import GeneratedDashboard, encode
from dashboards.kit.links import GENERATED
from dashboards.kit.palette import Theme
from dashboards.kit.targets import DEFAULT_UIDS, Datasource, Kind
from dashboards.overview import overview
from dashboards.pv import alarm
from dashboards.subsystem import subsystem

DEFAULT_PAGE_URL = "http://127.0.0.1:8080"
_PAGE_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


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


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a site chooses."""

    theme: Theme = Theme.DARK
    datasource: Kind = Kind.INFINITY
    datasource_uid: str | None = None
    """None: the one that the provisioning gives."""
    page_url: str = DEFAULT_PAGE_URL
    """Address of the operator's page, as browsers reach it."""


class BuildError(TocsinError):
    """Dashboards that cannot be built or written."""


def systems_of(tree: Tree) -> list[str]:
    """Names of the components directly below the root in the order of the tree; `""` last if alarms stand there too."""
    found = [elements[1] for elements in map(paths.split, tree.nodes) if len(elements) == 2]
    return [*found, ""] if any(len(paths.split(path)) == 2 for path in tree.alarms) else found


def build(trees: Sequence[Tree], options: BuildOptions | None = None) -> dict[str, bytes]:
    """Content of each file by its name `CONFIGURATION/UID.json`; raises `BuildError` if two would be the same, or links lead nowhere."""
    options = options or BuildOptions()
    if not _PAGE_URL.fullmatch(options.page_url):
        raise BuildError(f"page url {options.page_url!r}: expected http://host:port as browsers reach the operator's page, without query")
    files: dict[str, bytes] = {}
    source = Datasource(options.datasource, options.datasource_uid or DEFAULT_UIDS[options.datasource])
    for tree in trees:
        site = Site(tree.name, source, options.theme, options.page_url.rstrip("/"))
        for dashboard in _dashboards(tree, site):
            name = f"{tree.name}/{dashboard.uid}.json"
            if name in files:
                raise BuildError(f"two dashboards would be {name}: is the configuration {tree.name!r} given twice?")
            files[name] = encode(dashboard)
    return files


def _dashboards(tree: Tree, site: Site) -> Iterable[GeneratedDashboard]:
    systems = systems_of(tree)
    yield overview(site, systems)
    for system in systems:
        yield subsystem(site, system)
    path = next(iter(tree.alarms), "")
    yield alarm(site, (paths.name(path), path))


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
