"""Where panels stand: a flow over 24 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import attr
from grafanalib.core import GridPos, Panel

COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Slot:
    """A panel with its size in grid units (a column is 1/24 of the width, a row 38 px with its gap)."""

    panel: Panel
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Stack:
    """Panels of one width on top of each other; the whole takes part in the flow like one panel."""

    slots: tuple[Slot, ...]

    @property
    def width(self) -> int:
        """Columns."""
        return max(slot.width for slot in self.slots)

    @property
    def height(self) -> int:
        """Rows."""
        return sum(slot.height for slot in self.slots)


def flow(items: Iterable[Slot | Stack]) -> list[Panel]:
    """The panels with their places: from left to right, on a new line (below the highest of the one before) where the next does not fit."""
    placed: list[Panel] = []
    x = y = line = 0
    for item in items:
        if item.width > COLUMNS:
            raise ValueError(f"a panel of {item.width} columns does not fit into {COLUMNS}")
        if x + item.width > COLUMNS:
            x, y, line = 0, y + line, 0
        slots: Sequence[Slot] = item.slots if isinstance(item, Stack) else (item,)
        below = y
        for slot in slots:
            placed.append(attr.evolve(slot.panel, gridPos=GridPos(x=x, y=below, w=slot.width, h=slot.height)))
            below += slot.height
        x, line = x + item.width, max(line, item.height)
    return placed
