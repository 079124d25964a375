"""A dashboard as a file: grafanalib's class brought to the schema of Grafana 12, without nulls, and as bytes that do not vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from grafanalib.core import Annotations, Dashboard, Panel, Templating, Time, TimePicker

from dashboards.kit import links
from dashboards.kit.links import GENERATED
from dashboards.kit.panels import grafana_class
from dashboards.kit.site import Site

Json = dict[str, Any]

SCHEMA_VERSION = 42
REFRESH_INTERVALS = ("5s", "10s", "30s", "1m", "5m")
QUICK_RANGES = (
    ("Last hour", "now-1h", "now"),
    ("Last shift", "now-8h", "now"),
    ("Last day", "now-24h", "now"),
    ("Yesterday", "now-1d/d", "now-1d/d"),
    ("Last week", "now-7d", "now"),
    ("Last 30 days", "now-30d", "now"),
)
_DROPPED = ("rows", "style", "hideControls", "sharedCrosshair", "__inputs", "gnetId", "id")
SHARED_CROSSHAIR = 1

BUILT_IN = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}


@grafana_class
class GeneratedDashboard(Dashboard):  # type: ignore[misc]
    """A dashboard as Grafana 12 stores it; make one with `generated`."""

    is_wall: bool = False
    """Without a time picker."""

    def to_json_data(self) -> Json:
        """Plain JSON, ready to be written."""
        data: Json = plain(super().to_json_data())
        for key in _DROPPED:
            data.pop(key, None)
        ranges = [{"display": display, "from": start, "to": end} for display, start, end in QUICK_RANGES]
        data["timepicker"] = {"hidden": self.is_wall, "refresh_intervals": list(REFRESH_INTERVALS), "quick_ranges": ranges}
        return data | {"weekStart": "monday", "fiscalYearStartMonth": 0, "preload": False, "liveNow": False}


def plain(value: Any) -> Any:
    """As JSON, without nulls but for the first step of thresholds, whose `value` Grafana wants to be null."""
    kind = type(value)
    if kind is dict:
        is_step = value.keys() == {"color", "value"}
        return {key: part if type(part) is str else plain(part) for key, part in value.items() if part is not None or is_step}
    if kind is list or kind is tuple:
        return [part if type(part) is str else plain(part) for part in value]
    return plain(value.to_json_data()) if hasattr(value, "to_json_data") else value


def encode(dashboard: Dashboard) -> bytes:
    """The file: keys sorted, so that differences can be read."""
    return orjson.dumps(plain(dashboard), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class Page:
    """What a dashboard is known by, and how it is opened."""

    uid: str
    name: str
    """The title follows from it, as `Ring: overview`."""
    description: str
    tags: tuple[str, ...] = ()
    start: str = "now-24h"
    """Begin of the time range when it is opened."""
    refresh: str | None = None
    """None: as the site has it; empty: not by itself."""
    path: str | None = None
    """What the button to the operator's page leads to; None: the whole configuration."""
    is_wall: bool = False


def generated(
    site: Site, page: Page, panels: Sequence[Panel], variables: Sequence[Json] = (), annotations: Sequence[Json] = ()
) -> GeneratedDashboard:
    """A dashboard of ours; panels have their ids and places. Every one leads to all others."""
    look = site.look
    to_page = page.path if page.path is not None else links.page(look.page_url, f"/{site.config}")
    return GeneratedDashboard(
        uid=page.uid,
        title=f"{f'{look.title} ' if look.title else ''}{site.config}: {page.name}",
        description=page.description,
        tags=["tocsin", GENERATED, *page.tags],
        links=[
            links.to_main(site.config),
            links.to_subsystems(site.config),
            links.to_page(to_page),
            *(links.elsewhere(title, url) for title, url in look.links),
        ],
        templating=Templating(list=list(variables)),
        annotations=Annotations(list=[BUILT_IN, *annotations]),
        panels=list(panels),
        schemaVersion=SCHEMA_VERSION,
        graphTooltip=SHARED_CROSSHAIR,
        editable=False,
        refresh=look.refresh if page.refresh is None else page.refresh,
        timezone="browser",
        version=1,
        time=Time(page.start, "now"),
        timePicker=TimePicker(list(REFRESH_INTERVALS), []),
        is_wall=page.is_wall,
    )
