"""Generated files for Grafana: dashboards and provisioning, written again whenever a tree changes.

What builds dashboards is loaded when one is built: it takes a third of the start of a command that builds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from alarm_engine.config.tree import ConfigTree
from alarm_engine.errors import TocsinError
from dashboards.kit.palette import Theme
from dashboards.kit.site import Look
from dashboards.kit.targets import Kind
from provisioning.alerts import AlertOptions
from provisioning.render import PROMETHEUS_UID, PrometheusOptions, ProvisioningOptions, render
from tocsin.settings_sections import AlertsSection, DashboardsSection

if TYPE_CHECKING:
    from dashboards.build import BuildOptions

log = structlog.get_logger()


def write_grafana_files(settings: DashboardsSection, trees: Sequence[ConfigTree], url: str) -> None:
    """Write what Grafana reads below `settings.out`; a failure is logged, since alarms do not depend on it."""
    if settings.out is None:
        return
    from dashboards.build import build, write
    from dashboards.check import check

    dashboards = settings.out / "dashboards"
    try:
        built = build(trees, build_options(settings, url))
        for fault in check(built):
            log.warning("dashboard", fault=fault)
        files = {f"dashboards/{name}": content for name, content in built.items()}
        provisioning = ProvisioningOptions(
            backend_url=settings.backend_url or url,
            datasource=settings.datasource,
            configs=tuple(tree.name for tree in trees),
            dashboards_path=str(dashboards),
            alerts=alert_options(settings.alerts),
            prometheus=prometheus_options(settings),
        )
        files |= {f"provisioning/{name}": content for name, content in render(provisioning).items()}
        written = write(files, settings.out)
    except TocsinError as problem:
        log.error("files for Grafana not written", problem=str(problem))
        return
    log.info("files for Grafana written", directory=str(settings.out), changed=len(written.changed), removed=len(written.removed))


def build_options(settings: DashboardsSection, url: str, origin: str = "") -> BuildOptions:
    """How the settings want dashboards; `url` is where the operator's page is unless they say so.

    `origin` stands before a fault in their panels, as `tocsin.yaml: `; raises `SettingsError`.
    """
    from dashboards.build import BuildOptions
    from tocsin.site_panels import simple_panels

    look = Look(
        theme=Theme(settings.palette),
        page_url=settings.page_url or url,
        refresh=settings.refresh,
        title=settings.title,
        links=tuple(settings.links.items()),
        archiver_url=settings.archiver_url,
        prometheus=settings.prometheus_uid or (PROMETHEUS_UID if settings.prometheus_url else ""),
    )
    panels = simple_panels(settings.panels, origin)
    return BuildOptions(look, Kind(settings.datasource), depth=settings.depth, extra=settings.extra, panels=panels)


def prometheus_options(settings: DashboardsSection) -> PrometheusOptions | None:
    """The datasource of a Prometheus that the settings want made; None: there is none, or Grafana has it."""
    return PrometheusOptions(settings.prometheus_url, settings.prometheus_uid or PROMETHEUS_UID) if settings.prometheus_url else None


def alert_options(settings: AlertsSection) -> AlertOptions:
    """When the settings want alerts to fire, and who is told."""
    return AlertOptions(**settings.model_dump())
