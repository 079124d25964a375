"""What commands print with: a console, plain tables, severities in their colours, times and spans as operators read them."""

from __future__ import annotations

import re
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alarm_engine.config.fault import printable
from alarm_engine.model.palette import PALETTE
from alarm_engine.model.severity import Severity

_WIDE = 1000
"""Columns of what is no terminal: there a line stays a line."""

_ARGUMENT = re.compile(r"\b(url|token_file|ca_file)=(?=[ ,)])")


def console(*, stderr: bool = False) -> Console:
    """On a terminal tables fit in; in a file a line stays a line, without colours."""
    found = Console(highlight=False, emoji=False, markup=False, stderr=stderr)
    if not found.is_terminal:
        found.width = _WIDE
    return found


def note(text: str) -> None:
    """A sentence beside the answer, on standard error."""
    console(stderr=True).print(text, soft_wrap=True)


def table(*columns: str) -> Table:
    """A plain table."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def hidden_word(*, for_good: bool) -> str:
    """What stands in place of the severity of an alarm that nobody sees, a key of `PALETTE`; `for_good`: until somebody enables it."""
    return "DISABLED" if for_good else "SHELVED"


def badge(name: str, word: str | None = None) -> Text:
    """The name of a severity, or another word, in the colours of one; they are readable on dark and on light terminals.

    `name`: a key of `PALETTE`. A name that this version does not know stays without colours.
    """
    shade = PALETTE.get(name)
    text = plain(name if word is None else word)
    return Text(text) if shade is None else Text(text, f"{shade.text(light=False)} on {shade.fill_dark}")


def severity_text(severity: Severity | None, hidden: str = "") -> Text:
    """A severity in its colour, or the `hidden_word` that stands in its place."""
    if severity is None:
        return Text("–", "dim")
    return badge(hidden or severity.name)


def at_prompt(text: str) -> str:
    """What a client says, with the options of a command in place of its arguments: `url=` is `--url` here."""
    return _ARGUMENT.sub(lambda found: f"--{found[1].replace('_', '-')}", text)


def plain(text: str) -> str:
    """A text that does nothing to a terminal."""
    return printable(text)


def span(seconds: float) -> str:
    """How long: "12 s", "4 min", "2 h 10 min", "3 d 4 h", as on the operator's page."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def local(moment: datetime | None) -> str:
    """A time of day here: "2026-11-22 14:03:07"; empty for none."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
