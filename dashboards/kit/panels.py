"""Panels as Grafana 12 wants them, in the style of grafanalib: a class for each plugin, with what grafanalib lacks or has outdated.

Every one has type, plugin version, options and field settings. Forms and options were tried in Grafana 12.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import attr
from grafanalib.core import Panel

from dashboards.kit.palette import steps

Json = dict[str, Any]

PLUGIN_VERSION = "12.4.0"
_NOT_OURS = ("editable", "error", "span", "minSpan", "height", "hideTimeOverride", "maxDataPoints")
"""Keys that grafanalib writes and Grafana 12 does not need; its default of `maxDataPoints` is far too coarse."""

_Class = TypeVar("_Class")


def grafana_class(cls: type[_Class]) -> type[_Class]:
    """Make a class of ours as those of grafanalib are made: what it declares are keyword arguments beside those of its base."""
    return attr.s(auto_attribs=True, kw_only=True)(cls)


def override(name: str, **properties: Any) -> Json:
    """Settings of one column by its name; `__` in a key stands for a dot."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def override_query(ref_id: str, **properties: Any) -> Json:
    """Settings of all columns that a query gives."""
    return {**override("", **properties), "matcher": {"id": "byFrameRefID", "options": ref_id}}


def override_others(names: Iterable[str], **properties: Any) -> Json:
    """Settings of all columns but these."""
    options = {"mode": "exclude", "names": list(names), "prefix": "All except:", "readOnly": False}
    return {**override("", **properties), "matcher": {"id": "byNames", "options": options}}


def organize(names: Iterable[str]) -> Json:
    """Columns in this order: the datasource sorts them by name."""
    order = {name: index for index, name in enumerate(names)}
    return {"id": "organize", "options": {"indexByName": order, "excludeByName": {}, "renameByName": {}, "includeByName": {}}}


def lines_by(column: str) -> Json:
    """Rows of intervals become a line for each value of the column."""
    return {"id": "partitionByValues", "options": {"fields": [column], "keepFields": False, "naming": {"asLabels": True}}}


def rows_to_fields(name: str, value: str) -> Json:
    """Each row becomes a field of its own."""
    mappings = [{"fieldName": name, "handlerKey": "field.name"}, {"fieldName": value, "handlerKey": "field.value"}]
    return {"id": "rowsToFields", "options": {"mappings": mappings}}


@grafana_class
class PluginPanel(Panel):  # type: ignore[misc]
    """A panel of any plugin: what grafanalib does not model are its `options` and its field settings."""

    KIND: ClassVar[str]
    """Name of the plugin."""

    defaults: Json = attr.Factory(dict)
    """Field settings of all columns."""
    overrides: Sequence[Json] = ()
    """Field settings of single columns."""

    def options(self) -> Json:
        """Options of the plugin."""
        return {}

    def field_defaults(self) -> Json:
        """Field settings that a panel of this kind always has; `defaults` go before."""
        return {}

    def to_json_data(self) -> Json:
        """The panel; nulls are left to the dashboard to strip."""
        data: Json = self.panel_json({"type": self.KIND, "pluginVersion": PLUGIN_VERSION, "options": self.options()})
        # grafanalib would merge thresholds of its own into it
        data["fieldConfig"] = {"defaults": {**self.field_defaults(), **self.defaults}, "overrides": list(self.overrides)}
        for key in _NOT_OURS:
            data.pop(key, None)
        for key in ("links", "transparent"):
            if not data[key]:
                del data[key]
        return data


@grafana_class
class Stat(PluginPanel):
    """Large coloured fields. `noValue` must be among the defaults: it is shown when the backend does not answer."""

    KIND = "stat"

    fields: str = ""
    """Pattern of the columns to show, as `/^tile$/`; empty: all numbers."""
    values: bool = False
    """A tile for each row."""
    limit: int | None = None
    text_mode: str = "value"
    orientation: str = "auto"
    sizes: tuple[int, int] | None = None
    """Pixels of name and value; None: as they fit."""

    def options(self) -> Json:
        """Options of the plugin."""
        reduce: Json = {"calcs": ["lastNotNull"], "fields": self.fields, "values": self.values}
        if self.limit is not None:
            reduce["limit"] = self.limit
        options = {
            "graphMode": "none",
            "colorMode": "background_solid",
            "justifyMode": "center",
            "textMode": self.text_mode,
            "wideLayout": False,
            "orientation": self.orientation,
            "reduceOptions": reduce,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
        }
        return options | ({"text": {"titleSize": self.sizes[0], "valueSize": self.sizes[1]}} if self.sizes else {})

    def field_defaults(self) -> Json:
        """Coloured by threshold or mapping."""
        return {"color": {"mode": "thresholds"}}


