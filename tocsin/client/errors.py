"""What can go wrong with a client, as one tree. Messages are sentences; where the server said something they are its own words.

ClientError
├── BadClientSettings       an address, a token file or a file of certificates that cannot be used
├── Unreachable             no answer: nobody listens there, the name is unknown, the certificate is not believed, the line broke
│   ├── TimedOut                nor within the time allowed
│   └── NotSent                 and the question has not reached the server: nothing has come of it
├── ServerError             an answer that is an error; `status` is that of HTTP
│   ├── NotAllowed              401, 403, 429: say who you are; you may not do that
│   ├── NotFound                404: there is no such alarm, component or configuration
│   ├── BadRequest              400, 409, 413, 415, 421, 422: the question has faults; `faults` names all of them
│   └── Unavailable             502, 503, 504: journal, history or the server itself is away; ask again
├── UnexpectedAnswer        an answer that tocsin does not give: another program listens at that address, or its version does not fit
├── StaleAnswer             an answer that must not be relied upon (`raise_if_stale()`)
└── CommandFailed           (`raise_for_outcome()`); `result` is the whole of it
    ├── CommandRefused
    └── CommandNotConfirmed     it may or may not have been carried out
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alarm_engine.errors import TocsinError

if TYPE_CHECKING:
    from tocsin.client.types.commands import CommandResult


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a question."""

    where: str
    """Parameter or field, as `query.limit` or `body.until`."""
    message: str
    """What was expected."""
    value: str | None = None
    """What was sent, shortened."""


class ClientError(TocsinError):
    """Anything that a client raises."""


class BadClientSettings(ClientError):
    """An address, a token file or a file of certificates that cannot be used."""


class Unreachable(ClientError):
    """No answer came."""


class TimedOut(Unreachable):
    """No answer came within the time allowed."""


class NotSent(Unreachable):
    """The question did not reach the server, so nothing has come of it."""


class ServerError(ClientError):
    """An answer that is an error."""

    def __init__(self, message: str, status: int, faults: tuple[Fault, ...] = (), retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status."""
        self.faults = faults
        """All that is wrong with the question."""
        self.retry_after_s = retry_after_s
        """When to ask again; None where the server did not say."""


class NotAllowed(ServerError):
    """The server does not know who asks, or who asks may not do that."""


class NotFound(ServerError):
    """There is no such alarm, component or configuration."""


class BadRequest(ServerError):
    """The question has faults."""


class Unavailable(ServerError):
    """The server, its journal or its history is away; the same question may be answered later."""


class UnexpectedAnswer(ClientError):
    """An answer that tocsin does not give."""


class StaleAnswer(ClientError):
    """An answer that is old."""


class CommandFailed(ClientError):
    """A command that was not done."""

    def __init__(self, message: str, result: CommandResult) -> None:
        super().__init__(message)
        self.result = result
        """All that is known of it."""


class CommandRefused(CommandFailed):
    """The engine refused a command."""


class CommandNotConfirmed(CommandFailed):
    """A command that may or may not have been carried out."""
