"""Alarms over a range of time, and who acknowledged what."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from alarm_engine.model.path import name, system
from alarm_engine.model.severity import NAMES
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.api.encoding import time_text
from backend.api.events import EventFilters, event_query, history_response, read_range
from backend.api.lookup import Path, Question, one_tree
from backend.api.past_forms import AcknowledgementPage, IntervalsAnswer
from backend.api.problems import PREFIX, RESPONSES, Problem, fault, faulty_request
from backend.history.port import EventPage, Interval
from backend.live.follower import Follower
from backend.past.acknowledgements import Acknowledged, acknowledgements
from backend.past.paths import alarms_below
from backend.past.reach import Asked, page_remark, span_remark
from backend.past.tree import standing_then
from backend.services import Services

MAX_LINES = 1_000
MAX_ACKNOWLEDGEMENTS = 1_000


class IntervalsQuestion(Question):
    """Parameters of `history/intervals`."""

    path: Annotated[list[Annotated[Path, Field()]], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="An alarm, or a component with all alarms below it; repeatable."
    )
    start: str = Field("-1d", max_length=40, description="Begin of the range. Default: a day ago.")
    end: str | None = Field(None, max_length=40, description="Its end. Default: now.")
    limit: int = Field(MAX_LINES, ge=1, le=MAX_LINES, description="Alarms at most.")


class AcknowledgementQuestion(Question):
    """Parameters of `history/acknowledgements`."""

    start: str | None = Field(None, max_length=40, description="From this time on. Default: as far back as can be asked.")
    end: str | None = Field(None, max_length=40, description="Before this time. Default: now.")
    path: Path = Field(None, description="This alarm, or everything below this component.")
    user: str | None = Field(None, max_length=200, description="Who acknowledged.")
    limit: int = Field(100, ge=1, le=MAX_ACKNOWLEDGEMENTS, description="Rows of a page.")
    after: str | None = Field(None, max_length=200, description="Cursor: `next` of the page before.")


def over_time_router(services: Services) -> APIRouter:
    """`history/intervals`, `history/acknowledgements`."""
    router = APIRouter(prefix=PREFIX + "/history", tags=["history"], responses=RESPONSES)
    live, history = services.live, services.history

    @router.get("/intervals", summary="Alarms over time", response_model=IntervalsAnswer)
    async def past_intervals(question: Annotated[IntervalsQuestion, Query()]) -> Response:
        """For one alarm, all below a component, or several: their severity over a range, without gaps, right at both ends."""
        asked = [path for path in question.path if path is not None]
        trees = {(tree := one_tree(live, question.config, path)).config: tree for path in asked}
        if len(trees) != 1:
            raise faulty_request([fault("query.path", "must begin with a slash and be in one configuration: ask for each by itself")])
        [tree] = trees.values()
        now = services.clock.now().wall
        within = read_range(question.start, question.end, now)
        end = min(within.end, now)
        if within.start >= end:
            raise faulty_request([fault("query.start", f"{iso(within.start)} lies in the future, of which nothing is known")])
        paths = await _alarms_below(services, tree, asked, (within.start, end))
        shown = paths[: question.limit]
        lines: dict[str, list[dict[str, Any]]] = {path: [] for path in shown}
        for one in await history.intervals(tree.config, shown, within.start, end):
            lines[one.path].append(interval_object(one))
        alarms = [{"path": path, "pv": name(path), "system": system(path), "intervals": line} for path, line in lines.items()]
        remark = await span_remark(history, tree.config, (within.start, end), now, tree)
        body = {"start": iso(within.start), "end": iso(end), "complete": not remark, "remark": remark}
        return history_response({**body, "total": len(paths), "cut": len(paths) > len(shown), "alarms": alarms})

    @router.get("/acknowledgements", summary="Who acknowledged what, and how soon", response_model=AcknowledgementPage)
    async def past_acknowledgements(question: Annotated[AcknowledgementQuestion, Query()]) -> Response:
        """Acknowledgements, newest first, with the time from the annunciation on."""
        tree = one_tree(live, question.config, question.path)
        filters = EventFilters(**question.model_dump(include={"start", "end", "path", "user", "after"}))
        now = services.clock.now().wall
        query = event_query(filters, tree.config, now, limit=question.limit)
        found, following = await acknowledgements(history, query)
        page = EventPage(tuple(one.event for one in found), following)
        remark = await page_remark(history, query, page, now, Asked(bool(question.start), tree))
        body = {"acknowledgements": [acknowledged_object(one) for one in found], "next": str(following) if following else None}
        return history_response({**body, "complete": not remark, "remark": remark})

    return router


async def _alarms_below(services: Services, tree: Follower, asked: list[str], span: tuple[Nanos, Nanos]) -> list[str]:
    """The alarms of paths, in the order asked for."""
    found = await alarms_below(services.history, tree.config, asked, span, tree)
    for path, below in found.items():
        if not below:
            raise Problem(404, f"there is no alarm and no component {path[:500]}, now or in the range")
    return list(dict.fromkeys(chain.from_iterable(found.values())))


def interval_object(one: Interval) -> dict[str, Any]:
    """A piece of the line of an alarm: the form `IntervalForm`."""
    return {
        "start": time_text(one.start),
        "end": time_text(one.end),
        "seconds": (one.end - one.start) / NANOS_PER_SECOND,
        "severity": None if one.severity is None else NAMES[one.severity],
        "state": standing_then(one).value,
        "suppressed": one.suppressed,
        "connected": one.connected,
    }


def acknowledged_object(one: Acknowledged) -> dict[str, Any]:
    """One alarm that was acknowledged: the form `AcknowledgementRow`."""
    event = one.event
    return {
        "event": str(event.id),
        "time": time_text(event.time),
        "path": event.path,
        "pv": name(event.path),
        "system": system(event.path),
        "severity": NAMES[event.from_severity],
        "description": event.description,
        "user": event.user,
        "host": event.host,
        "comment": event.comment,
        "reason": event.reason,
        "annunciated": None if one.annunciation is None else time_text(one.annunciation.time),
        "after_s": one.after_s,
    }
