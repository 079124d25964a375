"""Commands of operators and clients."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alarm_engine.model.state import EventId
from alarm_engine.model.times import Nanos


class CommandKind(StrEnum):
    """What can be asked. The first eight are Phoebus's; the last four are ours and go on the same topic."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    MAINTENANCE = "maintenance"
    NORMAL = "normal"
    DISABLE_NOTIFY = "disable_notify"
    ENABLE_NOTIFY = "enable_notify"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    DISABLE = "disable"
    ENABLE = "enable"


@dataclass(frozen=True, slots=True)
class Command:
    """One request, for an alarm or everything below a component."""

    path: str
    kind: CommandKind
    user: str
    host: str
    id: str = ""
    """Correlation id; empty for clients that send none (Phoebus)."""
    reason: str = ""
    seen: EventId | None = None
    """Newest event the user had on screen: an alarm that rose later is left alone."""
    until: Nanos | None = None
    """For shelve: when the alarm comes back."""
    sent: Nanos | None = None
    """Time stamp of the command's record, None before it is written."""
