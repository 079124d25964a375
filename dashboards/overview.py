"""The overview of a configuration: a tile for each subsystem, what is active, what is frequent, the last day."""

from __future__ import annotations

from alarm_engine.model.path import join
from alarm_engine.model.subsystem import overview_uid, system_uid, title
from dashboards.kit import alarm_panels as panels
from dashboards.kit import links, variables
from dashboards.kit.alarm_panels import SEARCH_VARIABLE, SEVERITY_VARIABLE, SYSTEMS_VARIABLE, Site
from dashboards.kit.dashboard import FLOOD_COLUMNS, GeneratedDashboard, HeadLine, Identity, floods, generated
from dashboards.kit.layout import Slot, flow

_TILES_PER_LINE = 8


def overview(site: Site, systems: list[str]) -> GeneratedDashboard:
    """The dashboard; `systems` are the names of the subsystems in the order of the tree, `""` for what stands directly below the root."""
    lines = -(-len(systems) // _TILES_PER_LINE)
    leads_to = {title(system): system_uid(site.config, system) for system in systems}
    head = HeadLine(
        links=[links.to_subsystems(site.config), links.to_page(links.page(site.page_url, join(None, site.config)))],
        variables=[variables.systems(site.source, site.config), variables.severity(), variables.search()],
        annotations=[floods(site.source, site.query("floods", FLOOD_COLUMNS, ranged=True), site.theme)],
    )
    placed = flow(
        [
            Slot(panels.engine(site, 1), 3, 4),
            Slot(panels.age(site, 2), 3, 4),
            Slot(panels.totals(site, 3), 18, 4),
            Slot(panels.tiles(site, 4, leads_to), 24, 1 + 4 * max(1, lines)),
            Slot(panels.active(site, 5, SYSTEMS_VARIABLE, SEVERITY_VARIABLE, SEARCH_VARIABLE), 24, 13),
            Slot(panels.rates(site, 6), 14, 8),
            Slot(panels.most_frequent(site, 7), 10, 8),
            Slot(
                panels.timeline(site, (8, "State of the subsystems"), "intervals", "system", SYSTEMS_VARIABLE),
                24,
                max(5, 1 + len(systems)),
            ),
        ]
    )
    return generated(Identity(overview_uid(site.config), f"{site.config}: overview"), head, placed)
