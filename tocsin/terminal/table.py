"""A table that holds any number of rows, and paints only those lines of the screen that differ from what stands there."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from alarm_engine.model.palette import PALETTE
from tocsin.cli.answering import shade
from tocsin.client.types import Alarm
from tocsin.terminal.columns import GAP, Placed, fit, fitting, shown
from tocsin.terminal.rows import Row, View

FRESH_S = 10.0
"""An alarm is bold for that long after it rose."""

_MARGIN = 2
"""Cells before the first column: the cursor, and the mark of what is selected."""


class AlarmTable(ScrollView, can_focus=True):
    """Rows of alarms under a head that stays. The cursor stays with its alarm, wherever that moves to."""

    class Opened(Message):
        """Details of an alarm are wanted."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    class Moved(Message):
        """Another alarm is under the cursor, or others are selected."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.cursor: str | None = None
        """Path of the alarm under the cursor; it may have left the table."""
        self.marked: set[str] = set()
        """Paths of what is selected; they too may have left it."""
        self.pending: Mapping[str, str] = {}
        """What is under way, by path."""
        self.blind = True
        """What is shown can not be trusted: it is grey."""
        self.light = False
        self.view = View.STANDING
        self._places: dict[str, int] = {}
        self._at = 0
        """Where the cursor was last."""
        self._columns: tuple[Placed, ...] = ()
        self._longest: dict[str, int] = {}
        """Cells of the longest text that was shown in each column: columns grow, and do not jump to and fro."""
        self._painted: list[Strip] = []

    def show(self, rows: list[Row], view: View, *, asked: bool) -> None:
        """Other rows, or the same ones in another order. The cursor's row stays where it is on the screen, unless the top is shown.

        `asked`: because the user wanted others. Then the cursor goes to the first row if its alarm is not among them, and only what is
        among them stays selected; else both stay with alarms that have gone, so that no key is carried out for another one.
        """
        before = self._places.get(self.cursor or "")
        if view is not self.view:
            self._longest.clear()
        self.view, self.rows = view, rows
        self._places = {row.path: place for place, row in enumerate(rows)}
        if asked:
            self.marked &= self._places.keys()
        if rows and (self.cursor is None or (asked and self.cursor not in self._places)):
            self.cursor = rows[0].path
        after = self._places.get(self.cursor or "")
        size = Size(0, len(rows) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        if after is not None:
            self._at = after
            if before is not None and before != after and self.scroll_offset.y > 0:
                self.scroll_to(y=self.scroll_offset.y + after - before, animate=False, immediate=True)
        self.paint()

    def current(self) -> Row | None:
        """The alarm under the cursor; None if it has left the table."""
        place = self._places.get(self.cursor or "")
        return None if place is None else self.rows[place]

    def chosen(self) -> list[str]:
        """Paths of what is selected, else of what is under the cursor. Where that has left the table, nothing takes its place."""
        wanted = self.marked or {self.cursor or ""}
        return [row.path for row in self.rows if row.path in wanted]

    def release(self) -> None:
        """Nothing is selected any more."""
        self.marked.clear()
        self.paint()

    def paint(self) -> None:
        """Paint the lines that differ."""
        if not self.is_mounted or self.size.width <= 0:
            return
        now, old = time.time(), self._painted
        self._measure(now)
        self._columns = fitting(self.view, self.size.width - _MARGIN, self._longest)
        self._painted = [self._line(y, now) for y in range(self.size.height)]
        for y, strip in enumerate(self._painted):
            if y >= len(old) or strip != old[y]:
                self.refresh(Region(0, y, self.size.width, 1))

    def _measure(self, now: float) -> None:
        top = self.scroll_offset.y
        for column in shown(self.view):
            texts = (column.text(row.alarm, now, column.most) for row in self.rows[top : top + self.size.height])
            known = self._longest.get(column.key, 0)
            self._longest[column.key] = max(known, *map(cell_len, texts), 0)

    def render_line(self, y: int) -> Strip:
        """A line of what is seen."""
        return self._painted[y] if y < len(self._painted) else Strip.blank(self.size.width, self.rich_style)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows are seen."""
        super().watch_scroll_y(old_value, new_value)
        self.paint()

    def on_resize(self, event: events.Resize) -> None:
        """Other columns may fit."""
        del event
        self._painted = []
        self.paint()

    def _line(self, y: int, now: float) -> Strip:
        base = self.rich_style
        if y == 0:
            head = (" " * GAP).join(fit(one.column.title, one.width) for one in self._columns)
            return self._strip([Segment(" " * _MARGIN + head, base + Style(bold=True, underline=True))])
        place = self.scroll_offset.y + y - 1
        if not 0 <= place < len(self.rows):
            return self._strip([])
        return self._strip(self._segments(self.rows[place].alarm, now))

    def _segments(self, alarm: Alarm, now: float) -> list[Segment]:
        under = alarm.path == self.cursor
        style = self.rich_style
        if under:
            style += Style(bgcolor="#D8DCE6" if self.light else "#2C3444")
        if self.blind:
            style += Style(dim=True)
        elif alarm.since is not None and now - alarm.since.timestamp() < FRESH_S:
            style += Style(bold=True)
        segments = [Segment(("›" if under else " ") + ("*" if alarm.path in self.marked else " "), style + Style(bold=True))]
        for number, placed in enumerate(self._columns):
            if number:
                segments.append(Segment(" " * GAP, style))
            column = placed.column
            text = column.text(alarm, now, placed.width)
            if column.key == "severity":
                doing = self.pending.get(alarm.path)
                segments.append(Segment(fit(doing or text, placed.width), style if doing else self._badge(alarm, style)))
            else:
                segments.append(Segment(fit(text, placed.width, middle=column.middle), style))
        rest = self.size.width - sum(segment.cell_length for segment in segments)
        segments.append(Segment(" " * max(0, rest), style))
        return segments

    def _badge(self, alarm: Alarm, style: Style) -> Style:
        known = PALETTE.get(shade(alarm))
        if self.blind or known is None:
            return style
        fill = known.fill_light if self.light else known.fill_dark
        return Style(color=known.text(self.light), bgcolor=fill, bold=style.bold)

    def _strip(self, segments: list[Segment]) -> Strip:
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def move(self, step: int) -> None:
        """Move the cursor by so many rows."""
        if self.rows:
            at = self._places.get(self.cursor or "")
            # Where the alarm under the cursor has gone, the next one has taken its place.
            self._go(at + step if at is not None else self._at if step > 0 else self._at - 1)

    def page(self, pages: int) -> None:
        """Move by what fits on the screen."""
        self.move(pages * max(1, self.size.height - 2))

    def edge(self, end: int) -> None:
        """Move to the first or the last row."""
        self._go(len(self.rows) if end > 0 else 0)

    def mark(self) -> None:
        """Select or release the row under the cursor, and go to the next."""
        row = self.current()
        if row is not None:
            self.marked ^= {row.path}
            self.move(1)
            self.post_message(self.Moved())

    def open(self) -> None:
        """Details of the row under the cursor."""
        row = self.current()
        if row is not None:
            self.post_message(self.Opened(row.path))

    def _go(self, place: int) -> None:
        if not self.rows:
            return
        self._at = place = max(0, min(len(self.rows) - 1, place))
        self.cursor = self.rows[place].path
        top, height = self.scroll_offset.y, max(1, self.size.height - 1)
        if place < top:
            self.scroll_to(y=place, animate=False, immediate=True)
        elif place >= top + height:
            self.scroll_to(y=place - height + 1, animate=False, immediate=True)
        self.paint()
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """The cursor goes to the row; nothing else happens, since rows may have moved under the pointer."""
        place = self.scroll_offset.y + event.y - 1
        if event.y >= 1 and 0 <= place < len(self.rows):
            self._go(place)
