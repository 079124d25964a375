"""From answers of the server to types and errors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from tocsin.client.errors import BadRequest, Fault, NotAllowed, NotFound, ServerError, Unavailable, UnexpectedAnswer

T = TypeVar("T")

_SHOWN = 200
_ERRORS: dict[int, type[ServerError]] = {
    400: BadRequest, 401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: BadRequest, 413: BadRequest, 414: BadRequest, 415: BadRequest,
    421: BadRequest, 422: BadRequest, 429: NotAllowed, 431: BadRequest, 502: Unavailable, 503: Unavailable, 504: Unavailable,
}  # fmt: skip


def read(kind: type[T], body: bytes) -> T:
    """An answer as a type; fields that it does not know are left out. Raises `UnexpectedAnswer`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise _strange(kind, problem) from problem


def objects(body: bytes) -> dict[str, Any]:
    """An answer as plain objects; raises `UnexpectedAnswer`."""
    return read(dict[str, Any], body)


def convert(kind: type[T], found: object) -> T:
    """Plain objects as a type; raises `UnexpectedAnswer`."""
    try:
        return msgspec.convert(found, type=kind)
    except msgspec.ValidationError as problem:
        raise _strange(kind, problem) from problem


def renamed(event: dict[str, Any]) -> dict[str, Any]:
    """An event of the REST interface, with the two names that are no names in Python as they are called here."""
    event = dict(event)
    event["from_severity"], event["to_severity"] = event.pop("from", None), event.pop("to", None)
    return event


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ServerError | UnexpectedAnswer:
    """The error that an answer stands for, with the server's words."""
    problem = problem_of(body)
    if not problem and status < 500 and _ERRORS.get(status) is not NotAllowed:
        return UnexpectedAnswer(f"{_plain(status, body)}; tocsin would say why: is another program at that address?")
    message = str(problem.get("message") or problem.get("detail") or "") or _plain(status, body)
    faults = tuple(
        Fault(str(one.get("where", "")), str(one.get("message", "")), None if one.get("value") is None else str(one["value"]))
        for one in problem.get("faults") or ()
        if isinstance(one, dict)
    )
    return _ERRORS.get(status, ServerError)(message, status, faults, _seconds(headers.get("retry-after")))


def problem_of(body: bytes) -> dict[str, Any]:
    """A problem document (RFC 9457), empty for an answer that is none."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(status: int, body: bytes) -> str:
    text = " ".join(body.decode("utf-8", "replace").split())
    return f"answered with HTTP status {status}" + (f": {text[:_SHOWN]}" if text and not text.startswith("<") else "")


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None


def _strange(kind: object, problem: Exception) -> UnexpectedAnswer:
    name = getattr(kind, "__name__", str(kind))
    return UnexpectedAnswer(f"the answer is not what tocsin gives ({name.lstrip('_')}: {problem}); is another program at that address?")
