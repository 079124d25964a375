"""Rows for alert rules of Grafana: names as texts and exactly one number, with a row for everything that is watched, also at 0.

A rule takes rows that are missing as "no data" and fires: an empty list means that there is nothing to watch.
"""

from __future__ import annotations

from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.port import CountBy, EventQuery
from backend.live.model import LiveTree
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import knows, subsystems

NEVER_S = 1e9
"""Age of a life sign that never came."""

WINDOW_S = 600
"""Alarms are counted over the last 10 minutes, as ISA-18.2 does."""

_LOOKED_BACK_S = 7 * 24 * 3600


def engine(sources: Sources, ask: Ask) -> list[Row]:
    """For each configuration the seconds since the last life sign of its engine."""
    ages = {tree.config: tree.freshness().age_s for tree in sources.asked(ask)}
    return [{"config": config, "age": NEVER_S if age is None else round(age, 1)} for config, age in ages.items()]


async def history(sources: Sources, ask: Ask) -> list[Row]:
    """For each configuration how many seconds the history is behind: the age of the oldest event that it does not have yet."""
    return [{"config": tree.config, "lag": await history_lag_s(tree, sources)} for tree in sources.asked(ask)]


async def history_lag_s(tree: LiveTree, sources: Sources) -> float:
    """Seconds; 0 if the newest event is stored."""
    as_of = tree.freshness().as_of
    start = Nanos(sources.now - _LOOKED_BACK_S * NANOS_PER_SECOND)
    stored = (await sources.history.events(EventQuery(tree.config, start, Nanos(2 * sources.now - start), limit=1))).events
    if as_of is None or (stored and stored[0].id[1:] >= as_of[1:]):
        return 0.0
    missing = tree.recent(stored[0].id if stored else None)
    if missing is None:  # more than is kept in memory: at least since the newest that is stored
        return _seconds(stored[0].time if stored else start, sources)
    late = [event.time for event in missing if event.time >= start]
    return _seconds(late[0], sources) if late else 0.0


def _seconds(since: Nanos, sources: Sources) -> float:
    return max(0.0, round((sources.now - since) / NANOS_PER_SECOND, 1))


def unacknowledged(sources: Sources, ask: Ask) -> list[Row]:
    """For each subsystem the number of MAJOR (or `severity`) alarms that nobody has acknowledged for longer than `older` seconds."""
    latest = sources.now - ask.older_s * NANOS_PER_SECOND
    wanted = ask.severities or {Severity.MAJOR.name}
    rows: list[Row] = []
    for tree in sources.asked(ask):
        for system in subsystems(tree, ask):
            late = [
                alarm
                for alarm in system.alarms(notable=True)
                if alarm.severity.is_active
                and alarm.severity.name in wanted
                and alarm.snapshot is not None
                and alarm.snapshot.suppression is None
                and alarm.snapshot.since <= latest
            ]
            rows.append({"config": tree.config, "system": system.title, "count": len(late)})
    return rows


async def flood(sources: Sources, ask: Ask) -> list[Row]:
    """For each configuration the number of alarms that rose in the last 10 minutes."""
    rows: list[Row] = []
    start = Nanos(sources.now - WINDOW_S * NANOS_PER_SECOND)
    for tree in sources.asked(ask):
        if knows(tree, ask):
            # Buckets begin at full minutes: the one that the window begins in is taken whole.
            buckets = await sources.history.counts(tree.config, start, sources.now, 60, CountBy.SEVERITY)
            rows.append({"config": tree.config, "count": sum(sum(bucket.counts.values()) for bucket in buckets)})
    return rows
