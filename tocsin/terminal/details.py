"""The page with everything about one alarm."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Label, Markdown, Static

from tocsin.cli.printing import at_prompt
from tocsin.client.errors import ClientError
from tocsin.client.types import Alarm, AlarmDetail, Event
from tocsin.terminal import facts

Asking = Callable[[str], Awaitable[tuple[AlarmDetail, list[Event]]]]
"""Asks for an alarm and its last events; raises `ClientError`."""


class Details(ModalScreen[str]):
    """State, guidance, settings and last events of an alarm. Ends with the key of a command, or empty."""

    BINDINGS: ClassVar = [
        Binding("escape,q,enter", "dismiss('')", "Close", key_display="esc"),
        Binding("a", "dismiss('a')", "Acknowledge"),
        Binding("s", "dismiss('s')", "Shelve"),
        Binding("u", "dismiss('u')", "Unack"),
        Binding("d", "dismiss('d')", "Out of service"),
        Binding("b", "dismiss('b')", "Bring back"),
        Binding("j", "scroll(1)", "Down", show=False),
        Binding("k", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, path: str, known: Callable[[], Alarm | None], ask: Asking) -> None:
        super().__init__()
        self.path = path
        self.known = known
        """The alarm as the table has it."""
        self.ask = ask
        self.detail: AlarmDetail | None = None

    def compose(self) -> ComposeResult:
        """The page."""
        with VerticalScroll(id="details", classes="dialog"):
            yield Static("", id="alarm")
            yield Static("", id="facts")
            yield Label("Guidance", classes="title")
            yield Markdown("…", id="guidance", open_links=False)
            yield Label("Settings", classes="title")
            yield Static("…", id="settings")
            yield Label("Last events", classes="title")
            yield Static("…", id="events")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Show what is known, ask for the rest."""
        self._state()
        self.set_interval(1.0, self._state)
        self.run_worker(self._load(), exclusive=True)
        self.query_one("#details").focus()

    async def _load(self) -> None:
        try:
            self.detail, events = await self.ask(self.path)
        except ClientError as problem:
            await self.query_one("#guidance", Markdown).update(f"Not loaded: {at_prompt(str(problem))}")
            self.query_one("#settings", Static).update("")
            self.query_one("#events", Static).update("")
            return
        self._state()
        await self.query_one("#guidance", Markdown).update(facts.guidance(self.detail.settings))
        self.query_one("#settings", Static).update(facts.settings(self.detail.settings))
        self.query_one("#events", Static).update(facts.events(events))

    def _state(self) -> None:
        alarm = self.known() or self.detail
        if alarm is not None:
            self.query_one("#alarm", Static).update(facts.head(alarm))
            self.query_one("#facts", Static).update(facts.state(alarm, time.time()))

    def action_scroll(self, step: int) -> None:
        """Scroll by a line."""
        self.query_one("#details").scroll_relative(y=step, animate=False)
