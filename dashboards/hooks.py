"""Dashboards of a site's own: files `NAME.dashboard.py` with a function `dashboards(site)`, made of the same kit."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

from grafanalib.core import Dashboard

from alarm_engine.errors import TocsinError
from dashboards.kit.site import Site

PATTERN = "*.dashboard.py"


class BuildError(TocsinError):
    """Dashboards that cannot be built or written."""


def site_dashboards(directory: Path, site: Site) -> Iterator[Dashboard]:
    """What the files of the directory make for a configuration, in the order of their names; raises `BuildError` naming the file."""
    if not directory.is_dir():
        raise BuildError(f"{directory}: expected a directory with files {PATTERN}")
    for file in sorted(directory.glob(PATTERN)):
        try:
            made = runpy.run_path(str(file)).get("dashboards")
            if not callable(made):
                raise BuildError(f"{file}: has no function dashboards(site)")
            found = list(made(site))
        except TocsinError:
            raise
        except Exception as problem:  # whatever a site's file does wrong is its author's to read, not a traceback of ours
            raise BuildError(f"{file}: {type(problem).__name__}: {problem}") from problem
        for dashboard in found:
            if not isinstance(dashboard, Dashboard) or not dashboard.uid:
                raise BuildError(f"{file}: dashboards(site) must give dashboards of grafanalib that have a uid, not {dashboard!r:.60}")
            yield dashboard
