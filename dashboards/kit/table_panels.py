"""Tables: active and shelved alarms, events, what is frequent, one alarm key by key, who did what. Widths fit 1280 pixels."""

from __future__ import annotations

from typing import Any

from dashboards.kit import palette
from dashboards.kit.links import data_link, page_of_row, to_alarm_of_row, to_subsystem_of_row
from dashboards.kit.palette import fill
from dashboards.kit.panels import Column, Table, types
from dashboards.kit.site import Site
from dashboards.kit.targets import Parameter


def coloured(site: Site, name: str, title: str, width: int = 100) -> Column:
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


def bar(site: Site, name: str, title: str) -> Column:
    """A number as a bar, beside those of the other rows."""
    return Column(
        name,
        "number",
        {
            "displayName": title,
            "custom__minWidth": 120,
            "min": 0,
            "decimals": 0,
            "color": {"mode": "fixed", "fixedColor": fill("NEUTRAL", site.theme)},
            "custom__cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
        },
    )


def pv(site: Site, width: int = 168) -> tuple[Column, Column]:
    """Name of the PV that leads to the page of its alarm, with the hidden column that the link needs."""
    settings = {"displayName": "PV", "custom__width": width, "links": [to_alarm_of_row(site.config)]}
    return Column("pv", settings=settings), Column("path")


def system(site: Site, width: int = 140) -> tuple[Column, Column]:
    """Name of the subsystem that leads to its dashboard, with the hidden column that the link needs."""
    settings = {"displayName": "Subsystem", "custom__width": width, "links": [to_subsystem_of_row(site.config)]}
    return Column("system", settings=settings), Column("dash")


def text(name: str, title: str, width: int | None = None, **more: Any) -> Column:
    """A column of text; without a width it takes what is left."""
    room = {"custom__minWidth": 150} if width is None else {"custom__width": width}
    return Column(name, settings={"displayName": title, **room, **more})


def right(title: str, width: int, **more: Any) -> dict[str, Any]:
    """Settings of a column whose values stand at the right."""
    return {"displayName": title, "custom__width": width, "custom__align": "right", **more}


def span(name: str, title: str, width: int = 104, **more: Any) -> Column:
    """Seconds, shown as `7 minutes`."""
    return Column(name, "number", right(title, width, unit="dtdurations", custom__filterable=False, **more))


def when(name: str, title: str, width: int = 165, **more: Any) -> Column:
    """A point in time."""
    settings = {"displayName": title, "unit": "dateTimeAsIso", "custom__width": width, "custom__filterable": False, **more}
    return Column(name, "time", settings)


def active(site: Site, panel_id: int, *parameters: Parameter, with_system: bool = True) -> Table:
    """Active alarms, worst first. That there are none, or that the engine is silent, is a row."""
    name, path = pv(site)
    acked = {"true": {"index": 0, "text": "✓"}, "false": {"index": 1, "text": "●"}}
    ack = {
        "displayName": "Ack",
        "mappings": [{"type": "value", "options": acked}],
        "custom__width": 64,
        "custom__align": "center",
        "links": [page_of_row(site.look.page_url)],
    }
    guidance = {
        "displayName": "Help",
        "noValue": "–",
        "custom__width": 86,
        "custom__filterable": False,
        "links": [data_link("Guidance", "${__data.fields.guidance}", new_tab=True)],
    }
    shown, dash = system(site)
    columns = (
        coloured(site, "severity", "Severity"),
        Column("acked", "boolean", ack),
        span("age", "For"),
        *([shown] if with_system else []),
        name,
        text("description", "Description"),
        Column("value", settings=right("Value", 124, noValue="–", custom__filterable=False)),
        text("message", "Message", 124),
        Column("guidance_text", settings=guidance),
        Column("guidance"),
        path,
        *([dash] if with_system else []),
    )
    says = (
        "All alarms that are active, the worst first, then the newest; acknowledged ones are written small with ✓. The dot leads to the "
        "operator's page, to acknowledge; the PV to its own page; Help to what to do. Nothing active is said in a line."
    )
    head = site.head(panel_id, "Active alarms", site.query("active", types(columns), *parameters), says)
    return Table(**head, columns=columns, filterable=True)


