"""Tables of answers that can be read on a terminal of any width: what does not fit is left out as whole columns. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.table import Table
from rich.text import Text

from alarm_engine.model.path import escape, split
from tocsin.cli.printing import plain, table

Cell = str | Text


@dataclass(frozen=True, slots=True)
class Listed:
    """A column with all its cells, made safe for a terminal."""

    title: str
    cells: Sequence[Cell]
    out: int = 0
    """When it is left out: 1 first, and so on; 0: never."""
    least: int | None = None
    """Cells of the screen down to which its texts may be cut; None: they are never cut and never broken."""
    short: str | None = None
    """Title where it is narrow; line breaks are kept."""
    short_cells: Sequence[Cell] | None = None
    """What stands there where it is narrow."""
    right: bool = False

    @property
    def shortened(self) -> Listed:
        """The column where it is narrow."""
        return replace(self, title=self.short or self.title, cells=self.cells if self.short_cells is None else self.short_cells)

    @property
    def empty(self) -> bool:
        """Nothing stands in it: no text, or only zeros."""
        return all(str(cell) in ("", "0") for cell in self.cells)

    @property
    def width(self) -> int:
        """Cells of the screen that it would like to have."""
        return max(self._title, *(Text(str(cell)).cell_len for cell in self.cells), 0)

    @property
    def narrowest(self) -> int:
        """Cells of the screen without which it can not be read."""
        return self.width if self.least is None else min(self.width, max(self.least, self._title))

    @property
    def _title(self) -> int:
        return max(Text(line).cell_len for line in self.title.split("\n"))


def fitted(columns: Sequence[Listed], width: int) -> Table:
    """A table of the columns that fit, in their order.

    Where all do not, titles and names are short ones, then columns that say nothing are left out, then others as they say themselves;
    texts are cut as little as they must be.
    """
    kept, gap = list(columns), 2
    if _least(kept, gap, natural=True) > width:
        kept = [one.shortened for one in columns]
    if _least(kept, gap, natural=True) > width:
        gap = 1
        for leaving in sorted((one for one in kept if one.out), key=lambda one: (not one.empty, one.out)):
            if _least(kept, gap) <= width:
                break
            kept.remove(leaving)
    rows = table(*(one.title for one in kept))
    if gap == 1:
        rows.padding = (0, 1, 0, 0)
    for one, column, given in zip(kept, rows.columns, _widths(kept, width, gap), strict=True):
        column.justify = "right" if one.right else "left"
        # A name too long for the whole screen goes on in the next line: cut, it would name nothing.
        column.no_wrap, column.overflow = given < width, "ellipsis" if one.least is not None else "fold"
        column.width = given
    for cells in zip(*(one.cells for one in kept), strict=True):
        rows.add_row(*cells)
    return rows


def places(title: str, paths: Sequence[str], out: int = 0) -> Listed:
    """A column of paths; where it is narrow and all are in one configuration, its name is said once, in the title."""
    parts = [split(path) for path in paths]
    tops = {one[:1] for one in parts}
    texts = [plain(path) for path in paths]
    if len(tops) != 1:
        return Listed(title, texts, out)
    (top,) = tops
    short = [plain("/".join(escape(element) for element in one[1:])) or text for one, text in zip(parts, texts, strict=True)]
    return Listed(title, texts, out, short=f"{title}\nin {plain(top[0])}" if top else title, short_cells=short)


def _least(columns: Sequence[Listed], gap: int, *, natural: bool = False) -> int:
    return sum(one.width if natural else one.narrowest for one in columns) + gap * max(0, len(columns) - 1)


def _widths(columns: Sequence[Listed], width: int, gap: int) -> list[int]:
    """Everything that can not be cut has its width; of what is left those get some first that are whole with the least of it."""
    found = [one.narrowest for one in columns]
    left = width - _least(columns, gap)
    for number in sorted(range(len(columns)), key=lambda number: columns[number].width - found[number]):
        more = max(0, min(left, columns[number].width - found[number]))
        found[number] += more
        left -= more
    return [min(one, width) for one in found]
