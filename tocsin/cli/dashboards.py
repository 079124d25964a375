"""`tocsin dashboards`: Grafana dashboards from alarm trees. What builds them is loaded when they are built (see `grafana_files`)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from alarm_engine.config.load import read_tree
from alarm_engine.errors import ConfigError
from dashboards.kit.palette import Theme
from dashboards.kit.targets import Kind
from tocsin.grafana_files import build_options
from tocsin.settings import load
from tocsin.settings_sections import DashboardsSection

DEFAULT_PAGE_URL = "http://127.0.0.1:8080"


class _Plugin(StrEnum):
    """The kinds of datasources, of which one has two names."""

    INFINITY = "infinity"
    JSON = "json"
    SIMPOD = "simpod"

    @property
    def kind(self) -> Kind:
        return Kind.INFINITY if self is _Plugin.INFINITY else Kind.JSON


app = typer.Typer(name="dashboards", help="Make Grafana dashboards from alarm trees.", no_args_is_help=True)


@app.command("build")
def build_dashboards(
    trees: Annotated[list[Path], typer.Argument(metavar="TREE...", help="First file of each alarm tree, or its directory.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Directory to write to; generated files in it that are no longer wanted go.")
    ],
    settings: Annotated[
        Path | None, typer.Option("--settings", metavar="FILE", help="Settings file; its section `dashboards` says how they look.")
    ] = None,
    palette: Annotated[Theme | None, typer.Option("--palette", help="Colours for Grafana's dark or light theme.")] = None,
    datasource: Annotated[_Plugin | None, typer.Option("--datasource", help="Which plugin the dashboards ask.")] = None,
    page_url: Annotated[
        str | None, typer.Option("--page-url", metavar="URL", help="Address of the operator's page, as browsers reach it.")
    ] = None,
) -> None:
    """Write all dashboards of the trees. Options go before the settings."""
    from dashboards.build import build, write
    from dashboards.check import check as check_files
    from dashboards.hooks import BuildError

    console = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False, markup=False)
    resolved = []
    faults: list[str] = []
    for path in trees:
        try:
            resolved.append(read_tree(path))
        except ConfigError as problem:
            faults.append(str(problem))
    if faults:
        raise ConfigError("\n".join(faults))
    section = load(settings).dashboards if settings is not None else DashboardsSection()
    given = {"palette": palette, "datasource": None if datasource is None else datasource.kind, "page_url": page_url}
    section = section.model_copy(update={name: value for name, value in given.items() if value is not None})
    files = build(resolved, build_options(section, DEFAULT_PAGE_URL, f"{settings}: " if settings is not None else ""))
    problems = check_files(files)
    for fault in problems:
        console.print(fault)
    if problems:
        raise BuildError(f"nothing written: {len(problems)} faults in what was built")
    written = write(files, out)
    for name in written.removed:
        console.print(f"removed {name}")
    typer.echo(f"{out}: {len(files)} dashboards, {len(written.changed)} new or changed, {len(written.removed)} removed")


@app.command("check")
def check_dashboards(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory with generated dashboards.")],
) -> None:
    """Look for faults that Grafana would not report. Exit code 1 if there are any."""
    from dashboards.build import is_generated
    from dashboards.check import check as check_files
    from dashboards.hooks import BuildError

    found = [path for path in sorted(directory.rglob("*.json")) if is_generated(path)] if directory.is_dir() else []
    if not found:
        raise BuildError(f"{directory}: no generated dashboards there; `tocsin dashboards build TREE --out {directory}` makes them")
    faults = check_files({path.relative_to(directory).as_posix(): path.read_bytes() for path in found})
    for fault in faults:
        typer.echo(fault)
    typer.echo(f"{directory}: {len(found)} dashboards, {len(faults)} faults")
    raise typer.Exit(1 if faults else 0)
