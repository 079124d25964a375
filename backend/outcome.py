"""What became of a command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alarm_engine.model.state import EventId


class Outcome(StrEnum):
    """What became of a command."""

    DONE = "done"
    REFUSED = "refused"
    NOT_CONFIRMED = "not_confirmed"
    """It may or may not have been carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command, and why."""

    outcome: Outcome
    reason: str = ""
    count: int = 0
    """Alarms acted on."""
    left_alone: tuple[str, ...] = ()
    """Alarms that rose after what the user had seen."""
    event: EventId | None = None
    """The event that closed the command."""
