"""What became of a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from tocsin.client.errors import CommandNotConfirmed, CommandRefused
from tocsin.client.types.answer import Answer
from tocsin.client.types.names import Outcome


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CommandResult(Answer):
    """What became of a command. Refused and not confirmed ones are results too; `raise_for_outcome` is for scripts.

    >>> result = client.unshelve("/Acc/Vacuum/GC10", reason="works are over")
    >>> result.done, result.count, result.raise_for_outcome().user
    (True, 1, 'docs')
    """

    outcome: Outcome
    id: str
    """Id of the command, also in its events as `correlation`."""
    command: str
    path: str
    user: str
    """Who stands in the history."""
    reason: str
    """Why it was refused or is not confirmed; empty if it was done."""
    count: int = 0
    """Alarms acted on."""
    left_alone: tuple[str, ...] = ()
    """Alarms that rose after what the user had seen."""
    event: str | None = None
    """Event that closed the command."""
    as_of: str | None = None
    """Newest event that the server knew; None where it did not say."""
    age_s: float | None = None
    """Seconds since the engine's last life sign; None: there never was one, or the server did not say."""
    stale: bool | None = None
    """What the server shows is old; None where it did not say."""

    @property
    def done(self) -> bool:
        """It was carried out.

        >>> client.enable("/Acc/INTERLOCK").done
        True
        """
        return self.outcome is Outcome.DONE

    def raise_for_outcome(self) -> Self:
        """This result; raises `CommandRefused` or `CommandNotConfirmed` unless the command was done.

        >>> client.disable("/Acc/INTERLOCK").raise_for_outcome().count
        1
        """
        if self.outcome is Outcome.DONE:
            return self
        if self.outcome is Outcome.REFUSED:
            raise CommandRefused(f"{self.command} {self.path} was refused: {self.reason}", self)
        raise CommandNotConfirmed(f"{self.command} {self.path} is not confirmed: {self.reason}", self)
