"""Past events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BeforeValidator, Field

from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import NAMES
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.api.encoding import event_object
from backend.api.forms import EventPageForm
from backend.api.lookup import Path, Question, SeverityParameter, event_id, moment, one_tree, parts
from backend.api.problems import PREFIX, RESPONSES, fault, faulty_request
from backend.history.port import MAX_PAGE, MAX_RANGE_DAYS, EventQuery
from backend.services import Services

_DAY_NS = 86_400 * NANOS_PER_SECOND
_AHEAD_NS = 3600 * NANOS_PER_SECOND
"""The clock of an engine may be ahead of ours: without `end`, nothing that it wrote is left out."""

_LONG_TEXT = 200


class EventQuestion(Question):
    """Parameters of `events`."""

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
    order: Literal["newest", "oldest"] = Field("newest", description="Which comes first.")
    limit: int = Field(100, ge=1, le=MAX_PAGE, description="Events of a page.")
    after: str | None = Field(None, max_length=_LONG_TEXT, description="Cursor: `next` of the page before. Pages have no gaps or doubles.")


@dataclass(frozen=True, slots=True)
class _Range:
    start: Nanos
    end: Nanos


def read_range(start: str | None, end: str | None, now: Nanos) -> _Range:
    """The range asked for; raises `Problem` with all that is wrong about it."""
    faults: list[dict[str, Any]] = []
    until = _time("end", end, Nanos(now + _AHEAD_NS), now, faults)
    since = _time("start", start, Nanos(max(0, until - MAX_RANGE_DAYS * _DAY_NS)), now, faults)
    if not faults and since >= until:
        faults.append(fault("query.start", f"must be before the end: {iso(since)} is not before {iso(until)}", start))
    elif not faults and until - since > MAX_RANGE_DAYS * _DAY_NS:
        days = (until - since) // _DAY_NS
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


def events_router(services: Services) -> APIRouter:
    """`events`."""
    router = APIRouter(prefix=PREFIX, tags=["history"], responses=RESPONSES)

    @router.get("/events", summary="What happened", response_model=EventPageForm)
    async def events(question: Annotated[EventQuestion, Query()]) -> Response:
        """Events of a time range, newest first, page by page."""
        tree = one_tree(services.live, question.config, question.path)
        within = read_range(question.start, question.end, services.clock.now().wall)
        try:
            after = event_id(question.after, tree.config) if question.after else None
        except ValueError as problem:
            raise faulty_request([fault("query.after", str(problem), question.after)]) from None
        found = await services.history.events(
            EventQuery(
                config=tree.config,
                start=within.start,
                end=within.end,
                path_prefix=question.path,
                pv=question.pv or None,
                severities=frozenset(one for severity in question.severity for one in (severity, severity.acknowledged)),
                kinds=frozenset(question.kind),
                user=question.user or None,
                text=question.q or None,
                oldest_first=question.order == "oldest",
                limit=question.limit,
                after=after,
            )
        )
        body = {"events": [event_object(event) for event in found.events], "next": str(found.next) if found.next else None}
        return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json")

    return router
