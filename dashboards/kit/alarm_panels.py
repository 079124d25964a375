"""The panels of this field: tiles, counts, active alarms, timelines, rates, the event log. Forms and widths were tried in Grafana."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.kit import palette
from dashboards.kit.links import data_link, to_alarm_of_row, to_dashboard, to_subsystem_of_row
from dashboards.kit.palette import Theme, fill, steps
from dashboards.kit.panels import (
    Column,
    Head,
    PluginPanel,
    StatForm,
    TableForm,
    lines_by,
    organize,
    override,
    stacked_bars,
    stat,
    state_timeline,
    table,
)
from dashboards.kit.targets import Datasource, Form, Parameter, Query, target

Json = dict[str, Any]

NO_ANSWER = "NO ANSWER"
NO_DATA = "NO DATA"
SEVERITIES = ("MAJOR", "INVALID", "UNDEFINED", "MINOR")
ISA_FLOOD_PER_10_MIN = 10

SYSTEMS_VARIABLE = Parameter("system", "systems", Form.MANY)
SEVERITY_VARIABLE = Parameter("severity", "severity", Form.LIST)
SEARCH_VARIABLE = Parameter("q", "q", Form.ONE)
PATH_VARIABLE = Parameter("path", "path", Form.ONE)


@dataclass(frozen=True, slots=True)
class Site:
    """What all panels of a configuration share."""

    config: str
    source: Datasource
    theme: Theme
    page_url: str
    """Address of the operator's page, without a slash at the end."""

    def query(self, name: str, columns: dict[str, str], *parameters: Parameter, ranged: bool = False) -> Query:
        """A question about this configuration."""
        return Query(name, columns, (Parameter("config", self.config), *parameters), ranged)

    def head(self, panel_id: int, title: str, query: Query, description: str | None = None) -> Head:
        """A panel that asks it."""
        return Head(panel_id, title, [target(self.source, query)], description)

    def stale(self) -> Json:
        """Thresholds of panels that colour by mapping: what no mapping knows is loud."""
        return steps((None, fill("STALE", self.theme)))


# ---------------------------------------------------------------------- engine


def engine(site: Site, panel_id: int) -> PluginPanel:
    """LIVE or STALE, unmistakable."""
    head = site.head(panel_id, "Engine", site.query("engine", {"state": "string"}))
    defaults = {"noValue": NO_ANSWER, "thresholds": site.stale(), "mappings": palette.engine_mappings(site.theme)}
    return stat(head, StatForm("/^state$/", values=True, limit=1), defaults)


def age(site: Site, panel_id: int) -> PluginPanel:
    """Seconds since the engine's last life sign, by the backend's clock."""
    head = site.head(panel_id, "Age of data", site.query("engine", {"age": "number"}))
    stale = fill("STALE", site.theme)
    thresholds = steps((None, stale), (0, fill("OK", site.theme)), (5, stale))
    defaults = {"unit": "s", "decimals": 0, "noValue": NO_ANSWER, "thresholds": thresholds}
    return stat(head, StatForm("/^age$/"), defaults)


# ---------------------------------------------------------------------- counts and tiles


@dataclass(frozen=True, slots=True)
class Count:
    """A counting field: its column, its name, and the state whose colour it has from 1 on."""

    column: str
    title: str
    state: str


_TOTALS = (
    Count("MAJOR", "MAJOR", "MAJOR"),
    Count("INVALID", "INVALID", "INVALID"),
    Count("UNDEFINED", "UNDEF", "UNDEFINED"),
    Count("MINOR", "MINOR", "MINOR"),
    Count("acknowledged", "acknowledged", "OK"),
    Count("shelved", "shelved", "SHELVED"),
)
_SYSTEM_COUNTS = (
    Count("major", "MAJOR", "MAJOR"),
    Count("invalid", "INVALID", "INVALID"),
    Count("undefined", "UNDEF", "UNDEFINED"),
    Count("minor", "MINOR", "MINOR"),
    Count("acked", "ack ✓", "OK"),
    Count("shelved", "shelved", "SHELVED"),
    Count("pvs", "PVs", "OK"),
)


