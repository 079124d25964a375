"""The dashboard of one subsystem: its state, its alarms now and over time, what is shelved, what happened."""

from __future__ import annotations

from alarm_engine.model.path import join
from alarm_engine.model.subsystem import system_uid, title
from dashboards.kit import alarm_panels as panels
from dashboards.kit import links, variables
from dashboards.kit.alarm_panels import SEARCH_VARIABLE, SEVERITY_VARIABLE, Site
from dashboards.kit.dashboard import FLOOD_COLUMNS, GeneratedDashboard, HeadLine, Identity, floods, generated
from dashboards.kit.layout import Slot, flow
from dashboards.kit.targets import Parameter


def subsystem(site: Site, system: str) -> GeneratedDashboard:
    """The dashboard of a subsystem by its name in the tree; `""` is what stands directly below the root."""
    name = title(system)
    uid = system_uid(site.config, system)
    # A name with signs that Grafana would take for a variable is asked for by the identity of its dashboard.
    asked = Parameter("system", uid if "$" in name or "[[" in name else name)
    root = join(None, site.config)
    head = HeadLine(
        links=[
            links.to_overview(site.config),
            links.to_subsystems(site.config),
            links.to_page(links.page(site.page_url, join(root, system) if system else root)),
        ],
        variables=[variables.severity(), variables.search()],
        annotations=[floods(site.source, site.query("floods", FLOOD_COLUMNS, asked, ranged=True), site.theme)],
    )
    placed = flow(
        [
            Slot(panels.system_tile(site, 1, name, asked), 6, 5),
            Slot(panels.system_counts(site, 2, asked), 14, 5),
            Slot(panels.engine(site, 3), 4, 5),
            Slot(panels.active(site, 4, asked, SEVERITY_VARIABLE, SEARCH_VARIABLE, with_system=False), 24, 10),
            Slot(panels.timeline(site, (5, f"Alarms of {name}"), "pv_intervals", "pv", asked), 24, 10),
            Slot(panels.rates(site, 6, asked), 12, 8),
            Slot(panels.shelved(site, 7, asked), 12, 8),
            Slot(panels.events(site, 8, asked, SEARCH_VARIABLE), 24, 11),
        ]
    )
    return generated(Identity(uid, f"{site.config}: {name}", (links.subsystem_tag(site.config),)), head, placed)
