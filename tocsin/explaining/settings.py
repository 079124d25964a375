"""Settings that matter for an alarm, where they come from, and what was written for whoever has to act."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from alarm_engine.model.settings import AlarmSettings as Defaults
from tocsin.client.types import AlarmDetail
from tocsin.explaining.facts import AlarmFacts, SettingsSource
from tocsin.explaining.story import Setting
from tocsin.explaining.words import until

_DEFAULTS = Defaults()
_BY_DEFAULT = "by default, or as the tree says"
_COMMIT = 10


def settings(facts: AlarmFacts, now: datetime) -> Iterator[Setting]:
    """Those that decide when it rises, how long it stays, and who hears of it."""
    chosen, source = facts.alarm.settings, facts.source

    def setting(name: str, value: str, *, is_default: bool = False) -> Setting:
        return Setting(name, value, _came_from(name, source, is_default=is_default))

    yield setting("latching", "yes" if chosen.latching else "no", is_default=chosen.latching == _DEFAULTS.latching)
    if chosen.delay_s:
        yield setting("delay", f"{chosen.delay_s} s")
    if chosen.count:
        unused = "" if chosen.delay_s else ", without effect: it works with a delay only"
        yield setting("count", f"{chosen.count}{unused}")
    if chosen.filter:
        yield setting("filter", f"{chosen.filter} (kept, not evaluated by this version)")
    if not chosen.annunciating:
        yield setting("annunciating", "no: it is never spoken")
    if not chosen.enabled:
        yield setting("enabled", "no" if chosen.enabled_at is None else f"no, until {until(chosen.enabled_at, now)}")
    if chosen.actions:
        number = len(chosen.actions)
        yield setting("actions", f"{number} (kept, not carried out by this version)")


def _came_from(name: str, source: SettingsSource, *, is_default: bool) -> str:
    if name in source.edited:
        return "edited by another client since the files were brought into force"
    if name == "enabled":
        return "operators own it"
    if is_default:
        return _BY_DEFAULT
    commit = f"commit {source.commit[:_COMMIT]}" if source.commit else ""
    return ", ".join(part for part in (source.place, commit) if part) or "the tree in force"


def guidance(alarm: AlarmDetail) -> Iterator[str]:
    """Guidance, displays and commands, nearest first, each with where it was written for."""
    chosen = alarm.settings
    for text in chosen.guidance:
        yield from _entry(text.title, text.details, "" if text.source == alarm.path else text.source)
    for what, entries in (("Display", chosen.displays), ("Command", chosen.commands)):
        for text in entries:
            yield f"{what}: {text.title or text.details}" + (f" – {text.details}" if text.title and text.details else "")


def _entry(title: str, details: str, source: str) -> Iterator[str]:
    about = f" (of {source})" if source else ""
    lines = [line.rstrip() for line in details.strip().splitlines() if line.strip()]
    head = title or (lines[0] if lines else "")
    if lines and lines[0] == head:
        lines = lines[1:]
    if head:
        yield f"{head}{about}"
    yield from (f"  {line}" for line in lines)
