"""The dashboard for reviews: who did what, and what is shelved or out of service until when."""

from __future__ import annotations

from alarm_engine.model.subsystem import view_uid
from dashboards.kit import figure_panels, links, state_panels, table_panels, variables
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, Stack, flow
from dashboards.kit.marks import marks
from dashboards.kit.site import SEARCH_VARIABLE, SYSTEMS_VARIABLE, Site

AUDIT = "audit"


def audit(site: Site) -> GeneratedDashboard:
    """The dashboard."""
    placed = flow(
        [
            Stack((Slot(state_panels.engine(site, 1), 4, 4), Slot(state_panels.age(site, 2), 4, 4))),
            Slot(table_panels.shelved(site, 3, SYSTEMS_VARIABLE, SEARCH_VARIABLE), 13, 8),
            Slot(table_panels.users(site, 4, SYSTEMS_VARIABLE, SEARCH_VARIABLE), 7, 8),
            Slot(table_panels.audit(site, 5, SYSTEMS_VARIABLE, SEARCH_VARIABLE), 24, 14),
            Slot(figure_panels.acknowledgements(site, 6, SYSTEMS_VARIABLE, SEARCH_VARIABLE), 24, 12),
        ]
    )
    page = Page(
        uid=view_uid(site.config, AUDIT),
        name=AUDIT,
        description="Who acknowledged, shelved, took out of service, changed settings or was refused; and what is hidden now, until when.",
        tags=(links.main_tag(site.config),),
        start="now-7d",
        refresh="1m",
    )
    head = [variables.systems(site.source, site.config), variables.search()]
    return generated(site, page, placed, head, marks(site, SYSTEMS_VARIABLE)[1:3])
