"""Rows of state timelines: subsystems, the alarms of a subsystem, one alarm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from alarm_engine.model.path import split
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, to_ms
from backend.history.port import EventQuery, Interval
from backend.live.model import LiveAlarm, LiveTree
from backend.live.standing import Standing, standing
from backend.past.reach import ahead_since
from backend.past.tree import standing_then
from backend.queries.components import parts
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import STALE, Subsystem, alarms_of, knows, state_name, subsystems
from backend.queries.timeline import Span, cut_stale, is_unknown, own_line, roll_up, span_rows, widen

_MAX_LINES = 30
_MAX_LOOKED_UP = 500


async def intervals(sources: Sources, ask: Ask) -> list[Row]:
    """A line for each subsystem: its highest severity over time."""
    rows: list[Row] = []
    ask = _until_now(ask, sources)
    for tree in sources.asked(ask):
        known_until = await _known_until(tree, ask, sources)
        rows += await _rolled_up(tree, subsystems(tree, ask), (ask, sources), known_until)
    return rows


async def component_intervals(sources: Sources, ask: Ask) -> list[Row]:
    """A line for each component directly below the one of the path: its highest severity over time."""
    rows: list[Row] = []
    ask = _until_now(ask, sources)
    for tree in sources.asked(ask):
        known_until = await _known_until(tree, ask, sources)
        rows += await _rolled_up(tree, parts(tree, ask), (ask, sources), known_until)
    return rows


async def _rolled_up(tree: LiveTree, lines: Iterable[Subsystem], question: tuple[Ask, Sources], known_until: Nanos | None) -> list[Row]:
    rows: list[Row] = []
    ask, sources = question
    for line in lines:
        found = await _intervals(tree, line.alarms(), ask, sources)
        spans = widen(roll_up(found, ask.start, ask.end), ask.start, ask.end)
        rows += span_rows("system", line.title, _known(spans, known_until, ask))
    return rows


async def pv_intervals(sources: Sources, ask: Ask) -> list[Row]:
    """A line for each alarm that was one in the range, the worst now first; one line of OK if there was none.

    Where there are more than are drawn, a last line without any state says so.
    """
    rows: list[Row] = []
    ask = _until_now(ask, sources)
    for tree in sources.asked(ask):
        if not knows(tree, ask):
            continue
        known_until = await _known_until(tree, ask, sources)
        candidates = [alarm for alarm in alarms_of(tree, ask) if _may_have_changed(alarm, ask)]
        candidates.sort(key=lambda alarm: (-alarm.severity, -(alarm.snapshot.since if alarm.snapshot else 0), alarm.path))
        beyond = len(candidates) - _MAX_LOOKED_UP
        candidates = candidates[:_MAX_LOOKED_UP]
        lines = _by_path(await sources.history.intervals(tree.config, [alarm.path for alarm in candidates], ask.start, ask.end))
        drawn = {path: own_line(line) for path, line in lines.items()}
        active = [alarm for alarm in candidates if any(span.weight > 0 for span in drawn.get(alarm.path, ()))]
        shown = active[: ask.limit or _MAX_LINES]
        names = Counter(alarm.pv for alarm in shown)
        for alarm in shown:
            name = alarm.pv if names[alarm.pv] == 1 else "/".join(split(alarm.path)[1:])
            spans = widen(drawn[alarm.path], ask.start, ask.end)
            rows += span_rows("pv", name, _known(spans, known_until, ask))
        if not shown:
            rows += span_rows("pv", "no alarms", _known([Span(ask.start, ask.end, "OK")], known_until, ask))
        if (more := len(active) - len(shown) + max(0, beyond)) > 0:
            some = "up to " if beyond > 0 else ""
            rows += span_rows("pv", f"and {some}{more} more alarms: choose a shorter range", [Span(ask.start, ask.end, None)])
    return rows


async def alarm_intervals(sources: Sources, ask: Ask) -> list[Row]:
    """One alarm over time, three states in each row: severity, acknowledgement, connection. Empty for an unknown path."""
    rows: list[Row] = []
    ask = _until_now(ask, sources)
    for tree in sources.asked(ask):
        if ask.path is None or ask.path not in tree.alarms:
            continue
        known_until = await _known_until(tree, ask, sources)
        for interval in await sources.history.intervals(tree.config, [ask.path], ask.start, ask.end):
            if known_until is not None:
                interval = replace(interval, end=min(interval.end, known_until))
            if to_ms(interval.start) < to_ms(interval.end):
                rows.append(_alarm_row(interval))
        if known_until is not None and to_ms(max(known_until, ask.start)) < to_ms(ask.end):
            rows.append(_row(max(known_until, ask.start), ask.end, STALE, None, None))
    return rows


def _alarm_row(interval: Interval) -> Row:
    severity = interval.severity
    if severity is None or is_unknown(interval):
        return _row(interval.start, interval.end, None, None, None)
    ack = "–" if severity is Severity.OK else "acknowledged" if severity.is_acknowledged else "open"
    name = state_name(standing_then(interval), severity)
    return _row(interval.start, interval.end, name, ack, "connected" if interval.connected else "disconnected")


def _row(start: Nanos, end: Nanos, severity: str | None, ack: str | None, connection: str | None) -> Row:
    return {"time": to_ms(start), "timeEnd": to_ms(end), "severity": severity, "ack": ack, "connection": connection}


def _until_now(ask: Ask, sources: Sources) -> Ask:
    """The range closed at now: nobody knows the future. One that lies wholly in the future is left as it is."""
    return replace(ask, end=min(ask.end, sources.now)) if ask.start < sources.now else ask


async def _intervals(tree: LiveTree, alarms: Iterable[LiveAlarm], ask: Ask, sources: Sources) -> list[Interval]:
    """Intervals of alarms. What has been OK since before the range needs no look into history, and that is nearly all of them."""
    look_up: list[str] = []
    is_any_quiet = False
    for alarm in alarms:
        if _may_have_changed(alarm, ask):
            look_up.append(alarm.path)
        elif standing(alarm) is not Standing.UNKNOWN:
            is_any_quiet = True
    found = await sources.history.intervals(tree.config, look_up, ask.start, ask.end) if look_up else []
    if is_any_quiet:  # one stands for all of them
        found = [*found, Interval("", ask.start, ask.end, Severity.OK, suppressed=False, out_of_service=False, connected=True)]
    return found


def _may_have_changed(alarm: LiveAlarm, ask: Ask) -> bool:
    snapshot = alarm.snapshot
    return snapshot is None or alarm.severity is not Severity.OK or snapshot.since >= ask.start


def _by_path(found: Iterable[Interval]) -> dict[str, list[Interval]]:
    lines: dict[str, list[Interval]] = {}
    for interval in found:
        lines.setdefault(interval.path, []).append(interval)
    return lines


async def _known_until(tree: LiveTree, ask: Ask, sources: Sources) -> Nanos | None:
    """None while the engine is alive and its clock right; else the time of its last life sign, or of the last event where none was seen."""
    freshness = tree.freshness()
    if not freshness.stale:
        return await ahead_since(sources.history, tree.config, sources.now)
    if freshness.age_s is not None:
        return Nanos(sources.now - round(freshness.age_s * NANOS_PER_SECOND))
    page = await sources.history.events(EventQuery(tree.config, ask.start, ask.end, limit=1))
    return page.events[0].time if page.events else ask.start


def _known(spans: list[Span], known_until: Nanos | None, ask: Ask) -> list[Span]:
    return spans if known_until is None else cut_stale(spans, known_until, ask.end)
