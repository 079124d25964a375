"""`tocsin auth`: entries for the file of users."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
import yaml
from rich.console import Console

from backend.credentials import hash_password, new_token

app = typer.Typer(name="auth", help="Make entries for the file of users (`auth.users_file`).", no_args_is_help=True)


class Role(StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"


Name = Annotated[str, typer.Argument(metavar="NAME", help="Stands in the record of every command.")]
Chosen = Annotated[Role, typer.Option("--role", help="viewer looks, operator gives commands, engineer does everything.")]


@app.command()
def user(name: Name, role: Chosen = Role.OPERATOR) -> None:
    """Ask for a password and print an entry with its hash, to be put into the file of users."""
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    typer.echo("# below `users:`", err=True)
    typer.echo(yaml.safe_dump([{"name": name, "role": role.value, "password": hash_password(password)}], sort_keys=False), nl=False)


@app.command()
def token(name: Name, role: Chosen = Role.OPERATOR) -> None:
    """Make a token for a program: printed once, with the entry for the file of users that holds only its hash."""
    secret, digest = new_token()
    Console(stderr=True).print(f"Token (keep it; it is not stored anywhere): [bold]{secret}[/]")
    typer.echo("# below `tokens:`", err=True)
    typer.echo(yaml.safe_dump([{"name": name, "role": role.value, "sha256": digest}], sort_keys=False), nl=False)
