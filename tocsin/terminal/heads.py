"""What stands above the table, and in its place where it is empty. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from alarm_engine.model.palette import PALETTE
from tocsin.cli.command_words import Said, Tone
from tocsin.cli.printing import plain
from tocsin.terminal.rows import KINDS, Counts, View, Wish
from tocsin.terminal.trust import Banner, Feed, engine_words, unknown

_QUIET = {
    View.STANDING: "No alarms",
    View.ACTIVE: "No active alarms",
    View.ACKNOWLEDGED: "No acknowledged alarms",
    View.SHELVED: "Nothing shelved or out of service",
}


_SHORT = {View.STANDING: "All", View.ACTIVE: "Unack", View.ACKNOWLEDGED: "Ack", View.SHELVED: "Shelved"}
_SHADES = {Tone.DONE: "OK", Tone.REFUSED: "MINOR", Tone.NOT_CONFIRMED: "MAJOR"}
_WIDE, _NARROW = 110, 60
"""Columns below which the names of views are short, and are left out."""


def badge(name: str, text: str, *, light: bool) -> tuple[str, str]:
    """A text in the colours of a severity."""
    shade = PALETTE[name]
    return text, f"{shade.text(light)} on {shade.fill_light if light else shade.fill_dark}"


def head_text(feeds: Sequence[Feed], banner: Banner | None, clock: str, *, light: bool) -> Text:
    """The first line: whose alarms, whether they are live, the time here."""
    names = ", ".join(feed.config for feed in feeds) or "…"
    state = badge("STALE", f" {banner.title} ", light=light) if banner else badge("OK", " LIVE ", light=light)
    text = Text.assemble((" tocsin ", "bold"), plain(names), "  ", state, " ")
    text.append(clock, "bold")
    if banner is None:
        text.append(f"  {engine_words(list(feeds))}")
    return text


def tabs_text(counts: Counts, wish: Wish, banner: Banner | None, *, light: bool, width: int) -> Text:
    """The second line: views with numbers, severities, what is filtered. Numbers that are old have a question mark."""
    old = "?" if banner else ""
    text = Text(" ")
    for number, view in enumerate(View, 1):
        name = "" if width < _NARROW else _SHORT[view] if width < _WIDE else view.value
        label = f"{number} {name} {counts.of(view)}{old}" if name else f"{number}:{counts.of(view)}{old}"
        text.append(f" {label} ", "reverse bold" if view is wish.view else "")
        text.append(" ")
    for kind in KINDS:
        active, acknowledged = counts.active[kind], counts.acknowledged[kind]
        if active or acknowledged:
            name = PALETTE[str(kind)].word if width >= _WIDE else PALETTE[str(kind)].word[:3]
            word, style = badge(str(kind), f" {active}{old} {name} ", light=light)
            text.append(word, "dim" if banner else style if active else badge(f"{kind}_ACK", "", light=light)[1])
            text.append(f" {acknowledged}{old} ✓ " if acknowledged else " ")
    text.append(f" {wish.order.value}{', turned round' if wish.reverse else ''}", "italic")
    return text


def narrowing_text(wish: Wish, shown: int, there: int) -> str:
    """The line that says that alarms are left out, and how to see them all; empty if none are."""
    parts = []
    if wish.path:
        parts.append(f"below {plain(wish.path)}")
    if wish.severities:
        parts.append("only " + ", ".join(sorted(map(str, wish.severities))))
    if wish.words:
        parts.append("with " + " ".join(map(plain, wish.words)))
    return f"FILTER  {shown:,} of {there:,}: {', '.join(parts)}" if parts else ""


def empty_words(feeds: Sequence[Feed], wish: Wish, banner: Banner | None) -> str:
    """What an empty table means: only a live engine makes it good news."""
    if banner is not None:
        return f"NOT KNOWN\n\n{banner.title}: see above"
    filtered = " with this filter" if wish.narrows else ""
    if nothing := unknown(list(feeds)):
        return f"{_QUIET[wish.view]}{filtered}, but nothing is known yet of {nothing:,}."
    return f"{_QUIET[wish.view]}{filtered}." + ("" if filtered else " The engine is live.")


def said_text(sentences: Sequence[Said], *, light: bool) -> Text:
    """What came of commands, each sentence in a line of its own."""
    text = Text()
    for number, said in enumerate(sentences):
        text.append("\n" if number else "")
        text.append(*badge(_SHADES[said.tone], f" {said.text} ", light=light))
    return text
