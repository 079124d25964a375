"""`tocsin history restore`: a journal that was lost, made again from the history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from alarm_engine.errors import SettingsError
from alarm_engine.model.times import Nanos
from backend.history.restoration import Restored, Wanted, restore
from tocsin.cli.history_asking import read_moment
from tocsin.cli.history_mending import OneConfig
from tocsin.cli.run import SettingsFile
from tocsin.histories import visiting_history
from tocsin.journals import visiting_as_owner
from tocsin.settings import Settings, load
from tocsin.trees import Configuration, chosen_configurations


def add_to(app: typer.Typer) -> None:
    """Mount the command."""
    app.command("restore")(restore_journal)


def restore_journal(
    settings: SettingsFile,
    config: OneConfig = None,
    at: Annotated[
        str | None, typer.Option(help="As it was then: ISO 8601 with zone, or a span from now like -1h.", show_default="now")
    ] = None,
    over: Annotated[bool, typer.Option("--over", help="Also over states that an engine has written since; needs --at.")] = False,
) -> None:
    """Write alarms, acknowledgements, shelving and switches from the history into a journal in Kafka that was lost.

    Bring the tree into force first (`tocsin config sync`), and start engines afterwards. Twice is the same as once.
    """
    site = load(settings)
    if site.journal != "kafka":
        raise SettingsError("history restore is for a journal in Kafka; the embedded one is in the file of the history: restore its backup")
    chosen = chosen_configurations(site.configurations, config)
    ours = [one for one in chosen if not one.phoebus]
    if not ours:
        raise SettingsError(f"{', '.join(one.name for one in chosen)}: its Phoebus server owns that journal, and starts from it by itself")
    if over and at is None:
        raise SettingsError("--over needs --at, the time of the loss: the newest events are those of the engine that began too early")
    moment = Nanos(time.time_ns()) if at is None else read_moment(at, "'--at'")
    for one, done in asyncio.run(_restore(site, ours, moment, over)):
        unknown = f"; {done.unknown} alarms of the tree are not in the history and begin anew" if done.unknown else ""
        modes = "".join([", maintenance mode is on" * done.switches.maintenance, ", notifications are off" * (not done.switches.notify)])
        typer.echo(
            f"{one.name}: {done.alarms} alarms restored, {done.acknowledged} of them acknowledged, "
            f"{done.suppressed} shelved or out of service{modes}{unknown}"
        )


async def _restore(site: Settings, configs: Sequence[Configuration], moment: Nanos, over: bool) -> list[tuple[Configuration, Restored]]:
    done = []
    async with visiting_history(site) as history:
        for one in configs:
            async with visiting_as_owner(site, one.name) as journal:
                wanted = Wanted(one.name, one.zone, moment, Nanos(time.time_ns()), over)
                done.append((one, await restore(journal, history, wanted)))
    return done
