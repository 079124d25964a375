"""Rows for walls: an alarm as one line of text, which stands for itself."""

from __future__ import annotations

from backend.queries.live import NO_DATA, active_alarms, all_clear, spoken
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import STALE, age_s, knows, span, stale_note

_MAX_LINES = 6
_LINE_ROOM = 64
"""Characters that a line on a wall has room for."""


def lines(sources: Sources, ask: Ask) -> list[Row]:
    """The worst unacknowledged alarms as one text each, for walls."""
    return _lines(sources, ask, newest_first=False)


def newest(sources: Sources, ask: Ask) -> list[Row]:
    """The newest unacknowledged alarms as one text each, for walls."""
    return _lines(sources, ask, newest_first=True)


def _lines(sources: Sources, ask: Ask, *, newest_first: bool) -> list[Row]:
    rows: list[Row] = []
    limit = ask.limit or _MAX_LINES
    for tree in sources.asked(ask):
        if not knows(tree, ask):
            continue
        freshness = tree.freshness()
        found = [alarm for alarm in active_alarms(tree, ask) if alarm.severity.is_active]
        if newest_first:
            found.sort(key=lambda alarm: -(alarm.snapshot.since if alarm.snapshot else 0))
        if freshness.stale:
            rows.append({"line": f"{STALE} {stale_note(freshness)}", "path": ""})
        elif not found:
            note = all_clear(tree, ask)
            quiet = "OK nothing unacknowledged" if note["severity"] == "OK" else f"{NO_DATA} {note['description']}"
            rows.append({"line": quiet, "path": ""})
        for alarm in found[:limit]:
            since = alarm.snapshot.since if alarm.snapshot else sources.now
            ends = f"{alarm.severity.name} {alarm.pv}  ", f"  {span(age_s(since, sources))}"
            rows.append({"line": _shortened(spoken(alarm.settings.description), ends), "path": alarm.path})
        if len(found) > limit:
            worst = max(alarm.severity for alarm in found[limit:])
            rows.append({"line": f"{worst.name} and {len(found) - limit} more", "path": ""})
    return rows


def _shortened(description: str, ends: tuple[str, str]) -> str:
    """A line for a wall: what it is and since when are whole, what stands between them has the room that is left."""
    room = max(_LINE_ROOM - sum(map(len, ends)), 1)
    return description.join(ends) if len(description) <= room else f"{description[: room - 1].rstrip()}…".join(ends)
