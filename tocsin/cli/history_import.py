"""`tocsin history import`: what another alarm system has stored, copied into our history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from alarm_engine.clock import SystemClock
from alarm_engine.errors import ConfigError
from alarm_engine.model.times import Nanos, iso
from backend.api.lookup import moment
from backend.history.elastic_options import ElasticOptions
from tocsin.cli.run import SettingsFile
from tocsin.histories import visiting_history
from tocsin.settings import Settings, load
from tocsin.trees import Configuration, chosen_configurations

if TYPE_CHECKING:
    from backend.phoebus.importing import Report
    from backend.phoebus.indices import LoggerIndices
    from tocsin.import_progress import Notes

    Tell = Callable[[Report, int], None]


def add_to(app: typer.Typer) -> None:
    """Mount the command."""
    app.command("import")(import_history)


def import_history(  # noqa: PLR0913, PLR0917 - options of a command
    settings: SettingsFile,
    config: Annotated[str, typer.Option("--config", help="Name of the configuration.", show_default=False)],
    phoebus_indices: Annotated[bool, typer.Option("--phoebus-indices", help="Copy what a Phoebus alarm logger has stored.")] = False,
    hosts: Annotated[
        list[str] | None, typer.Option("--from", help="Address of the logger's Elasticsearch (8 or 9); repeatable.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option(help="User there.", show_default=False)] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with the password of the user.", show_default=False)] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="File with an API key, instead of a user.", show_default=False)] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates that are trusted there (PEM).", show_default=False)] = None,
    until: Annotated[
        str | None, typer.Option(help="Import what was before this time. Default: until our own history begins.", show_default=False)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="From the beginning, not from where the last import ended.")] = False,
) -> None:
    """Copy what the Phoebus alarm logger has stored (`<config>_alarms_state_*`, `_cmd_*`, `_config_*`) into the history store.

    An import that was interrupted goes on where it was; one that is repeated adds only what is new. Where `--from` is not given, the
    Elasticsearch of the settings is read. Exit code 1 if there were documents that no event could be made of.
    """
    from backend.phoebus.indices import LoggerIndices
    from tocsin.import_progress import Notes

    if not phoebus_indices:
        raise typer.BadParameter("say what to import: --phoebus-indices is the only kind there is")
    site = load(settings)
    (chosen,) = chosen_configurations(site.configurations, config)
    if hosts:
        options = ElasticOptions(tuple(hosts), api_key_file, user, password_file, ca_file)
    elif site.history.store == "elasticsearch":
        options = site.history.elasticsearch.options()
    else:
        raise typer.BadParameter("must be given: the address of the Elasticsearch that the logger writes to", param_hint="'--from'")
    now = SystemClock().now().wall
    end = None
    if until is not None:
        try:
            end = moment(until, now)
        except ValueError as problem:
            raise typer.BadParameter(str(problem), param_hint="'--until'") from problem
    notes = Notes(settings.parent / f".tocsin-import-{chosen.name}.json", options.hosts)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("looking", total=None)

        def tell(report: Report, left: int) -> None:
            where = iso(report.until)[:10] if report.until is not None else "reading"
            bar.update(task, total=report.documents + left, completed=report.documents, description=where)

        if again:
            notes.forget()
        report, end = asyncio.run(_import(site, chosen, LoggerIndices(options, chosen.name), notes, (end, now, tell)))
    _print(report, chosen.name, end)
    raise typer.Exit(1 if report.unmapped else 0)


async def _import(
    site: Settings, config: Configuration, source: LoggerIndices, notes: Notes, run: tuple[Nanos | None, Nanos, Tell]
) -> tuple[Report, Nanos]:
    from backend.phoebus.importing import Import, begin_of_own

    end, now, tell = run
    await source.start()
    try:
        async with visiting_history(site, writing=True) as store:
            report = notes.read()
            if end is None:
                end = notes.own_begin = notes.own_begin or await begin_of_own(store, config.name, now)
            start = report.until if report.until is not None else Nanos(0)
            total = await source.count(start, end)
            if total == 0 and report.documents == 0:
                raise ConfigError(
                    f"there is no document of {config.name} before {iso(end)} in indices {source.patterns} of {source.where}:"
                    " are the address and the name of the configuration right?"
                )
            read = report.documents
            tell(report, total)
            async with aclosing(Import(source, store, config.name, config.zone).run(report, end)) as steps:
                async for step in steps:
                    notes.write(step)
                    tell(step, max(0, total - (step.documents - read)))
            return report, end
    finally:
        await source.close()


def _print(report: Report, config: str, end: Nanos) -> None:
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(report.by_kind.items()))
    typer.echo(f"{config}: {report.documents} documents read before {iso(end)} ({kinds or 'none of use'})")
    typer.echo(f"{report.events} events follow from them, {report.new} of them were new")
    if not report.unmapped:
        typer.echo("all documents could be mapped")
        return
    typer.echo(f"{report.unmapped.total()} documents could not be mapped:")
    for reason, number in report.unmapped.most_common():
        typer.echo(f"  {number}: {reason}; such as {', '.join(report.examples[reason])}")
