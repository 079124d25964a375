"""The wall: readable from 5 m. A tile for each subsystem, the newest alarms, and whether all of that can be trusted.

Colour means that somebody has to act: what is acknowledged is dark, what is quiet recedes. Nothing is to be operated here, and nothing is
here that can only be read from near: no table, and no time axis with its labels of 12 pixels.

Sizes are for 1920 pixels on 55 inches, as Grafana lays out stat panels: a text needs 1.2 times its size and 8 pixels above and below (12 in
fields over 100 pixels). 50 pixels, capitals of 23 mm, are the least that can be read from 5 m.
"""

from __future__ import annotations

from alarm_engine.model.subsystem import view_uid
from dashboards.kit import ages, links, state_panels
from dashboards.kit.dashboard import GeneratedDashboard, Page, generated
from dashboards.kit.layout import Slot, flow
from dashboards.kit.site import Site

WALL = "wall"

_LINES = 3
"""Newest alarms that are shown: with the one that counts the others they are as many as fit in that size."""


def wall(site: Site, systems: list[str]) -> GeneratedDashboard:
    """The dashboard; `systems` are the names of the subsystems in the order of the tree."""
    tiles = state_panels.tiles(site, 4, state_panels.systems_of(site, systems), large=True)
    tiles.transparent = True
    placed = flow(
        [
            Slot(state_panels.engine(site, 1), 4, 5),
            Slot(ages.age(site, 2), 4, 5),
            Slot(state_panels.totals(site, 3, sizes=state_panels.WALL_COUNTS), 16, 5),
            Slot(tiles, 24, 12),
            Slot(state_panels.newest(site, 5, lines=_LINES), 24, 10),
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
