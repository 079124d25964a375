"""Rows of the event log."""

from __future__ import annotations

from dataclasses import replace

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import name, system
from alarm_engine.model.severity import BY_NAME, Severity
from alarm_engine.model.subsystem import title
from alarm_engine.model.times import Nanos, to_ms
from backend.history.port import MAX_PAGE, EventQuery
from backend.live.model import LiveTree
from backend.queries.live import spoken
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import dash_of, knows, prefixes

_MAX_EVENTS = 500
_LEVELS = {Severity.UNDEFINED: "error", Severity.INVALID: "error", Severity.MAJOR: "critical", Severity.MINOR: "warning"}
_HIDDEN = frozenset({EventKind.SHELVED, EventKind.DISABLED})
_LOGGED = frozenset(EventKind) - {EventKind.COMMAND}
"""What a command did has lines of its own; the event that closes it says nothing new."""

NEUTRAL = "NEUTRAL"
"""State in a line that is not about an alarm: a takeover, a switch, a refused command."""


async def events(sources: Sources, ask: Ask) -> list[Row]:
    """What happened, newest first; also to an alarm that has left the tree. Empty for a path that nothing is known of.

    Where there is more than the limit, a last line says so.
    """
    limit = min(ask.limit or _MAX_EVENTS, MAX_PAGE - 1)
    asked = events_asked(sources, ask, limit + 1)
    found = [event for _, query in asked for event in (await sources.history.events(query)).events]
    found.sort(key=lambda event: (event.time, event.id), reverse=not ask.oldest_first)
    if not found and any(knows(tree, ask) for tree, _ in asked):
        return [_note(ask.end, "No events in this range")]
    what = "oldest" if ask.oldest_first else "newest"
    more = [_note(found[limit].time, f"Only the {what} {limit} events are shown: choose a shorter range")] if len(found) > limit else []
    return [*(_event_row(event, sources.trees[event.id.config]) for event in found[:limit]), *more]


def events_asked(sources: Sources, ask: Ask, limit: int) -> list[tuple[LiveTree, EventQuery]]:
    """What the store is asked for the events of a question, one for each part of a tree."""
    return [
        (
            tree,
            EventQuery(
                config=tree.config,
                start=ask.start,
                end=ask.end,
                path_prefix=prefix,
                pv=ask.pv,
                severities=frozenset(severity for severity in BY_NAME.values() if ask.severities and ask.wants(severity)),
                kinds=ask.kinds or _LOGGED,
                user=ask.user,
                text=ask.text or None,
                oldest_first=ask.oldest_first,
                limit=limit,
                after=ask.after,
            ),
        )
        for tree in sources.asked(ask)
        if knows(tree, replace(ask, path=None)) and (ask.after is None or ask.after.config == tree.config)
        for prefix in prefixes(tree, ask)
    ]


def _event_row(event: Event, tree: LiveTree) -> Row:
    snapshot = event.snapshot
    value = snapshot.current.value if snapshot else ""
    description = spoken(event.description) or event.comment or event.reason
    level = _LEVELS.get(event.to_severity, "info")
    about_alarm = snapshot is not None or event.kind is EventKind.REMOVED
    to = NEUTRAL if not about_alarm else event.kind.name if event.kind in _HIDDEN else event.to_severity.name
    return {
        "timestamp": to_ms(event.time),
        "time": to_ms(event.time),
        "id": str(event.id),
        "severity": level,
        "level": level,
        "body": f"{to if about_alarm else event.kind.value:9} {event.path}  {description}" + (f" = {value}" if value else ""),
        "system": title(system(event.path)) if about_alarm else "",
        "dash": dash_of(tree, system(event.path)) if about_alarm else "",
        "path": event.path,
        "pv": name(event.path),
        "kind": event.kind.value,
        "from": event.from_severity.name if about_alarm else "",
        "to": to,
        "by": event.user,
        "comment": event.comment,
        "reason": event.reason,
        "message": snapshot.alarm.message if snapshot else "",
        "value": value,
        "description": description,
    }


def _note(time: Nanos, text: str) -> Row:
    return {
        "timestamp": to_ms(time),
        "time": to_ms(time),
        "id": "",
        "severity": "info",
        "level": "info",
        "body": text,
        **dict.fromkeys(("system", "dash", "path", "pv", "kind", "from", "by", "comment", "reason", "message", "value"), ""),
        "to": NEUTRAL,
        "description": text,
    }
