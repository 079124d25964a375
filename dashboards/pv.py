"""The dashboard of one alarm: state, settings, history, guidance, neighbours, events. Its variable `path` chooses the alarm."""

from __future__ import annotations

from alarm_engine.model.subsystem import alarm_uid
from dashboards.kit import ages, links, state_panels, table_panels, time_panels, variables
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, Stack, flow
from dashboards.kit.marks import marks
from dashboards.kit.site import PATH_VARIABLE, Site


def alarm(site: Site, first: tuple[str, str]) -> GeneratedDashboard:
    """The dashboard; `first` is (name of the PV, path) of the alarm that it shows when it is opened without one."""
    settings = table_panels.settings(site, 4, PATH_VARIABLE)
    settings.links = links.archiver(site.look.archiver_url)
    placed = flow(
        [
            Stack((Slot(state_panels.engine(site, 1), 4, 4), Slot(ages.age(site, 2), 4, 3))),
            Slot(time_panels.alarm_timeline(site, 5, PATH_VARIABLE), 20, 7),
            *ages.aged(site, Slot(settings, 9, 18)),
            Stack(
                (
                    Slot(table_panels.guidance(site, 6, PATH_VARIABLE), 13, 9),
                    Slot(time_panels.days(site, 7, PATH_VARIABLE), 13, 9),
                )
            ),
            *ages.aged(site, Slot(table_panels.neighbours(site, 8, PATH_VARIABLE), 22, 8)),
            *ages.aged(site, Slot(table_panels.events(site, 9, PATH_VARIABLE), 22, 12), past=True),
        ]
    )
    page = Page(
        uid=alarm_uid(site.config),
        name="one alarm",
        description="One alarm: what it is, what to do, what it did, and what is around it. Follow a PV to come here, or choose one above.",
        tags=(links.main_tag(site.config),),
        path=links.page_of_variable(site.look.page_url, "path"),
    )
    head = [variables.alarm_path(site.source, site.config, first)]
    return generated(site, page, placed, head, marks(site, PATH_VARIABLE))
