"""What both kinds of connections know of httpx: its errors as ours, certificates, what may be asked again.

Imported when a client is made.
"""

from __future__ import annotations

import ssl
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState

from tocsin.client.authorisation import authorisation
from tocsin.client.errors import BadClientSettings, ClientError, NotSent, ServerError, TimedOut, Unavailable, Unreachable
from tocsin.client.settings import ClientSettings

CONNECT_S = 5.0
SILENCE_S = 5.0
"""A stream says something each second: after that long without a word it is dead."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_LOOPBACK = ("localhost", "127.", "::1")


class NotSentInTime(TimedOut, NotSent):
    """No connection within the time allowed."""


def options(settings: ClientSettings) -> dict[str, object]:
    """Arguments of an httpx client."""
    host = urlsplit(settings.url).hostname or ""
    return {
        "base_url": settings.url + "/",
        "auth": authorisation(settings),
        "timeout": httpx.Timeout(settings.timeout_s, connect=min(CONNECT_S, settings.timeout_s)),
        "headers": {"User-Agent": f"tocsin-client/{_version()}"},
        "verify": _certificates(settings) if settings.url.startswith("https") else True,
        "trust_env": not host.startswith(_LOOPBACK),  # a proxy of the site cannot reach the loopback of this machine
    }


def stream_timeout(settings: ClientSettings) -> httpx.Timeout:
    """Of a stream: it lasts, but is never silent."""
    return httpx.Timeout(settings.timeout_s, connect=min(CONNECT_S, settings.timeout_s), read=min(SILENCE_S, settings.timeout_s))


def _version() -> str:
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return "unknown"


def _certificates(settings: ClientSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as problem:  # ssl.SSLError is one
        reason = "holds no certificate (PEM) that can be read" if isinstance(problem, ssl.SSLError) else problem.strerror
        raise BadClientSettings(f"the file of certificates {settings.ca_file} cannot be used: {reason}") from problem


def translated(
    problem: httpx.HTTPError | httpx.InvalidURL | httpx.StreamError, settings: ClientSettings, *, of_stream: bool = False
) -> ClientError:
    """An error of httpx as one of ours."""
    url = settings.shown_url
    if isinstance(problem, httpx.ConnectTimeout | httpx.PoolTimeout):
        return NotSentInTime(f"no connection to {url} within {min(CONNECT_S, settings.timeout_s):g} s")
    if isinstance(problem, httpx.TimeoutException):
        if of_stream:
            return TimedOut(f"{url} has said nothing for {min(SILENCE_S, settings.timeout_s):g} s")
        return TimedOut(f"{url} has not answered within {settings.timeout_s:g} s")
    if isinstance(problem, httpx.ConnectError):
        return NotSent(f"{url} cannot be reached: {_reason(problem)}. Is the backend running? url= or TOCSIN_URL name another")
    if isinstance(problem, httpx.TransportError):
        return Unreachable(f"the connection to {url} broke: {_reason(problem)}")
    return BadClientSettings(f"{url} cannot be asked: {_reason(problem)}")


def _reason(problem: Exception) -> str:
    text = str(problem).strip() or type(problem).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        reason = text.partition("FAILED] ")[2] or text
        return f"its certificate is not believed ({reason}; ca_file= or TOCSIN_CA_FILE name certificates that are)"
    return text.removeprefix("[Errno 111] ")


def is_worth_asking_again(problem: BaseException) -> bool:
    """Nothing was said about the question itself: the line broke, or somebody before the server could not reach it.

    Of the server's own 503 only when it says for how long: else the same question costs it the same again.
    """
    if isinstance(problem, Unavailable):
        return problem.status != 503 or problem.retry_after_s is not None
    return isinstance(problem, Unreachable) and not isinstance(problem, TimedOut)


def pause_s(state: RetryCallState) -> float:
    """How long to wait before a question is asked again."""
    problem = state.outcome.exception() if state.outcome is not None else None
    if isinstance(problem, ServerError) and problem.retry_after_s is not None:
        return min(problem.retry_after_s, _LONGEST_PAUSE_S)
    return min(_FIRST_PAUSE_S * 2.0 ** (state.attempt_number - 1), _LONGEST_PAUSE_S)
