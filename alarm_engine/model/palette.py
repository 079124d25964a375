"""The one table of colours, words and signs for severities; dashboards and the operator page both take theirs from here.

Chosen by CIEDE2000 distance under normal, deuteranopic and protanopic vision; text on a fill is dark where the fill's brightness
(0.299 R + 0.587 G + 0.114 B) is above 180, else white, as Grafana does it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shade:
    """How one state looks."""

    fill_dark: str
    """Fill on a dark page, `#RRGGBB`."""
    fill_light: str
    """Fill on a light page."""
    word: str
    """What is written on it: colour is never alone."""

    def text(self, light: bool) -> str:
        """Colour of text on the fill."""
        fill = self.fill_light if light else self.fill_dark
        red, green, blue = (int(fill[i : i + 2], 16) for i in (1, 3, 5))
        return "#1B1B1B" if 0.299 * red + 0.587 * green + 0.114 * blue > 180 else "#FFFFFF"


PALETTE: dict[str, Shade] = {
    "OK": Shade("#25312E", "#DFF0E6", "OK"),
    "MINOR": Shade("#E9CF1E", "#FFB600", "MINOR"),
    "MAJOR": Shade("#D33A4C", "#BB0C19", "MAJOR"),
    "INVALID": Shade("#A332E1", "#8E4EDC", "INVALID"),
    "UNDEFINED": Shade("#79C9F5", "#123C69", "UNDEF"),
    "MINOR_ACK": Shade("#6D4406", "#FCFAC7", "minor ✓"),
    "MAJOR_ACK": Shade("#5B120B", "#EDB0A4", "major ✓"),
    "INVALID_ACK": Shade("#4A166E", "#C3ABEC", "invalid ✓"),
    "UNDEFINED_ACK": Shade("#228186", "#C6E4FA", "undef ✓"),
    "SHELVED": Shade("#434D58", "#B6B8BE", "shelved"),
    "DISABLED": Shade("#434D58", "#B6B8BE", "disabled"),
    "STALE": Shade("#F7F7F7", "#0D0D0D", "STALE"),
    "NEUTRAL": Shade("#7A8CA8", "#7A8CA8", ""),
}
"""By severity name, and for states beside severity: SHELVED and DISABLED (out of service), which have one colour, STALE (no data),
NEUTRAL (bars, floods)."""
