"""All questions by name: what they take, what columns their rows have. Every datasource is served from this one table."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from backend.queries import alarm, live, log, rates, states, variables
from backend.queries.request import Ask, Row, Sources

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

    async def rows(self, sources: Sources, ask: Ask) -> Answer:
        """The answer. `HistoryUnavailable` or `QueryTooLarge` from the store go through."""
        found = self.run(sources, ask)
        return await found if inspect.isawaitable(found) else found


_NUMBER_NAMES = (
    "rank active unacked major minor invalid undefined acked shelved unknown pvs MAJOR INVALID UNDEFINED MINOR acknowledged age left "
    "epoch connected total disconnected queue dropped source_age timer_age evaluator_age count share cumulative no"
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

_ALL = (
    Query(
        "systems", "Subsystems: severity, counts, text of the tile", live.systems,
        _columns("system path worst rank active unacked major minor invalid undefined acked shelved unknown pvs tile page dash since"),
        ("config", "system"),
    ),
    Query("totals", "Alarms now, by severity", live.totals, _columns("MAJOR INVALID UNDEFINED MINOR acknowledged shelved"),
          ("config", "system", "q")),
    Query(
        "active", "Active alarms, worst first", live.active,
        _columns("severity rank current acked ack_by age since system dash pv path description value message guidance guidance_text",
                 acked=BOOLEAN),
        (*_LIVE, "path", "limit"),
    ),
    Query("lines", "Worst unacknowledged alarms as texts", live.lines, _columns("line path"), (*_LIVE, "limit")),
    Query("shelved", "Shelved and out of service", live.shelved,
          _columns("severity left until shelved pv path system dash by reason kind description", shelved=TIME),
          ("config", "system", "q", "limit")),
    Query(
        "engine", "Life sign and health of the engine", live.engine,
        _columns("config state age maintenance notify leader epoch connected total disconnected queue dropped source_age timer_age "
                 "evaluator_age as_of", maintenance=BOOLEAN, notify=BOOLEAN),
        ("config",),
    ),
    Query("intervals", "State of the subsystems over time", states.intervals, _columns("time timeEnd system state"), _PAST),
    Query("pv_intervals", "State of alarms over time", states.pv_intervals, _columns("time timeEnd pv state"),
          (*_PAST, "q", "path", "limit")),
    Query("counts", "Alarms per 10 minutes, by severity", rates.counts, _columns("time MAJOR INVALID UNDEFINED MINOR"), (*_PAST, "path")),
    Query("top", "Most frequent alarms", rates.top, _columns("pv path system dash description count share cumulative kind"),
          (*_PAST, "path", "limit")),
    Query("floods", "Alarm floods, as annotations", rates.floods, _columns("time timeEnd title text tags id"), (*_PAST, "path")),
    Query(
        "events", "Event log, newest first", log.events,
        _columns("timestamp time id severity level body system dash path pv kind from to by comment reason message value description"),
        (*_PAST, "severity", "q", "path", "limit"),
    ),
    Query("pv/settings", "One alarm: state and settings", alarm.settings, _columns("no key value"), _ONE),
    Query("pv/guidance", "One alarm: what to do", alarm.guidance, _columns("no key value link link_text"), _ONE),
    Query("pv/intervals", "One alarm over time", states.alarm_intervals, _columns("time timeEnd severity ack connection"),
          (*_ONE, "from", "to")),
    Query("vars/configurations", "Configurations", variables.configurations, _OPTION, ()),
    Query("vars/systems", "Subsystems", variables.systems, _OPTION, ("config",)),
    Query("vars/severities", "Severities", variables.severities, _OPTION, ()),
    Query("vars/pvs", "PVs", variables.pvs, _OPTION, ("config", "system", "q", "limit")),
    Query("vars/paths", "Paths of alarms", variables.paths, _OPTION, ("config", "system", "q", "limit")),
)  # fmt: skip

QUERIES: dict[str, Query] = {query.name: query for query in _ALL}
"""By name; the name is also the path of the row endpoint below `/grafana/rows/`."""
