"""Colours, words and mappings of severities for Grafana and for style sheets, all from the one table."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from alarm_engine.model.palette import PALETTE

Json = dict[str, Any]


class Theme(StrEnum):
    """A site has one: colours of mappings are fixed and do not follow the reader's choice."""

    DARK = "dark"
    LIGHT = "light"


NO_DATA = "NO_DATA"
"""State of a subsystem that nothing is known of: looks like STALE."""

STATES = tuple(state for state in PALETTE if state != "NEUTRAL")
"""States that a mapping knows, in the order of the table."""


def fill(state: str, theme: Theme) -> str:
    """Fill of a state, `#RRGGBB`."""
    shade = PALETTE["STALE" if state == NO_DATA else state]
    return shade.fill_light if theme is Theme.LIGHT else shade.fill_dark


def word(state: str) -> str:
    """What is written on it."""
    return "NO DATA" if state == NO_DATA else PALETTE[state].word


def state_mappings(theme: Theme) -> list[Json]:
    """State names as words on fills; NEUTRAL is no state of an alarm, no value is `no data` in the colour of STALE."""
    values = {state: {"index": index, "color": fill(state, theme), "text": word(state)} for index, state in enumerate((*STATES, NO_DATA))}
    values["NEUTRAL"] = {"index": len(values), "color": fill("NEUTRAL", theme), "text": "–"}
    return [{"type": "value", "options": values}, _nothing(len(values), "no data", theme)]


def word_mappings() -> list[Json]:
    """State names as words, without colour."""
    return [{"type": "value", "options": {state: {"index": index, "text": word(state)} for index, state in enumerate(STATES)}}]


def tile_mappings(theme: Theme) -> list[Json]:
    """Texts that begin with a state name, as `MAJOR 5/8`."""
    return [
        {
            "type": "regex",
            "options": {
                "pattern": f"^{state}(?: (.*))?$",
                "result": {"index": index, "color": fill(state, theme), "text": f"{word(state)} $1"},
            },
        }
        for index, state in enumerate((*STATES, NO_DATA))
    ]


def engine_mappings(theme: Theme) -> list[Json]:
    """Words of the engine's life sign: LIVE, with its modes, or STALE."""
    live = {"index": 0, "color": fill("OK", theme), "text": "LIVE $1"}
    stale = {"index": 1, "color": fill("STALE", theme), "text": word("STALE")}
    return [
        {"type": "regex", "options": {"pattern": "^LIVE(?: (.*))?$", "result": live}},
        {"type": "regex", "options": {"pattern": "^STALE$", "result": stale}},
        _nothing(2, "NO ANSWER", theme),
    ]


def _nothing(index: int, text: str, theme: Theme) -> Json:
    return {"type": "special", "options": {"match": "null+nan", "result": {"index": index, "color": fill("STALE", theme), "text": text}}}


def steps(*pairs: tuple[float | None, str]) -> Json:
    """Thresholds. The first step, from None, is also the colour of no data: it must never look calm."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in pairs]}


def palette_css(theme: Theme) -> str:
    """The table as custom properties: `--major`, `--major-text`, `--minor-ack`, ..."""
    lines = []
    for state, shade in PALETTE.items():
        name = state.lower().replace("_", "-")
        lines += [f"  --{name}: {fill(state, theme)};", f"  --{name}-text: {shade.text(theme is Theme.LIGHT)};"]
    return ":root {\n" + "\n".join(lines) + "\n}\n"
