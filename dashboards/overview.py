"""The overview of a configuration: a tile for each subsystem, what is active, what is frequent, the last day."""

from __future__ import annotations

from alarm_engine.model.subsystem import overview_uid
from dashboards.kit import ages, links, state_panels, table_panels, time_panels, variables
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, flow
from dashboards.kit.marks import marks
from dashboards.kit.site import SEARCH_VARIABLE, SEVERITY_VARIABLE, SYSTEMS_VARIABLE, Site

_TILES_PER_LINE = 8


def overview(site: Site, systems: list[str]) -> GeneratedDashboard:
    """The dashboard; `systems` are the names of the subsystems in the order of the tree, `""` for what stands directly below the root."""
    lines = -(-len(systems) // _TILES_PER_LINE)
    placed = flow(
        [
            Slot(state_panels.engine(site, 1), 3, 4),
            Slot(ages.age(site, 2), 3, 4),
            Slot(state_panels.totals(site, 3), 15, 4),
            Slot(state_panels.generation(site, 4), 3, 4),
            Slot(state_panels.tiles(site, 5, state_panels.systems_of(site, systems), SYSTEMS_VARIABLE), 24, 1 + 4 * max(1, lines)),
            *ages.aged(site, Slot(table_panels.active(site, 6, SYSTEMS_VARIABLE, SEVERITY_VARIABLE, SEARCH_VARIABLE), 22, 13)),
            Slot(time_panels.rates(site, 7, SYSTEMS_VARIABLE), 13, 8),
            *ages.aged(site, Slot(table_panels.most_frequent(site, 8, SYSTEMS_VARIABLE), 9, 8), past=True),
            Slot(
                time_panels.timeline(site, (9, "State of the subsystems"), "intervals", "system", SYSTEMS_VARIABLE),
                24,
                max(5, 1 + len(systems)),
            ),
        ]
    )
    page = Page(
        uid=overview_uid(site.config),
        name="overview",
        description="Everything of one configuration: choose subsystems and severities above, follow a tile or a PV.",
        tags=(links.main_tag(site.config),),
    )
    head = [variables.systems(site.source, site.config), variables.severity(), variables.search()]
    return generated(site, page, placed, head, marks(site, SYSTEMS_VARIABLE))
