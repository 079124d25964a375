"""What the keys of the table are, and how it is dressed on dark and on light screens."""

from __future__ import annotations

from textual.binding import Binding
from textual.theme import Theme

from tocsin.cli.command_words import Kind
from tocsin.terminal.rows import Order, View

VIEWS, ORDERS = tuple(View), tuple(Order)
KINDS = {"a": Kind.ACKNOWLEDGE, "u": Kind.UNACKNOWLEDGE, "s": Kind.SHELVE, "d": Kind.DISABLE}
"""Commands by their keys."""

WHILE_TYPING = ("clear", "details", "quit")
"""What keys still do in the field of the filter."""

_SHOWN = (
    ("a", "order('a')", "Ack", None),
    ("s", "order('s')", "Shelve", None),
    ("enter", "details", "Details", None),
    ("slash", "filter", "Filter", "/"),
    ("question_mark", "keys", "Keys", "?"),
    ("q", "end", "End", None),
    ("space", "mark", "Select", None),
    ("o", "sort(1)", "Order", None),
)
_HIDDEN = (
    ("O", "sort(0)"),
    ("u", "order('u')"),
    ("d", "order('d')"),
    ("b", "order('b')"),
    *((str(number), f"view({number})") for number in range(1, len(VIEWS) + 1)),
    ("down,j", "go('move', 1)"),
    ("up,k", "go('move', -1)"),
    ("pagedown,ctrl+f", "go('page', 1)"),
    ("pageup,ctrl+b", "go('page', -1)"),
    ("home,g", "go('edge', -1)"),
    ("end,G", "go('edge', 1)"),
    ("t", "turn"),
    ("escape", "clear"),
    ("ctrl+c", "quit"),
)

# All with priority: each key is carried out before the next one is looked at, also where many come at once over a slow line.
# Otherwise what is typed ahead would reach the table before the cursor has moved, or before the filter has the focus.
BINDINGS = (
    *(Binding(keys, action, title, key_display=display, priority=True) for keys, action, title, display in _SHOWN),
    *(Binding(keys, action, show=False, priority=True) for keys, action in _HIDDEN),
)

DARK = Theme("tocsin-dark", "#5B8DEF", background="#111217", surface="#1B1E26", panel="#1F232C", foreground="#D8D9DA", dark=True)
LIGHT = Theme("tocsin-light", "#2F5FC4", background="#FFFFFF", surface="#F2F4F8", panel="#E8EBF1", foreground="#1B1B1B", dark=False)
