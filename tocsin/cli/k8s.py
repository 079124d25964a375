"""`tocsin k8s`: the manifests of a site for Kubernetes, from its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alarm_engine import strict_yaml
from alarm_engine.errors import SettingsError
from tocsin.settings import load

app = typer.Typer(name="k8s", help="Make manifests for Kubernetes.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make manifests for Kubernetes."""


@app.command()
def render(
    settings: Annotated[Path, typer.Option("--settings", "-s", help="Settings file of the site.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Directory of the overlay: what an earlier run wrote there is replaced.")
    ],
    manifests: Annotated[
        str,
        typer.Option(
            "--manifests", metavar="WHERE", help="Where `base` and `components` are: a path from DIR, or an address that kustomize takes."
        ),
    ] = "../../..",
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if something there is not what the settings say.")
    ] = False,
) -> None:
    """Write the kustomize overlay of a site: its configurations become topics, users with their rights, settings, engines, dashboards.

    `kubectl apply -k DIR` brings it into force. The section `kubernetes` of the settings says how the site is run there.
    """
    from tocsin.kubernetes.files import difference, replace
    from tocsin.kubernetes.render import read_configurations
    from tocsin.kubernetes.render import render as render_files
    from tocsin.kubernetes.site import ClusterSite

    chosen = load(settings)
    raw = strict_yaml.load(settings.read_text(encoding="utf-8"))
    site = ClusterSite(chosen, raw, read_configurations(chosen), manifests.rstrip("/"))
    files = render_files(site)
    try:
        if check:
            different = difference(files, out)
            for name in different:
                typer.echo(f"{out / name}: is not what {settings} says")
            raise typer.Exit(1 if different else 0)
        for name in replace(files, out):
            typer.echo(f"{out / name}")
    except OSError as problem:
        raise SettingsError(f"{out}: cannot be written: {problem.strerror} ({problem.filename})") from problem
