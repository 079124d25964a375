"""Panels as Grafana 12 wants them, on grafanalib's base class: every one has type, plugin version, options and field settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grafanalib.core import Panel

from dashboards.kit.palette import Theme, fill, steps

Json = dict[str, Any]

PLUGIN_VERSION = "12.4.0"
_NOT_OURS = ("editable", "error", "span", "minSpan", "height", "links", "transparent", "hideTimeOverride")
"""Keys that grafanalib writes and Grafana 12 does not need."""


class PluginPanel(Panel):  # type: ignore[misc]
    """A panel of any plugin: what grafanalib does not model (`type`, `options`, `fieldConfig`) comes whole in `extraJson`."""

    def to_json_data(self) -> Json:
        """The panel; nulls are left to the dashboard to strip."""
        data: Json = self.panel_json({})
        data["fieldConfig"] = self.extraJson["fieldConfig"]  # grafanalib would merge thresholds of its own into it
        for key in _NOT_OURS:
            data.pop(key, None)
        return data


@dataclass(frozen=True, slots=True)
class Head:
    """What every panel has."""

    id: int
    title: str
    targets: Sequence[Json]
    description: str | None = None


def _panel(head: Head, kind: str, options: Json, field_config: Json, transformations: Sequence[Json] = ()) -> PluginPanel:
    return PluginPanel(
        id=head.id,
        title=head.title,
        description=head.description,
        dataSource=head.targets[0]["datasource"],
        targets=list(head.targets),
        transformations=list(transformations),
        maxDataPoints=None,  # grafanalib's own default is far too coarse
        extraJson={"type": kind, "pluginVersion": PLUGIN_VERSION, "options": options, "fieldConfig": field_config},
    )


def override(name: str, **properties: Any) -> Json:
    """Settings of one column by its name; `__` in a key stands for a dot."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def organize(names: Iterable[str]) -> Json:
    """Columns in this order: the datasource sorts them by name."""
    order = {name: index for index, name in enumerate(names)}
    return {"id": "organize", "options": {"indexByName": order, "excludeByName": {}, "renameByName": {}, "includeByName": {}}}


# ---------------------------------------------------------------------- stat


@dataclass(frozen=True, slots=True)
class StatForm:
    """How a stat panel is filled."""

    fields: str = ""
    """Pattern of the columns to show, as `/^tile$/`; empty: all numbers."""
    values: bool = False
    """A tile for each row."""
    limit: int | None = None
    text_mode: str = "value"
    orientation: str = "auto"


def stat(head: Head, form: StatForm, defaults: Json, overrides: Sequence[Json] = (), transformations: Sequence[Json] = ()) -> PluginPanel:
    """Large coloured fields. `noValue` must be given: it is shown when the backend does not answer."""
    reduce: Json = {"calcs": ["lastNotNull"], "fields": form.fields, "values": form.values}
    if form.limit is not None:
        reduce["limit"] = form.limit
    options = {
        "graphMode": "none",
        "colorMode": "background_solid",
        "justifyMode": "center",
        "textMode": form.text_mode,
        "wideLayout": False,
        "orientation": form.orientation,
        "reduceOptions": reduce,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    }
    return _panel(
        head, "stat", options, {"defaults": {"color": {"mode": "thresholds"}, **defaults}, "overrides": list(overrides)}, transformations
    )


# ---------------------------------------------------------------------- table


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    kind: str = "string"
    """Type of the values: time, number, string, boolean."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Properties of the override; `__` in a key stands for a dot. A column without any is hidden."""

    @property
    def override(self) -> Json:
        """Its override."""
        return override(self.name, **(self.settings or {"custom__hideFrom__viz": True}))


@dataclass(frozen=True, slots=True)
class TableForm:
    """How a table looks."""

    columns: Sequence[Column]
    header: bool = True
    filterable: bool = False
    paged: bool = False

    @property
    def types(self) -> dict[str, str]:
        """Types of its columns, for the query."""
        return {column.name: column.kind for column in self.columns}


def table(head: Head, form: TableForm) -> PluginPanel:
    """A table in the order of the rows: the backend sorts."""
    options = {"showHeader": form.header, "cellHeight": "sm", "enablePagination": form.paged, "frameIndex": 0, "sortBy": []}
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": form.filterable, "minWidth": 50}
    defaults = {"custom": custom, "color": {"mode": "thresholds"}, "thresholds": steps((None, "text"))}
    overrides = [column.override for column in form.columns]
    names = [column.name for column in form.columns]
    return _panel(head, "table", options, {"defaults": defaults, "overrides": overrides}, [organize(names)])


# ---------------------------------------------------------------------- time


def state_timeline(
    head: Head, defaults: Json, overrides: Sequence[Json], transformations: Sequence[Json], show_value: str = "never"
) -> PluginPanel:
    """Coloured lines over time, one for each value of a column or for each column."""
    options = {
        "mergeValues": True,
        "showValue": show_value,
        "alignValue": "left",
        "rowHeight": 0.85,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    custom = {
        "lineWidth": 0,
        "fillOpacity": 100,
        "spanNulls": False,
        "insertNulls": False,
        "axisPlacement": "auto",
        "hideFrom": {"tooltip": False, "viz": False, "legend": False},
    }
    given = {"custom": custom, "color": {"mode": "thresholds"}, **defaults}
    return _panel(head, "state-timeline", options, {"defaults": given, "overrides": list(overrides)}, transformations)


def lines_by(column: str) -> Json:
    """Rows of intervals become a line for each value of the column."""
    return {"id": "partitionByValues", "options": {"fields": [column], "keepFields": False, "naming": {"asLabels": True}}}


def stacked_bars(head: Head, series: Sequence[str], theme: Theme, line_at: float) -> PluginPanel:
    """Numbers over time as stacked bars in the colours of the severities, with a dashed line."""
    options = {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": ["sum"]},
        "tooltip": {"mode": "multi", "sort": "none", "hideZeros": True},
    }
    custom = {
        "drawStyle": "bars",
        "barAlignment": 0,
        "barWidthFactor": 0.85,
        "fillOpacity": 100,
        "lineWidth": 0,
        "gradientMode": "none",
        "stacking": {"mode": "normal", "group": "A"},
        "axisPlacement": "auto",
        "axisLabel": "",
        "axisColorMode": "text",
        "axisBorderShow": False,
        "axisSoftMax": 12,
        "scaleDistribution": {"type": "linear"},
        "hideFrom": {"tooltip": False, "viz": False, "legend": False},
        "thresholdsStyle": {"mode": "dashed"},
        "showPoints": "never",
        "spanNulls": False,
        "insertNulls": False,
        "lineInterpolation": "linear",
        "pointSize": 5,
    }
    defaults = {
        "custom": custom,
        "min": 0,
        "decimals": 0,
        "color": {"mode": "palette-classic"},
        "thresholds": steps((None, "transparent"), (line_at, "text")),
    }
    overrides = [override(name, color={"mode": "fixed", "fixedColor": fill(name, theme)}) for name in series]
    return _panel(head, "timeseries", options, {"defaults": defaults, "overrides": overrides}, [organize(["time", *series])])
