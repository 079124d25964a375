"""Dashboards of a site's own, made of the same kit by a function `dashboards(site)`.

They come from files `NAME.dashboard.py` of a directory, or from installed packages that declare the function as an entry point of the group
`tocsin.dashboards`.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from grafanalib.core import Dashboard

from alarm_engine.errors import TocsinError
from dashboards.kit.site import Site

PATTERN = "*.dashboard.py"
GROUP = "tocsin.dashboards"
"""Group of entry points. Those of packages that a site has installed are always taken, in the order of their names."""


class BuildError(TocsinError):
    """Dashboards that cannot be built or written."""


def site_dashboards(directory: Path, site: Site) -> Iterator[Dashboard]:
    """What the files of the directory make for a configuration, in the order of their names; raises `BuildError` naming the file."""
    if not directory.is_dir():
        raise BuildError(f"{directory}: expected a directory with files {PATTERN}")
    for file in sorted(directory.glob(PATTERN)):
        yield from _made(str(file), partial(_function_of, file), site)


def _function_of(file: Path) -> object:
    return runpy.run_path(str(file)).get("dashboards")


def installed_dashboards(site: Site) -> Iterator[Dashboard]:
    """What installed packages make for a configuration; raises `BuildError` naming the entry point."""
    for point in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        package = f" of {point.dist.name}" if point.dist is not None else ""
        yield from _made(f"entry point {point.name} = {point.value}{package}", point.load, site)


def _made(origin: str, load: Callable[[], object], site: Site) -> Iterator[Dashboard]:
    try:
        function = load()
        if not callable(function):
            raise BuildError(f"{origin}: has no function dashboards(site)")
        made: Iterable[object] = function(site)
        found = list(made)
    except TocsinError:
        raise
    except Exception as problem:  # whatever a site's code does wrong is its author's to read, not a traceback of ours
        raise BuildError(f"{origin}: {type(problem).__name__}: {problem}") from problem
    for dashboard in found:
        if not isinstance(dashboard, Dashboard) or not dashboard.uid:
            raise BuildError(f"{origin}: dashboards(site) must give dashboards of grafanalib that have a uid, not {dashboard!r:.60}")
        yield dashboard
