"""Targets of the figures, and whether a figure meets its own.

The numbers are those of ISA-18.2 (2016) and IEC 62682 for one operator position over at least 30 days, and of EEMUA 191 for shelved
alarms. Where they name a target and a maximum that can be managed, a figure between the two is *near*. Where they name one number only,
near reaches to twice that number, as it does for the rates (ours). A target of none has no near.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from backend.kpi.definitions import BUSY_HOUR, FLOOD_BEGINS, FLOOD_ENDS


class Verdict(StrEnum):
    """How a figure stands to its target."""

    MET = "met"
    NEAR = "near"
    EXCEEDED = "exceeded"
    NONE = "none"
    """There is no target, or too little is known to judge."""


@dataclass(frozen=True, slots=True)
class Target:
    """Up to where a figure is good, and up to where it can be borne."""

    good: float
    bearable: float
    text: str
    """The target in words."""
    source: str
    strictly: bool = False
    """The limits themselves are beyond (less than 1 %)."""
    at_least: bool = False
    """More is better."""

    def verdict(self, value: float) -> Verdict:
        """How a value stands to it."""
        if self._within(value, self.good):
            return Verdict.MET
        return Verdict.NEAR if self._within(value, self.bearable) else Verdict.EXCEEDED

    def _within(self, value: float, limit: float) -> bool:
        if self.at_least:
            return value >= limit
        return value < limit if self.strictly else value <= limit


_ISA = "ISA-18.2 / IEC 62682"
_EEMUA = "EEMUA 191"

FIGURES = (
    "per_day", "per_hour", "peak_hour", "busy_hours", "per_10_min", "peak_10_min", "busy_periods", "floods", "flood_time", "top_10",
    "chattering", "fleeting", "stale", "low", "medium", "high", "highest", "acknowledge_p50", "acknowledge_p95", "shelved", "most_shelved",
    "out_of_service", "most_out_of_service", "lost", "peak_lost", "silent",
)  # fmt: skip
"""Names of all figures, in the order of the documentation."""

TARGETS: dict[str, Target] = {
    "per_day": Target(144, 288, "at most 144, 288 can be managed", _ISA),
    "per_hour": Target(6, 12, "at most 6, 12 can be managed", _ISA),
    "busy_hours": Target(1, 2, "less than 1 %", _ISA, strictly=True),
    "per_10_min": Target(1, 2, "at most 1, 2 can be managed", _ISA),
    "peak_10_min": Target(10, 20, "at most 10", _ISA),
    "busy_periods": Target(1, 2, "less than 1 %", _ISA, strictly=True),
    "flood_time": Target(1, 2, "less than 1 %", _ISA, strictly=True),
    "top_10": Target(1, 5, "1 %, at most 5 % with a plan for each", _ISA),
    "chattering": Target(0, 0, "none", _ISA),
    "fleeting": Target(0, 0, "none", _ISA),
    "stale": Target(5, 10, "fewer than 5 on any day", _ISA, strictly=True),
    "low": Target(80, 60, "about 80 %", _ISA, at_least=True),
    "medium": Target(15, 30, "about 15 %", _ISA),
    "high": Target(5, 10, "about 5 %", _ISA),
    "highest": Target(1, 2, "less than 1 %", _ISA, strictly=True),
    "shelved": Target(30, 60, "fewer than 30", _EEMUA, strictly=True),
    "most_shelved": Target(30, 60, "fewer than 30", _EEMUA, strictly=True),
}
"""By name of the figure; one that is not here has no target."""


def own_target(name: str, good: float, bearable: float) -> Target:
    """A target of the site for a figure, in the direction of the standard's; raises `ValueError` for limits that do not go together."""
    standard = TARGETS.get(name, Target(0, 0, "", ""))
    if (good < bearable) if standard.at_least else (good > bearable):
        raise ValueError(f"{name}: [{good:g}, {bearable:g}]: a figure that is met must be met as near too: expected [good, bearable]")
    words = "at least" if standard.at_least else "less than" if standard.strictly else "at most"
    return replace(standard, good=good, bearable=bearable, text=f"{words} {good:g}, {bearable:g} can be borne", source="this site")


@dataclass(frozen=True, slots=True)
class Limits:
    """What ISA-18.2 leaves to the site, as far as it is not in the summaries already."""

    flood_begins: int = FLOOD_BEGINS
    """More annunciations than that in 10 minutes begin a flood, ..."""
    flood_ends: int = FLOOD_ENDS
    """... which lasts until 10 minutes have fewer than that."""
    busy_hour: int = BUSY_HOUR
    """More annunciations than that in an hour are too many."""
    targets: Mapping[str, Target] = field(default_factory=lambda: TARGETS)


LIMITS = Limits()
"""Those in common use."""
