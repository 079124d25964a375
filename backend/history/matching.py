"""What questions to the history mean, the same for every adapter: limits, text search, wild cards."""

from __future__ import annotations

import re

from alarm_engine.errors import QueryTooLarge
from alarm_engine.model.event import Event
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.history.port import MAX_PAGE, MAX_PATTERN, MAX_RANGE_DAYS, EventQuery

MAX_BUCKETS = 20_000
"""Most bars of one count."""
MAX_CHANGES = 200_000
"""Most changes that one question for intervals reads."""

MAX_RANGE_NS = MAX_RANGE_DAYS * 86_400 * NANOS_PER_SECOND
_FAR = 1 << 62
_BETWEEN = "\x1f"
"""Stands between the fields of a searchable text, so that nothing is found across two of them."""


def check_range(start: Nanos, end: Nanos) -> None:
    """Raise `QueryTooLarge` for more than `MAX_RANGE_DAYS`."""
    check_time(start)
    check_time(end)
    if end - start > MAX_RANGE_NS:
        raise QueryTooLarge(f"the range from {_text(start)} to {_text(end)} is longer than {MAX_RANGE_DAYS} days: ask for a shorter one")


def check_time(time: Nanos) -> None:
    """Raise `QueryTooLarge` for a number that no store can take for a time."""
    if not -_FAR < time < _FAR:
        raise QueryTooLarge(f"{time} ns is not a time: expected nanoseconds since 1970")


def check_limit(limit: int) -> None:
    """Raise `QueryTooLarge` for a number of rows that is not 1 to `MAX_PAGE`."""
    if not 1 <= limit <= MAX_PAGE:
        raise QueryTooLarge(f"limit {limit} is not between 1 and {MAX_PAGE}: read page by page")


def check_query(query: EventQuery) -> None:
    """Raise `QueryTooLarge` for a page beyond the limits."""
    check_range(query.start, query.end)
    check_limit(query.limit)
    for what, text in (("text", query.text), ("pv", query.pv)):
        if text is not None and len(text) > MAX_PATTERN:
            raise QueryTooLarge(f"{what} has {len(text)} characters, {MAX_PATTERN} are allowed: ask for a part of it")


def check_buckets(start: Nanos, end: Nanos, bucket_s: int) -> None:
    """Raise `QueryTooLarge` for a count with more than `MAX_BUCKETS` bars."""
    check_range(start, end)
    if bucket_s < 1:
        raise QueryTooLarge(f"a bucket of {bucket_s} s is too short: 1 s is the shortest")
    if (end - start) // (bucket_s * NANOS_PER_SECOND) > MAX_BUCKETS:
        raise QueryTooLarge(f"buckets of {bucket_s} s from {_text(start)} to {_text(end)} are more than {MAX_BUCKETS}: ask for longer ones")


def fold(text: str) -> str:
    """A text in which upper and lower case do not differ."""
    return text.casefold().replace(_BETWEEN, " ")


def search_parts(event: Event) -> list[str]:
    """What a search looks at, beside the path: description, messages (of the alarm and of the PV) and comment, folded."""
    snapshot = event.snapshot
    messages = [snapshot.alarm.message, snapshot.current.message] if snapshot else []
    return [fold(part) for part in (event.description, *messages, event.comment) if part]


def search_text(event: Event) -> str:
    """The same as one text."""
    return _BETWEEN.join(search_parts(event))


def sql_glob(pattern: str) -> str:
    """A pattern with `*` and `?` for SQLite's GLOB, to which brackets mean something too."""
    return pattern.replace("[", "[[]")


def glob(pattern: str) -> re.Pattern[str]:
    """The same as a regular expression to be used with `fullmatch`."""
    return re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern), re.DOTALL)


def _text(time: Nanos) -> str:
    """A time for a message, whatever its size."""
    try:
        return iso(time)
    except (ValueError, OverflowError, OSError):
        return f"{time} ns"
