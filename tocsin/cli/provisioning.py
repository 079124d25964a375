"""`tocsin provisioning`: what Grafana reads at its start. What writes it is loaded when it is written (see `grafana_files`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provisioning.render import ProvisioningOptions
from provisioning.render import render as render_files
from tocsin.grafana_files import alert_options, prometheus_options
from tocsin.settings import load
from tocsin.settings_sections import DashboardsSection

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
    settings: Annotated[
        Path | None, typer.Option("--settings", metavar="FILE", help="Settings file; its section `dashboards` has datasource and alerts.")
    ] = None,
    token_variable: Annotated[
        str | None,
        typer.Option("--token-variable", metavar="NAME", help="Environment variable of Grafana that holds the token for the backend."),
    ] = None,
) -> None:
    """Write datasources, dashboard providers, the list of plugins, and alert rules if the settings say who is told."""
    from dashboards.build import write

    section = load(settings).dashboards if settings is not None else DashboardsSection()
    options = ProvisioningOptions(
        backend_url,
        section.datasource,
        tuple(config or ()),
        dashboards_path,
        token_variable,
        alert_options(section.alerts),
        prometheus_options(section),
    )
    files = render_files(options)
    write(files, out, clear=False)
    for name in files:
        typer.echo(f"{out / name}")
