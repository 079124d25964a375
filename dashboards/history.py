"""The dashboard of past events: search, counts, the log as a table and as text."""

from __future__ import annotations

from alarm_engine.model.subsystem import view_uid
from dashboards.kit import ages, links, state_panels, table_panels, time_panels, variables
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, flow
from dashboards.kit.marks import marks
from dashboards.kit.site import SEARCH_VARIABLE, SEVERITY_VARIABLE, SYSTEMS_VARIABLE, Site

HISTORY = "history"


def history(site: Site) -> GeneratedDashboard:
    """The dashboard."""
    placed = flow(
        [
            Slot(state_panels.engine(site, 1), 3, 8),
            Slot(ages.past_age(site, 2), 3, 8),
            Slot(time_panels.rates(site, 3, SYSTEMS_VARIABLE), 18, 8),
            *ages.aged(site, Slot(table_panels.events(site, 4, SYSTEMS_VARIABLE, SEVERITY_VARIABLE, SEARCH_VARIABLE), 22, 16), past=True),
            *ages.aged(
                site,
                Slot(table_panels.most_frequent(site, 5, SYSTEMS_VARIABLE), 9, 12),
                Slot(time_panels.log(site, 6, SYSTEMS_VARIABLE, SEVERITY_VARIABLE, SEARCH_VARIABLE), 13, 12),
                past=True,
            ),
        ]
    )
    page = Page(
        uid=view_uid(site.config, HISTORY),
        name=HISTORY,
        description="What happened: choose a time, subsystems and severities, or search in paths, descriptions, messages and comments.",
        tags=(links.main_tag(site.config),),
        refresh="",
    )
    head = [variables.systems(site.source, site.config), variables.severity(), variables.search()]
    return generated(site, page, placed, head, marks(site, SYSTEMS_VARIABLE))
