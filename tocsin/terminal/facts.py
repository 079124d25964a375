"""What is told about one alarm, in words: its state, settings, last events. Pure."""

from __future__ import annotations

from datetime import datetime

from rich.table import Table
from rich.text import Text

from alarm_engine.model.palette import PALETTE
from tocsin.cli.answering import shade, word
from tocsin.cli.printing import badge, hidden_word, local, plain, span
from tocsin.client.types import Alarm, AlarmSettings, Event
from tocsin.client.types import Text as Entry


def head(alarm: Alarm) -> Text:
    """Name, severity, description and place."""
    return Text.assemble(
        (plain(alarm.pv), "bold"),
        "  ",
        badge(shade(alarm), f" {word(alarm)} "),
        "\n",
        plain(alarm.description),
        "\n",
        (plain(alarm.path), "dim"),
    )


def state(alarm: Alarm, now: float) -> Table:
    """Times and values; `now` in seconds since the epoch."""
    facts: list[tuple[str, str]] = []
    if not alarm.connected:
        facts.append(("Connection", "DISCONNECTED"))
    if alarm.suppression is None:
        facts += [("Alarm", _said(alarm.message, alarm.value)), ("Raised by", _ago(alarm.time, now))]
    if alarm.current is not None:
        current = PALETTE.get(str(alarm.current.severity))
        name = current.word if current else str(alarm.current.severity)
        facts += [("PV now", _said(name, alarm.current.message, alarm.current.value)), ("PV time", _ago(alarm.current.time, now))]
    facts.append(("Since", _ago(alarm.since, now)))
    if (ack := alarm.acknowledgement) is not None:
        facts += [("Acknowledged", f"by {ack.user}, {_ago(ack.time, now)}"), ("Reason", ack.reason or "–")]
    if (hidden := alarm.suppression) is not None:
        facts.append(("Out of service" if hidden.until is None else "Shelved", f"by {hidden.user}, {_ago(hidden.since, now)}"))
        facts.append(("Reason", hidden.reason or "–"))
        if hidden.until is not None:
            facts.append(("Comes back", f"{local(hidden.until)} (in {span(hidden.until.timestamp() - now)})"))
    return _facts(facts)


def settings(found: AlarmSettings) -> Table:
    """How the alarm is set, displays and commands."""
    facts = [
        ("Latching", "yes: stays until acknowledged" if found.latching else "no: clears by itself"),
        ("Annunciating", "yes" if found.annunciating else "no: silent"),
        ("Delay", f"{found.delay_s} s" if found.delay_s else "none"),
        ("Count", f"{found.count} within the delay" if found.count else "off"),
        ("Enabling filter", found.filter or "none"),
    ]
    facts += [("Action", f"{one.title}: {one.details} after {one.delay_s} s") for one in found.actions]
    facts += [("Display", _said(one.title, one.details)) for one in found.displays]
    facts += [("Command", _said(one.title, one.details)) for one in found.commands]
    return _facts(facts)


def guidance(found: AlarmSettings) -> str:
    """What to do, as Markdown, nearest first."""
    return "\n\n".join(map(_guidance, found.guidance)) or "None written for this alarm."


def _guidance(entry: Entry) -> str:
    details = entry.details.strip()
    body = "\n".join(plain(line) for line in details.splitlines())
    # The title of a short entry is the first line of its text: not said twice.
    return body if details.partition("\n")[0] == entry.title else f"**{plain(entry.title)}**\n\n{body}"


def events(found: list[Event]) -> Table | Text:
    """The last events, newest first."""
    if not found:
        return Text("None kept.", "dim")
    rows = Table.grid(padding=(0, 1))
    for event in found:
        name = str(event.to_severity) if event.state is not None else ""
        if event.state is not None and event.state.suppression is not None:
            name = hidden_word(for_good=event.state.suppression.until is None)
        said = _said(event.state.message, event.state.value) if event.state else ""
        by = f"{event.user}: {event.comment}" if event.comment else event.user
        known = PALETTE.get(name)
        rows.add_row(local(event.time), badge(name, known.word if known else None), plain(str(event.kind)), Text(plain(by or said)))
    return rows


def _said(*parts: str) -> str:
    return "   ".join(part for part in parts if part)


def _ago(moment: datetime | None, now: float) -> str:
    return "–" if moment is None else f"{local(moment)} ({span(now - moment.timestamp())} ago)"


def _facts(facts: list[tuple[str, str]]) -> Table:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    for name, text in facts:
        rows.add_row(name, Text(plain(text)))
    return rows
