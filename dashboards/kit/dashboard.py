"""A dashboard as a file: grafanalib's class brought to the schema of Grafana 12, without nulls, and as bytes that do not vary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafanalib._gen import DashboardEncoder
from grafanalib.core import Annotations, Dashboard, Panel, Templating, Time, TimePicker

from dashboards.kit.links import GENERATED
from dashboards.kit.palette import Theme, fill
from dashboards.kit.targets import Datasource, Query, target

Json = dict[str, Any]

SCHEMA_VERSION = 42
REFRESH_INTERVALS = ("5s", "10s", "30s", "1m", "5m")
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


class GeneratedDashboard(Dashboard):  # type: ignore[misc]
    """A dashboard as Grafana 12 stores it; make one with `generated`."""

    def to_json_data(self) -> Json:
        """Plain JSON, ready to be written."""
        data: Json = json.loads(json.dumps(super().to_json_data(), cls=DashboardEncoder))
        for key in _DROPPED:
            data.pop(key, None)
        data["timepicker"].pop("time_options", None)
        data |= {"weekStart": "monday", "fiscalYearStartMonth": 0, "preload": False, "liveNow": False}
        stripped: Json = strip(data)
        return stripped


def strip(value: Any) -> Any:
    """Without nulls, but for the first step of thresholds, whose `value` Grafana wants to be null."""
    if isinstance(value, dict):
        is_step = set(value) == {"color", "value"}
        return {key: strip(part) for key, part in value.items() if part is not None or is_step}
    return [strip(part) for part in value] if isinstance(value, list) else value


def encode(dashboard: GeneratedDashboard) -> bytes:
    """The file: keys sorted, so that differences can be read."""
    return (json.dumps(dashboard.to_json_data(), sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Identity:
    """What a dashboard is known by."""

    uid: str
    title: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeadLine:
    """What stands above the panels."""

    links: Sequence[Json]
    variables: Sequence[Json]
    annotations: Sequence[Json] = ()
    """Beside Grafana's own."""


def generated(identity: Identity, head: HeadLine, panels: Sequence[Panel]) -> GeneratedDashboard:
    """A dashboard of ours; panels have their ids and places."""
    return GeneratedDashboard(
        uid=identity.uid,
        title=identity.title,
        tags=["tocsin", GENERATED, *identity.tags],
        links=list(head.links),
        templating=Templating(list=list(head.variables)),
        annotations=Annotations(list=[BUILT_IN, *head.annotations]),
        panels=list(panels),
        schemaVersion=SCHEMA_VERSION,
        graphTooltip=SHARED_CROSSHAIR,
        editable=False,
        refresh="10s",
        timezone="browser",
        version=1,
        time=Time("now-24h", "now"),
        timePicker=TimePicker(list(REFRESH_INTERVALS), []),
    )


FLOOD_COLUMNS = {"time": "time", "timeEnd": "time", "title": "string", "text": "string", "tags": "string", "id": "string"}


def floods(source: Datasource, query: Query, theme: Theme) -> Json:
    """Alarm floods as regions on everything that has a time axis."""
    return {
        "name": "Floods",
        "datasource": source.ref,
        "enable": True,
        "hide": False,
        "iconColor": fill("NEUTRAL", theme),
        "target": target(source, query, "Anno", "dataframe"),
    }
