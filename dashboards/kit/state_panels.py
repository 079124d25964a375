"""Large coloured fields: the engine, counts, tiles, the newest alarms. Forms were tried in Grafana."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import attr

from alarm_engine.model.path import join
from alarm_engine.model.subsystem import title
from dashboards.kit import links, palette
from dashboards.kit.links import data_link
from dashboards.kit.palette import fill, steps
from dashboards.kit.panels import Stat, organize, override, override_others, rows_to_fields
from dashboards.kit.site import NO_ANSWER, NO_DATA, Site
from dashboards.kit.targets import Parameter

Json = dict[str, Any]

WALL_SIZES = (50, 60)
"""Pixels of name and value that can be read from 5 m on a screen of 55 inches and 1920 pixels."""

WALL_COUNTS = (30, 55)
"""Of counts on a wall: the number can be read from 5 m, its name from 3 m, and its colour says the same."""

WALL_LINES = (50, 50)
"""Of lines on a wall."""


def engine(site: Site, panel_id: int) -> Stat:
    """LIVE or STALE, unmistakable."""
    says = (
        "LIVE: the alarm engine gives its life sign. STALE: it has been silent for 5 s, and everything on this page may be old: call who "
        "runs tocsin. NO ANSWER: Grafana does not reach the backend; the red corner of a panel says why."
    )
    head = site.head(panel_id, "Alarm engine", site.query("engine", {"state": "string"}), says)
    defaults = {"noValue": NO_ANSWER, "thresholds": site.stale(), "mappings": palette.engine_mappings(site.theme)}
    return Stat(**head, fields="/^state$/", values=True, limit=1, defaults=defaults)


def generation(site: Site, panel_id: int) -> Stat:
    """Whether this dashboard is as old as the tree."""
    says = (
        "Whether this dashboard was made from the alarm tree that is in force. If it says OLDER, components were added, renamed or "
        "removed since: their alarms are in the lists, but tiles and links may be missing. Make the dashboards again."
    )
    head = site.head(panel_id, "Dashboard", site.query("generation", {"state": "string"}, Parameter("tree", site.tree)), says)
    words = {
        "CURRENT": {"index": 0, "text": "up to date", "color": fill("OK", site.theme)},
        "OLDER": {"index": 1, "text": "OLDER than the tree", "color": fill("MINOR", site.theme)},
    }
    defaults = {"noValue": NO_ANSWER, "thresholds": site.stale(), "mappings": [{"type": "value", "options": words}]}
    return Stat(**head, fields="/^state$/", values=True, limit=1, defaults=defaults)


@attr.s(auto_attribs=True, frozen=True)
class Count:
    """A counting field: its column, its name, and the state whose colour it has from 1 on."""

    column: str
    title: str
    state: str


_TOTALS = (
    Count("MAJOR", "MAJOR", "MAJOR"),
    Count("INVALID", "INVALID", "INVALID"),
    Count("UNDEFINED", "UNDEF", "UNDEFINED"),
    Count("MINOR", "MINOR", "MINOR"),
    Count("acknowledged", "acknowledged", "OK"),
    Count("shelved", "shelved", "SHELVED"),
)
_PART_COUNTS = (
    Count("major", "MAJOR", "MAJOR"),
    Count("invalid", "INVALID", "INVALID"),
    Count("undefined", "UNDEF", "UNDEFINED"),
    Count("minor", "MINOR", "MINOR"),
    Count("acked", "ack ✓", "OK"),
    Count("shelved", "shelved", "SHELVED"),
    Count("unknown", "unknown", "STALE"),
    Count("pvs", "PVs", "OK"),
)
_COUNTED = (
    "Severities count alarms that nobody has acknowledged; a field has its colour from 1 on. NO DATA: the numbers cannot be trusted now."
)


def totals(site: Site, panel_id: int, sizes: tuple[int, int] | None = None) -> Stat:
    """Alarms of the whole configuration by severity; `sizes` are pixels of name and number, None: as they fit."""
    query = site.query("totals", dict.fromkeys(_columns(_TOTALS), "number"))
    panel = _counts(site, site.head(panel_id, "Alarms now", query, _COUNTED), _TOTALS)
    panel.sizes = sizes
    return panel


def part_counts(site: Site, panel_id: int, name: str, asked: Parameter) -> Stat:
    """Alarms of a subsystem or component by severity; `name` is the question."""
    query = site.query(name, dict.fromkeys(_columns(_PART_COUNTS), "number"), asked)
    says = f"{_COUNTED} unknown: no engine has said anything about them, or their PVs have never come."
    return _counts(site, site.head(panel_id, "Alarms now", query, says), _PART_COUNTS)


def _columns(counts: Sequence[Count]) -> list[str]:
    return [count.column for count in counts]


def _counts(site: Site, head: Json, counts: Sequence[Count]) -> Stat:
    calm = fill("OK", site.theme)
    overrides = []
    for count in counts:
        pairs: list[tuple[float | None, str]] = [(None, fill("STALE", site.theme)), (0, calm)]
        if count.state != "OK":
            pairs.append((1, fill(count.state, site.theme)))
        name = {"displayName": count.title} if count.title != count.column else {}
        overrides.append(override(count.column, **name, thresholds=steps(*pairs)))
    defaults = {"decimals": 0, "unit": "short", "noValue": NO_DATA, "thresholds": site.stale()}
    return Stat(
        **head,
        text_mode="value_and_name",
        orientation="vertical",
        defaults=defaults,
        overrides=overrides,
        transformations=[organize(_columns(counts))],
    )


_TILES = (
    "The worst alarm, then how many are not acknowledged of how many are active. Bright: somebody has to act. Dark with ✓: acknowledged. "
    "A click opens the dashboard."
)


@attr.s(auto_attribs=True, frozen=True, kw_only=True)
class Parts:
    """What tiles stand for: the parts of the component of a question."""

    name: str
    """The question."""
    of: str
    """Path of the component, percent-encoded, or the variable that has it."""
    to: Mapping[str, str]
    """Address that the tile of each known part leads to, by its name."""
    without_link: Sequence[str] = ()
    """Names of tiles that stand for the component itself."""


def tiles(site: Site, panel_id: int, parts: Parts, *asked: Parameter, large: bool = False) -> Stat:
    """A tile for each part.

    Rows become fields, so that each tile can have a link of its own: in the other form of tiles every further column of text, also the
    one with the link, would be part of their names. A tile that came after the dashboard was made leads to where any component is shown.
    """
    query = site.query(parts.name, {"system": "string", "tile": "string"}, *asked)
    head = site.head(panel_id, "Subsystems" if parts.name == "systems" else "Components", query, _TILES)
    defaults = {"noValue": NO_DATA, "thresholds": site.stale(), "mappings": palette.tile_mappings(site.theme)}
    others = data_link("Open ${__field.name}", links.to_tile(site, parts.of))
    return Stat(
        **head,
        fields="/.*/",
        text_mode="value_and_name",
        sizes=WALL_SIZES if large else None,
        defaults=defaults,
        overrides=[
            *(override(title, links=[data_link(f"Open {title}", url)]) for title, url in parts.to.items()),
            override_others([*parts.to, *parts.without_link], links=[others]),
        ],
        transformations=[rows_to_fields("system", "tile")],
    )


def systems_of(site: Site, systems: Sequence[str]) -> Parts:
    """The subsystems by their names in the tree, `""` for what stands directly below the root."""
    root = join(None, site.config)
    to = {title(one): links.to_component(site, join(root, one)) if one else links.to_dashboard(site.system_uid("")) for one in systems}
    return Parts(name="systems", of=quote(root, safe=""), to=to)


def whole_tile(site: Site, panel_id: int, shown: str, name: str, asked: Parameter) -> Stat:
    """The state of one subsystem or component; `name` is the question."""
    head = site.head(panel_id, shown, site.query(name, {"tile": "string"}, asked), _TILES)
    defaults = {"noValue": NO_DATA, "thresholds": site.stale(), "mappings": palette.tile_mappings(site.theme)}
    return Stat(**head, fields="/^tile$/", values=True, limit=1, defaults=defaults)


def newest(site: Site, panel_id: int, lines: int) -> Stat:
    """The newest unacknowledged alarms, large enough for a wall. That there are none is a row."""
    says = "Alarms that nobody has acknowledged, the newest first, and how long ago they rose. The last line counts the others."
    head = site.head(panel_id, "Newest unacknowledged", site.query("newest", {"line": "string"}, Parameter("limit", str(lines))), says)
    defaults = {"noValue": NO_DATA, "thresholds": site.stale(), "mappings": palette.tile_mappings(site.theme)}
    more: Json = {"limit": lines + 2, "orientation": "horizontal", "sizes": WALL_LINES}
    return Stat(**head, fields="/^line$/", values=True, defaults=defaults, **more)
