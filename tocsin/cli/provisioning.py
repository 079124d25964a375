"""`tocsin provisioning`: what Grafana reads at its start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dashboards.build import write
from dashboards.kit.targets import Kind
from provisioning.render import ProvisioningOptions
from provisioning.render import render as render_files

app = typer.Typer(name="provisioning", help="Make provisioning files for Grafana.", no_args_is_help=True)

_DEFAULT_PATH = "/var/lib/grafana/dashboards/tocsin"


@app.callback()
def _group() -> None:
    """Make provisioning files for Grafana."""


@app.command()
def render(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Directory to write to: Grafana's provisioning directory or a copy of it.")
    ],
    backend_url: Annotated[
        str, typer.Option("--backend-url", metavar="URL", help="Address of the backend, as the server of Grafana reaches it.")
    ],
    config: Annotated[
        list[str] | None, typer.Option("--config", metavar="NAME", help="A folder for this configuration; may be repeated.")
    ] = None,
    dashboards_path: Annotated[
        str, typer.Option("--dashboards-path", metavar="DIR", help="Where the dashboards are, as Grafana sees it.")
    ] = _DEFAULT_PATH,
    datasource: Annotated[Kind, typer.Option("--datasource", help="Which plugin is Grafana's default.")] = Kind.INFINITY,
    token_variable: Annotated[
        str | None,
        typer.Option("--token-variable", metavar="NAME", help="Environment variable of Grafana that holds the token for the backend."),
    ] = None,
) -> None:
    """Write datasources (Infinity and JSON) and dashboard providers."""
    options = ProvisioningOptions(backend_url, datasource.value, tuple(config or ()), dashboards_path, token_variable)
    files = render_files(options)
    write(files, out, clear=False)
    for name in files:
        typer.echo(f"{out / name}")
