"""Lines of history as a table and as text: the same for those that a backend tells and those that are read from the store."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from tocsin.cli.printing import badge, plain, table


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


def event_table(zone: str) -> Table:
    """A table for events, times in that zone."""
    return table(f"time ({zone})", "event", "kind", "severity", "alarm", "message", "value", "by", "comment")


def add_line(rows: Table, line: EventLine) -> None:
    """One more row."""
    rows.add_row(
        line.time,
        line.id,
        line.kind,
        _shown(line.severity) if line.severity else "–",
        *map(plain, (line.path, line.message, line.value, line.user, line.comment)),
    )


def hidden_word(*, for_good: bool) -> str:
    """What stands in place of the severity of an alarm that nobody sees; `for_good`: until somebody enables it."""
    return "DISABLED" if for_good else "SHELVED"


def _shown(severity: str, word: str | None = None) -> Text:
    # Both ways of being hidden have one colour; the word tells them apart.
    return badge("SHELVED" if severity == "DISABLED" else severity, word or severity)


def spoken(line: EventLine) -> Text:
    """The line by itself, for a list that goes on."""
    severity = _shown(line.severity, f"{line.severity:13}") if line.severity else Text(" " * 13)
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
