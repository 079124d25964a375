"""Questions that the table asks before a command, and its page of keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from alarm_engine.logic.shelving import LONGEST_DAYS
from tocsin.cli.command_words import WORDS, Kind
from tocsin.cli.moments import span_of
from tocsin.cli.printing import plain

KEYS = (
    """\
↑ ↓  j k       row
PgUp PgDn g G  page, first, last
space          select
enter          details and guidance

a  acknowledge
u  take an acknowledgement back
s  shelve for a time
d  take out of service
b  bring back what s or d has hidden
""",
    """\
/    filter by words, all must be there
esc  no filter, nothing selected
1 2  in alarm, unacknowledged
3 4  acknowledged, shelved
o    other order
O    the other way round
t    light or dark
q    end, as Ctrl-C
""",
)
"""Two columns, side by side in a terminal of 80 cells."""

ABOUT = """\
Commands are for what is selected, else for the row with ›. An alarm that rose in the last 0.3 s, or while you were asked, is left alone, \
and the answer says so: nobody acknowledges what he has not seen.
"""

_SIDE_BY_SIDE = 80


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user answered."""

    reason: str
    duration: str = ""
    """Of shelving: 90s, 15m, 2h, 1d."""


def _unfit(duration: str) -> str:
    """Why an alarm cannot be shelved for so long; empty if it can."""
    try:
        is_too_long = span_of(duration) > timedelta(days=LONGEST_DAYS)
    except ValueError:
        return "That is no span of time: 15m, 2h, 1d."
    return f"That is more than {LONGEST_DAYS} days: take it out of service instead." if is_too_long else ""


class Ask(ModalScreen[Asked | None]):
    """Asks for the reason of a command, and for how long; None if the user thinks better of it."""

    BINDINGS: ClassVar = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, kind: Kind, what: str) -> None:
        super().__init__()
        self.kind, self.what = kind, what

    def compose(self) -> ComposeResult:
        """The dialog."""
        words = WORDS[self.kind]
        with VerticalScroll(id="ask", classes="dialog", can_focus=False):
            yield Label(words.name, classes="title")
            yield Static("\n".join(map(plain, self.what.splitlines())), id="what", markup=False)
            if self.kind is Kind.SHELVE:
                yield Label("For how long: 15m, 1h, 6h, 1d, 7d")
                yield Input("1h", id="duration", select_on_focus=True, compact=True)
            yield Label("Reason" if words.reason_needed else "Reason, if there is one to give")
            yield Input(id="reason", max_length=500, compact=True)
            yield Static("", id="problem", markup=False)
            yield Static("enter: send    esc: cancel", classes="hint", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes on to what is missing, else sends."""
        problem, field = self._problem()
        if problem:
            said = self.query_one("#problem", Static)
            said.update(problem)
            said.scroll_visible(animate=False)
            self.query_one(f"#{field}", Input).focus(scroll_visible=False)
        elif event.input.id == "duration":
            self.query_one("#reason", Input).focus()
        else:
            self.dismiss(Asked(self._text("reason"), self._text("duration")))

    def _problem(self) -> tuple[str, str]:
        if self.kind is Kind.SHELVE and (problem := _unfit(self._text("duration"))):
            return problem, "duration"
        if WORDS[self.kind].reason_needed and not self._text("reason"):
            return "Please give a reason: the next shift will want to know.", "reason"
        return "", ""

    def _text(self, name: str) -> str:
        found = self.query(f"#{name}")
        return found.only_one(Input).value.strip() if found else ""

    def action_cancel(self) -> None:
        """Nothing is sent."""
        self.dismiss(None)


class Keys(ModalScreen[None]):
    """What can be typed."""

    BINDINGS: ClassVar = [
        Binding("escape,q,question_mark,enter", "dismiss(None)", "Close", priority=True),
        Binding("down,j", "scroll(1)", "Down", priority=True),
        Binding("up,k", "scroll(-1)", "Up", priority=True),
        Binding("pagedown,space", "scroll(8)", "Page down", priority=True),
        Binding("pageup", "scroll(-8)", "Page up", priority=True),
    ]

    def compose(self) -> ComposeResult:
        """The page."""
        beside = Horizontal if self.app.size.width >= _SIDE_BY_SIDE else Vertical
        with VerticalScroll(id="keys", classes="dialog"):
            yield Label("Keys", classes="title")
            with beside(classes="beside"):
                for column in KEYS:
                    yield Static(column, markup=False)
            yield Static(ABOUT, markup=False)
            yield Static("esc: close    ↑ ↓: what does not fit", classes="hint", markup=False)

    def action_scroll(self, lines: int) -> None:
        """Scroll, where the terminal is small."""
        self.query_one("#keys").scroll_relative(y=lines, animate=False)
