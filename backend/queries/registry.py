"""All questions by name: what they take, what columns their rows have. Every datasource is served from this one table."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from alarm_engine.model.event import EventKind
from backend.queries import (
    ages,
    alarm,
    alerting,
    audit,
    components,
    counted,
    figures,
    generation,
    lines,
    live,
    log,
    marks,
    past,
    rates,
    states,
    suggestions,
    variables,
)
from backend.queries.request import Ask, BadQuestion, Row, Sources
from backend.queries.scope import resolved

Answer = list[Row]
Run = Callable[[Sources, Ask], Answer] | Callable[[Sources, Ask], Awaitable[Answer]]

TIME, NUMBER, STRING, BOOLEAN = "time", "number", "string", "boolean"
"""Types of columns, as Grafana names them."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question."""

    name: str
    title: str
    run: Run
    columns: dict[str, str]
    """Type of each column, in the order of the rows."""
    parameters: tuple[str, ...]
    """Which parameters make a difference; any known one is accepted."""
    several_paths: bool = False
    """Whether `path` may be repeated."""

    async def rows(self, sources: Sources, ask: Ask) -> Answer:
        """The answer; `BadQuestion` for several paths where one is meant. `HistoryUnavailable` or `QueryTooLarge` go through."""
        if ask.further and not self.several_paths:
            raise BadQuestion(f"path: {self.name} takes one, not {len(ask.paths)}")
        found = self.run(sources, resolved(sources, ask))
        rows = await found if inspect.isawaitable(found) else found
        return generation.led(sources, ask, rows) if "dash" in self.columns else rows


_NUMBER_NAMES = (
    "rank active unacked major minor invalid undefined acked shelved unknown pvs MAJOR INVALID UNDEFINED MINOR acknowledged age left "
    "epoch connected total disconnected queue dropped source_age timer_age evaluator_age count share cumulative no lag data_age past_age"
)
_TIME_NAMES = "time timeEnd since until timestamp"
_TYPES = dict.fromkeys(_NUMBER_NAMES.split(), NUMBER) | dict.fromkeys(_TIME_NAMES.split(), TIME)
"""A name has one type in all answers, but for what `_columns` is told."""


def _columns(names: str, **special: str) -> dict[str, str]:
    return {name: special.get(name, _TYPES.get(name, STRING)) for name in names.split()}


_LIVE = ("config", "system", "severity", "q")
_PAST = ("config", "system", "from", "to")
_ONE = ("config", "path")
_OPTION = _columns("text value")
_COUNTS = _columns("time label count")
_LED = "tree"
"""Of questions whose rows lead to a dashboard: `generation.led`."""
_FIGURES = (*_PAST, "path", "lost")
_REPEATED = _columns("pv path system dash count since until")
_PART = _columns(
    "system path worst rank active unacked major minor invalid undefined acked shelved unknown pvs tile page dash since data_age"
)
_MARK = _columns("time timeEnd title text tags id")

