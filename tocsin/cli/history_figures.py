"""`tocsin history figures`: how well the alarms serve their operators."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alarm_engine.model.path import canonical, is_path
from alarm_engine.model.times import Nanos, iso
from backend.api.figures import figures_object
from backend.api.lookup import moment
from backend.history.performance import Performance, known, last_known, performance
from backend.kpi.judged import Figure
from backend.kpi.tally import Selection, Span
from backend.kpi.targets import Verdict
from backend.past.paths import was_there
from tocsin.cli.history_asking import the_config
from tocsin.cli.history_mending import OneConfig
from tocsin.cli.run import SettingsFile
from tocsin.histories import visiting_history
from tocsin.settings import Settings, load
from tocsin.trees import chosen_configurations

_COLOURS = {Verdict.MET: "green", Verdict.NEAR: "yellow", Verdict.EXCEEDED: "bold red", Verdict.NONE: "dim"}
_SHOWN = 10
"""Entries of a list; `--json` has all of them."""


def add_to(app: typer.Typer) -> None:
    """Mount the command."""
    app.command("figures")(figures)


def figures(  # noqa: PLR0913, PLR0917 - each is an option
    settings: SettingsFile,
    config: OneConfig = None,
    path: Annotated[str | None, typer.Option(help="Only this component or alarm: /CONFIG/SYSTEM/...")] = None,
    start: Annotated[str, typer.Option(help="From this time on: ISO 8601 with zone, or a span from now like -7d.")] = "-30d",
    end: Annotated[str, typer.Option(help="Before this time.")] = "now",
    lost_connections: Annotated[bool, typer.Option("--lost-connections", help="Count lost connections among the alarms.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each configuration, with all lists.")] = False,
) -> None:
    """Figures of alarm performance (ISA-18.2, IEC 62682) of what is stored, each with its target and verdict.

    Exit code 1 if a target is exceeded, for pipelines. Works beside a running system.
    """
    site = load(settings)
    prefix = _prefix(path)
    names = (
        [the_config(site, config, [prefix])] if prefix != "/" else [one.name for one in chosen_configurations(site.configurations, config)]
    )
    found = asyncio.run(_figures(site, names, _span(start, end), Selection(prefix, lost_connections, site.figures.limits())))
    console = Console()
    for name, one in found.items():
        if as_json:
            typer.echo(orjson.dumps({"config": name, "path": prefix, **figures_object(one)}).decode())
        else:
            _show(console, name, prefix, one)
    exceeded = any(figure.verdict is Verdict.EXCEEDED for one in found.values() for figure in one.figures.figures)
    raise typer.Exit(1 if exceeded else 0)


async def _figures(site: Settings, names: list[str], span: Span, selection: Selection) -> dict[str, Performance]:
    async with visiting_history(site) as store:
        found: dict[str, Performance] = {}
        for name in names:
            if selection.prefix != "/" and not await was_there(store, name, selection.prefix, span):
                # Its figures would look as if all targets were met.
                raise typer.BadParameter(f"there was no alarm and no component {selection.prefix} in the range", param_hint="'--path'")
            knowing = await known(store, name, span, await last_known(store, name, span.end), Nanos(time.time_ns()))
            found[name] = await performance(store.summaries, name, span, knowing, selection)
        return found


def _prefix(path: str | None) -> str:
    if path is None:
        return "/"
    if not is_path(path):
        raise typer.BadParameter(f"{path!r} must begin with a slash, as /CONFIG/SYSTEM/...", param_hint="'--path'")
    return canonical(path)


def _span(start: str, end: str) -> Span:
    now = Nanos(time.time_ns())
    times = []
    for hint, text in (("'--start'", start), ("'--end'", end)):
        try:
            times.append(moment(text, now))
        except ValueError as problem:
            raise typer.BadParameter(str(problem), param_hint=hint) from None
    if times[0] >= times[1]:
        raise typer.BadParameter(f"{start} is not before {end}", param_hint="'--start'")
    return Span(*times)


def _show(console: Console, config: str, prefix: str, found: Performance) -> None:
    figures = found.figures
    of = config if prefix == "/" else prefix
    table = Table("figure", "value", "verdict", "", title=f"{escape(of)}, {iso(figures.start)[:16]} to {iso(figures.end)[:16]} UTC")
    table.columns[1].justify = "right"
    for figure in figures.figures:
        colour = _COLOURS[figure.verdict]
        table.add_row(figure.title, _value(figure), f"[{colour}]{figure.verdict.value}[/]", escape(figure.text))
    console.print(table)
    if found.complete_from is None or found.complete_until is None:
        about = "Nothing of this range is stored." if not figures.covered_s else "Nothing of this range is known for certain."
    else:
        about = f"Complete from {iso(found.complete_from)} until {iso(found.complete_until)}, the last event that is stored before its end."
    for line in (about, *figures.remarks):
        console.print(f"[dim]{escape(line)}[/]")
    for flood in figures.floods[:_SHOWN]:
        first = ", ".join(one.path.rpartition("/")[2] for one in flood.first[:3])
        lasted = f"{iso(flood.start)[:16]} to {iso(flood.end)[:16]}"
        console.print(f"[bold]flood[/] {lasted}: {flood.size:,} alarms, at most {flood.peak:,} in 10 minutes; first {escape(first)}")
    for what, lines in (
        ("most frequent", [f"{one.path}: {one.number:,} ({one.share:.1f} %)" for one in figures.frequent]),
        ("chattering", [f"{one.path}: {one.number:,} times" for one in figures.chattering]),
        ("fleeting", [f"{one.path}: {one.number:,} times" for one in figures.fleeting]),
        ("stale", [f"{one.path}: since {iso(one.since)[:16]}" for one in figures.stale]),
    ):
        for line in lines[:_SHOWN]:
            console.print(f"[bold]{what}[/] {escape(line)}")
        if len(lines) > _SHOWN:
            console.print(f"[dim]{what}: {len(lines) - _SHOWN} more, see --json[/]")


def _value(figure: Figure) -> str:
    if figure.value is None:
        return "-"
    return f"{figure.value:,.1f} {figure.unit}" if figure.unit in ("%", "s") or figure.value % 1 else f"{figure.value:,.0f}"
