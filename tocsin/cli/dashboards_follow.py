"""`tocsin dashboards follow`: dashboards made again whenever a tree changes, beside a Grafana that is elsewhere than the sync."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tocsin import logs
from tocsin.serving import serve
from tocsin.settings import load

log = structlog.get_logger()


def add_to(app: typer.Typer) -> None:
    """Mount the command beside those that make dashboards once."""
    app.command("follow")(follow)


def follow(
    settings: Annotated[Path, typer.Option("--settings", "-s", help="Settings file of the site.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory to write to, instead of `dashboards.out`.")],
) -> None:
    """Keep running: follow the files of the trees, and make dashboards and provisioning again when they change.

    `dashboards` and `provisioning` in the directory are for Grafana. Files with errors leave what is there.
    """
    from tocsin.dashboard_follower import DashboardFollower

    site = load(settings)
    site = site.model_copy(update={"dashboards": site.dashboards.model_copy(update={"out": out.absolute()})})
    logs.set_up(site.log.level, site.log.form)
    asyncio.run(serve(DashboardFollower(site), lambda _: log.info("dashboards follow the trees", directory=str(out))))
