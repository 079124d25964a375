"""Where panels stand: a flow over 24 columns."""

from __future__ import annotations

from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True)
class Pair:
    """A panel with what belongs right of it; no line ends between them."""

    left: Slot
    right: Slot

    @property
    def width(self) -> int:
        """Columns."""
        return self.left.width + self.right.width

    @property
    def height(self) -> int:
        """Rows."""
        return max(self.left.height, self.right.height)


Item = Slot | Stack | Pair
"""What takes part in the flow."""


def slots_of(item: Item) -> list[tuple[int, int, Slot]]:
    """The panels of an item, each with its column and row in it."""
    if isinstance(item, Pair):
        return [(0, 0, item.left), (item.left.width, 0, item.right)]
    if isinstance(item, Slot):
        return [(0, 0, item)]
    above = [sum(slot.height for slot in item.slots[:number]) for number in range(len(item.slots))]
    return [(0, row, slot) for row, slot in zip(above, item.slots, strict=True)]


def flow(items: Iterable[Item]) -> list[Panel]:
    """The panels with their places: from left to right, on a new line (below the highest of the one before) where the next does not fit."""
    placed: list[Panel] = []
    x = y = line = 0
    for item in items:
        if item.width > COLUMNS:
            raise ValueError(f"a panel of {item.width} columns does not fit into {COLUMNS}")
        if x + item.width > COLUMNS:
            x, y, line = 0, y + line, 0
        for column, row, slot in slots_of(item):
            placed.append(attr.evolve(slot.panel, gridPos=GridPos(x=x + column, y=y + row, w=slot.width, h=slot.height)))
        x, line = x + item.width, max(line, item.height)
    return placed
