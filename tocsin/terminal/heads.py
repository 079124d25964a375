"""What stands above the table, and in its place where it is empty. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from alarm_engine.model.palette import PALETTE
from tocsin.cli.printing import plain
from tocsin.terminal.rows import KINDS, Counts, View, Wish
from tocsin.terminal.trust import Banner, Feed, engine_words, unknown

_QUIET = {
    View.STANDING: "No alarms",
    View.ACTIVE: "No active alarms",
    View.ACKNOWLEDGED: "No acknowledged alarms",
    View.SHELVED: "Nothing shelved or out of service",
}


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


def tabs_text(counts: Counts, wish: Wish, banner: Banner | None, *, light: bool) -> Text:
    """The second line: views with numbers, severities, what is filtered. Numbers that are old have a question mark."""
    old = "?" if banner else ""
    text = Text(" ")
    for number, view in enumerate(View, 1):
        label = f"{number} {view.value} {counts.of(view)}{old}"
        text.append(f" {label} ", "reverse bold" if view is wish.view else "")
        text.append(" ")
    for kind in KINDS:
        active, acknowledged = counts.active[kind], counts.acknowledged[kind]
        if active or acknowledged:
            word, style = badge(str(kind), f" {active}{old} {PALETTE[str(kind)].word} ", light=light)
            text.append(word, "dim" if banner else style if active else badge(f"{kind}_ACK", "", light=light)[1])
            text.append(f" {acknowledged}{old} ✓ " if acknowledged else " ")
    text.append(" " + said_of(wish), "italic")
    return text


def said_of(wish: Wish) -> str:
    """What is left out, and the order."""
    parts = []
    if wish.path:
        parts.append(f"below {plain(wish.path)}")
    if wish.severities:
        parts.append("only " + ", ".join(sorted(map(str, wish.severities))))
    if wish.words:
        parts.append("with " + " ".join(map(plain, wish.words)))
    return "  ".join([*parts, wish.order.value + (", turned round" if wish.reverse else "")])


def empty_words(feeds: Sequence[Feed], wish: Wish, banner: Banner | None) -> str:
    """What an empty table means: only a live engine makes it good news."""
    if banner is not None:
        return f"NOT KNOWN\n\n{banner.title}: see above"
    filtered = " with this filter" if wish.narrows else ""
    if nothing := unknown(list(feeds)):
        return f"{_QUIET[wish.view]}{filtered}, but nothing is known yet of {nothing:,}."
    return f"{_QUIET[wish.view]}{filtered}." + ("" if filtered else " The engine is live.")
