"""The dashboard of one alarm: state, settings, history, guidance, events. Which alarm is chosen by its variable `path`."""

from __future__ import annotations

from alarm_engine.model.subsystem import alarm_uid
from dashboards.kit import alarm_panels as panels
from dashboards.kit import links, variables
from dashboards.kit.alarm_panels import PATH_VARIABLE, Site
from dashboards.kit.dashboard import GeneratedDashboard, HeadLine, Identity, generated
from dashboards.kit.layout import Slot, Stack, flow


def alarm(site: Site, first: tuple[str, str]) -> GeneratedDashboard:
    """The dashboard; `first` is (name of the PV, path) of the alarm that it shows when it is opened without one."""
    head = HeadLine(
        links=[
            links.to_overview(site.config),
            links.to_subsystems(site.config),
            links.to_page(links.page_of_variable(site.page_url, "path")),
        ],
        variables=[variables.alarm_path(site.source, site.config, first)],
    )
    placed = flow(
        [
            Stack((Slot(panels.engine(site, 1), 8, 4), Slot(panels.settings(site, 2, PATH_VARIABLE), 8, 17))),
            Stack(
                (
                    Slot(panels.alarm_timeline(site, 3, PATH_VARIABLE), 16, 8),
                    Slot(panels.guidance(site, 4, PATH_VARIABLE), 16, 13),
                )
            ),
            Slot(panels.events(site, 5, PATH_VARIABLE), 24, 12),
        ]
    )
    return generated(Identity(alarm_uid(site.config), f"{site.config}: one alarm"), head, placed)
