"""The dashboard for the alarm review: the figures of ISA-18.2 with their targets, floods, and the alarms that make the load."""

from __future__ import annotations

from alarm_engine.model.subsystem import view_uid
from dashboards.kit import ages, figure_panels, links, state_panels
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, Stack, flow
from dashboards.kit.site import Site

PERFORMANCE = "performance"
_CHATTERING = (
    "Alarms that were annunciated three times within a minute, or more often. A delay, a count or a dead band may quieten them: "
    "`tocsin tune` replays what was recorded with other settings."
)
_FLEETING = "Alarms that were gone again within 15 s, before anybody could act. A delay may spare them."


def performance(site: Site) -> GeneratedDashboard:
    """The dashboard; it is about the whole configuration, for which the figures have their targets."""
    placed = flow(
        [
            Stack((Slot(state_panels.engine(site, 1), 3, 4), Slot(ages.past_age(site, 2), 3, 4))),
            Slot(figure_panels.per_period(site, 3), 21, 8),
            *ages.aged(site, Slot(figure_panels.figures(site, 4), 22, 17), past=True),
            *ages.aged(site, Slot(figure_panels.frequent(site, 5), 9, 11), Slot(figure_panels.floods(site, 6), 13, 11), past=True),
            *ages.aged(site, Slot(figure_panels.suggestions(site, 10), 22, 9), past=True),
            *ages.aged(
                site,
                Slot(figure_panels.repeated(site, (7, "Chattering alarms", _CHATTERING), "figures/chattering"), 11, 10),
                Slot(figure_panels.repeated(site, (8, "Fleeting alarms", _FLEETING), "figures/fleeting"), 11, 10),
                past=True,
            ),
            *ages.aged(site, Slot(figure_panels.standing_long(site, 9), 22, 10), past=True),
        ]
    )
    page = Page(
        uid=view_uid(site.config, PERFORMANCE),
        name="performance (ISA-18.2)",
        description="Is the alarm system of use to its operators? The targets are meant for 30 days or more.",
        tags=(links.main_tag(site.config),),
        start="now-30d",
        refresh="",
    )
    return generated(site, page, placed)
