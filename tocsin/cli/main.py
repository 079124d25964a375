"""The command line: its options, and faults told as sentences. The commands are in `commands.py`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from alarm_engine.errors import TocsinError
from tocsin.cli.commands import Commands

_EPILOG = """
`tocsin COMMAND --help` tells more of each. Try it: `tocsin demo`, and in another terminal `tocsin alarms`.

Exit codes: 0 good, 1 the answer is no, 2 something could not be used or reached, 3 what is shown is old.
"""

app = typer.Typer(
    name="tocsin",
    cls=Commands,
    help="Alarm system for EPICS control rooms.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Alarm system for EPICS control rooms."""


def main() -> None:
    """Entry point. Exit status: 0 good, 1 the answer is no, 2 something could not be used, 3 what is shown is old."""
    _quiet()
    try:
        app()
    except TocsinError as problem:
        from rich.console import Console

        from tocsin.cli.printing import at_prompt

        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]tocsin:[/] {_plain(at_prompt(str(problem)))}")
        sys.exit(2)


def _quiet() -> None:
    """Commands that keep running send their log elsewhere; the others answer on standard output, and only worries are beside it."""
    import logging

    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )


def _plain(text: str) -> str:
    """Text that rich does not take for markup."""
    return text.replace("[", "\\[")
