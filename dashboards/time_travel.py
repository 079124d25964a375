"""The dashboard of a moment in the past: the tree at the end of the time range, and what differs from its begin."""

from __future__ import annotations

from alarm_engine.model.subsystem import view_uid
from dashboards.kit import ages, figure_panels, links, state_panels, time_panels, variables
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, Stack, flow
from dashboards.kit.marks import marks
from dashboards.kit.site import SEVERITY_VARIABLE, SYSTEMS_VARIABLE, Site

TIME_TRAVEL = "timetravel"


def time_travel(site: Site) -> GeneratedDashboard:
    """The dashboard."""
    placed = flow(
        [
            Stack((Slot(state_panels.engine(site, 1), 3, 3), Slot(ages.past_age(site, 2), 3, 3))),
            Slot(figure_panels.past_tiles(site, 3, SYSTEMS_VARIABLE), 21, 6),
            Slot(time_panels.timeline(site, (4, "State of the subsystems"), "intervals", "system", SYSTEMS_VARIABLE), 24, 8),
            *ages.aged(site, Slot(figure_panels.past_alarms(site, 5, SYSTEMS_VARIABLE, SEVERITY_VARIABLE), 22, 13), past=True),
            *ages.aged(site, Slot(figure_panels.past_changes(site, 6, SYSTEMS_VARIABLE), 22, 12), past=True),
        ]
    )
    page = Page(
        uid=view_uid(site.config, TIME_TRAVEL),
        name="time travel",
        description="The alarms as they were at the end of the time range: choose it above, or drag over the timeline. "
        "To compare a moment with now, choose a range from that moment to now and look at what differs.",
        tags=(links.main_tag(site.config),),
        start="now-8h",
        refresh="",
    )
    head = [variables.systems(site.source, site.config), variables.severity()]
    return generated(site, page, placed, head, marks(site, SYSTEMS_VARIABLE))
