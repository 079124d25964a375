"""Lines of history as a table and as text: the same for those that a backend tells and those that are read from the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from alarm_engine.model.path import name
from tocsin.cli.fitting import Listed, fitted
from tocsin.cli.printing import badge, plain


@dataclass(frozen=True, slots=True)
class EventLine:
    """One line of history, in words."""

    time: str
    id: str
    kind: str
    severity: str
    """After the event, or what hides the alarm: SHELVED, DISABLED; empty for events that are not about one alarm."""
    path: str
    message: str
    value: str
    user: str
    comment: str


def event_table(lines: Sequence[EventLine], zone: str, width: int) -> Table:
    """A table of events in so many cells of a terminal, times in that zone. Where it is narrow an alarm is named by its PV."""
    places = [plain(line.path) for line in lines]
    names = [plain(name(line.path)) if line.severity else place for line, place in zip(lines, places, strict=True)]
    columns = (
        Listed(f"time ({zone})", [line.time for line in lines]),
        Listed("event", [line.id for line in lines], out=1),
        Listed("kind", [line.kind for line in lines]),
        Listed("severity", [badge(line.severity) if line.severity else "–" for line in lines]),
        Listed("alarm", places, short_cells=names),
        Listed("message", [plain(line.message) for line in lines], out=5, least=12),
        Listed("value", [plain(line.value) for line in lines], out=3, least=10),
        Listed("by", [plain(line.user) for line in lines], out=4, least=6),
        Listed("comment", [plain(line.comment) for line in lines], out=2, least=12),
    )
    return fitted(columns, width)


def spoken(line: EventLine) -> Text:
    """The line by itself, for a list that goes on."""
    severity = badge(line.severity, f"{line.severity:13}") if line.severity else Text(" " * 13)
    text = Text.assemble(line.time, "  ", severity, f"  {line.kind:14}  ", (plain(line.path), "bold"))
    for part in (line.message, line.value):
        text.append(f"  {plain(part)}" if part else "")
    if line.user or line.comment:
        text.append(f"  {plain(line.user)}{': ' if line.user and line.comment else ''}{plain(line.comment)}", "italic")
    return text


def tabbed(line: EventLine) -> str:
    """The line for scripts, with a tab between two fields."""
    return "\t".join(
        map(plain, (line.time, line.kind, line.severity, line.path, line.message, line.value, line.user, line.comment, line.id))
    )
