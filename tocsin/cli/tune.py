"""`tocsin tune`: what other settings would have made of what is recorded, and which ones to try."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from alarm_engine.config import values
from alarm_engine.config.change import TreeChange, change
from alarm_engine.config.values import BadValue
from alarm_engine.errors import ConfigError
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.history.port import MAX_RANGE_DAYS
from backend.tuning.encoding import encode_judgement
from backend.tuning.proposals import Judgement, judge, propose
from backend.tuning.recording import Recording
from tocsin.cli.tune_view import show_changes, show_proposal, show_what_if
from tocsin.histories import visiting_history
from tocsin.settings import load
from tocsin.tuning import Found, SiteTree, Wanted, judge_all, select, site_trees

_SPAN = re.compile(r"\s*(\d{1,5})\s*(d|h|min)\s*")
_SECONDS = {"d": 86_400, "h": 3600, "min": 60}


class Form(StrEnum):
    """How the answer is printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class _Fields:
    """Settings to be tried; None: as they are."""

    delay_s: int | None
    count: int | None
    latching: bool | None
    annunciating: bool | None

    @property
    def is_empty(self) -> bool:
        return all(getattr(self, name) is None for name in self.__dataclass_fields__)

    def applied(self, settings: AlarmSettings) -> AlarmSettings:
        given = {name: value for name in self.__dataclass_fields__ if (value := getattr(self, name)) is not None}
        return replace(settings, **given)


def _delay(text: str) -> int:
    try:
        return values.delay(text)
    except BadValue as bad:
        raise typer.BadParameter(f"{text!r} {bad}") from bad


def _span(text: str) -> int:
    match = _SPAN.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds <= MAX_RANGE_DAYS * _SECONDS["d"]:
        raise typer.BadParameter(f"{text!r} is no range of the past: expected a number with d, h or min, like 30d, up to {MAX_RANGE_DAYS}d")
    return seconds


def tune(  # noqa: PLR0913, PLR0917 - each is an option
    settings: Annotated[Path, typer.Option("--settings", "-s", help="Settings file of the site.", show_default=False)],
    asked: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Paths of alarms and components, or names of PVs. Default: all trees.")
    ] = None,
    last_s: Annotated[int, typer.Option("--last", parser=_span, metavar="DURATION", help="How far back to look: 30d, 12h, 90min.")] = "30d",  # type: ignore[assignment]
    delay_s: Annotated[
        int | None, typer.Option("--delay", parser=_delay, metavar="DURATION", help="Try this delay: 10, 10s, 2min.", show_default=False)
    ] = None,
    count: Annotated[int | None, typer.Option("--count", min=0, help="Try this count.", show_default=False)] = None,
    latching: Annotated[bool | None, typer.Option("--latching/--no-latching", help="Try this latching.", show_default=False)] = None,
    annunciating: Annotated[bool | None, typer.Option("--annunciating/--silent", help="Try this annunciating.", show_default=False)] = None,
    worst: Annotated[int, typer.Option("--worst", min=1, max=1000, help="Of a component so many alarms, those that rose most often.")] = 5,
    form: Annotated[Form, typer.Option("--format", help="json is for scripts; its fields are those of the tables.")] = Form.TABLE,
    write: Annotated[bool, typer.Option("--write", help="Write the proposed settings into the files of the tree.")] = False,
) -> None:
    """Replay what is recorded of alarms with other settings, and say what would have changed.

    Without --delay, --count, --latching or --annunciating it proposes settings for nuisance alarms (chattering, fleeting), and prints them
    as a change to the files of the tree. Nothing is written without --write. Works beside a running tocsin. Exit code 1 if nothing was
    recorded of what was asked for.
    """
    site = load(settings)
    fields = _Fields(delay_s, count, latching, annunciating)
    trees = asyncio.run(site_trees(site))
    chosen = select(trees, asked or ())
    end = Nanos(time.time_ns())
    wanted = Wanted(Nanos(end - last_s * NANOS_PER_SECOND), end, worst if fields.is_empty else None)

    def verdict(recording: Recording, in_force: AlarmSettings) -> Judgement:
        return propose(recording, in_force) if fields.is_empty else judge(recording, in_force, [fields.applied(in_force)])

    async def ask() -> Found:
        async with visiting_history(site) as history:
            return await judge_all(history, chosen, wanted, verdict)

    with Console(stderr=True).status("replaying"):
        found = asyncio.run(ask())
    changes = _changes(trees, found, fields)
    if form is Form.JSON:
        _print_json(wanted, found, changes)
    else:
        console = _console()
        for path in found.silent:
            console.print(f"{path}: nothing is recorded since {iso(wanted.start)}")
        if fields.is_empty:
            for judgement in found.judgements:
                show_proposal(console, judgement)
        elif found.judgements:
            show_what_if(console, found.judgements, worst)
        show_changes(console, changes)
    if write:
        _write(changes)
    raise typer.Exit(0 if found.judgements else 1)


def _console() -> Console:
    """On a terminal tables fit in; in a file a line stays a line."""
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = 200
    return console


def _changes(trees: list[SiteTree], found: Found, fields: _Fields) -> list[TreeChange]:
    """What is proposed, or was tried and would have made a difference, as changes to files."""
    wanted: dict[str, AlarmSettings] = {}
    for judgement in found.judgements:
        trial = judgement.chosen if fields.is_empty else judgement.trials[0]
        if trial is not None and trial.outcome != judgement.present.outcome:
            wanted[judgement.recording.path] = trial.settings
    changes = []
    for one in trees:
        mine = {path: settings for path, settings in wanted.items() if path in one.tree.alarms}
        if not mine:
            continue
        if one.first is None:
            why = f"no file describes the tree {one.tree.name}: edit it where it is edited"
            changes.append(TreeChange((), dict.fromkeys(mine, why)))
            continue
        try:
            changes.append(change(one.first, one.tree, mine))
        except OSError as problem:
            raise ConfigError(f"{problem.filename or one.first}: cannot be read: {problem.strerror}") from problem
    return changes


def _print_json(wanted: Wanted, found: Found, changes: list[TreeChange]) -> None:
    answer = {
        "start": iso(wanted.start),
        "end": iso(wanted.end),
        "alarms": [encode_judgement(judgement) for judgement in found.judgements],
        "nothing_recorded": found.silent,
        "diff": "".join(file.diff() for one in changes for file in one.files),
        "by_hand": {path: why for one in changes for path, why in one.refused.items()},
    }
    typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))


def _write(changes: list[TreeChange]) -> None:
    for file in (file for one in changes for file in one.files):
        try:
            file.write()
        except OSError as problem:
            raise ConfigError(f"{file.file}: cannot be written: {problem.strerror}") from problem
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"written: {file.file}", markup=False)
