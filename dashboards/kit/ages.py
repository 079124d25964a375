"""How old the data is: once in the head of a dashboard, and beside every table.

Beside a table it is a narrow field as high as the table: as long as the data is new it recedes like a quiet tile; when the data is old the
whole edge of the table turns to the colour of STALE. It is a panel of its own, since a table without an answer could not tell its age.
"""

from __future__ import annotations

from dashboards.kit.layout import Slot
from dashboards.kit.palette import fill, steps
from dashboards.kit.panels import Stat
from dashboards.kit.site import NO_ANSWER, Site

WIDTH = 2
"""Grid columns of the field beside a table: the least that its title fits in at 1280 pixels."""

LIVE_LIMIT_S = 5
PAST_LIMIT_S = 60
"""Seconds from which the data is old; the history is written in batches, and counts over minutes or days."""

_BESIDE = 100
"""Added to the id of a table: the id of the field beside it."""


def age(site: Site, panel_id: int, title: str = "Age of data") -> Stat:
    """Seconds since the engine's last life sign, by the backend's clock."""
    says = "Seconds since the last life sign of the alarm engine, by the clock of the backend. Over 5 s what is shown may be old."
    return _age(site, (panel_id, title, says), "data_age", LIVE_LIMIT_S)


def past_age(site: Site, panel_id: int, title: str = "Age of data") -> Stat:
    """Up to how long ago the history is complete."""
    says = (
        "Up to how many seconds ago the history is complete: by the last life sign of the alarm engine, and the oldest event that is not "
        "stored yet. Over 60 s the newest events may be missing here: look at the health dashboard."
    )
    return _age(site, (panel_id, title, says), "past_age", PAST_LIMIT_S)


def _age(site: Site, head: tuple[int, str, str], column: str, limit_s: int) -> Stat:
    panel_id, title, says = head
    stale = fill("STALE", site.theme)
    return Stat(
        **site.head(panel_id, title, site.query("age", {column: "number"}), says),
        fields=f"/^{column}$/",
        defaults={
            "unit": "s",
            "decimals": 0,
            "noValue": NO_ANSWER,
            "thresholds": steps((None, stale), (0, fill("OK", site.theme)), (limit_s, stale)),
        },
    )


def aged(site: Site, table: Slot, *right: Slot, past: bool = False) -> list[Slot]:
    """A table with the age of its data beside it, and what stands to the right of that (which may be a table too).

    `past`: it tells of the past, so that the age is that of the history.
    """
    field = past_age if past else age
    return [table, Slot(field(site, _BESIDE + table.panel.id, "Data age"), WIDTH, table.height), *right]
