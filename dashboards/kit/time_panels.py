"""Panels with a time axis: states of subsystems and alarms, rates, the log as text."""

from __future__ import annotations

from dashboards.kit import palette
from dashboards.kit.palette import fill
from dashboards.kit.panels import Bars, Logs, StateTimeline, lines_by, organize, override
from dashboards.kit.site import SEVERITIES, Site
from dashboards.kit.targets import Parameter, target

ISA_FLOOD_PER_10_MIN = 10

_PEOPLE = ("acknowledged", "unacknowledged", "shelved", "unshelved", "disabled", "enabled", "command")
_TREE = ("configured", "removed")
_SYSTEM = ("refused", "mode", "engine", "foreign", "server")
_KINDS = (
    {"alarm": "NEUTRAL", "cleared": "OK", "changed": "SHELVED"}
    | dict.fromkeys(_PEOPLE, "UNDEFINED_ACK")
    | dict.fromkeys(_TREE, "MINOR_ACK")
    | dict.fromkeys(_SYSTEM, "MINOR")
)
"""Kinds of events, with the state whose colour their bars have; red is left to what needs somebody."""


def timeline(site: Site, head: tuple[int, str], name: str, column: str, *parameters: Parameter) -> StateTimeline:
    """State over time, a line for each value of `column`; `name` is the question."""
    query = site.query(name, {"time": "time", "timeEnd": "time", column: "string", "state": "string"}, *parameters, ranged=True)
    says = "The worst state at each time. White (black on a light theme): nothing is known of that time, or the engine was silent."
    defaults = {
        "mappings": palette.state_mappings(site.theme),
        "thresholds": site.stale(),
        "displayName": f"${{__field.labels.{column}}}",
    }
    return StateTimeline(**site.head(*head, query, says), defaults=defaults, transformations=[lines_by(column)])


def alarm_timeline(site: Site, panel_id: int, *parameters: Parameter) -> StateTimeline:
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
    says = "What the alarm was, whether somebody had acknowledged it, and whether its PV was connected."
    return StateTimeline(
        **site.head(panel_id, "State over time", query, says),
        defaults={"mappings": palette.state_mappings(site.theme), "thresholds": site.stale()},
        overrides=overrides,
        transformations=[organize(names)],
        show_value="auto",
    )


def rates(site: Site, panel_id: int, *parameters: Parameter) -> Bars:
    """Alarms per 10 minutes, with the line above which it is a flood."""
    says = (
        "How many alarms rose in each 10 minutes. Above the dashed line (10, ISA-18.2) nobody can follow: that is a flood. "
        "Empty axes can also mean that there is no answer: look at the corner of the panel and at the engine."
    )
    query = site.query("counts", {"time": "time"} | dict.fromkeys(SEVERITIES, "number"), *parameters, ranged=True)
    return _bars(site, Bars(**site.head(panel_id, "Alarms per 10 min", query, says), line_at=ISA_FLOOD_PER_10_MIN))


def days(site: Site, panel_id: int, *parameters: Parameter) -> Bars:
    """Alarms per day over the last 30 days, whatever the range of the dashboard."""
    query = site.query("days", {"time": "time"} | dict.fromkeys(SEVERITIES, "number"), *parameters, ranged=True)
    says = "How often it rose on each day (UTC) of the last 30. Many short ones: it chatters, a delay or a dead band may help."
    return _bars(site, Bars(**site.head(panel_id, "Alarms per day, 30 days", query, says), timeFrom="30d", soft_max=4))


def activity(site: Site, panel_id: int) -> Bars:
    """Events of every kind per 10 minutes."""
    says = (
        "How many events were written in each 10 minutes, by kind. Grey-blue and dark: alarms that came and went; teal: what people did; "
        "brown: changes of the tree; yellow: refused commands, engines, foreign writers, servers. A sudden end, or very many of one kind, "
        "is worth a look."
    )
    query = site.query("kinds", {"time": "time"} | dict.fromkeys(_KINDS, "number"), ranged=True)
    colours = {kind: {"mode": "fixed", "fixedColor": fill(state, site.theme)} for kind, state in _KINDS.items()}
    return Bars(
        **site.head(panel_id, "Events per 10 min, by kind", query, says),
        overrides=[override(kind, color=colour) for kind, colour in colours.items()],
        transformations=[organize(["time", *_KINDS])],
    )


def _bars(site: Site, panel: Bars) -> Bars:
    panel.overrides = [override(name, color={"mode": "fixed", "fixedColor": fill(name, site.theme)}) for name in SEVERITIES]
    panel.transformations = [organize(["time", *SEVERITIES])]
    return panel


def log(site: Site, panel_id: int, *parameters: Parameter) -> Logs:
    """Events as text."""
    says = "The same events as lines of text: open one to see all of it. Colours of the levels are Grafana's own."
    query = site.query("events", {"timestamp": "time", "body": "string", "severity": "string"}, *parameters, ranged=True)
    panel = Logs(**site.head(panel_id, "Log", query, says))
    panel.targets = [target(site.source, query, frame_format="logs")]
    return panel
