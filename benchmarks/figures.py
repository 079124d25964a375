"""A line of the table."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """What was measured."""

    what: str
    value: float
    unit: str
    beside: str = ""
    """The figure of another program for the same, with its origin in the heading of the table."""
    verdict: str = ""
    """Whether an aim was met."""


def aim(value: float, limit: float, unit: str) -> str:
    """Whether a figure is below its limit, in words; by how much it is not."""
    if value < limit:
        return f"aim < {limit:g} {unit}: met"
    return f"aim < {limit:g} {unit}: MISSED by {value - limit:.2g} {unit}"
