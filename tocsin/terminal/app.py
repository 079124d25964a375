"""The live table: what stands on the screen, and what the keys do."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.widgets import Footer, Input, Static

from tocsin.cli.command_words import WORDS, Kind, Said, Tone, report
from tocsin.cli.printing import plain
from tocsin.client import AsyncClient
from tocsin.client.types import AlarmDetail, Event
from tocsin.terminal import orders
from tocsin.terminal.details import Details
from tocsin.terminal.dialogs import Ask, Asked, Keys
from tocsin.terminal.following import follow
from tocsin.terminal.heads import empty_words, head_text, narrowing_text, said_text, tabs_text
from tocsin.terminal.keys import BINDINGS, DARK, KINDS, LIGHT, ORDERS, VIEWS, WHILE_TYPING
from tocsin.terminal.rows import Row, Rows, Wish
from tocsin.terminal.table import AlarmTable
from tocsin.terminal.trust import Banner, Feed, Sight, banner_of, notice_of

PAINT_S = 0.1
"""The table is painted that often at most; and no more than a fifth of the time is spent on it."""

DONE_STAYS_S = 7.0
EVENTS_SHOWN = 20
_SAID_MOST = 4


class LiveTable(App[None]):
    """Alarms of some configurations as they are, until it is ended."""

    CSS_PATH = "style.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "tocsin"
    BINDINGS: ClassVar = list(BINDINGS)

    def __init__(self, client: AsyncClient, configs: Sequence[str], wish: Wish, *, user: str | None = None, light: bool = False) -> None:
        super().__init__()
        self.client = client
        self.feeds = [Feed(config) for config in configs]
        self.wish = wish
        self.user = user
        """Who gives commands, where nobody has to log in; None: who runs this program."""
        self.rows = Rows()
        self.sight = Sight()
        self.pending: dict[str, str] = {}
        self.said: list[tuple[float | None, Said]] = []
        """Sentences with the time when they go; None: when they are closed."""
        self.light = light
        self.blind = True
        self.head, self.tabs, self.said_box = Static(id="head"), Static(id="tabs"), Static(id="said")
        names = ("banner", "narrowing", "empty", "under")
        self.banner, self.narrowing, self.empty, self.under = (Static(id=name, markup=False) for name in names)
        self.table = AlarmTable()
        self.words = Input(id="filter", placeholder="words in path, description, message, value, severity", compact=True)
        self._changed = True
        self._again = 0.0
        self._whole = 0.0

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield from (self.head, self.tabs, self.banner, self.narrowing, self.table, self.empty, self.said_box, self.under, self.words)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin to follow."""
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.words.display = False
        self._dress()
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self.exit)
        for feed in self.feeds:
            self.run_worker(follow(self.client, feed, self.rows, self._dirty), group="feeds")
        self.set_interval(PAINT_S, self._tick)
        self.screen.set_focus(self.table)
        self._paint()

    def _dirty(self) -> None:
        self._changed = True

    def _tick(self) -> None:
        now = time.monotonic()
        if now >= self._whole or (self._changed and now >= self._again):
            self._paint()

    def _paint(self, *, asked: bool = False) -> None:
        start = time.monotonic()
        self._changed, self._whole = False, start + 1.0
        banner = banner_of(self.feeds, start)
        self.blind = banner is not None
        shown = self.rows.wanted(self.wish)
        clock = time.strftime("%H:%M:%S")
        self.head.update(head_text(self.feeds, banner, clock, light=self.light))
        counts = self.rows.counts()
        narrowing = narrowing_text(self.wish, len(shown), counts.of(self.wish.view))
        self.narrowing.set_class(bool(narrowing), "shown")
        self.narrowing.update(narrowing)
        self.tabs.update(tabs_text(counts, self.wish, banner, light=self.light, width=self.size.width))
        self._show_banner(banner or notice_of(self.feeds), blind=self.blind)
        table = self.table
        table.blind, table.light, table.pending = self.blind, self.light, self.pending
        table.show(shown, self.wish.view, asked=asked)
        table.display = bool(shown)
        self.empty.set_class(not shown, "shown")
        if not shown:
            self.empty.update(empty_words(self.feeds, self.wish, banner))
        self._show_under()
        self._show_said(start)
        self.sight.painted(self.rows.as_of, start)
        self._again = time.monotonic() + 4 * (time.monotonic() - start)

    def _show_banner(self, banner: Banner | None, *, blind: bool) -> None:
        self.banner.set_class(banner is not None, "shown").set_class(blind, "blind").set_class(not blind, "notice")
        if banner is not None:
            self.banner.update(f"{banner.title}  {banner.text}")

    def _show_under(self) -> None:
        row = self.table.current()
        marked = f"{len(self.table.marked)} selected   " if self.table.marked else ""
        text = "" if row is None else plain(f"{row.path}   {row.alarm.description}")
        self.under.update(marked + text)

    def _show_said(self, now: float) -> None:
        self.said = [(until, said) for until, said in self.said if until is None or until > now]
        self.said_box.set_class(bool(self.said), "shown")
        if self.said:
            self.said_box.update(said_text([said for _, said in self.said], light=self.light))

    def _say(self, *sentences: Said) -> None:
        for said in sentences:
            until = time.monotonic() + DONE_STAYS_S if said.tone is Tone.DONE else None
            others = [(one, known) for one, known in self.said if known != said]
            self.said = [*others[1 - _SAID_MOST :], (until, said)]
        self._paint()

    def _wish(self, wish: Wish) -> None:
        self.wish = wish
        self._paint(asked=True)

    def _dress(self) -> None:
        self.theme = LIGHT.name if self.light else DARK.name
        self.screen_stack[0].set_class(self.light, "light")

    def action_turn(self) -> None:
        """Light or dark."""
        self.light = not self.light
        self._dress()
        self._paint()

    def action_view(self, number: int) -> None:
        """Another view."""
        self._wish(replace(self.wish, view=VIEWS[number - 1]))

    def action_sort(self, step: int) -> None:
        """Another order, or the other way round."""
        if step:
            order = ORDERS[(ORDERS.index(self.wish.order) + step) % len(ORDERS)]
            self._wish(replace(self.wish, order=order, reverse=False))
        else:
            self._wish(replace(self.wish, reverse=not self.wish.reverse))

    def action_filter(self) -> None:
        """Type words."""
        # At once: what is typed next are words, and no commands.
        self.words.display = True
        self.screen.set_focus(self.words)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while words are typed."""
        if event.input is self.words:
            # What stands there now: the change that this tells of may be an old one.
            self._search()

    def _search(self) -> None:
        wish = self.wish.searching(self.words.value)
        if wish != self.wish:
            self._wish(wish)

    async def _typed(self) -> None:
        """Wait until the field has taken all letters that were typed into it, and filter: the next key is for rows that pass."""
        if self.words.display:
            taken = asyncio.Event()
            self.words.call_later(taken.set)
            await taken.wait()
            self._search()

    def _leave_words(self) -> None:
        self.screen.set_focus(self.table)
        self.words.display = False

    async def action_clear(self) -> None:
        """No words, nothing selected, no sentences."""
        await self._typed()
        self.words.value = ""
        self._leave_words()
        self.table.release()
        self.said.clear()
        self._wish(self.wish.searching(""))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys are for the table unless a dialog is open or words are typed."""
        del parameters
        if len(self.screen_stack) > 1:
            return action == "quit"
        return action in WHILE_TYPING or not isinstance(self.focused, Input)

    def action_go(self, way: str, step: int) -> None:
        """Move the cursor."""
        {"move": self.table.move, "page": self.table.page, "edge": self.table.edge}[way](step)

    async def action_details(self) -> None:
        """Details of the row under the cursor; of words that were typed: back to the table, the filter stays."""
        await self._typed()
        if self.focused is self.words:
            self._leave_words()
        else:
            self.table.open()

    def action_mark(self) -> None:
        """Select the row under the cursor."""
        self.table.mark()

    def action_end(self) -> None:
        """End."""
        self.exit()

    def action_keys(self) -> None:
        """The page of keys."""
        self.push_screen(Keys())

    def on_alarm_table_moved(self) -> None:
        """Say what is under the cursor."""
        self._show_under()

    def on_alarm_table_opened(self, event: AlarmTable.Opened) -> None:
        """Details."""

        def known() -> list[Row]:
            row = self.rows.rows.get(event.path)
            return [] if row is None else [row]

        page = Details(event.path, lambda: next((row.alarm for row in known()), None), self._ask)
        self.push_screen(page, lambda key: self._order(key, known()) if key else None)

    async def _ask(self, path: str) -> tuple[AlarmDetail, list[Event]]:
        detail = await self.client.alarm(path)
        events = [event async for event in self.client.events(path, limit=EVENTS_SHOWN)]
        return detail, events

    async def action_order(self, key: str) -> None:
        """A command for what is selected, else for the row under the cursor."""
        await self._typed()
        self._order(key, self._chosen())

    def _chosen(self) -> list[Row]:
        """As things are at this moment: what was painted last may have left the table since."""
        known = (self.rows.rows.get(path) for path in self.table.chosen())
        return [row for row in known if row is not None and self.wish.passes(row)]

    def _order(self, key: str, rows: Sequence[Row]) -> None:
        if self.blind:
            self._say(Said(Tone.REFUSED, "Commands are off: what is shown is old, see the banner."))
            return
        if not rows:
            selected = bool(self.table.marked)
            self.table.release()
            what = "What you selected" if selected else "No alarm is under the cursor: it"
            self._say(Said(Tone.REFUSED, f"{what} has left the table. Choose one."))
            return
        kind = KINDS.get(key) or (Kind.UNSHELVE if orders.fitting(Kind.UNSHELVE, rows) else Kind.ENABLE)
        fitting = orders.fitting(kind, rows)
        if not fitting:
            self._say(Said(Tone.REFUSED, f"{WORDS[kind].name}: {WORDS[kind].unfit}."))
            return
        # What was on screen when the decision was made, not when the dialog closes.
        now = time.monotonic()
        wanted = [orders.Order(kind, row.path, self.sight.seen(row.config, now)) for row in fitting]
        self.push_screen(Ask(kind, orders.about(fitting)), partial(self._answered, wanted))

    def _answered(self, wanted: list[orders.Order], asked: Asked | None) -> None:
        if asked is not None:
            self.run_worker(self._send(wanted, asked), group="orders")

    async def _send(self, wanted: list[orders.Order], asked: Asked) -> None:
        kind = wanted[0].kind
        self.pending |= {order.path: WORDS[kind].doing for order in wanted}
        self.table.marked -= {order.path for order in wanted}
        self._paint()

        def settled(path: str) -> None:
            self.pending.pop(path, None)
            self._dirty()

        self._say(*report(kind, await orders.send(self.client, wanted, asked, self.user, settled)))