def totals(site: Site, panel_id: int) -> PluginPanel:
    """Alarms of the whole configuration by severity."""
    return _counts(site, site.head(panel_id, "Alarms now", site.query("totals", dict.fromkeys(_columns(_TOTALS), "number"))), _TOTALS)


def system_counts(site: Site, panel_id: int, system: Parameter) -> PluginPanel:
    """Alarms of a subsystem by severity."""
    query = site.query("systems", dict.fromkeys(_columns(_SYSTEM_COUNTS), "number"), system)
    return _counts(site, site.head(panel_id, "Counts", query), _SYSTEM_COUNTS)


def _columns(counts: Sequence[Count]) -> list[str]:
    return [count.column for count in counts]


def _counts(site: Site, head: Head, counts: Sequence[Count]) -> PluginPanel:
    calm = fill("OK", site.theme)
    overrides = []
    for count in counts:
        pairs: list[tuple[float | None, str]] = [(None, fill("STALE", site.theme)), (0, calm)]
        if count.state != "OK":
            pairs.append((1, fill(count.state, site.theme)))
        name = {"displayName": count.title} if count.title != count.column else {}
        overrides.append(override(count.column, **name, thresholds=steps(*pairs)))
    defaults = {"decimals": 0, "noValue": NO_DATA, "thresholds": site.stale()}
    form = StatForm(text_mode="value_and_name", orientation="vertical")
    return stat(head, form, defaults, overrides, [organize(_columns(counts))])


def tiles(site: Site, panel_id: int, dashboards: dict[str, str]) -> PluginPanel:
    """A tile for each subsystem; `dashboards` has the identity of the dashboard that each title leads to.

    Rows become fields, so that each tile can have a link of its own: in the other form of tiles every further column of text, also the
    one with the link, would be part of their names.
    """
    head = site.head(panel_id, "Subsystems", site.query("systems", {"system": "string", "tile": "string"}))
    defaults = {"noValue": NO_DATA, "thresholds": site.stale(), "mappings": palette.tile_mappings(site.theme)}
    overrides = [override(title, links=[data_link(f"Open {title}", to_dashboard(uid))]) for title, uid in dashboards.items()]
    to_fields = {
        "id": "rowsToFields",
        "options": {"mappings": [{"fieldName": "system", "handlerKey": "field.name"}, {"fieldName": "tile", "handlerKey": "field.value"}]},
    }
    return stat(head, StatForm("/.*/", text_mode="value_and_name"), defaults, overrides, [to_fields])


def system_tile(site: Site, panel_id: int, title: str, system: Parameter) -> PluginPanel:
    """The state of one subsystem."""
    head = site.head(panel_id, title, site.query("systems", {"tile": "string"}, system))
    defaults = {"noValue": NO_DATA, "thresholds": site.stale(), "mappings": palette.tile_mappings(site.theme)}
    return stat(head, StatForm("/^tile$/", values=True, limit=1), defaults)


# ---------------------------------------------------------------------- tables


def _coloured(site: Site, name: str, title: str, width: int = 100) -> Column:
    """A state on its fill."""
    return Column(
        name,
        settings={
            "displayName": title,
            "mappings": palette.state_mappings(site.theme),
            "custom__cellOptions": {"type": "color-background", "mode": "basic"},
            "custom__width": width,
            "custom__align": "center",
        },
    )


def _pv(site: Site, width: int = 168) -> tuple[Column, Column]:
    """Name of the PV that leads to the page of its alarm, with the hidden column that the link needs."""
    settings = {"displayName": "PV", "custom__width": width, "links": [to_alarm_of_row(site.config)]}
    return Column("pv", settings=settings), Column("path")


def _system_columns() -> tuple[Column, Column]:
    settings = {"displayName": "Subsystem", "custom__width": 140, "links": [to_subsystem_of_row()]}
    return Column("system", settings=settings), Column("dash")


