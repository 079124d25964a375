"""The dashboard for reviews: who did what, and what is shelved or out of service until when."""

from __future__ import annotations

from alarm_engine.model.subsystem import view_uid
from dashboards.kit import ages, figure_panels, links, state_panels, table_panels, variables
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, flow
from dashboards.kit.marks import marks
from dashboards.kit.site import SEARCH_VARIABLE, SYSTEMS_VARIABLE, Site

AUDIT = "audit"


def audit(site: Site) -> GeneratedDashboard:
    """The dashboard."""
    placed = flow(
        [
            Slot(state_panels.engine(site, 1), 2, 8),
            *ages.aged(site, Slot(table_panels.shelved(site, 3, SYSTEMS_VARIABLE, SEARCH_VARIABLE), 12, 8)),
            *ages.aged(site, Slot(table_panels.users(site, 4, SYSTEMS_VARIABLE, SEARCH_VARIABLE), 6, 8), past=True),
            *ages.aged(site, Slot(table_panels.audit(site, 5, SYSTEMS_VARIABLE, SEARCH_VARIABLE), 22, 14), past=True),
            *ages.aged(site, Slot(figure_panels.acknowledgements(site, 6, SYSTEMS_VARIABLE, SEARCH_VARIABLE), 22, 12), past=True),
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
