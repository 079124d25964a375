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
    """One thing that is wrong with a question.

    >>> try:
    ...     client.counts(bucket="wide")
    ... except BadRequest as problem:
    ...     print(problem.faults[0].where, problem.faults[0].value)
    query.bucket wide
    """

    where: str
    """Parameter or field, as `query.limit` or `body.until`."""
    message: str
    """What was expected."""
    value: str | None = None
    """What was sent, shortened."""


class ClientError(TocsinError):
    """Anything that a client raises.

    >>> try:
    ...     client.alarm("/Acc/none")
    ... except ClientError as problem:
    ...     print(problem)
    /Acc/none is not in the alarm tree
    """


class BadClientSettings(ClientError):
    """An address, a token file or a file of certificates that cannot be used.

    >>> Client("localhost:8080")
    Traceback (most recent call last):
        ...
    tocsin.client.errors.BadClientSettings: url: 'localhost:8080' is no address of a server: expected one as http://127.0.0.1:8080
    """


class Unreachable(ClientError):
    """No answer came.

    >>> try:
    ...     Client("http://127.0.0.1:9", retries=0).alarms()
    ... except Unreachable as problem:
    ...     print("no answer")
    no answer
    """


class TimedOut(Unreachable):
    """No answer came within the time allowed.

    >>> try:
    ...     Client(silent_url, timeout_s=0.1, retries=0).alarms()
    ... except TimedOut:
    ...     print("too slow")
    too slow
    """


class NotSent(Unreachable):
    """The question did not reach the server, so nothing has come of it.

    >>> try:
    ...     Client("http://127.0.0.1:9", retries=0).acknowledge("/Acc/Vacuum/GC1")
    ... except NotSent as problem:
    ...     print(str(problem).partition(":9 ")[2])
    cannot be reached: Connection refused. Is the backend running? url= or TOCSIN_URL name another
    """


class ServerError(ClientError):
    """An answer that is an error.

    >>> try:
    ...     client.summary(config="Other")
    ... except ServerError as problem:
    ...     print(problem.status, problem)
    404 there is no configuration 'Other'; there is: Acc
    """

    def __init__(self, message: str, status: int, faults: tuple[Fault, ...] = (), retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status."""
        self.faults = faults
        """All that is wrong with the question."""
        self.retry_after_s = retry_after_s
        """When to ask again; None where the server did not say."""


class NotAllowed(ServerError):
    """The server does not know who asks, or who asks may not do that.

    >>> def gate(request):  # what a server says to somebody who may only look
    ...     return httpx.Response(403, json={"message": "mara has the role viewer; this needs the role operator"})
    >>> Client(url, transport=httpx.MockTransport(gate)).acknowledge("/Acc/Vacuum")
    Traceback (most recent call last):
        ...
    tocsin.client.errors.NotAllowed: mara has the role viewer; this needs the role operator
    """


class NotFound(ServerError):
    """There is no such alarm, component or configuration.

    >>> client.alarm("/Acc/Vacuum")
    Traceback (most recent call last):
        ...
    tocsin.client.errors.NotFound: /Acc/Vacuum is a component, not an alarm
    """


class BadRequest(ServerError):
    """The question has faults.

    >>> client.at("2h", depth=1000)
    Traceback (most recent call last):
        ...
    tocsin.client.errors.BadRequest: depth: input should be less than or equal to 100
    """


class Unavailable(ServerError):
    """The server, its journal or its history is away; the same question may be answered later.

    >>> def away(request):  # what a server says whose history is away
    ...     return httpx.Response(503, json={"message": "the history store does not answer: the disk is full"})
    >>> next(Client(url, transport=httpx.MockTransport(away)).events())
    Traceback (most recent call last):
        ...
    tocsin.client.errors.Unavailable: the history store does not answer: the disk is full
    """


class UnexpectedAnswer(ClientError):
    """An answer that tocsin does not give.

    >>> def other(request):  # what some other program says
    ...     return httpx.Response(200, text="<html>It works!</html>")
    >>> try:
    ...     Client(url, transport=httpx.MockTransport(other)).summary()
    ... except UnexpectedAnswer as problem:
    ...     print(str(problem).rpartition("; ")[2])
    is another program at that address?
    """


class StaleAnswer(ClientError):
    """An answer that is old.

    >>> try:
    ...     print(client.alarms().raise_if_stale().total)
    ... except StaleAnswer as problem:
    ...     print("do not rely on it:", problem)
    1
    """


class CommandFailed(ClientError):
    """A command that was not done.

    >>> try:
    ...     _ = client.enable("/Acc/INTERLOCK").raise_for_outcome()
    ... except CommandFailed as problem:
    ...     print(problem.result.reason)
    ... else:
    ...     print("done")
    done
    """

    def __init__(self, message: str, result: CommandResult) -> None:
        super().__init__(message)
        self.result = result
        """All that is known of it."""


class CommandRefused(CommandFailed):
    """The engine refused a command.

    >>> result = CommandResult(
    ...     outcome=Outcome.REFUSED, id="1", command="acknowledge", path="/Acc/x", user="mara", reason="there is no alarm /Acc/x"
    ... )
    >>> result.raise_for_outcome()
    Traceback (most recent call last):
        ...
    tocsin.client.errors.CommandRefused: acknowledge /Acc/x was refused: there is no alarm /Acc/x
    """


class CommandNotConfirmed(CommandFailed):
    """A command that may or may not have been carried out.

    >>> def slow(request):  # what a server says whose engine does not answer
    ...     told = {"outcome": "not_confirmed", "reason": "the engine has not answered within 5 s"}
    ...     return httpx.Response(202, json={"id": "1", "command": "enable", "path": "/Acc", "user": "mara", **told})
    >>> try:
    ...     Client(url, transport=httpx.MockTransport(slow)).enable("/Acc").raise_for_outcome()
    ... except CommandNotConfirmed as problem:
    ...     print(problem.result.reason)
    the engine has not answered within 5 s
    """
