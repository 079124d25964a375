"""`tocsin explain`: why something is in alarm, or why not, and what will happen next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from alarm_engine.model.path import split
from tocsin.cli.answering import as_object, say_json
from tocsin.cli.printing import badge, console, hidden_word, plain
from tocsin.cli.reaching import Reach, reaching
from tocsin.cli.resolving import hinting, resolve
from tocsin.client import Client
from tocsin.client.errors import NotFound, ServerError
from tocsin.client.types import AlarmDetail, Repeated, TreeFiles
from tocsin.client.types import Text as Guidance
from tocsin.explaining import (
    AlarmFacts,
    ComponentFacts,
    Explanation,
    Past,
    SettingsSource,
    Transition,
    explain_alarm,
    explain_component,
)
from tocsin.explaining.words import clock

_EVENTS = 50
_HINTED = 3


@reaching
def explain(
    reach: Reach,
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="Alarm or component: a path, or a name that is there once.", show_default=False),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Say in words why something is in alarm, or why not: what its PV says, what holds it, who did what, what will happen next.

    With `--settings` also the file and line of its settings. Exit code 0; 3 if the engine is silent: then nothing of it can be trusted.
    """
    now = datetime.now().astimezone()
    with reach.open() as client, hinting(client, path, reach.config):
        chosen = resolve(client, path, reach.config)
        facts = _alarm(client, reach, chosen) or _component(client, chosen)
    if isinstance(facts, AlarmFacts):
        story, detail = explain_alarm(facts, now), as_object(facts.alarm)
    else:
        story, detail = explain_component(facts, now), as_object(facts.node)
    if story.doubt:
        reach.said.add(story.doubt)  # said first of all, and not once more
    if as_json:
        say_json({**as_object(story), "about": detail})
    else:
        _print(console(), story, facts, now)
    return 0


def _alarm(client: Client, reach: Reach, path: str) -> AlarmFacts | None:
    """What is to be known of an alarm; None if there is none of that path."""
    try:
        alarm = client.alarm(path)
    except NotFound:
        return None
    return AlarmFacts(alarm, _maintenance(client, path), _past(client, path), _source(client, reach, alarm))


def _maintenance(client: Client, path: str) -> bool:
    return any(one.maintenance for one in client.configurations() if one.name == split(path)[0])


def _past(client: Client, path: str) -> Past:
    """Of the last week; a history that is away is no reason to say nothing."""
    try:
        figures = client.figures(path, start="7d")
        return Past(
            events=tuple(client.events(path, start="7d", limit=_EVENTS)),
            rises_day=_rises(client, path, "1d"),
            rises_week=_rises(client, path, "7d"),
            chattering=_of(figures.chattering, path),
            fleeting=_of(figures.fleeting, path),
        )
    except ServerError as problem:
        return Past(problem=str(problem))


def _rises(client: Client, path: str, start: str) -> int:
    return sum(one.count for one in client.top(path, start=start, limit=1).alarms)


def _of(found: tuple[Repeated, ...], path: str) -> Repeated | None:
    return next((one for one in found if one.path == path), None)


def _source(client: Client, reach: Reach, alarm: AlarmDetail) -> SettingsSource:
    config = split(alarm.path)[0]
    files = next((one for one in client.files(config=config)), None)
    commit = files.revision.commit if files is not None and files.revision is not None else ""
    place = _place(reach.settings_file, config, alarm.path) if reach.settings_file is not None else ""
    return SettingsSource(place, commit, _edited(files, alarm.path))


def _edited(files: TreeFiles | None, path: str) -> tuple[str, ...]:
    return tuple(field for one in (files.drift if files is not None else ()) if one.path == path for field in one.fields)


def _place(settings: Path, config: str, path: str) -> str:
    """File and line of an alarm, as far as the files of the site are here."""
    from alarm_engine.config.load import load_tree
    from tocsin.settings import load

    for one in load(settings).configurations:
        tree = load_tree(one.tree).tree if one.tree is not None and one.tree.exists() else None
        if tree is not None and tree.name == config and path in tree.places:
            return str(tree.places[path])
    return ""


def _component(client: Client, path: str) -> ComponentFacts:
    """Raises `NotFound` if there is no such thing."""
    tree = client.tree(path, depth=1)
    standing = client.alarms(path, state=("active", "acknowledged"))
    worst = [alarm for alarm in standing.alarms if alarm.severity == tree.root.severity][:_HINTED]
    guidance = {alarm.path: text for alarm in worst if (text := _nearest(client.alarm(alarm.path).settings.guidance))}
    return ComponentFacts(
        node=tree.root,
        standing=standing.alarms,
        hidden=client.alarms(path, state=("shelved", "disabled")).alarms,
        unknown=client.alarms(path, state="unknown").alarms,
        stale=standing.stale,
        age_s=standing.age_s,
        maintenance=_maintenance(client, path),
        guidance=guidance,
    )


def _nearest(guidance: tuple[Guidance, ...]) -> str:
    if not guidance:
        return ""
    first = guidance[0]
    return first.title or next((line.strip() for line in first.details.splitlines() if line.strip()), "")


def _print(out: Console, story: Explanation, facts: AlarmFacts | ComponentFacts, now: datetime) -> None:
    if story.doubt:
        out.print(f"STALE: {story.doubt}", style="bold reverse")
    out.print(_head(story, facts))
    out.print(plain(story.path), style="dim")
    _section(out, "Why", _lines(one.text for one in story.why))
    _section(out, "What next", _lines(story.next))
    _section(out, "What to do" if isinstance(facts, AlarmFacts) else "What to do, by the worst", map(plain, story.guidance))
    _section(out, "How often", _lines(story.often))
    _section(out, "Settings", [_settings(story)] if story.settings else [])
    _section(out, "What happened last", [_transitions(story.transitions, now)] if story.transitions else [])


def _head(story: Explanation, facts: AlarmFacts | ComponentFacts) -> Text:
    if isinstance(facts, ComponentFacts):
        return Text.assemble(badge(str(facts.node.severity)), " ", (plain(story.answer), "bold"))
    alarm = facts.alarm
    if alarm.suppression is not None:
        shown = badge(hidden_word(for_good=alarm.suppression.until is None))
    else:
        shown = badge(str(alarm.severity)) if alarm.known else badge("STALE", "no data")
    return Text.assemble(shown, " ", (plain(story.answer), "bold"))


def _section(out: Console, title: str, lines: Any) -> None:
    shown = list(lines)
    if shown:
        out.print(f"\n{title}", style="bold")
    for line in shown:
        if isinstance(line, str):  # what is too long for the terminal goes on below itself
            text = line.lstrip(" ")
            out.print(Padding(Text(text), (0, 0, 0, 2 + len(line) - len(text)), expand=False))
        else:
            out.print(Padding(line, (0, 0, 0, 2), expand=False))


def _lines(texts: Any) -> Iterator[str]:
    """What has several lines keeps them."""
    for text in texts:
        yield from map(plain, text.split("\n"))


def _settings(story: Explanation) -> Table:
    rows = Table.grid(padding=(0, 2))
    for setting in story.settings:
        rows.add_row(plain(setting.name), plain(setting.value), Text(plain(setting.source), "dim"))
    return rows


def _transitions(transitions: tuple[Transition, ...], now: datetime) -> Table:
    rows = Table.grid(padding=(0, 2))
    for one in transitions:
        rows.add_row(clock(one.time, now), plain(one.what))
    return rows
