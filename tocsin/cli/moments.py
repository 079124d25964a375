"""Times as people write them at a prompt. Pure: `now` comes in."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

import typer
from typer.core import TyperCommand

_SPAN = re.compile(r"([+-]?)(\d{1,9}(?:\.\d{1,3})?)\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_EARLIEST = 1971

WRITTEN = "2h (ago), 14:00, '2026-11-20 14:00', or ISO 8601 with a zone"
"""What can be written, for help."""
WRITTEN_AHEAD = "+2h (from now), 18:00, '2026-12-01 07:00', or ISO 8601 with a zone"
"""The same of a time that is to come."""


class TimesFirst(TyperCommand):
    """A command with a time among its arguments: `-2h` is a span there too, and not an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spell a span as what is surely none."""
        return super().parse_args(ctx, [arg[1:] if arg[:1] == "-" and _SPAN.fullmatch(arg) else arg for arg in args])


def moment(text: str, now: datetime, written: str = WRITTEN) -> datetime:
    """A time, aware: `now`, a span ago (`2h`, `-2h`) or ahead (`+2h`), a time of today, a date, both, ISO 8601.

    What has no zone is in that of `now`, which is aware. Raises `ValueError` that says what was expected: `written`.
    """
    text = text.strip()
    if text == "now":
        return now
    if span := _SPAN.fullmatch(text):
        return _spanned(span, text, now)
    if _CLOCK.fullmatch(text):
        text = f"{now:%Y-%m-%d} {text:0>5}" if text.count(":") == 1 else f"{now:%Y-%m-%d} {text:0>8}"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: expected {written}") from None
    if found.year < _EARLIEST:
        raise ValueError(f"{text!r} is before the year {_EARLIEST}")
    return found if found.tzinfo is not None else _in_zone(found, now.tzinfo)


def _spanned(span: re.Match[str], text: str, now: datetime) -> datetime:
    try:
        length = timedelta(**{_UNITS[span[3]]: float(span[2])})
        found = now + length if span[1] == "+" else now - length
    except OverflowError:
        raise ValueError(f"{text!r} is beyond all times that there are") from None
    if found.year < _EARLIEST:
        raise ValueError(f"{text!r} is before the year {_EARLIEST}")
    return found


def _in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    # A fixed offset is that of now; the one of that day may be another (summer time), which only the system knows.
    return moment.astimezone() if zone is None or isinstance(zone, timezone) else moment.replace(tzinfo=zone)


def read_moment(text: str, hint: str, *, past: bool = True) -> datetime:
    """A time that somebody typed, aware; `past`: not a future one. A fault ends the command, and names the option `hint`."""
    now = datetime.now().astimezone()
    try:
        found = moment(text, now)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint=hint) from None
    if past and found > now:
        raise typer.BadParameter(f"{found:%Y-%m-%d %H:%M:%S} lies in the future, of which nothing is known", param_hint=hint)
    return found


def read_end(text: str, hint: str) -> datetime:
    """A time to come that somebody typed, aware. A fault ends the command, and names the option `hint`."""
    now = datetime.now().astimezone()
    try:
        found = moment(text, now, WRITTEN_AHEAD)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint=hint) from None
    if found <= now:
        raise typer.BadParameter(f"{found:%Y-%m-%d %H:%M:%S} has passed: +2h is in two hours", param_hint=hint)
    return found


def span_of(text: str) -> timedelta:
    """A span of time: `90s`, `15m`, `2h`, `1d`. Raises `ValueError` that says what was expected."""
    span = _SPAN.fullmatch(text.strip())
    if span is None or span[1] or float(span[2]) == 0:
        raise ValueError(f"{text!r} is no span of time: expected one like 90s, 15m, 2h or 1d")
    try:
        return timedelta(**{_UNITS[span[3]]: float(span[2])})
    except OverflowError:
        raise ValueError(f"{text!r} is longer than all time") from None


def read_span(text: str, hint: str) -> timedelta:
    """A span that somebody typed. A fault ends the command, and names the option `hint`."""
    try:
        return span_of(text)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint=hint) from None
