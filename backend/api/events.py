"""Past events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
import structlog
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BeforeValidator, Field
from starlette.types import Receive, Scope, Send

from alarm_engine.errors import HistoryError
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import NAMES
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.api.encoding import event_object
from backend.api.forms import EventPageForm
from backend.api.lookup import Path, Question, SeverityParameter, event_id, moment, one_tree, parts
from backend.api.problems import PREFIX, RESPONSES, fault, faulty_request
from backend.history.matching import MAX_RANGE_NS
from backend.history.port import MAX_PAGE, MAX_RANGE_DAYS, EventQuery
from backend.past.export import PAGE, Format, pages
from backend.past.reach import Asked, page_remark
from backend.services import Services

_AHEAD_NS = 3600 * NANOS_PER_SECOND
"""The clock of an engine may be ahead of ours: without `end`, nothing that it wrote is left out."""

_LONG_TEXT = 200

log = structlog.get_logger()


class EventFilters(Question):
    """Which events."""

    start: str | None = Field(
        None,
        max_length=40,
        description="From this time on: ISO 8601 with zone, milliseconds, or `-1h`. Default: as far back as can be asked.",
    )
    end: str | None = Field(None, max_length=40, description="Before this time. Default: now.")
    path: Path = Field(None, description="This alarm, or everything below this component.")
    pv: str | None = Field(None, max_length=_LONG_TEXT, description="Name of the PV, with * and ? as wild cards.")
    severity: Annotated[list[SeverityParameter], BeforeValidator(parts)] = Field(
        [],
        description="Severity after the event; repeatable; MAJOR includes MAJOR_ACK.",
        json_schema_extra={"items": {"type": "string", "enum": list(NAMES)}},
    )
    kind: Annotated[list[EventKind], BeforeValidator(parts)] = Field([], description="Repeatable.")
    user: str | None = Field(None, max_length=_LONG_TEXT, description="Who gave the command.")
    q: str | None = Field(None, max_length=_LONG_TEXT, description="Part of path, description, message or comment, in any case.")
    after: str | None = Field(None, max_length=_LONG_TEXT, description="Cursor: `next` of the page before. Pages have no gaps or doubles.")


class EventQuestion(EventFilters):
    """Parameters of `events`."""

    order: Literal["newest", "oldest"] = Field("newest", description="Which comes first.")
    limit: int = Field(100, ge=1, le=MAX_PAGE, description="Events of a page.")


class ExportQuestion(EventFilters):
    """Parameters of `events/export`."""

    format: Format = Field(Format.CSV, description="CSV has a column for each field; NDJSON has an object as `events` in each line.")
    order: Literal["newest", "oldest"] = Field("oldest", description="Which comes first.")
    limit: int | None = Field(None, ge=1, description="Events at most. Default: all.")


_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {"text/csv": {"schema": {"type": "string"}}, "application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


@dataclass(frozen=True, slots=True)
class _Range:
    start: Nanos
    end: Nanos


def read_range(start: str | None, end: str | None, now: Nanos) -> _Range:
    """The range asked for; raises `Problem` with all that is wrong about it."""
    faults: list[dict[str, Any]] = []
    until = _time("end", end, Nanos(now + _AHEAD_NS), now, faults)
    since = _time("start", start, Nanos(max(0, until - MAX_RANGE_NS)), now, faults)
    if not faults and since >= until:
        faults.append(fault("query.start", f"must be before the end: {iso(since)} is not before {iso(until)}", start))
    elif not faults and until - since > MAX_RANGE_NS:
        days = (until - since) // (86_400 * NANOS_PER_SECOND)
        message = f"the range is {days} days, at most {MAX_RANGE_DAYS} can be asked for: come closer with start or end"
        faults.append(fault("query.start", message, start))
    if faults:
        raise faulty_request(faults)
    return _Range(since, until)


def _time(name: str, text: str | None, default: Nanos, now: Nanos, faults: list[dict[str, Any]]) -> Nanos:
    if text is None or text == "":
        return default
    try:
        return moment(text, now)
    except ValueError as problem:
        faults.append(fault(f"query.{name}", str(problem), text))
        return default


def event_query(question: EventFilters, config: str, now: Nanos, *, limit: int, oldest_first: bool = False) -> EventQuery:
    """What the store is asked; raises `Problem` with what is wrong."""
    within = read_range(question.start, question.end, now)
    try:
        after = event_id(question.after, config) if question.after else None
    except ValueError as problem:
        raise faulty_request([fault("query.after", str(problem), question.after)]) from None
    return EventQuery(
        config=config,
        start=within.start,
        end=within.end,
        path_prefix=question.path,
        pv=question.pv or None,
        severities=frozenset(one for severity in question.severity for one in (severity, severity.acknowledged)),
        kinds=frozenset(question.kind),
        user=question.user or None,
        text=question.q or None,
        oldest_first=oldest_first,
        limit=limit,
        after=after,
    )


def history_response(body: dict[str, Any]) -> Response:
    """JSON that no cache keeps."""
    return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json")


def events_router(services: Services) -> APIRouter:
    """`events` and `events/export`."""
    router = APIRouter(prefix=PREFIX, tags=["history"], responses=RESPONSES)

    @router.get("/events", summary="What happened", response_model=EventPageForm)
    async def events(question: Annotated[EventQuestion, Query()]) -> Response:
        """Events of a time range, newest first, page by page."""
        tree = one_tree(services.live, question.config, question.path)
        now, oldest_first = services.clock.now().wall, question.order == "oldest"
        query = event_query(question, tree.config, now, limit=question.limit, oldest_first=oldest_first)
        found = await services.history.events(query)
        remark = await page_remark(services.history, query, found, now, Asked(bool(question.start), tree))
        body = {"events": [event_object(event) for event in found.events], "next": str(found.next) if found.next else None}
        return history_response({**body, "complete": not remark, "remark": remark})

    @router.get("/events/export", summary="All events of a question, as a file", responses=_FILES, response_class=Response)
    async def export(question: Annotated[ExportQuestion, Query()]) -> StreamingResponse:
        """Every event that passes the filters, as CSV or NDJSON, streamed: a file may be as long as it likes.

        If the history store goes away under way the connection is cut, so that a file that lacks its end does not look complete.
        """
        tree = one_tree(services.live, question.config, question.path)
        now, oldest_first = services.clock.now().wall, question.order == "oldest"
        query = event_query(question, tree.config, now, limit=PAGE, oldest_first=oldest_first)
        found = pages(services.history, query, question.limit)
        first = await anext(found, None)  # what is wrong with the question, or with the store, is told before the file begins
        return _File(
            _content(question.format, first, found),
            media_type=question.format.media_type,
            headers={"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="events.{question.format.value}"'},
        )

    return router


class _File(StreamingResponse):
    """A file that is not ended when its content fails: the server cuts the connection, and the client sees that the end is missing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        except HistoryError as problem:
            log.warning("a file of events was cut off", problem=str(problem))


async def _content(form: Format, first: Sequence[Event] | None, following: AsyncIterator[Sequence[Event]]) -> AsyncIterator[bytes]:
    yield form.head()
    if first is not None:
        yield form.lines(first)
        async for events in following:
            yield form.lines(events)