_ALL = (
    Query("systems", "Subsystems: severity, counts, text of the tile", live.systems, _PART, ("config", "system", _LED)),
    Query("component", "One component, as subsystems", components.component, _PART, (*_ONE, _LED)),
    Query("components", "Components directly below one, as subsystems", components.components, _PART, (*_ONE, _LED)),
    Query("totals", "Alarms now, by severity", live.totals, _columns("MAJOR INVALID UNDEFINED MINOR acknowledged shelved data_age"),
          ("config", "system", "q")),
    Query(
        "active", "Active alarms, worst first", live.active,
        _columns("severity rank current acked ack_by age since system dash pv path description value message guidance guidance_text",
                 acked=BOOLEAN),
        (*_LIVE, "path", "limit", _LED),
    ),
    Query("lines", "Worst unacknowledged alarms as texts", lines.lines, _columns("line path"), (*_LIVE, "path", "limit")),
    Query("newest", "Newest unacknowledged alarms as texts", lines.newest, _columns("line path"), (*_LIVE, "path", "limit")),
    Query("shelved", "Shelved and out of service", live.shelved,
          _columns("severity left until shelved pv path system dash by reason kind description", shelved=TIME),
          ("config", "system", "q", "path", "limit", _LED)),
    Query("age", "Age of the data: of what is now, and of what was", ages.ages, _columns("config data_age past_age"), ("config",)),
    Query("generation", "Are dashboards made from the tree in force", generation.generation, _columns("config state text"),
          ("config", "tree")),
    Query(
        "engine", "Life sign and health of the engine", live.engine,
        _columns("config state age maintenance notify leader epoch connected total disconnected queue dropped source_age timer_age "
                 "evaluator_age as_of", maintenance=BOOLEAN, notify=BOOLEAN),
        ("config",),
    ),
    Query("intervals", "State of the subsystems over time", states.intervals, _columns("time timeEnd system state"), _PAST),
    Query("component_intervals", "State of the components below one over time", states.component_intervals,
          _columns("time timeEnd system state"), (*_ONE, "from", "to")),
    Query("pv_intervals", "State of alarms over time", states.pv_intervals, _columns("time timeEnd pv state"),
          (*_PAST, "q", "path", "limit"), several_paths=True),
    Query("counts", "Alarms per 10 minutes, by severity", rates.counts, _columns("time MAJOR INVALID UNDEFINED MINOR"), (*_PAST, "path")),
    Query("days", "Alarms per day, by severity", rates.days, _columns("time MAJOR INVALID UNDEFINED MINOR"), (*_PAST, "path")),
    Query("top", "Most frequent alarms", rates.top, _columns("pv path system dash description count share cumulative kind"),
          (*_PAST, "path", "limit", _LED)),
    Query("floods", "Alarm floods, as annotations", rates.floods, _MARK, (*_PAST, "path")),
    Query("annotations/alarms", "Alarms of a severity, as annotations", marks.alarms, _MARK, (*_PAST, "severity", "path")),
    Query("annotations/shelving", "Shelved and out of service, as annotations", marks.shelving, _MARK, (*_PAST, "path")),
    Query("annotations/maintenance", "Maintenance mode, as annotations", marks.maintenance, _MARK, ("config", "from", "to")),
    Query(
        "events", "Event log, newest first", log.events,
        _columns("timestamp time id severity level body system dash path pv kind from to by comment reason message value description"),
        (*_PAST, "severity", "q", "path", "pv", "kind", "user", "order", "after", "limit", _LED), several_paths=True,
    ),
    Query("past/systems", "Subsystems as they were at a moment", past.systems, _columns(past.SYSTEM),
          ("config", "system", "at", "to", _LED)),
    Query("past/alarms", "Alarms that stood at a moment", past.alarms, _columns(past.ALARM, acked=BOOLEAN),
          ("config", "system", "severity", "q", "path", "at", "to", "limit", _LED), several_paths=True),
    Query("past/changes", "What differs from begin to end of the range", past.changes, _columns(past.CHANGE),
          (*_PAST, "path", "limit", _LED), several_paths=True),
    Query("acknowledgements", "Who acknowledged what, and how soon", past.acknowledged,
          _columns(past.ACKNOWLEDGED, delay=NUMBER, annunciated=TIME),
          (*_PAST, "q", "path", "pv", "user", "order", "after", "limit", _LED), several_paths=True),
    Query(
        "audit", "Who did what, newest first", audit.actions,
        _columns("time by host kind system pv path description severity reason until"), (*_PAST, "q", "path", "limit"),
    ),
    Query("audit/users", "Who did how much", audit.users, _columns("by kind count"), (*_PAST, "q", "path", "limit")),
    Query("alerting/engine", "For alert rules: age of the life sign", alerting.engine, _columns("config age"), ("config",)),
    Query("alerting/history", "For alert rules: how far the history is behind", alerting.history, _columns("config lag"), ("config",)),
    Query("alerting/unacknowledged", "For alert rules: alarms that nobody acknowledges", alerting.unacknowledged,
          _columns("config system count"), ("config", "system", "severity", "older")),
    Query("alerting/flood", "For alert rules: alarms of the last 10 minutes", alerting.flood, _columns("config count"), ("config",)),
    Query("counts/severity", "Alarms per bucket, by severity", counted.by_severity, _COUNTS, (*_PAST, "path", "bucket")),
    Query("counts/system", "Alarms per bucket, by subsystem", counted.by_system, _COUNTS, (*_PAST, "path", "bucket")),
    Query("counts/kind", "Events per bucket, by kind", counted.by_kind, _COUNTS, (*_PAST, "path", "bucket")),
    Query("kinds", "Events per bucket, a column for each kind", counted.kinds,
          {"time": TIME} | dict.fromkeys(map(str, EventKind), NUMBER), (*_PAST, "path", "bucket")),
    Query("figures", "Figures of alarm performance, with target and verdict", figures.figures,
          _columns("config path name title value unit target verdict text since until", value=NUMBER), _FIGURES),
    Query("figures/floods", "Alarm floods, with peak and first alarms", figures.flood_list,
          _columns("time timeEnd config ongoing size peak peak_at lasted first", ongoing=BOOLEAN, size=NUMBER, peak=NUMBER, peak_at=TIME),
          _FIGURES),
    Query("figures/periods", "Annunciated alarms per 10 minutes", figures.per_period, _columns("time count"), _FIGURES),
    Query("figures/hidden", "Stale, shelved and out of service over time", figures.hidden_over_time,
          _columns("time config stale shelved out_of_service", stale=NUMBER, out_of_service=NUMBER), _FIGURES),
    Query("figures/frequent", "Most often annunciated", figures.frequent, _columns("pv path system dash count share"),
          (*_FIGURES, _LED)),
    Query("figures/chattering", "Chattering alarms", figures.chattering, _REPEATED, (*_FIGURES, "limit", _LED)),
    Query("figures/fleeting", "Fleeting alarms", figures.fleeting, _REPEATED, (*_FIGURES, "limit", _LED)),
    Query("figures/stale", "Alarms that stood for more than 24 h", figures.stale, _columns("pv path system dash since until"),
          (*_FIGURES, "limit", _LED)),
    Query("suggestions", "What would quieten the alarms that rose most often", suggestions.suggestions,
          _columns("pv path system dash change recorded would missed text computed", recorded=NUMBER, would=NUMBER, missed=NUMBER,
                   computed=TIME), ("config", "from", "to", "path", "limit", _LED)),
    Query("pv/settings", "One alarm: state and settings", alarm.settings, _columns("no key value"), _ONE),
    Query("pv/neighbours", "Alarms in the same component", components.neighbours,
          _columns("severity pv path description value age"), (*_ONE, "limit")),
    Query("pv/guidance", "One alarm or component: what to do", alarm.guidance, _columns("no key value link link_text"), _ONE),
    Query("pv/intervals", "One alarm over time", states.alarm_intervals, _columns("time timeEnd severity ack connection"),
          (*_ONE, "from", "to")),
    Query("vars/configurations", "Configurations", variables.configurations, _OPTION, ()),
    Query("vars/systems", "Subsystems", variables.systems, _OPTION, ("config",)),
    Query("vars/components", "Paths of components", variables.components, _OPTION, ("config", "limit")),
    Query("vars/severities", "Severities", variables.severities, _OPTION, ()),
    Query("vars/pvs", "PVs", variables.pvs, _OPTION, ("config", "system", "q", "limit")),
    Query("vars/paths", "Paths of alarms", variables.paths, _OPTION, ("config", "system", "q", "limit")),
)  # fmt: skip

QUERIES: dict[str, Query] = {query.name: query for query in _ALL}
"""By name; the name is also the path of the row endpoint below `/grafana/rows/`."""
