"""Rows for annotations: what is marked on everything that has a time axis.

Grafana colours annotations by the query they come from: that of alarms is asked once for each severity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import name
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos, to_ms
from backend.history.port import MAX_PAGE, EventQuery
from backend.live.model import LiveTree
from backend.queries.live import spoken
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import alarms_of, is_suppressed, knows, prefixes

COLUMNS = ("time", "timeEnd", "title", "text", "tags", "id")
MARKS = 200
"""More marks than that would hide what they are on: the newest are shown, and one says so."""

_HIDING = frozenset({EventKind.SHELVED, EventKind.DISABLED})
_SHOWING = frozenset({EventKind.UNSHELVED, EventKind.ENABLED, EventKind.REMOVED})


async def alarms(sources: Sources, ask: Ask) -> list[Row]:
    """A mark where an alarm rose to one of the severities asked for."""
    rows: list[Row] = []
    for tree in _trees(sources, ask):
        found = await _events(sources, tree, ask, frozenset({EventKind.ALARM}), MARKS + 1)
        found = [event for event in found if not ask.severities or event.to_severity.unacknowledged.name in ask.severities]
        marked = [_mark(event) for event in found]
        rows += [*marked[:MARKS], *_more("alarms", marked, tree.config)]
    return rows


def _more(what: str, marks: Sequence[Row], of: str = "all") -> list[Row]:
    """A mark at the oldest one that is shown, if there are older ones."""
    if len(marks) <= MARKS:
        return []
    time = marks[MARKS - 1]["time"]
    text = f"Only the newest {MARKS} {what} are marked: choose a shorter range"
    return [{"time": time, "timeEnd": time, "title": f"More {what}", "text": text, "tags": "limit", "id": f"{of}.{what}.more"}]


def _mark(event: Event) -> Row:
    severity, time = event.to_severity, to_ms(event.time)
    text = f"{name(event.path)}  {spoken(event.description)}"
    return {"time": time, "timeEnd": time, "title": severity.name, "text": text, "tags": severity.name, "id": str(event.id)}


@dataclass(slots=True)
class _Region:
    start: Nanos
    title: str
    text: str
    id: str

    def row(self, end: Nanos) -> Row:
        return {"time": to_ms(self.start), "timeEnd": to_ms(end), "title": self.title, "text": self.text, "tags": "", "id": self.id}


async def shelving(sources: Sources, ask: Ask) -> list[Row]:
    """A region while an alarm was shelved or out of service."""
    rows: list[Row] = []
    for tree in _trees(sources, ask):
        found = await _events(sources, tree, ask, _HIDING | _SHOWING, MAX_PAGE)
        regions: dict[str, _Region] = {}
        for event in reversed(found):
            former = regions.pop(event.path, None)
            if event.kind in _HIDING:
                regions[event.path] = _hidden(event.path, event.time, event.kind is EventKind.SHELVED, (event.user, event.comment))
            elif event.kind is not EventKind.REMOVED and former is None:
                former = _hidden(event.path, ask.start, event.kind is EventKind.UNSHELVED, ("", ""))
            if former is not None:
                rows.append(former.row(event.time))
        for alarm in alarms_of(tree, ask, notable=True):
            suppression = alarm.snapshot.suppression if alarm.snapshot else None
            if is_suppressed(alarm) and suppression is not None and suppression.since < ask.start:
                who = (suppression.user, suppression.reason)
                regions.setdefault(alarm.path, _hidden(alarm.path, ask.start, suppression.until is not None, who))
        rows += [region.row(_now(ask, sources)) for region in regions.values()]
    rows.sort(key=lambda row: (row["time"], row["id"]), reverse=True)
    return [*rows[:MARKS], *_more("shelved", rows)]


def _hidden(path: str, start: Nanos, shelved: bool, who: tuple[str, str]) -> _Region:
    said = ": ".join(part for part in who if part)
    return _Region(start, "Shelved" if shelved else "Out of service", "  ".join(filter(None, (name(path), said))), f"{path}.{to_ms(start)}")


async def maintenance(sources: Sources, ask: Ask) -> list[Row]:
    """A region while a configuration was in maintenance mode."""
    rows: list[Row] = []
    for tree in _trees(sources, ask):
        query = EventQuery(tree.config, ask.start, ask.end, kinds=frozenset({EventKind.MODE}), oldest_first=True, limit=MAX_PAGE)
        region: _Region | None = None
        is_first = True
        for event in (await sources.history.events(query)).events:
            if event.reason == CommandKind.MAINTENANCE.value:
                region = region or _maintained(tree, event.time, event)
            elif event.reason == CommandKind.NORMAL.value:
                # Ended within the range without a begin in it: it began before.
                region = region or (_maintained(tree, ask.start, None) if is_first else None)
                rows += [] if region is None else [region.row(event.time)]
                region = None
            else:
                continue
            is_first = False
        if region is None and is_first and tree.freshness().maintenance:
            region = _maintained(tree, ask.start, None)
        rows += [] if region is None else [region.row(_now(ask, sources))]
    return rows


def _maintained(tree: LiveTree, start: Nanos, event: Event | None) -> _Region:
    who = f" by {event.user}" if event is not None and event.user else ""
    return _Region(start, "Maintenance", f"{tree.config} in maintenance mode{who}", f"{tree.config}.maintenance.{to_ms(start)}")


def _now(ask: Ask, sources: Sources) -> Nanos:
    return min(ask.end, max(sources.now, ask.start))


def _trees(sources: Sources, ask: Ask) -> list[LiveTree]:
    return [tree for tree in sources.asked(ask) if knows(tree, ask)]


async def _events(sources: Sources, tree: LiveTree, ask: Ask, kinds: frozenset[EventKind], limit: int) -> list[Event]:
    """Newest first, no more than `limit`."""
    severities = frozenset(Severity[name] for name in ask.severities)
    found: Iterable[Event] = ()
    for prefix in prefixes(tree, ask):
        query = EventQuery(tree.config, ask.start, ask.end, path_prefix=prefix, kinds=kinds, severities=severities, limit=limit)
        found = chain(found, (await sources.history.events(query)).events)
    return sorted(found, key=lambda event: event.id, reverse=True)[:limit]