def _right(title: str, width: int, **more: Any) -> dict[str, Any]:
    return {"displayName": title, "custom__width": width, "custom__align": "right", **more}


def active(site: Site, panel_id: int, *parameters: Parameter, with_system: bool = True) -> PluginPanel:
    """Active alarms, worst first. That there are none, or that the engine is silent, is a row."""
    pv, path = _pv(site)
    acked = {"true": {"index": 0, "text": "✓"}, "false": {"index": 1, "text": "●"}}
    guidance = {
        "displayName": "Help",
        "noValue": "–",
        "custom__width": 86,
        "custom__filterable": False,
        "links": [data_link("Guidance", "${__data.fields.guidance}", new_tab=True)],
    }
    ack = {"displayName": "Ack", "mappings": [{"type": "value", "options": acked}], "custom__width": 64, "custom__align": "center"}
    system, dash = _system_columns() if with_system else ((), ())
    columns = (
        _coloured(site, "severity", "Severity"),
        Column("acked", "boolean", ack),
        Column("age", "number", _right("For", 104, unit="dtdurations", custom__filterable=False)),
        *([system] if isinstance(system, Column) else []),
        pv,
        Column("description", settings={"displayName": "Description", "custom__minWidth": 170}),
        Column("value", settings=_right("Value", 124, noValue="–", custom__filterable=False)),
        Column("message", settings={"displayName": "Message", "custom__width": 124}),
        Column("guidance_text", settings=guidance),
        Column("guidance"),
        path,
        *([dash] if isinstance(dash, Column) else []),
    )
    form = TableForm(columns, filterable=True)
    return table(site.head(panel_id, "Active alarms", site.query("active", form.types, *parameters)), form)


def shelved(site: Site, panel_id: int, *parameters: Parameter) -> PluginPanel:
    """Shelved and out of service: severity now, time left, who, why."""
    pv, path = _pv(site, 160)
    form = TableForm(
        (
            _coloured(site, "severity", "Severity", 96),
            Column("left", "number", _right("Back in", 104, unit="dtdurations", noValue="–")),
            pv,
            Column("by", settings={"displayName": "By", "custom__width": 100}),
            Column("kind", settings={"displayName": "What", "custom__width": 110}),
            Column("reason", settings={"displayName": "Reason", "custom__minWidth": 150}),
            path,
        )
    )
    return table(site.head(panel_id, "Shelved and out of service", site.query("shelved", form.types, *parameters)), form)


def most_frequent(site: Site, panel_id: int, *parameters: Parameter) -> PluginPanel:
    """The alarms that rose most often in the range."""
    pv, path = _pv(site, 150)
    gauge = {
        "displayName": "Alarms",
        "custom__minWidth": 120,
        "min": 0,
        "color": {"mode": "fixed", "fixedColor": fill("NEUTRAL", site.theme)},
        "custom__cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
    }
    form = TableForm(
        (
            pv,
            Column("count", "number", gauge),
            Column("cumulative", "number", {"displayName": "Sum %", "custom__width": 76, "decimals": 0}),
            Column("kind", settings={"displayName": "Kind", "custom__width": 96}),
            path,
        )
    )
    return table(site.head(panel_id, "Most frequent", site.query("top", form.types, *parameters, ranged=True)), form)


def events(site: Site, panel_id: int, *parameters: Parameter) -> PluginPanel:
    """Event log, newest first."""
    pv, path = _pv(site)
    system, dash = _system_columns()
    was = {"displayName": "Was", "mappings": palette.word_mappings(), "custom__width": 90}
    form = TableForm(
        (
            Column("time", "time", {"displayName": "Time", "unit": "dateTimeAsIso", "custom__width": 165, "custom__filterable": False}),
            _coloured(site, "to", "State"),
            Column("from", settings=was),
            Column("kind", settings={"displayName": "What", "custom__width": 116}),
            system,
            pv,
            Column("description", settings={"displayName": "Description", "custom__minWidth": 150}),
            Column("value", settings=_right("Value", 120)),
            Column("by", settings={"displayName": "By", "custom__width": 104}),
            path,
            dash,
        ),
        filterable=True,
        paged=True,
    )
    return table(site.head(panel_id, "Events", site.query("events", form.types, *parameters, ranged=True)), form)


