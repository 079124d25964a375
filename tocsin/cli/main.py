"""The command line: subcommands, and faults told as sentences."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from typing import Annotated

import structlog
import typer
from rich.console import Console

from alarm_engine.errors import TocsinError
from tocsin.cli import (
    auth,
    config,
    dashboards,
    dashboards_follow,
    demo,
    drift,
    history,
    history_events,
    history_figures,
    history_import,
    history_mending,
    history_past,
    history_restoring,
    k8s,
    provisioning,
    run,
    settings,
    tune,
)

app = typer.Typer(
    name="tocsin",
    help="Alarm system for EPICS control rooms.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("demo")(demo.demo)
app.command("demo-ioc")(demo.demo_ioc)
app.command("run")(run.run)
app.command("engine")(run.engine)
app.command("backend")(run.backend)
app.command("tune")(tune.tune)
app.add_typer(history.app, name="history")
history_mending.add_to(history.app)
history_import.add_to(history.app)
history_restoring.add_to(history.app)
history_figures.add_to(history.app)
history_events.add_to(history.app)
history_past.add_to(history.app)
drift.add_to(config.app)
app.add_typer(config.app, name="config")
dashboards_follow.add_to(dashboards.app)
app.add_typer(dashboards.app, name="dashboards")
app.add_typer(provisioning.app, name="provisioning")
app.add_typer(k8s.app, name="k8s")
app.add_typer(settings.app, name="settings")
app.add_typer(auth.app, name="auth")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Alarm system for EPICS control rooms."""


def main() -> None:
    """Entry point. Exit status: 0 good, 1 the answer is no, 2 something could not be used."""
    # Commands that keep running send their log elsewhere; the others answer on standard output, and only worries are beside it.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    try:
        app()
    except TocsinError as problem:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]tocsin:[/] {_plain(str(problem))}")
        sys.exit(2)


def _plain(text: str) -> str:
    """Text that rich does not take for markup."""
    return text.replace("[", "\\[")
