"""`tocsin history at`, `difference` and `intervals`: the tree as it was."""

from __future__ import annotations

import asyncio
import time
from itertools import chain
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from alarm_engine.clock import SystemClock
from alarm_engine.model.path import name, system
from alarm_engine.model.times import Nanos, iso
from backend.api.encoding import alarm_object
from backend.api.over_time import interval_object
from backend.api.past import MAX_ALARMS, about_object, change_object
from backend.api.tree import node_object
from backend.history.port import Interval
from backend.live.model import LiveAlarm, LiveNode
from backend.live.standing import NOTABLE
from backend.past.difference import Change, difference
from backend.past.paths import alarms_below
from backend.past.reach import Moment, moment, span_remark
from backend.past.tree import PastTree, standing_then, with_states
from tocsin.cli.history_asking import (
    Below,
    Config,
    End,
    Form,
    Printed,
    TimesFirst,
    read_moment,
    read_path,
    read_range,
    the_config,
)
from tocsin.cli.history_tables import alarms_table, changes_table, intervals_table, parts_table
from tocsin.cli.printing import console, plain
from tocsin.cli.run import SettingsFile
from tocsin.histories import visiting_history
from tocsin.settings import Settings, load

_MAX_LINES = 1_000


def add_to(app: typer.Typer) -> None:
    """Mount the commands."""
    app.command("at", cls=TimesFirst)(at)
    app.command("difference", cls=TimesFirst)(differing)
    app.command("intervals")(intervals)


