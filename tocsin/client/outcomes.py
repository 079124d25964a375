"""What is known of a command that the server did not answer as done. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tocsin.client.errors import ClientError, NotSent, ServerError
from tocsin.client.types.commands import CommandResult
from tocsin.client.types.names import Outcome

REFUSED, NOT_WRITTEN = 409, 503
PROBLEMS = (REFUSED, NOT_WRITTEN)
"""Statuses whose problem document says what became of the command."""


def is_surely_not_carried_out(problem: ClientError) -> bool:
    """It did not reach the server, or what stands before it said that nobody is there."""
    return isinstance(problem, NotSent) or (isinstance(problem, ServerError) and problem.status == NOT_WRITTEN)


def unanswered(body: Mapping[str, Any], outcome: Outcome, reason: str, event: str | None = None) -> CommandResult:
    """What is known of a command that was sent with that body."""
    return CommandResult(
        outcome=outcome, id=body["id"], command=body["command"], path=body["path"], user=body.get("user", ""), reason=reason, event=event
    )
