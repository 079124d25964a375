"""The dashboard of tocsin itself: who serves the configuration, connections, how far the history is, what the engine writes."""

from __future__ import annotations

from alarm_engine.model.subsystem import view_uid
from dashboards.kit import ages, figure_panels, links, state_panels, table_panels, time_panels
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, flow
from dashboards.kit.marks import marks
from dashboards.kit.site import Site

HEALTH = "health"


def health(site: Site) -> GeneratedDashboard:
    """The dashboard; it needs nothing but our own rows, so that it is there where no Prometheus is."""
    placed = flow(
        [
            Slot(state_panels.engine(site, 1), 5, 4),
            Slot(ages.age(site, 2), 5, 4),
            Slot(figure_panels.history_lag(site, 3), 7, 4),
            Slot(state_panels.generation(site, 4), 7, 4),
            *ages.aged(site, Slot(figure_panels.engines(site, 5), 22, 5)),
            Slot(time_panels.activity(site, 6), 24, 9),
            *ages.aged(site, Slot(table_panels.audit(site, 7), 22, 12), past=True),
        ]
    )
    page = Page(
        uid=view_uid(site.config, HEALTH),
        name="health of tocsin",
        description="Whether tocsin itself is well. More figures are at /metrics of each process, for a Prometheus.",
        tags=(links.main_tag(site.config),),
    )
    return generated(site, page, placed, (), marks(site)[:2])
