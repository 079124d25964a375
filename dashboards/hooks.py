"""What a site makes of the same kit: dashboards of its own, by a function `dashboards(site)`, and panels on ours, by `panels(site)`.

The functions come from files `NAME.dashboard.py` of a directory, or from installed packages that declare them as entry points of the groups
`tocsin.dashboards` and `tocsin.panels`.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TypeVar

from grafanalib.core import Dashboard

from alarm_engine.errors import TocsinError
from dashboards.kit.additions import Addition
from dashboards.kit.site import Site

_Loaded = TypeVar("_Loaded")

PATTERN = "*.dashboard.py"
GROUP, PANELS_GROUP = "tocsin.dashboards", "tocsin.panels"
"""Groups of entry points. Those of packages that a site has installed are always taken, in the order of their names."""


class BuildError(TocsinError):
    """Dashboards that cannot be built or written."""


@dataclass(frozen=True, slots=True)
class Hook:
    """The functions of one file or entry point; None: it has none of that name."""

    origin: str
    dashboards: Callable[[Site], Iterable[object]] | None = None
    panels: Callable[[Site], Iterable[object]] | None = None

    def dashboards_of(self, site: Site) -> Iterator[Dashboard]:
        """Its dashboards for a configuration; raises `BuildError` that says where."""
        for dashboard in self._made(self.dashboards, site):
            if not isinstance(dashboard, Dashboard) or not dashboard.uid:
                raise BuildError(
                    f"{self.origin}: dashboards(site) must give dashboards of grafanalib that have a uid, not {dashboard!r:.50}"
                )
            yield dashboard

    def panels_of(self, site: Site) -> Iterator[Addition]:
        """What it adds to the dashboards of a configuration; raises `BuildError` that says where."""
        for one in self._made(self.panels, site):
            if not isinstance(one, Addition):
                raise BuildError(f"{self.origin}: panels(site) must give objects of class Addition, not {one!r:.50}")
            if not one.items or (one.after and one.before):
                raise BuildError(
                    f"{self.origin}: an Addition to {one.dashboard!r} has no items, or both after and before: give one of them"
                )
            yield one

    def _made(self, function: Callable[[Site], Iterable[object]] | None, site: Site) -> list[object]:
        try:
            return [] if function is None else list(function(site))
        except TocsinError:
            raise
        except Exception as problem:  # whatever a site's code does wrong is its author's to read, not a traceback of ours
            raise BuildError(f"{self.origin}: {type(problem).__name__}: {problem}") from problem


def hooks(directory: Path | None) -> list[Hook]:
    """Those of installed packages, then those of files, each by name; raises `BuildError` naming the one that cannot be loaded."""
    if directory is not None and not directory.is_dir():
        raise BuildError(f"{directory}: expected a directory with files {PATTERN}")
    files = [] if directory is None else sorted(directory.glob(PATTERN))
    points = [one for group in (GROUP, PANELS_GROUP) for one in sorted(entry_points(group=group), key=lambda one: one.name)]
    return [*map(_of_point, points), *map(_of_file, files)]


def _of_point(point: EntryPoint) -> Hook:
    package = f" of {point.dist.name}" if point.dist is not None else ""
    origin = f"entry point {point.name} = {point.value}{package}"
    function = _loaded(origin, point.load)
    is_of_panels = point.group == PANELS_GROUP
    if not callable(function):
        raise BuildError(f"{origin}: has no function {'panels' if is_of_panels else 'dashboards'}(site)")
    return Hook(origin, panels=function) if is_of_panels else Hook(origin, dashboards=function)


def _of_file(file: Path) -> Hook:
    names = _loaded(str(file), lambda: runpy.run_path(str(file)))
    found = {name: function for name in ("dashboards", "panels") if callable(function := names.get(name))}
    if not found:
        raise BuildError(f"{file}: has no function dashboards(site), and no panels(site)")
    return Hook(str(file), **found)


def _loaded(origin: str, load: Callable[[], _Loaded]) -> _Loaded:
    try:
        return load()
    except TocsinError:
        raise
    except Exception as problem:  # as above
        raise BuildError(f"{origin}: {type(problem).__name__}: {problem}") from problem
