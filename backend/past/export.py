"""All events of a question as CSV or NDJSON, piece by piece.

Between two pages nothing is held but the cursor, in memory or at the store: a reader may be as slow as it likes, or go away.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

import orjson
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.event import Event
from alarm_engine.model.path import name, system
from alarm_engine.model.severity import NAMES
from alarm_engine.model.times import iso
from backend.api.encoding import event_object
from backend.history.port import EventPage, EventQuery, History

PAGE = 1_000
"""Events in memory at a time."""
_TRIES = 5
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that spreadsheets carry out."""

COLUMNS = (
    "id", "time", "kind", "path", "pv", "system", "from", "to", "message", "value", "description", "user", "host", "comment", "reason",
    "pv_time", "annunciated", "connected", "current_severity", "current_message", "current_value", "correlation", "command", "count",
)  # fmt: skip
"""Of a CSV file, in this order."""


class Format(StrEnum):
    """What is written."""

    CSV = "csv"
    """A line of names, then a line for each event; RFC 4180, UTF-8. An apostrophe before what a spreadsheet would take for a formula."""
    NDJSON = "ndjson"
    """A JSON object in each line, as the events of the REST interface are."""

    @property
    def media_type(self) -> str:
        """As HTTP names it."""
        return "text/csv; charset=utf-8" if self is Format.CSV else "application/x-ndjson"

    def head(self) -> bytes:
        """What comes before the first event."""
        return _csv([COLUMNS]) if self is Format.CSV else b""

    def lines(self, events: Sequence[Event]) -> bytes:
        """Some events."""
        if self is Format.CSV:
            return _csv(map(_cells, events))
        return b"".join(orjson.dumps(event_object(event)) + b"\n" for event in events)


async def pages(history: History, query: EventQuery, most: int | None = None) -> AsyncIterator[Sequence[Event]]:
    """The events of a question in its order, no more than `most`; a store that is away for moments is asked again."""
    left = most
    after = query.after
    while left is None or left > 0:
        asked = replace(query, after=after, limit=PAGE if left is None else min(PAGE, left))
        page = await _insist(lambda asked=asked: history.events(asked))  # type: ignore[misc]
        if page.events:
            yield page.events
            await asyncio.sleep(0)  # others have their turn, and that a reader went away is noticed however quick the store is
        if page.next is None:
            return
        after = page.next
        left = None if left is None else left - len(page.events)


async def _insist(ask: Callable[[], Awaitable[EventPage]]) -> EventPage:
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(HistoryUnavailable), wait=wait_exponential(0.2, max=5), stop=stop_after_attempt(_TRIES), reraise=True
    ):
        with attempt:
            return await ask()
    raise AssertionError("the last attempt returns or raises")


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(map(_plain, row) for row in rows)
    return text.getvalue().encode(errors="backslashreplace")


def _plain(cell: object) -> object:
    """A comment, or what a PV says, may have been written by anybody: a spreadsheet must not carry it out."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) and not _is_number(cell) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cells(event: Event) -> tuple[object, ...]:
    snapshot, result = event.snapshot, event.result
    alarm, current = (snapshot.alarm, snapshot.current) if snapshot else (None, None)
    return (
        event.id,
        iso(event.time),
        event.kind.value,
        event.path,
        name(event.path),
        system(event.path),
        NAMES[event.from_severity],
        NAMES[event.to_severity],
        alarm.message if alarm else "",
        alarm.value if alarm else "",
        event.description,
        event.user,
        event.host,
        event.comment,
        event.reason,
        iso(event.pv_time) if event.pv_time is not None else "",
        _yes(event.annunciated),
        _yes(snapshot.connected) if snapshot else "",
        NAMES[current.severity] if current else "",
        current.message if current else "",
        current.value if current else "",
        event.correlation,
        result.command if result else "",
        result.done if result else "",
    )


def _yes(value: bool) -> str:
    return "true" if value else "false"
