"""Panels of alarm performance and of the past: figures with their targets, bad actors, a moment and what differs from it."""

from __future__ import annotations

from typing import Any

from dashboards.kit import palette
from dashboards.kit.palette import fill
from dashboards.kit.panels import Bars, Column, Stat, Table, organize, override, rows_to_fields, types
from dashboards.kit.site import NO_DATA, Site
from dashboards.kit.table_panels import bar, coloured, pv, right, span, system, text, when
from dashboards.kit.targets import Parameter

Json = dict[str, Any]

VERDICTS = {"met": ("✓ met", "OK"), "near": ("≈ near", "MINOR"), "exceeded": ("▲ exceeded", "MAJOR"), "none": ("not judged", "SHELVED")}
"""Words of verdicts, with the state whose colour they have; not judged: it has no target, or too little is known."""


def figures(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """All figures with their targets."""
    words = {
        name: {"index": index, "text": shown, "color": fill(state, site.theme)}
        for index, (name, (shown, state)) in enumerate(VERDICTS.items())
    }
    verdict = {
        "displayName": "Verdict",
        "custom__width": 110,
        "custom__align": "center",
        "custom__cellOptions": {"type": "color-background", "mode": "basic"},
        "mappings": [{"type": "value", "options": words}],
    }
    columns = (
        Column("verdict", settings=verdict),
        text("title", "Figure", 300),
        Column("value", "number", right("Value", 100, noValue="–")),
        text("unit", "Unit", 130),
        text("target", "Target", 150),
        text("text", "Meaning"),
        when("until", "Known until"),
    )
    says = (
        "What ISA-18.2 and EEMUA 191 ask of an alarm system, over the range above. A figure that cannot be known for all of the range "
        "has no verdict. Change settings of the worst alarms first: the lists below name them."
    )
    head = site.head(panel_id, "Alarm performance", site.query("figures", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns)


def per_period(site: Site, panel_id: int, *parameters: Parameter) -> Bars:
    """Annunciated alarms per 10 minutes, as the figures count them."""
    says = "Alarms that were annunciated in each 10 minutes, as the figures count them. Above the dashed line: a flood."
    query = site.query("figures/periods", {"time": "time", "count": "number"}, *parameters, ranged=True)
    colour = {"mode": "fixed", "fixedColor": fill("NEUTRAL", site.theme)}
    return Bars(
        **site.head(panel_id, "Annunciated per 10 min", query, says),
        line_at=10,
        overrides=[override("count", displayName="annunciated", color=colour)],
        transformations=[organize(["time", "count"])],
    )


def floods(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """Floods with their first alarms."""
    columns = (
        when("time", "Begin"),
        text("lasted", "Lasted", 80),
        Column("size", "number", right("Alarms", 80)),
        Column("peak", "number", right("Peak / 10 min", 110)),
        text("first", "First alarms"),
    )
    says = "Times with more alarms than anybody can follow. The first alarms are named: one of them is often the cause."
    head = site.head(panel_id, "Floods", site.query("figures/floods", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns)


def frequent(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """The bad actors."""
    name, path = pv(site, 150)
    share = right("Share", 80, unit="percent", decimals=0)
    columns = (name, bar(site, "count", "Annunciated"), Column("share", "number", share), path)
    says = "The ten alarms that were annunciated most often: usually a few make most of the load. Follow one to tune it."
    head = site.head(panel_id, "Bad actors", site.query("figures/frequent", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns)


def repeated(site: Site, head: tuple[int, str, str], question: str, *parameters: Parameter) -> Table:
    """Chattering or fleeting alarms; `head` is (panel id, title, description)."""
    name, path = pv(site, 150)
    shown, dash = system(site, 120)
    columns = (name, shown, Column("count", "number", right("Times", 70)), when("until", "Last"), path, dash)
    panel_id, title, says = head
    return Table(**site.head(panel_id, title, site.query(question, types(columns), *parameters, ranged=True), says), columns=columns)


def standing_long(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """Stale alarms."""
    name, path = pv(site)
    shown, dash = system(site)
    columns = (name, shown, when("since", "Since"), when("until", "Until", noValue="still standing"), path, dash)
    says = "Alarms that stood for more than 24 h: nobody acts on them. Mend what they tell of, or change their limits."
    head = site.head(panel_id, "Stale alarms", site.query("figures/stale", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns)


def suggestions(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """What would quieten the worst actors."""
    name, path = pv(site, 140)
    shown, dash = system(site, 110)
    columns = (
        name,
        shown,
        text("change", "Proposed", 120),
        Column("recorded", "number", right("Alarms", 72, decimals=0, noValue="–")),
        Column("would", "number", right("Would be", 82, decimals=0, noValue="–")),
        Column("missed", "number", right("Missed", 72, decimals=0, noValue="–")),
        text("text", "What to do", custom__wrapText=True),
        when("computed", "Computed", noValue="–"),
        path,
        dash,
    )
    says = (
        "The five alarms that rose most often, each replayed from its newest 2,000 events with other settings: the smallest change that "
        "would have quieted it, how many alarms would be left, and how many short ones nobody would have been told of. Nothing that lasted "
        "a minute is missed. Look at it with `tocsin tune PATH`, bring it into force with `--write`: see the how-to *Tune a nuisance "
        "alarm*. Computed every ten minutes at most."
    )
    head = site.head(panel_id, "Suggestions", site.query("suggestions", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns)


# ---------------------------------------------------------------------- the past


def past_tiles(site: Site, panel_id: int, *parameters: Parameter) -> Stat:
    """The subsystems at the end of the range."""
    query = site.query("past/systems", {"system": "string", "tile": "string"}, *parameters, ranged=True)
    says = "The subsystems as they were at the end of the time range above. STALE: not all is known of that moment."
    return Stat(
        **site.head(panel_id, "Subsystems at the end of the range", query, says),
        fields="/.*/",
        text_mode="value_and_name",
        defaults={"noValue": NO_DATA, "thresholds": site.stale(), "mappings": palette.tile_mappings(site.theme)},
        transformations=[rows_to_fields("system", "tile")],
    )


def past_alarms(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """What stood at the end of the range."""
    name, path = pv(site)
    shown, dash = system(site)
    columns = (
        coloured(site, "severity", "Severity"),
        when("since", "Since", noValue="–"),
        shown,
        name,
        text("description", "Description"),
        Column("value", settings=right("Value", 124, noValue="–")),
        text("message", "Message", 124),
        text("ack_by", "Acknowledged by", 130),
        path,
        dash,
    )
    says = "The alarms that stood, or were shelved, at the end of the time range above: the worst first."
    head = site.head(panel_id, "Alarms at the end of the range", site.query("past/alarms", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns, filterable=True)


def past_changes(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """What differs between begin and end of the range."""
    name, path = pv(site)
    shown, dash = system(site)
    columns = (
        coloured(site, "before", "At the begin"),
        coloured(site, "after", "At the end"),
        text("change", "What", 130),
        shown,
        name,
        text("description", "Note"),
        when("time", "Last change"),
        path,
        dash,
    )
    says = "Alarms that are not at the end of the range what they were at its begin. With the end at now: the difference to now."
    head = site.head(panel_id, "What differs", site.query("past/changes", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns, filterable=True, paged=True)


def acknowledgements(site: Site, panel_id: int, *parameters: Parameter) -> Table:
    """Who acknowledged what, how soon."""
    name, path = pv(site)
    columns = (
        when("time", "Time", noValue="–"),
        text("by", "By", 120),
        coloured(site, "severity", "Severity"),
        span("delay", "After", noValue="–"),
        name,
        text("description", "Description"),
        text("comment", "Comment", 220),
        path,
    )
    says = "Who acknowledged what, and how long after it was annunciated."
    head = site.head(panel_id, "Acknowledgements", site.query("acknowledgements", types(columns), *parameters, ranged=True), says)
    return Table(**head, columns=columns, filterable=True, paged=True)


# ---------------------------------------------------------------------- tocsin itself


def engines(site: Site, panel_id: int) -> Table:
    """The engine and how it is doing."""
    columns = (
        text("config", "Configuration", 110),
        text("state", "State", 110),
        text("leader", "Leader"),
        Column("age", "number", right("Life sign", 100, unit="s", noValue="–")),
        Column("connected", "number", right("Connected", 100, noValue="–")),
        Column("disconnected", "number", right("Not connected", 110, noValue="–")),
        Column("queue", "number", right("Waiting", 90, noValue="–")),
        Column("dropped", "number", right("Merged", 90, noValue="–")),
        Column("source_age", "number", right("Source", 90, unit="ms", noValue="–")),
        Column("timer_age", "number", right("Timers", 90, unit="ms", noValue="–")),
        Column("evaluator_age", "number", right("Evaluator", 100, unit="ms", noValue="–")),
    )
    says = (
        "The engine that serves this configuration, as it says itself each second. Waiting: inputs that the journal does not have yet. "
        "Merged: inputs that were merged because too many waited. Source, timers, evaluator: how long ago each loop ran; over 2 s is ill."
    )
    return Table(**site.head(panel_id, "Engine", site.query("engine", types(columns)), says), columns=columns)


def history_lag(site: Site, panel_id: int) -> Stat:
    """How far the history is behind."""
    says = "Age of the oldest event that the history does not have yet. Over some seconds: look at the history writer and its store."
    head = site.head(panel_id, "History behind by", site.query("alerting/history", {"lag": "number"}), says)
    stale = fill("STALE", site.theme)
    thresholds = palette.steps(
        (None, stale), (0, fill("OK", site.theme)), (60, fill("MINOR", site.theme)), (300, fill("MAJOR", site.theme))
    )
    return Stat(**head, fields="/^lag$/", defaults={"unit": "s", "decimals": 0, "noValue": "NO ANSWER", "thresholds": thresholds})
