"""Figures of alarm performance: the ones of a range, and rows of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol

from alarm_engine.model.path import name, system
from alarm_engine.model.subsystem import title
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso, to_ms
from backend.history.performance import Performance, known, performance
from backend.history.port import MAX_RANGE_DAYS, EventQuery, History
from backend.kpi.definitions import DAY_NS
from backend.kpi.tally import Selection, Span
from backend.live.model import LiveTree
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import dash_of, knows, prefixes, span

_MAX_ALARMS = 1000
"""Rows of a list of alarms."""


async def known_until(tree: LiveTree, history: History, now: Nanos) -> Nanos:
    """Until when the history has all events: now, unless the live tree has one that it has not, or the engine gives no life sign."""
    query = EventQuery(tree.config, Nanos(now - (MAX_RANGE_DAYS - 1) * DAY_NS), Nanos(now + DAY_NS), limit=1)
    stored = (await history.events(query)).events
    newest = stored[0].time if stored else Nanos(0)
    freshness = tree.freshness()
    if freshness.as_of is not None and (not stored or stored[0].id[1:] < freshness.as_of[1:]):
        return newest
    if not freshness.stale:
        return now
    alive = 0 if freshness.age_s is None else now - round(freshness.age_s * NANOS_PER_SECOND)
    return Nanos(max(newest, alive))


async def performance_of(sources: Sources, tree: LiveTree, within: Span, selection: Selection) -> Performance:
    """The figures of a range of one configuration."""
    until = await known_until(tree, sources.history, sources.now)
    knowing = await known(sources.history, tree.config, within, until, sources.now)
    return await performance(sources.history.summaries, tree.config, within, knowing, selection)


async def _each(sources: Sources, ask: Ask) -> AsyncIterator[tuple[LiveTree, Selection, Performance]]:
    """The figures of each configuration, or of each of the subsystems that were asked for."""
    for tree in sources.asked(ask):
        if knows(tree, ask):
            for prefix in prefixes(tree, ask):
                selection = Selection(prefix or "/", ask.lost_connections, sources.limits)
                yield tree, selection, await performance_of(sources, tree, Span(ask.start, ask.end), selection)


async def figures(sources: Sources, ask: Ask) -> list[Row]:
    """Figures of alarm performance, each with its target and verdict; `since` and `until` say how much of the range is known."""
    rows: list[Row] = []
    async for tree, selection, found in _each(sources, ask):
        for one in found.figures.figures:
            rows.append(
                {
                    "config": tree.config,
                    "path": selection.prefix,
                    "name": one.name,
                    "title": one.title,
                    "value": None if one.value is None else round(one.value, 3),
                    "unit": one.unit,
                    "target": one.target.text if one.target else "",
                    "verdict": one.verdict.value,
                    "text": one.text,
                    "since": _ms(found.complete_from),
                    "until": _ms(found.complete_until),
                }
            )
    return rows


async def flood_list(sources: Sources, ask: Ask) -> list[Row]:
    """Floods: begin, end, size, peak, and the first alarms, of which one is often the cause."""
    rows: list[Row] = []
    async for tree, _, found in _each(sources, ask):
        for flood in found.figures.floods:
            rows.append(
                {
                    "time": to_ms(flood.start),
                    "timeEnd": to_ms(flood.end),
                    "config": tree.config,
                    "ongoing": flood.ongoing,
                    "size": flood.size,
                    "peak": flood.peak,
                    "peak_at": to_ms(flood.peak_at),
                    "lasted": span((flood.end - flood.start) / NANOS_PER_SECOND),
                    "first": ", ".join(f"{name(one.path)} {iso(one.time)[11:19]}" for one in flood.first),
                }
            )
    return rows


async def per_period(sources: Sources, ask: Ask) -> list[Row]:
    """Annunciations per 10 minutes, as the figures count them; periods without any are left out."""
    counts: dict[Nanos, int] = {}
    async for _, _, found in _each(sources, ask):
        for time, count in found.figures.counts:
            counts[time] = counts.get(time, 0) + count
    return [{"time": to_ms(time), "count": count} for time, count in sorted(counts.items())]


async def hidden_over_time(sources: Sources, ask: Ask) -> list[Row]:
    """How many alarms were stale, shelved and out of service, wherever that changed."""
    rows: list[Row] = []
    async for tree, _, found in _each(sources, ask):
        for point in found.figures.over_time:
            rows.append(
                {
                    "time": to_ms(point.time),
                    "config": tree.config,
                    "stale": point.stale,
                    "shelved": point.shelved,
                    "out_of_service": point.out_of_service,
                }
            )
    return rows


class _Alarm(Protocol):
    """One entry of a list of figures."""

    @property
    def path(self) -> str:
        """Of the alarm."""
        ...


_NAMES = ("pv", "path", "system", "dash")


async def _alarms(sources: Sources, ask: Ask, pick: Callable[[Performance], Iterable[tuple[_Alarm, Row]]]) -> list[Row]:
    rows: list[Row] = []
    async for tree, _, found in _each(sources, ask):
        for alarm, more in pick(found):
            about = system(alarm.path)
            rows.append({"pv": name(alarm.path), "path": alarm.path, "system": title(about), "dash": dash_of(tree, about), **more})
    limit = ask.limit or _MAX_ALARMS
    if len(rows) > limit:
        nothing = {name: "" if name in _NAMES else None for name in rows[0]}
        rows[limit:] = [{**nothing, "pv": f"and {len(rows) - limit} more"}]
    return rows


async def frequent(sources: Sources, ask: Ask) -> list[Row]:
    """The ten alarms that were annunciated most often."""
    return await _alarms(
        sources, ask, lambda found: [(one, {"count": one.number, "share": round(one.share, 1)}) for one in found.figures.frequent]
    )


async def chattering(sources: Sources, ask: Ask) -> list[Row]:
    """Alarms that were annunciated three times within a minute, or more often."""
    return await _alarms(
        sources, ask, lambda found: [(one, _repeated(one.number, one.first, one.last)) for one in found.figures.chattering]
    )


async def fleeting(sources: Sources, ask: Ask) -> list[Row]:
    """Alarms that were gone again within 15 s."""
    return await _alarms(sources, ask, lambda found: [(one, _repeated(one.number, one.first, one.last)) for one in found.figures.fleeting])


async def stale(sources: Sources, ask: Ask) -> list[Row]:
    """Alarms that stood for more than 24 h, longest first."""
    return await _alarms(
        sources, ask, lambda found: [(one, {"since": to_ms(one.since), "until": _ms(one.until)}) for one in found.figures.stale]
    )


def _repeated(number: int, first: Nanos, last: Nanos) -> Row:
    return {"count": number, "since": to_ms(first), "until": to_ms(last)}


def _ms(time: Nanos | None) -> int | None:
    return None if time is None else to_ms(time)
