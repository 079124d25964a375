"""The dashboard of tocsin itself: who serves the configuration, connections, how far the history is, what the engine writes."""

from __future__ import annotations

from alarm_engine.model.subsystem import view_uid
from dashboards.kit import ages, figure_panels, links, metric_panels, state_panels, table_panels, time_panels
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, flow
from dashboards.kit.marks import marks
from dashboards.kit.site import Site

HEALTH = "health"
_WITH = "The series come from a Prometheus that scrapes /metrics of each process, all else from tocsin's own rows."
_WITHOUT = "More figures are at /metrics of each process, for a Prometheus."


def health(site: Site) -> GeneratedDashboard:
    """The dashboard. Our own rows are always there; with a Prometheus there are its series too."""
    placed = flow(
        [
            Slot(state_panels.engine(site, 1), 5, 4),
            Slot(ages.age(site, 2), 5, 4),
            Slot(figure_panels.history_lag(site, 3), 7, 4),
            Slot(state_panels.generation(site, 4), 7, 4),
            *ages.aged(site, Slot(figure_panels.engines(site, 5), 22, 5)),
            *(_series(site) if site.look.prometheus else ()),
            Slot(time_panels.activity(site, 6), 24, 9),
            *ages.aged(site, Slot(table_panels.audit(site, 7), 22, 12), past=True),
        ]
    )
    page = Page(
        uid=view_uid(site.config, HEALTH),
        name="health of tocsin",
        description=f"Whether tocsin itself is well. {_WITH if site.look.prometheus else _WITHOUT}",
        tags=(links.main_tag(site.config),),
    )
    return generated(site, page, placed, (), marks(site)[:2])


def _series(site: Site) -> list[Slot]:
    return [
        Slot(metric_panels.serving(site, 20), 5, 4),
        Slot(metric_panels.standing_by(site, 21), 5, 4),
        Slot(metric_panels.leaders(site, 22), 14, 4),
        Slot(metric_panels.connections(site, 23), 12, 8),
        Slot(metric_panels.backlog(site, 24), 12, 8),
        Slot(metric_panels.history_lag(site, 25), 8, 8),
        Slot(metric_panels.rates(site, 26), 8, 8),
        Slot(metric_panels.failures(site, 27), 8, 8),
    ]
