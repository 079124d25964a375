"""From what a caller writes to the parameters of a question. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from tocsin.client.errors import BadRequest, Fault

When = datetime | timedelta | str
"""A time: an aware datetime, a `timedelta` (that long ago), or a text: ISO 8601 with a zone, `now`, or a span as `2h` or `-2h` (ago)."""

Several = str | Iterable[str]
"""One word, or several."""

Parameters = Mapping[str, str | int | float | bool | list[str]]

_SPAN = re.compile(r"([+-]?)(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d|w)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def parameters(**given: str | float | bool | list[str] | None) -> dict[str, str | int | float | bool | list[str]]:
    """Parameters that were given; a trailing underscore of a name is cut off."""
    return {name.rstrip("_"): value for name, value in given.items() if value is not None and value != []}


def when(moment: When | None, name: str) -> str | None:
    """A time as the server reads it; spans stay spans from now. Raises `BadRequest`."""
    if moment is None:
        return None
    if isinstance(moment, timedelta):
        seconds = moment.total_seconds()
        return f"{'-' if seconds >= 0 else '+'}{abs(seconds):.3f}s"
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise _faulty(name, "has no time zone: give an aware datetime, as datetime.now(UTC) or moment.astimezone()", moment)
        return moment.isoformat()
    if not isinstance(moment, str):
        raise _faulty(name, "is no time: expected an aware datetime, a timedelta (ago), or a text", moment)
    text = moment.strip()
    span = _SPAN.fullmatch(text)
    return f"-{text}" if span and not span[1] else text


def pinned(moment: When | None, name: str, now: datetime) -> str | None:
    """As `when`, but a span is counted from `now` once, so that all pages of a question are about the same range."""
    text = when(moment, name)
    if text is None:
        return None
    if text == "now":
        return now.isoformat()
    if span := _SPAN.fullmatch(text):
        seconds = float(span[2]) * _UNITS_S[span[3]]
        try:
            return (now + timedelta(seconds=seconds if span[1] == "+" else -seconds)).isoformat()
        except OverflowError:
            raise _faulty(name, "is before all times that there are", moment) from None
    return text


def seconds(span: timedelta | float | str) -> str | float:
    """A span of time as the server reads it: seconds, or a text as `1h`."""
    return span.total_seconds() if isinstance(span, timedelta) else span


def words(values: Several | None) -> list[str]:
    """One word or several as a list."""
    if values is None:
        return []
    return [str(values)] if isinstance(values, str) else [str(one) for one in values]


def escaped(path: str) -> str:
    """The path of an alarm as a part of an address."""
    return quote("/" + path.lstrip("/"), safe="/")


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def _faulty(name: str, message: str, value: object) -> BadRequest:
    fault = Fault(f"query.{name}", message, str(value))
    return BadRequest(f"{name}: {value!s} {message}", 422, (fault,))