def at(  # noqa: PLR0913, PLR0917 - each is an option
    settings: SettingsFile,
    when: Annotated[
        str, typer.Argument(metavar="TIME", help="ISO 8601 with zone, milliseconds, or a span from now: -2h.", show_default=False)
    ],
    config: Config = None,
    path: Below = None,
    every: Annotated[bool, typer.Option("--all", help="Also alarms that were OK.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MAX_ALARMS, help="Alarms at most.")] = 1000,
    form: Printed = Form.TABLE,
) -> None:
    """The tree as it was at a moment: its parts with what they rolled up to, and the alarms that stood or were suppressed.

    Exit code 1 if what is known of that moment is not complete. Works beside a running system.
    """
    site, prefix, time_asked = load(settings), read_path(path), read_moment(when, "'TIME'")
    chosen = the_config(site, config, [prefix])

    async def ask() -> tuple[Moment, PastTree, int, list[LiveAlarm]]:
        async with visiting_history(site) as history:
            found = await moment(history, chosen, time_asked, SystemClock().now().wall, prefix)
            passing = [one for one in found.states.alarms if every or standing_then(one) in NOTABLE]
            passing.sort(key=lambda one: (-one.severity, -one.time, one.path))
            shown = await with_states(history, chosen, passing[:limit], time_asked)
            return found, PastTree(chosen, found.states), len(passing), shown

    found, tree, total, shown = asyncio.run(ask())
    top = tree.nodes.get(prefix or tree.root.path)
    if form is Form.JSON:
        root = node_object(top or tree.root, 1, leaves=False)
        typer.echo(orjson.dumps({**about_object(found), "root": root, "total": total, "alarms": list(map(alarm_object, shown))}).decode())
    else:
        _show(console(), found, (prefix or tree.root.path, top), shown)
        if total > len(shown):
            typer.echo(f"there are {total - len(shown)} more: --limit for a longer list", err=True)
    _end(found)


def _show(out: Console, found: Moment, where: tuple[str, LiveNode | None], shown: list[LiveAlarm]) -> None:
    path, top = where
    out.print(f"{plain(path)} at {iso(found.time)}")
    if top is not None and top.counts.total:
        out.print(parts_table(top, out.width))
    elif not found.states.alarms:
        out.print("No alarm is known.")
        return
    if not shown:
        out.print("No alarm stood.")
        return
    out.print(alarms_table(shown, out.width))


def _end(*moments: Moment) -> None:
    remarks = [f"not complete at {iso(one.time)}: {one.remark}" for one in moments if not one.complete]
    for remark in remarks:
        typer.echo(remark, err=True)
    raise typer.Exit(1 if remarks else 0)


def differing(
    settings: SettingsFile,
    first: Annotated[str, typer.Argument(metavar="FROM", help="The first moment.", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="TO", help="The second one.")] = "now",
    config: Config = None,
    path: Below = None,
    form: Printed = Form.TABLE,
) -> None:
    """Which alarms are not as they were: changed, appeared, removed. Exit code 1 if one of the moments is not known completely."""
    site, prefix = load(settings), read_path(path)
    times = read_moment(first, "'FROM'"), read_moment(second, "'TO'")
    if times[0] >= times[1]:
        raise typer.BadParameter(f"{iso(times[0])} is not before {iso(times[1])}", param_hint="'FROM'")
    chosen = the_config(site, config, [prefix])

    async def ask() -> list[Moment]:
        async with visiting_history(site) as history:
            return [await moment(history, chosen, one, SystemClock().now().wall, prefix) for one in times]

    before, after = asyncio.run(ask())
    changes = difference(before.states, after.states)
    if form is Form.JSON:
        body = {"before": about_object(before), "after": about_object(after), "changes": list(map(change_object, changes))}
        typer.echo(orjson.dumps(body).decode())
    else:
        _show_changes(console(), changes)
    _end(before, after)


def _show_changes(out: Console, changes: list[Change]) -> None:
    if not changes:
        out.print("No alarm differs.")
        return
    out.print(changes_table(changes, out.width))


def intervals(
    settings: SettingsFile,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Alarms, or components with all alarms below them.", show_default=False)
    ],
    start: Annotated[str, typer.Option(help="From this time on: ISO 8601 with zone, or a span from now like -1h.")] = "-1d",
    end: End = None,
    form: Printed = Form.TABLE,
) -> None:
    """The severity of alarms over time, without gaps, right at both ends of the range. Works beside a running system."""
    asked = [path for text in paths if (path := read_path(text, "'PATH'")) is not None]
    site = load(settings)
    chosen = the_config(site, None, list(asked))
    since, until = read_range(start, end)
    until = min(until, Nanos(time.time_ns()))
    if since >= until:
        raise typer.BadParameter(f"{iso(since)} lies in the future, of which nothing is known", param_hint="'--start'")
    found, remark = asyncio.run(_intervals(site, chosen, asked, (since, until)))
    if form is Form.JSON:
        lines: dict[str, list[dict[str, Any]]] = {}
        for one in found:
            lines.setdefault(one.path, []).append(interval_object(one))
        alarms = [{"path": path, "pv": name(path), "system": system(path), "intervals": line} for path, line in lines.items()]
        about = {"start": iso(since), "end": iso(until), "complete": not remark, "remark": remark}
        typer.echo(orjson.dumps({**about, "alarms": alarms}).decode())
        return
    out = console()
    out.print(intervals_table(found, out.width))
    if remark:
        typer.echo(f"not complete: {remark}", err=True)


async def _intervals(site: Settings, config: str, asked: list[str], span: tuple[Nanos, Nanos]) -> tuple[list[Interval], str]:
    async with visiting_history(site) as history:
        found = await alarms_below(history, config, asked, span)
        for path, below in found.items():
            if not below:
                raise typer.BadParameter(f"there was no alarm and no component {path} in the range", param_hint="'PATH'")
        lines = list(dict.fromkeys(chain.from_iterable(found.values())))
        if len(lines) > _MAX_LINES:
            raise typer.BadParameter(f"these are {len(lines)} alarms, at most {_MAX_LINES} can be asked for at once", param_hint="'PATH'")
        remark = await span_remark(history, config, span, SystemClock().now().wall)
        return await history.intervals(config, lines, *span), remark
