"""Panels that a site adds to a generated dashboard, at a place that it names.

What is added stands on lines of its own: the lines below move down, nothing that was there is made narrower or covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import attr
from grafanalib.core import Dashboard, GridPos, Panel

from dashboards.kit.layout import Item, flow

OWN_IDS = range(50, 80)
"""Ids of panels that a function of a site adds; the field of `aged` beside a table has one that is 100 higher."""

SETTINGS_IDS = range(180, 256)
"""Ids of panels that settings add: two for each, since a table may have the age of its data beside it."""


def is_of_site(panel_id: int) -> bool:
    """Whether a panel of a generated dashboard was added by the site."""
    return panel_id in OWN_IDS or panel_id - 100 in OWN_IDS or panel_id in SETTINGS_IDS


@dataclass(frozen=True, slots=True)
class Addition:
    """Panels for one of the generated dashboards. Without `after` and `before` they come last."""

    dashboard: str
    """`overview`, `wall`, `subsystems` (each of them), `component`, `pv`, `history`, `timetravel`, `performance`, `audit`, `health`; the
    path of a component that has a dashboard of its own; or the uid of any dashboard."""
    items: Sequence[Item]
    """They flow from left to right as on any dashboard, together with what else is added at the same place."""
    after: str = ""
    """Title of the panel below which they stand."""
    before: str = ""
    """Title of the panel above which they stand."""


def put(dashboard: Dashboard, addition: Addition) -> Dashboard:
    """The dashboard with the panels in it; raises `LookupError` if no panel of the dashboard has the title."""
    there: list[Panel] = list(dashboard.panels)
    line = _line(there, addition)
    band = flow(addition.items)
    height = _bottom(band)
    above = [panel for panel in there if panel.gridPos.y < line]
    below = [_moved(panel, height) for panel in there if panel.gridPos.y >= line]
    return attr.evolve(dashboard, panels=[*above, *(_moved(panel, line) for panel in band), *below])


def _line(panels: Sequence[Panel], addition: Addition) -> int:
    """The row that the panels begin at: the nearest to the named panel that no panel reaches across."""
    spans = [_span(panel) for panel in panels]
    if not (addition.after or addition.before):
        return _bottom(panels)
    title = addition.after or addition.before
    named = [_span(panel) for panel in panels if panel.title == title]
    if not named:
        raise LookupError(title)
    free = [y for y in {0, *(end for _, end in spans)} if not any(start < y < end for start, end in spans)]
    if addition.after:
        return min(y for y in free if y >= max(end for _, end in named))
    return max(y for y in free if y <= min(start for start, _ in named))


def _span(panel: Panel) -> tuple[int, int]:
    """First row, and the one below the last."""
    return panel.gridPos.y, panel.gridPos.y + panel.gridPos.h


def _bottom(panels: Sequence[Panel]) -> int:
    return max((_span(panel)[1] for panel in panels), default=0)


def _moved(panel: Panel, rows: int) -> Panel:
    place = panel.gridPos
    return attr.evolve(panel, gridPos=GridPos(x=place.x, y=place.y + rows, w=place.w, h=place.h))
