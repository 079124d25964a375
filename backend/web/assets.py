"""Files that the page loads: scripts and styles from the package, and the colours written from the one palette."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from alarm_engine.model.palette import PALETTE, Shade

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    media_type: str
    etag: str
    """Quoted, as it stands in the header."""


def _asset(body: bytes, media_type: str) -> Asset:
    return Asset(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:20]}"')


def load_assets() -> dict[str, Asset]:
    """All files under `static/` by name, and `palette.css`; what is not in this table is never sent."""
    assets = {"palette.css": _asset(palette_css(PALETTE).encode(), "text/css")}
    for file in files("backend.web").joinpath("static").iterdir():
        suffix = "." + file.name.rpartition(".")[2]
        if suffix in MEDIA_TYPES:
            assets[file.name] = _asset(file.read_bytes(), MEDIA_TYPES[suffix])
    return assets


def css_name(state: str) -> str:
    """Name of a state in style sheets: `MAJOR_ACK` is `major-ack`."""
    return state.lower().replace("_", "-")


def _variables(palette: Mapping[str, Shade], light: bool) -> str:
    return "".join(
        f"--{css_name(state)}:{shade.fill_light if light else shade.fill_dark};--{css_name(state)}-text:{shade.text(light)};"
        for state, shade in palette.items()
    )


def palette_css(palette: Mapping[str, Shade]) -> str:
    """Style sheet with the fill and text colour of each state as variables, for both themes, and a class `.s-STATE` for each."""
    dark, light = _variables(palette, light=False), _variables(palette, light=True)
    classes = "".join(f".s-{state}{{background:var(--{css_name(state)});color:var(--{css_name(state)}-text)}}\n" for state in palette)
    return (
        f":root{{color-scheme:dark;{dark}}}\n"
        f"@media (prefers-color-scheme:light){{:root:not([data-theme=dark]){{color-scheme:light;{light}}}}}\n"
        f":root[data-theme=light]{{color-scheme:light;{light}}}\n{classes}"
    )
