"""Rows about how often alarms rise: per 10 minutes, most frequent, floods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from alarm_engine.model.event import EventKind
from alarm_engine.model.path import system
from alarm_engine.model.subsystem import title
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, to_ms
from backend.history.port import CountBy, EventQuery, Frequency
from backend.live.model import LiveTree
from backend.queries.live import spoken
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import dash_of, knows, prefixes, span

SEVERITIES = ("MAJOR", "INVALID", "UNDEFINED", "MINOR")
BUCKET_S = 600
"""ISA-18.2 counts alarms in windows of 10 minutes."""

FLOOD_BEGINS = 10
"""More alarms than that in a window are a flood, ..."""
FLOOD_ENDS = 5
"""... which lasts until a window has fewer than that."""

_MAX_BUCKETS = 3000
_DAY_S = 24 * 3600
_FLOODS_S = 100 * 24 * 3600
"""Floods are looked for in the last 100 days of a range: over more nobody would see them."""
_MAX_TOP = 10
_CHATTER_RISES = 3
_CHATTER_S = 60
_LOOKED_AT = 500


@dataclass(slots=True)
class _Window:
    start: Nanos
    counts: Counter[str]


async def _windows(sources: Sources, ask: Ask, bucket_s: int) -> list[_Window]:
    """Rises per window, over all that was asked for."""
    windows: dict[int, _Window] = {}
    for tree in sources.asked(ask):
        if not knows(tree, ask):
            continue
        for prefix in prefixes(tree, ask):
            for bucket in await sources.history.counts(tree.config, ask.start, ask.end, bucket_s, CountBy.SEVERITY, prefix):
                windows.setdefault(bucket.start, _Window(bucket.start, Counter())).counts.update(bucket.counts)
    return [windows[start] for start in sorted(windows)]


async def counts(sources: Sources, ask: Ask) -> list[Row]:
    """Alarms that rose per 10 minutes, by severity; over long ranges the average of several such windows."""
    merged = max(1, -(-((ask.end - ask.start) // (BUCKET_S * NANOS_PER_SECOND)) // _MAX_BUCKETS))
    windows = await _windows(sources, ask, BUCKET_S * merged)
    return [
        {"time": to_ms(window.start), **{name: _average(window.counts[name], merged) for name in SEVERITIES}}
        for window in windows
        if not ask.severities or ask.severities & set(SEVERITIES)
    ]


async def days(sources: Sources, ask: Ask) -> list[Row]:
    """Alarms that rose per day (UTC), by severity."""
    return [
        {"time": to_ms(window.start), **{name: window.counts[name] for name in SEVERITIES}}
        for window in await _windows(sources, ask, _DAY_S)
    ]


def _average(count: int, windows: int) -> int | float:
    return count if windows == 1 else round(count / windows, 2)


async def top(sources: Sources, ask: Ask) -> list[Row]:
    """The alarms that rose most often: number, share of all, running sum of the shares, and whether they chatter."""
    found: list[tuple[LiveTree, Frequency]] = []
    limit = ask.limit or _MAX_TOP
    trees = [tree for tree in sources.asked(ask) if knows(tree, ask)]
    for tree in trees:
        for prefix in prefixes(tree, ask):
            found += [(tree, one) for one in await sources.history.most_frequent(tree.config, ask.start, ask.end, limit, prefix)]
    if not trees:
        return []
    if not found:
        return [{**dict.fromkeys(_TOP), "pv": "no alarms", "path": "", "count": 0, "cumulative": 0.0, "kind": ""}]
    found.sort(key=lambda item: (-item[1].count, item[1].path))
    total = sum(window.counts.total() for window in await _windows(sources, ask, _DAY_S))
    rows: list[Row] = []
    running = 0
    for tree, one in found[:limit]:
        running += one.count
        rows.append(await _top_row(tree, one, (max(total, running), running), (sources, ask)))
    return rows


_TOP = ("pv", "path", "system", "dash", "description", "count", "share", "cumulative", "kind")


async def _top_row(tree: LiveTree, one: Frequency, sums: tuple[int, int], question: tuple[Sources, Ask]) -> Row:
    alarm = tree.alarms.get(one.path)
    total, running = sums
    name = system(one.path)
    return {
        "pv": one.pv,
        "path": one.path,
        "system": title(name),
        "dash": dash_of(tree, name),
        "description": spoken(alarm.settings.description) if alarm else "no longer in the tree",
        "count": one.count,
        "share": round(100 * one.count / total, 1),
        "cumulative": round(100 * running / total, 1),
        "kind": "chattering" if await _chatters(tree, one, *question) else "",
    }


async def _chatters(tree: LiveTree, one: Frequency, sources: Sources, ask: Ask) -> bool:
    """Three rises or more within a minute, among the last ones of the range."""
    if one.count < _CHATTER_RISES:
        return False
    query = EventQuery(tree.config, ask.start, ask.end, path_prefix=one.path, kinds=frozenset({EventKind.ALARM}), limit=_LOOKED_AT)
    times = [event.time for event in (await sources.history.events(query)).events]
    return any(newer - older <= _CHATTER_S * NANOS_PER_SECOND for newer, older in zip(times, times[_CHATTER_RISES - 1 :], strict=False))


async def floods(sources: Sources, ask: Ask) -> list[Row]:
    """Spans with more than 10 alarms in 10 minutes, as annotations; none is an empty list.

    Of a range of more than 100 days one more row says that the time before was not looked at.
    """
    rows: list[Row] = []
    for tree in sources.asked(ask):
        if not knows(tree, ask):
            continue
        start = max(ask.start, Nanos(ask.end - _FLOODS_S * NANOS_PER_SECOND))
        if start > ask.start:
            rows.append(_not_looked_at(tree.config, (ask.start, start)))
        one = Ask(start, ask.end, tree.config, ask.systems, path=ask.path)
        rows += _flood_rows(tree.config, await _windows(sources, one, BUCKET_S))
    return rows


def _not_looked_at(config: str, span: tuple[Nanos, Nanos]) -> Row:
    return {
        "time": to_ms(span[0]),
        "timeEnd": to_ms(span[1]),
        "title": "Floods are not shown here",
        "text": f"They are looked for in the last {_FLOODS_S // _DAY_S} days of a range: choose a shorter one",
        "tags": "note",
        "id": f"{config}.flood.none",
    }


def _flood_rows(config: str, windows: Sequence[_Window]) -> list[Row]:
    rows: list[Row] = []
    running: list[_Window] = []
    for window in [*windows, None]:
        count = 0 if window is None else window.counts.total()
        if window is not None and (count >= FLOOD_ENDS if running else count > FLOOD_BEGINS):
            running.append(window)
        elif running:
            total = sum(one.counts.total() for one in running)
            seconds = BUCKET_S * len(running)
            begin = running[0].start
            rows.append(
                {
                    "time": to_ms(begin),
                    "timeEnd": to_ms(begin) + seconds * 1000,
                    "title": "Alarm flood",
                    "text": f"{total} alarms in {span(seconds)}",
                    "tags": "flood",
                    "id": f"{config}.flood.{to_ms(begin)}",
                }
            )
            running = []
    return rows
