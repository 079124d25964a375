"""`tocsin settings`: questions about a settings file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from alarm_engine.errors import SettingsError
from backend.security import check_exposure
from tocsin.access import make_security
from tocsin.settings import Settings, load

app = typer.Typer(help="Check and show a settings file, and print its schema.", no_args_is_help=True)


@app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="Settings file.")]) -> None:
    """Say every fault of a settings file; exit status 2 if there is one. Trees are checked by `tocsin config check`."""
    settings = load(file)
    missing = [str(one.tree) for one in settings.configurations if one.tree is not None and not one.tree.exists()]
    if missing:
        raise SettingsError(f"{file}: there is no alarm tree {', '.join(missing)}")
    if settings.dashboards.panels:
        from tocsin.site_panels import simple_panels

        simple_panels(settings.dashboards.panels, f"{file}: ")
    security = make_security(settings)
    check_exposure(settings.backend.host, settings.backend.commands, security.settings.mode)
    number = len(settings.configurations)
    typer.echo(f"{file} is good: {number} configuration{'' if number == 1 else 's'}, page on port {settings.backend.port}")


@app.command()
def show(file: Annotated[Path, typer.Argument(metavar="FILE", help="Settings file.")]) -> None:
    """Print all settings as they are in force, environment variables included."""
    Console().print_json(load(file).model_dump_json())


@app.command()
def schema() -> None:
    """Print the JSON schema of settings files, for editors."""
    typer.echo(json.dumps(Settings.model_json_schema(), indent=2))