@attr.s(auto_attribs=True, frozen=True)
class Column:
    """A column of a table."""

    name: str
    kind: str = "string"
    """Type of the values: time, number, string, boolean."""
    settings: Mapping[str, Any] = attr.Factory(dict)
    """Properties of the override; `__` in a key stands for a dot. A column without any is hidden."""

    @property
    def override(self) -> Json:
        """Its override."""
        return override(self.name, **(self.settings or {"custom__hideFrom__viz": True}))


@grafana_class
class Table(PluginPanel):
    """A table in the order of the rows: the backend sorts."""

    KIND = "table"

    columns: Sequence[Column]
    header: bool = True
    filterable: bool = False
    paged: bool = False

    def __attrs_post_init__(self) -> None:
        names = [column.name for column in self.columns]
        self.overrides = [column.override for column in self.columns]
        self.transformations = [organize(names)]

    def options(self) -> Json:
        """Options of the plugin."""
        return {"showHeader": self.header, "cellHeight": "sm", "enablePagination": self.paged, "frameIndex": 0, "sortBy": []}

    def field_defaults(self) -> Json:
        """Plain cells: colour comes with single columns."""
        custom = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": self.filterable, "minWidth": 50}
        return {"custom": custom, "color": {"mode": "thresholds"}, "thresholds": steps((None, "text"))}


def types(columns: Sequence[Column]) -> dict[str, str]:
    """Types of columns, for a query."""
    return {column.name: column.kind for column in columns}


_SHOWN = {"tooltip": False, "viz": False, "legend": False}


@grafana_class
class StateTimeline(PluginPanel):
    """Coloured lines over time, one for each value of a column or for each column."""

    KIND = "state-timeline"

    show_value: str = "never"

    def options(self) -> Json:
        """Options of the plugin; without `perPage`, or it draws a pager even for one page."""
        return {
            "mergeValues": True,
            "showValue": self.show_value,
            "alignValue": "left",
            "rowHeight": 0.85,
            "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        }

    def field_defaults(self) -> Json:
        """Full colours, gaps where nothing is known."""
        custom = {
            "lineWidth": 0,
            "fillOpacity": 100,
            "axisPlacement": "auto",
            "hideFrom": dict(_SHOWN),
        }
        return {"custom": custom, "color": {"mode": "thresholds"}}


@grafana_class
class Bars(PluginPanel):
    """Numbers over time as stacked bars; the colour of each series is an override."""

    KIND = "timeseries"

    line_at: float | None = None
    """A dashed line across."""
    soft_max: float | None = 12
    """The axis reaches at least up to it; None: as far as the numbers do."""

    def options(self) -> Json:
        """Options of the plugin."""
        return {
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": ["sum"]},
            "tooltip": {"mode": "multi", "sort": "none", "hideZeros": True},
        }

    def field_defaults(self) -> Json:
        """Bars from zero."""
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
            "axisSoftMax": self.soft_max,
            "scaleDistribution": {"type": "linear"},
            "hideFrom": dict(_SHOWN),
            "thresholdsStyle": {"mode": "off" if self.line_at is None else "dashed"},
            "showPoints": "never",
            "spanNulls": False,
            "insertNulls": False,
            "lineInterpolation": "linear",
            "pointSize": 5,
        }
        marked = () if self.line_at is None else ((self.line_at, "text"),)
        thresholds = steps((None, "transparent"), *marked)
        return {"custom": custom, "min": 0, "decimals": 0, "unit": "short", "color": {"mode": "palette-classic"}, "thresholds": thresholds}


@grafana_class
class Logs(PluginPanel):
    """Events as lines of text, to be read and searched in the browser."""

    KIND = "logs"

    def options(self) -> Json:
        """Options of the plugin."""
        return {
            "showTime": True,
            "showLabels": False,
            "showCommonLabels": False,
            "wrapLogMessage": True,
            "prettifyLogMessage": False,
            "enableLogDetails": True,
            "showLogContextToggle": False,
            "dedupStrategy": "none",
            "sortOrder": "Descending",
        }


@grafana_class
class Text(PluginPanel):
    """Words that stand there whatever happens, as markdown. It can ask nothing."""

    KIND = "text"

    content: str

    def options(self) -> Json:
        """Options of the plugin."""
        code = {"language": "plaintext", "showLineNumbers": False, "showMiniMap": False}
        return {"mode": "markdown", "content": self.content, "code": code}