def settings(site: Site, panel_id: int, *parameters: Parameter) -> PluginPanel:
    """State and settings of one alarm, key by key."""
    form = TableForm(
        (
            Column("no", "number"),
            Column("key", settings={"custom__width": 150}),
            Column("value", settings={"mappings": palette.word_mappings(), "custom__wrapText": True}),
        ),
        header=False,
    )
    return table(site.head(panel_id, "State and settings", site.query("pv/settings", form.types, *parameters)), form)


def guidance(site: Site, panel_id: int, *parameters: Parameter) -> PluginPanel:
    """What to do about one alarm."""
    link = {
        "noValue": "–",
        "custom__width": 86,
        "links": [data_link("Open", "${__data.fields.link}", new_tab=True)],
    }
    form = TableForm(
        (
            Column("no", "number"),
            Column("key", settings={"custom__width": 220, "custom__wrapText": True}),
            Column("value", settings={"custom__minWidth": 250, "custom__wrapText": True}),
            Column("link_text", settings=link),
            Column("link"),
        ),
        header=False,
    )
    return table(site.head(panel_id, "Guidance", site.query("pv/guidance", form.types, *parameters)), form)


# ---------------------------------------------------------------------- time


def timeline(site: Site, head: tuple[int, str], name: str, column: str, *parameters: Parameter) -> PluginPanel:
    """State over time, a line for each value of `column`."""
    query = site.query(name, {"time": "time", "timeEnd": "time", column: "string", "state": "string"}, *parameters, ranged=True)
    defaults = {
        "mappings": palette.state_mappings(site.theme),
        "thresholds": site.stale(),
        "displayName": f"${{__field.labels.{column}}}",
    }
    return state_timeline(site.head(*head, query), defaults, [], [lines_by(column)])


def alarm_timeline(site: Site, panel_id: int, *parameters: Parameter) -> PluginPanel:
    """Severity, acknowledgement and connection of one alarm over time."""
    names = ("time", "timeEnd", "severity", "ack", "connection")
    query = site.query("pv/intervals", {name: "time" if name.startswith("time") else "string" for name in names}, *parameters, ranged=True)
    calm = fill("OK", site.theme)
    acks = {
        "open": {"index": 0, "text": "open", "color": fill("MINOR", site.theme)},
        "acknowledged": {"index": 1, "text": "✓", "color": fill("SHELVED", site.theme)},
        "–": {"index": 2, "text": " ", "color": calm},
    }
    connections = {
        "connected": {"index": 0, "text": "connected", "color": calm},
        "disconnected": {"index": 1, "text": "disconnected", "color": fill("UNDEFINED", site.theme)},
    }
    overrides = [
        override("severity", displayName="Severity"),
        override("ack", displayName="Acknowledged", mappings=[{"type": "value", "options": acks}]),
        override("connection", displayName="Connection", mappings=[{"type": "value", "options": connections}]),
    ]
    defaults = {"mappings": palette.state_mappings(site.theme), "thresholds": site.stale()}
    return state_timeline(site.head(panel_id, "History", query), defaults, overrides, [organize(names)], "auto")


def rates(site: Site, panel_id: int, *parameters: Parameter) -> PluginPanel:
    """Alarms per 10 minutes, with the line above which it is a flood."""
    query = site.query("counts", {"time": "time"} | dict.fromkeys(SEVERITIES, "number"), *parameters, ranged=True)
    return stacked_bars(site.head(panel_id, "Alarms per 10 min", query), SEVERITIES, site.theme, ISA_FLOOD_PER_10_MIN)
