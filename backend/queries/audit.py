"""Rows about who did what: everything that a person, a client or an engine's takeover did to a configuration."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import name, system
from alarm_engine.model.subsystem import title
from alarm_engine.model.times import to_ms
from backend.history.port import MAX_PAGE, EventQuery
from backend.live.model import LiveTree
from backend.queries.live import spoken
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import knows, prefixes

DONE = frozenset(EventKind) - {EventKind.ALARM, EventKind.CLEARED, EventKind.CHANGED, EventKind.COMMAND, EventKind.SERVER}
"""What somebody did; what alarms and IOCs did by themselves is in the event log."""

_MAX_ROWS = 500


async def actions(sources: Sources, ask: Ask) -> list[Row]:
    """Who did what, newest first; a line of its own says that there is more, or nothing."""
    limit = ask.limit or _MAX_ROWS
    rows: list[Row] = []
    trees = [tree for tree in sources.asked(ask) if knows(tree, replace(ask, path=None))]
    found = sorted([event for tree in trees for event in await _done(sources, tree, ask, limit + 1)], key=_order, reverse=True)
    rows = [_row(event) for event in found[:limit]]
    if len(found) > limit:
        rows.append(_note(to_ms(found[limit].time), f"Only the newest {limit} are shown: choose a shorter range"))
    elif not found and trees:
        rows.append(_note(to_ms(ask.end), "Nobody did anything in this range"))
    return rows


async def users(sources: Sources, ask: Ask) -> list[Row]:
    """How often each person did what, most first; counted over the newest 10,000 actions of the range, and if there are more it says so."""
    counts: Counter[tuple[str, str]] = Counter()
    trees = [tree for tree in sources.asked(ask) if knows(tree, replace(ask, path=None))]
    is_cut = False
    for tree in trees:
        done = await _done(sources, tree, ask, MAX_PAGE)
        is_cut = is_cut or len(done) >= MAX_PAGE
        counts.update((event.user or "–", event.kind.value) for event in done)
    shown = counts.most_common(ask.limit or _MAX_ROWS)
    rows: list[Row] = [{"by": by, "kind": kind, "count": number} for (by, kind), number in shown]
    if len(counts) > len(shown):
        rows.append(
            {"by": f"and {len(counts) - len(shown)} more", "kind": "", "count": counts.total() - sum(number for _, number in shown)}
        )
    if is_cut:
        rows.append({"by": f"Only the newest {MAX_PAGE:,} actions are counted: choose a shorter range", "kind": "", "count": None})
    return rows or ([{"by": "nobody", "kind": "", "count": 0}] if trees else [])


async def _done(sources: Sources, tree: LiveTree, ask: Ask, limit: int) -> list[Event]:
    found: list[Event] = []
    for prefix in prefixes(tree, ask):
        query = EventQuery(tree.config, ask.start, ask.end, path_prefix=prefix, kinds=DONE, text=ask.text or None, limit=limit)
        found += (await sources.history.events(query)).events
    return found


def _order(event: Event) -> tuple[int, str]:
    return event.time, str(event.id)


def _row(event: Event) -> Row:
    is_of_alarm = event.snapshot is not None or event.kind is EventKind.REMOVED
    suppression = event.snapshot.suppression if event.snapshot else None
    until = suppression.until if suppression and event.kind is EventKind.SHELVED else None
    return {
        "time": to_ms(event.time),
        "by": event.user or "–",
        "host": event.host,
        "kind": event.kind.value,
        "system": title(system(event.path)) if is_of_alarm else "",
        "pv": name(event.path),
        "path": event.path if is_of_alarm else "",
        "description": spoken(event.description),
        "severity": event.to_severity.name if is_of_alarm else None,
        "reason": event.comment or event.reason,
        "until": None if until is None else to_ms(until),
    }


def _note(time: int, description: str) -> Row:
    empty = dict.fromkeys(("host", "kind", "system", "pv", "path"), "")
    return {"time": time, "by": "", **empty, "description": description, "severity": None, "reason": "", "until": None}
