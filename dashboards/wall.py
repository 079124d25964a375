"""The wall: readable from 5 m. A tile for each subsystem, the newest alarms, and whether all of that can be trusted.

Colour means that somebody has to act: what is acknowledged is dark, what is quiet recedes. Nothing is to be operated here.
"""

from __future__ import annotations

from alarm_engine.model.subsystem import view_uid
from dashboards.kit import ages, links, state_panels, time_panels
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, flow
from dashboards.kit.site import Site

WALL = "wall"


def wall(site: Site, systems: list[str]) -> GeneratedDashboard:
    """The dashboard; `systems` are the names of the subsystems in the order of the tree."""
    tiles = state_panels.tiles(site, 4, state_panels.systems_of(site, systems), large=True)
    tiles.transparent = True
    placed = flow(
        [
            Slot(state_panels.engine(site, 1), 5, 4),
            Slot(ages.age(site, 2), 4, 4),
            Slot(state_panels.totals(site, 3), 15, 4),
            Slot(tiles, 24, 12),
            Slot(state_panels.newest(site, 5, lines=5), 14, 8),
            Slot(time_panels.timeline(site, (6, "Subsystems, last 8 hours"), "intervals", "system"), 10, 8),
        ]
    )
    page = Page(
        uid=view_uid(site.config, WALL),
        name=WALL,
        description="For the screen on the wall: open it with ?kiosk=1&autofitpanels=1. At 3840 pixels run the browser at 200 %.",
        tags=(links.main_tag(site.config),),
        start="now-8h",
        refresh="5s",
        is_wall=True,
    )
    return generated(site, page, placed)
