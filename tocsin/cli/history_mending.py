"""`tocsin history rebuild` and `dead-letters`: a store that has lost events, and what it could not take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from backend.history.port import MAX_PAGE, DeadLetter
from backend.history.rebuild import Progress as Step
from backend.history.rebuild import rebuild
from backend.phoebus.journal import DerivingJournal
from tocsin.cli.run import SettingsFile
from tocsin.histories import visiting_history
from tocsin.journals import visiting
from tocsin.settings import Settings, load
from tocsin.trees import Configuration, chosen_configurations

OneConfig = Annotated[str | None, typer.Option("--config", help="Name of a configuration; without it: all of the settings.")]


def add_to(app: typer.Typer) -> None:
    """Mount the commands."""
    app.command("rebuild")(rebuild_history)
    app.command("dead-letters")(list_dead_letters)


def rebuild_history(settings: SettingsFile, config: OneConfig = None) -> None:
    """Fill the history store with all that the journal still has. What is stored already stays as it is.

    Needed when older events are lost; if the newest ones are, the part that copies them notices by itself. Works beside a running system.
    One that was interrupted begins anew.
    """
    site = load(settings)
    configs = chosen_configurations(site.configurations, config)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("reading", total=None)

        def tell(step: Step) -> None:
            bar.update(task, total=step.read + step.left, completed=step.read, description=step.problem or "copying")

        done = asyncio.run(_rebuild(site, configs, tell))
    names = ", ".join(one.name for one in configs)
    there = done.read - done.new - done.dead
    typer.echo(f"{names}: {done.read} records read; {done.new} new events stored, {there} were there, {done.dead} dead letters")


async def _rebuild(site: Settings, configs: Sequence[Configuration], tell: Callable[[Step], None]) -> Step:
    foreign = {config.name: config.zone for config in configs if config.phoebus}
    async with visiting(site, writing=True) as journal, visiting_history(site, writing=True) as store:
        return await rebuild(DerivingJournal(journal, foreign, store), store, [config.name for config in configs], tell)


def list_dead_letters(
    settings: SettingsFile,
    config: OneConfig = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_PAGE, help="Most letters of a configuration.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the whole record, for scripts.")] = False,
) -> None:
    """List what could not be stored as an event, with the reason. Exit code 1 if there is any, for pipelines."""
    site = load(settings)
    configs = [one.name for one in chosen_configurations(site.configurations, config)]
    letters = asyncio.run(_dead_letters(site, configs, limit))
    found = [letter for name in configs for letter in letters[name][:limit]]
    for letter in found:
        typer.echo(_as_json(letter) if as_json else f"{letter.config}  {letter.key}  {len(letter.body)} bytes: {letter.reason}")
    if not as_json:
        for name in configs:
            count = f"more than {limit}, see --limit" if len(letters[name]) > limit else f"{len(letters[name])}"
            typer.echo(f"{name}: {count} dead letters" if count != "1" else f"{name}: 1 dead letter")
    raise typer.Exit(1 if found else 0)


async def _dead_letters(site: Settings, configs: Sequence[str], limit: int) -> dict[str, list[DeadLetter]]:
    async with visiting_history(site) as store:
        return {name: await store.dead_letters(name, min(limit + 1, MAX_PAGE)) for name in configs}


def _as_json(letter: DeadLetter) -> str:
    body = letter.body.decode(errors="backslashreplace")
    return orjson.dumps({"config": letter.config, "key": letter.key, "reason": letter.reason, "record": body}).decode()
