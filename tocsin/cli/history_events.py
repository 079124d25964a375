"""`tocsin history events` and `acknowledgements`: what happened, and who took notice how soon."""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import orjson
import typer
from rich.table import Table

from alarm_engine.errors import TocsinError
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.state import EventId
from alarm_engine.model.times import iso
from backend.api.lookup import event_id
from backend.api.over_time import acknowledged_object
from backend.history.port import MAX_PAGE, EventQuery
from backend.past import export
from backend.past.acknowledgements import Acknowledged, acknowledgements
from tocsin.cli.event_lines import EventLine, event_table
from tocsin.cli.history_asking import (
    Below,
    Config,
    End,
    Form,
    Printed,
    Start,
    read_path,
    read_range,
    read_severities,
    the_config,
)
from tocsin.cli.history_tables import acknowledged_table
from tocsin.cli.printing import console, hidden_word
from tocsin.cli.run import SettingsFile
from tocsin.histories import visiting_history
from tocsin.settings import Settings, load

_SHOWN = 50


class EventForm(StrEnum):
    """How events are printed."""

    TABLE = "table"
    CSV = "csv"
    NDJSON = "ndjson"


def add_to(app: typer.Typer) -> None:
    """Mount the commands."""
    app.command("events")(events)
    app.command("acknowledgements")(acknowledged)


def events(  # noqa: PLR0913, PLR0917 - each is an option
    settings: SettingsFile,
    config: Config = None,
    start: Start = None,
    end: End = None,
    path: Below = None,
    pv: Annotated[str | None, typer.Option(help="Name of the PV, with * and ? as wild cards.", show_default=False)] = None,
    severity: Annotated[
        list[str] | None, typer.Option(help="Severity after the event; repeatable; MAJOR includes MAJOR_ACK.", show_default=False)
    ] = None,
    kind: Annotated[
        list[EventKind] | None, typer.Option(metavar="KIND", help=f"What happened; repeatable: {', '.join(EventKind)}.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option(help="Who gave the command.", show_default=False)] = None,
    text: Annotated[
        str | None, typer.Option(help="Part of path, description, message or comment, in any case.", show_default=False)
    ] = None,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="The oldest comes first, not the newest.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Events at most; if not given: {_SHOWN} of a table, all of a file.", show_default=False)
    ] = None,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Go on after this event.", show_default=False)] = None,
    form: Annotated[EventForm, typer.Option("--format", help="csv and ndjson are written as they are read.")] = EventForm.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", dir_okay=False, help="File for csv and ndjson; else standard output.", show_default=False),
    ] = None,
) -> None:
    """Print what happened, or export it, from the history store itself. Exit code 1 if nothing was found.

    Needs the settings of the site and no backend: for whoever keeps the store, and for files of any length. Operators ask the running
    system with `tocsin events`, which also follows what happens.
    """
    site, prefix = load(settings), read_path(path)
    chosen = the_config(site, config, [prefix])
    since, until = read_range(start, end)
    query = EventQuery(
        chosen,
        since,
        until,
        path_prefix=prefix,
        pv=pv,
        severities=read_severities(severity),
        kinds=frozenset(kind or ()),
        user=user,
        text=text,
        oldest_first=oldest_first,
        after=_cursor(after, chosen),
    )
    if form is EventForm.TABLE:
        if output is not None:
            raise typer.BadParameter("goes with --format csv or ndjson", param_hint="'--output'")
        number = asyncio.run(_list(site, query, limit or _SHOWN))
    else:
        what = (export.Format(form.value), limit)
        number = asyncio.run(_export(site, query, what, sys.stdout.buffer)) if output is None else _to_file(site, query, what, output)
    raise typer.Exit(0 if number else 1)


def _to_file(site: Settings, query: EventQuery, what: tuple[export.Format, int | None], output: Path) -> int:
    try:
        with output.open("wb") as file:
            return asyncio.run(_export(site, query, what, file))
    except OSError as problem:
        part = "; what it holds now is not all" if output.is_file() else ""
        raise TocsinError(f"{output}: cannot be written: {problem.strerror or problem}{part}") from problem


async def _list(site: Settings, query: EventQuery, limit: int) -> int:
    lines: list[EventLine] = []
    last: Event | None = None
    async with visiting_history(site) as history:
        async for page in export.pages(history, query, limit + 1):
            for event in page:
                if len(lines) == limit:
                    _print_lines(lines, f"there are more: --limit for a longer list, --after {last.id if last else ''} for what follows")
                    return limit
                lines.append(_line(event))
                last = event
    _print_lines(lines, "" if last else "nothing was found")
    return len(lines)


def _print_lines(lines: list[EventLine], note: str) -> None:
    _print(event_table(lines, "UTC", console().width), note)


def _line(event: Event) -> EventLine:
    snapshot = event.snapshot
    hidden = snapshot.suppression if snapshot is not None else None
    severity = hidden_word(for_good=hidden.until is None) if hidden is not None else event.to_severity.name
    return EventLine(
        time=iso(event.time),
        id=str(event.id),
        kind=event.kind.value,
        severity="" if snapshot is None else severity,
        path=event.path,
        message=snapshot.alarm.message if snapshot else event.reason,
        value=snapshot.current.value if snapshot else "",
        user=event.user,
        comment=event.comment,
    )


def _print(rows: Table, note: str) -> None:
    if rows.row_count:
        console().print(rows)
    if note:
        typer.echo(note, err=True)


async def _export(site: Settings, query: EventQuery, what: tuple[export.Format, int | None], file: BinaryIO) -> int:
    form, limit = what
    number = 0
    async with visiting_history(site) as history:
        file.write(form.head())
        async for page in export.pages(history, query, limit):
            file.write(form.lines(page))
            number += len(page)
    file.flush()
    return number


def acknowledged(  # noqa: PLR0913, PLR0917 - each is an option
    settings: SettingsFile,
    config: Config = None,
    start: Start = None,
    end: End = None,
    path: Below = None,
    user: Annotated[str | None, typer.Option(help="Who acknowledged.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_PAGE, help="Rows at most.")] = _SHOWN,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Go on after this event.", show_default=False)] = None,
    form: Printed = Form.TABLE,
) -> None:
    """Who acknowledged what, newest first, and how long after it was put before the operator. Works beside a running system."""
    site, prefix = load(settings), read_path(path)
    chosen = the_config(site, config, [prefix])
    query = EventQuery(chosen, *read_range(start, end), path_prefix=prefix, user=user, limit=limit, after=_cursor(after, chosen))

    async def ask() -> tuple[list[Acknowledged], EventId | None]:
        async with visiting_history(site) as history:
            return await acknowledgements(history, query)

    found, following = asyncio.run(ask())
    if form is Form.JSON:
        body = {"acknowledgements": [acknowledged_object(one) for one in found], "next": str(following) if following else None}
        typer.echo(orjson.dumps(body).decode())
        return
    rows = acknowledged_table(found, console().width)
    _print(rows, f"there are more: --limit, or --after {following}" if following else "" if found else "nothing was acknowledged")


def _cursor(text: str | None, config: str) -> EventId | None:
    if text is None:
        return None
    try:
        return event_id(text, config)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint="'--after'") from None
