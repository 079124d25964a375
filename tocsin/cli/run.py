"""`tocsin run`: all parts for a site's own PVs and tree in one process; `tocsin engine`, `backend`, `history`: one part alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from alarm_engine.shadowed import Patience
from tocsin import logs
from tocsin.application import ALL, Application, Role
from tocsin.serving import serve
from tocsin.settings import Settings, load
from tocsin.shadow import ShadowApplication, summary

log = structlog.get_logger()

SettingsFile = Annotated[Path, typer.Option("--settings", "-s", help="Settings file.", show_default=False)]
HealthPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port of /healthz, /readyz and /metrics, instead of the one in the settings.")
]


def run(
    settings: SettingsFile,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on, instead of the one in the settings.")] = None,
) -> None:
    """Watch the PVs of a site: engine, history and web side in one process.

    The journal is in the same SQLite file as the history, or in Kafka (`journal` in the settings). Ctrl-C ends it. The alarm tree is read
    again whenever one of its files changes.
    """
    chosen = load(settings)
    if port is not None:
        chosen = chosen.model_copy(update={"backend": chosen.backend.model_copy(update={"port": port})})
    _run(chosen, ALL)


def engine(
    settings: SettingsFile,
    health_port: HealthPort = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Evaluate beside the server that runs, write nothing, and tell where it decides otherwise.")
    ] = False,
    settles: Annotated[
        float, typer.Option("--settles", min=0.5, max=600, help="With --shadow: a difference that is over within so many seconds is none.")
    ] = 5.0,
) -> None:
    """Only evaluate alarms; the journal must be in Kafka. Trees come from there: `tocsin config sync` brings files into force.

    Several engines of one cell share its configurations: what one holds, the others wait for.

    With `--shadow` nothing is written and no group is joined: what a Phoebus or tocsin server publishes is compared with what we
    decide from the same PVs. It goes on until it is ended, says then what came of it, and its exit code is 1 if there was a difference, and
    2 if nothing could be compared.
    """
    chosen = with_health(load(settings), health_port)
    if shadow:
        _run_shadow(chosen, settles)
    else:
        _run(chosen, {Role.ENGINE})


def _run_shadow(settings: Settings, settles_s: float) -> None:
    logs.set_up(settings.log.level, settings.log.form)
    say = Console(soft_wrap=True, highlight=False).print if logs.is_readable(settings.log.form) else _log_line
    application = ShadowApplication(settings, Patience(settles_s))
    where = "It tells of differences here, and at {url}/differences" if settings.health.port is not None else "It tells of differences here"
    asyncio.run(serve(application, lambda one: say(f"[bold]tocsin engine --shadow[/] compares. {where.format(url=one.url)}")))
    for line in summary(application.shadows):
        say(escape(line))
    if any(shadow.comparison.settled for shadow in application.shadows):
        raise typer.Exit(1)
    silent = [shadow.config for shadow in application.shadows if not shadow.compared]
    if silent or not application.shadows:
        about = f" of {', '.join(silent)}" if silent else ""
        say(f"[bold]Nothing was compared[/]{escape(about)}: Kafka was not reached, or the server published nothing.")
        raise typer.Exit(2)


def backend(
    settings: SettingsFile,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on, instead of the one in the settings.")] = None,
) -> None:
    """Only answer browsers, Grafana and scripts, and take commands; the journal must be in Kafka. Run as many as you like."""
    chosen = load(settings)
    if port is not None:
        chosen = chosen.model_copy(update={"backend": chosen.backend.model_copy(update={"port": port})})
    _run(chosen, {Role.BACKEND})


def run_history(settings: Path, health_port: int | None) -> None:
    """`tocsin history` without a subcommand."""
    _run(with_health(load(settings), health_port), {Role.HISTORY})


def with_health(settings: Settings, port: int | None) -> Settings:
    """The settings with another port for machines to ask, if one is given."""
    if port is None:
        return settings
    return settings.model_copy(update={"health": settings.health.model_copy(update={"port": port})})


def _run(settings: Settings, roles: Collection[Role]) -> None:
    logs.set_up(settings.log.level, settings.log.form)
    say = Console().print if logs.is_readable(settings.log.form) else _log_line
    asyncio.run(serve(Application(settings, roles=roles), lambda application: _tell(application, roles, say)))


def _log_line(text: str) -> None:
    log.info(Text.from_markup(text).plain)


def _tell(application: Application, roles: Collection[Role], say: Callable[[str], None]) -> None:
    if Role.BACKEND in roles:
        say(f"[bold]tocsin[/] is watching. Open {application.url}")
    else:
        where = f" Its health is at {application.url}/readyz" if application.url else ""
        say(f"[bold]tocsin {next(iter(roles))}[/] is at work.{where}")
    if application.faults:
        entries = "1 entry" if application.faults == 1 else f"{application.faults} entries"
        say(f"[bold yellow]{entries} of the alarm tree left out because of faults:[/] see above, or `tocsin config check`")
