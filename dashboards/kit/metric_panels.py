"""Panels of tocsin itself from a Prometheus that scrapes `/metrics` of its processes. Pure.

What is asked is kept beside what is shown, so that a test can hold the names against those that the processes export.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attr

from dashboards.kit.palette import fill, steps
from dashboards.kit.panels import Bars, PluginPanel, Stat, StateTimeline, grafana_class, override_query
from dashboards.kit.site import NO_DATA, Site
from dashboards.kit.targets import PROMETHEUS

Json = dict[str, Any]

NO_METRICS = "No series in the range: does the Prometheus scrape /metrics of every process of tocsin?"


@attr.s(auto_attribs=True, frozen=True)
class Series:
    """A question to the Prometheus."""

    expression: str
    """PromQL; `CONFIG` stands for the label of the configuration."""
    legend: str
    state: str = "NEUTRAL"
    """State whose colour its lines have, in shades of it for several processes."""


@grafana_class
class Lines(Bars):
    """Numbers over time as lines."""

    def field_defaults(self) -> Json:
        """As of bars, but drawn as lines that do not go over what is missing."""
        data = super().field_defaults()
        lines = {"drawStyle": "line", "fillOpacity": 0, "lineWidth": 2, "stacking": {"mode": "none", "group": "A"}}
        return {**data, "decimals": None, "custom": {**data["custom"], **lines}}

    def options(self) -> Json:
        """As of bars, with the last value instead of a sum."""
        data = super().options()
        return {**data, "legend": {**data["legend"], "calcs": ["lastNotNull", "max"]}, "tooltip": {"mode": "multi", "sort": "none"}}


def expression(site: Site, text: str) -> str:
    """PromQL for the configuration."""
    return text.replace("CONFIG", f"config={json.dumps(site.config, ensure_ascii=False)}")


def _asked(site: Site, panel: type[PluginPanel], head: tuple[int, str, str], series: Sequence[Series], **more: Any) -> Any:
    source = {"type": PROMETHEUS, "uid": site.look.prometheus}
    targets = [
        {
            "refId": ref,
            "datasource": source,
            "expr": expression(site, one.expression),
            "legendFormat": one.legend,
            "editorMode": "code",
            "range": True,
            "instant": False,
        }
        for ref, one in zip("ABCDEFGH", series, strict=False)
    ]
    panel_id, title, says = head
    return panel(id=panel_id, title=title, description=says, dataSource=source, targets=targets, **more)


def _lines(site: Site, head: tuple[int, str, str], unit: str, *series: Series) -> Lines:
    colours = [{"mode": "shades", "fixedColor": fill(one.state, site.theme)} for one in series]
    overrides = [override_query(ref, color=colour) for ref, colour in zip("ABCDEFGH", colours, strict=False)]
    defaults = {"unit": unit, "noValue": NO_METRICS}
    panel: Lines = _asked(site, Lines, head, series, overrides=overrides, defaults=defaults, soft_max=1)
    return panel


def serving(site: Site, panel_id: int) -> Stat:
    """How many engines evaluate the configuration: one, or something is wrong."""
    says = (
        "How many engines evaluate this configuration, as Prometheus saw it last. 1 is right. 0: nobody does, start an engine. 2 or more: "
        "look at the journal and at /readyz of each. NO DATA: the Prometheus has no series, look at its targets."
    )
    thresholds = steps(
        (None, fill("STALE", site.theme)),
        (0, fill("MAJOR", site.theme)),
        (1, fill("OK", site.theme)),
        (2, fill("MAJOR", site.theme)),
    )
    series = [Series("sum(tocsin_engine_serving{CONFIG})", "serving")]
    defaults = {"noValue": NO_DATA, "decimals": 0, "thresholds": thresholds}
    panel: Stat = _asked(site, Stat, (panel_id, "Engines that serve", says), series, defaults=defaults)
    return panel


def standing_by(site: Site, panel_id: int) -> Stat:
    """How many engines could take over."""
    says = (
        "How many engines follow this configuration and are ready to take it over. 0: when the leader goes, a new one has to start first."
    )
    thresholds = steps((None, fill("STALE", site.theme)), (0, fill("SHELVED", site.theme)), (1, fill("OK", site.theme)))
    series = [Series("sum(tocsin_engine_standby{CONFIG})", "standing by")]
    defaults = {"noValue": NO_DATA, "decimals": 0, "thresholds": thresholds}
    panel: Stat = _asked(site, Stat, (panel_id, "Engines that stand by", says), series, defaults=defaults)
    return panel


def leaders(site: Site, panel_id: int) -> StateTimeline:
    """Which engine led when."""
    says = (
        "Which engine served this configuration when, and which stood by. A change of the leader is a take-over: the history says when "
        "and why. White (black on a light theme): the Prometheus could not ask it."
    )
    words = {
        "2": {"index": 0, "text": "serves", "color": fill("NEUTRAL", site.theme)},
        "1": {"index": 1, "text": "stands by", "color": fill("OK", site.theme)},
        "0": {"index": 2, "text": "neither", "color": fill("SHELVED", site.theme)},
    }
    defaults = {"mappings": [{"type": "value", "options": words}], "thresholds": site.stale(), "noValue": NO_METRICS}
    series = [Series("2 * tocsin_engine_serving{CONFIG} + tocsin_engine_standby{CONFIG}", "{{instance}}")]
    head = (panel_id, "Leader and standby", says)
    panel: StateTimeline = _asked(site, StateTimeline, head, series, defaults=defaults, show_value="auto")
    return panel


def connections(site: Site, panel_id: int) -> Lines:
    """PVs that are watched, and that are connected."""
    says = "PVs that each engine watches and those that are connected. A gap between the lines: look at the IOCs and gateways."
    return _lines(
        site,
        (panel_id, "Connections", says),
        "short",
        Series("tocsin_engine_pvs{CONFIG}", "watched, {{instance}}", "NEUTRAL"),
        Series("tocsin_engine_pvs_connected{CONFIG}", "connected, {{instance}}", "UNDEFINED_ACK"),
        Series("tocsin_disconnected{CONFIG}", "alarms without their PV, {{instance}}", "MINOR"),
    )


def backlog(site: Site, panel_id: int) -> Lines:
    """Inputs that wait, and that were merged."""
    says = (
        "Inputs that no written event covers yet, and inputs that were merged in 5 minutes because too many waited. Both are 0 on a quiet "
        "machine. Long above: a PV that changes too fast, or a journal or processor that is too slow."
    )
    return _lines(
        site,
        (panel_id, "Backlog and merged inputs", says),
        "short",
        Series("tocsin_engine_backlog{CONFIG}", "waiting, {{instance}}", "NEUTRAL"),
        Series("increase(tocsin_engine_inputs_merged_total{CONFIG}[5m])", "merged in 5 min, {{instance}}", "MINOR"),
    )


def history_lag(site: Site, panel_id: int) -> Lines:
    """How far the writers of the history are behind."""
    says = (
        "Records of the journal that are not in the history yet, for each process that writes it (of all its configurations). "
        "Growing: look at the store. Alarms are shown all the same."
    )
    return _lines(
        site,
        (panel_id, "History behind by", says),
        "short",
        Series("tocsin_history_lag", "records, {{instance}}", "NEUTRAL"),
    )


def rates(site: Site, panel_id: int) -> Lines:
    """What is done per second."""
    says = "Events that go into the history, commands of people, and requests that are answered: per second, over 5 minutes."
    return _lines(
        site,
        (panel_id, "Events, commands, requests", says),
        "cps",
        Series("sum by (instance) (rate(tocsin_history_written_total[5m]))", "events, {{instance}}", "NEUTRAL"),
        Series("sum by (instance) (rate(tocsin_commands_total[5m]))", "commands, {{instance}}", "UNDEFINED_ACK"),
        Series("sum by (instance) (rate(tocsin_http_requests_total[5m]))", "requests, {{instance}}", "SHELVED"),
    )


def failures(site: Site, panel_id: int) -> Lines:
    """What went wrong."""
    says = (
        "Tries of the history that failed and records that could not be understood, in 5 minutes. Anything above 0 is worth a look "
        "into the logs of that process."
    )
    return _lines(
        site,
        (panel_id, "Failures", says),
        "short",
        Series("increase(tocsin_history_failures_total[5m])", "history, {{instance}}", "MINOR"),
        Series("increase(tocsin_history_dead_letters_total[5m])", "dead letters, {{instance}}", "NEUTRAL"),
        Series("increase(tocsin_engine_records_skipped_total{CONFIG}[5m])", "records skipped, {{instance}}", "UNDEFINED_ACK"),
    )
