"""`tocsin history`: the part that copies events to the history store; its subcommands ask or mend that store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.run import HealthPort, run_history

app = typer.Typer(name="history", invoke_without_command=True)


@app.callback()
def history(
    context: typer.Context,
    settings: Annotated[
        Path | None, typer.Option("--settings", "-s", help="Settings file; must be given unless a subcommand follows.", show_default=False)
    ] = None,
    health_port: HealthPort = None,
) -> None:
    """Only copy events to the history store; the journal must be in Kafka. Subcommands ask and mend what is stored.

    The subcommands work beside a running system; their options follow the name of the subcommand.
    """
    if context.invoked_subcommand is not None:
        if settings is not None or health_port is not None:
            raise typer.BadParameter(f"give options after the subcommand: tocsin history {context.invoked_subcommand} --settings FILE")
        return
    if settings is None and health_port is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    if settings is None:
        raise typer.BadParameter("must be given: the settings file of the site", param_hint="'--settings' / '-s'")
    run_history(settings, health_port)