def shelved(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """Shelved and out of service: severity now, time left, who, why."""
    name, path = pv(site, 144)
    columns = (
        coloured(site, "severity", "Severity", 90),
        span("left", "Back in", 96, noValue="–"),
        name,
        text("by", "By", 90),
        text("kind", "What", 104),
        text("reason", "Reason", custom__minWidth=100),
        path,
    )
    says = "Alarms that are not shown as such now, with what they would be. No time: out of service until somebody puts it back."
    head = site.head(panel_id, "Shelved and out of service", site.query("shelved", types(columns), *parameters), says)
    return Table(**head, columns=columns)


def most_frequent(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """The alarms that rose most often in the range."""
    name, path = pv(site, 150)
    columns = (
        name,
        bar(site, "count", "Alarms"),
        Column("cumulative", "number", {"displayName": "Sum %", "custom__width": 76, "decimals": 0}),
        text("kind", "Kind", 96),
        path,
    )
    says = "The alarms that rose most often in the range, and what part of all they make together. Chattering: 3 times in a minute."
    head = site.head(panel_id, "Most frequent", site.query("top", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns)


def events(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """Event log, newest first."""
    name, path = pv(site)
    shown, dash = system(site)
    was = {"displayName": "Was", "mappings": palette.word_mappings(), "custom__width": 84}
    columns = (
        when("time", "Time"),
        coloured(site, "to", "State"),
        Column("from", settings=was),
        text("kind", "What", 112),
        shown,
        name,
        text("description", "Description"),
        Column("value", settings=right("Value", 112)),
        text("by", "By", 100),
        path,
        dash,
    )
    says = "What happened, the newest first. If there is more than fits, the last line says so."
    head = site.head(panel_id, "Events", site.query("events", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns, filterable=True, paged=True)


def settings(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """State and settings of one alarm, key by key."""
    columns = (
        Column("no", "number"),
        Column("key", settings={"custom__width": 150}),
        Column("value", settings={"mappings": palette.word_mappings(), "custom__wrapText": True}),
    )
    says = "What the alarm is now, who acknowledged or shelved it, and how it is set in the alarm tree."
    head = site.head(panel_id, "State and settings", site.query("pv/settings", types(columns), *parameters), says)
    return Table(**head, columns=columns, header=False)


def guidance(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """What to do about an alarm or a component."""
    link = {"noValue": "–", "custom__width": 86, "links": [data_link("Open", "${__data.fields.link}", new_tab=True)]}
    columns = (
        Column("no", "number"),
        Column("key", settings={"custom__width": 140, "custom__wrapText": True}),
        Column("value", settings={"custom__minWidth": 180, "custom__wrapText": True}),
        Column("link_text", settings=link),
        Column("link"),
    )
    says = "What to do, and which displays to open: what is written for it, then for the components above it."
    head = site.head(panel_id, "Guidance and displays", site.query("pv/guidance", types(columns), *parameters), says)
    return Table(**head, columns=columns, header=False)


def neighbours(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """The other alarms of the same component."""
    name, path = pv(site)
    columns = (
        coloured(site, "severity", "Severity"),
        span("age", "For", noValue="–"),
        name,
        text("description", "Description"),
        Column("value", settings=right("Value", 124, noValue="–")),
        path,
    )
    says = "The other alarms of the same component, the worst first: one cause often shows in several."
    head = site.head(panel_id, "In the same component", site.query("pv/neighbours", types(columns), *parameters), says)
    return Table(**head, columns=columns)


def audit(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """Who did what."""
    name, path = pv(site, 150)
    columns = (
        when("time", "Time"),
        text("by", "By", 100),
        text("host", "From", 110),
        text("kind", "What", 110),
        name,
        text("description", "Description", custom__minWidth=120),
        coloured(site, "severity", "State after", 96),
        text("reason", "Reason", custom__minWidth=120),
        when("until", "Until", noValue="–"),
        path,
    )
    says = "What people, clients and changes of the tree did, the newest first. If there is more than fits, the last line says so."
    head = site.head(panel_id, "Who did what", site.query("audit", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns, filterable=True, paged=True)


def users(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """How often who did what."""
    columns = (
        text("by", "By", custom__minWidth=90),
        text("kind", "What", 104),
        Column("count", "number", right("Times", 64, decimals=0)),
    )
    says = "How often each person did what in the range. It shows where work goes, not who works well."
    head = site.head(panel_id, "How often", site.query("audit/users", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns)
