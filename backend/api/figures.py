"""Figures of alarm performance, counts per bucket, and the most frequent alarms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import Field

from alarm_engine.model.times import Nanos, iso
from backend.api.encoding import time_text
from backend.api.events import read_range
from backend.api.figures_forms import CountsForm, FiguresForm, TopForm
from backend.api.lookup import Path, Question, one_tree, span_s
from backend.api.problems import PREFIX, RESPONSES, Problem, fault, faulty_request
from backend.history.performance import Performance
from backend.history.port import MAX_PAGE, CountBy
from backend.kpi.judged import Figure
from backend.kpi.levels import Hidden, StaleAlarm
from backend.kpi.tally import Repeated, Selection, Span
from backend.live.follower import Follower
from backend.past.paths import was_there
from backend.queries.figures import performance_of
from backend.queries.request import LONGEST_BUCKET_S, SHORTEST_BUCKET_S, Sources
from backend.services import Services


class _RangeQuestion(Question):
    start: str = Field("-30d", max_length=40, description="From this time on: ISO 8601 with zone, milliseconds, or `-30d`.")
    end: str = Field("now", max_length=40, description="Before this time.")
    path: Path = Field(None, description="This alarm, or everything below this component.")


class FiguresQuestion(_RangeQuestion):
    """Parameters of `figures`."""

    lost_connections: bool = Field(False, description="Count lost connections among the alarms; else they are counted apart.")


class CountsQuestion(_RangeQuestion):
    """Parameters of `counts`."""

    start: str = Field("-1d", max_length=40, description="From this time on: ISO 8601 with zone, milliseconds, or `-1d`.")
    bucket: str = Field("10m", max_length=20, description="Width of a bucket, 10 s to 1 day: `10s`, `1m`, `10m`, `1h`, `1d`.")
    by: CountBy = Field(CountBy.SEVERITY, description="What is told apart. By kind: events of every kind; else alarms that rose.")


class TopQuestion(_RangeQuestion):
    """Parameters of `top`."""

    limit: int = Field(10, ge=1, le=MAX_PAGE, description="Alarms at most.")


def figures_router(services: Services) -> APIRouter:
    """`figures`, `counts` and `top`."""
    router = APIRouter(prefix=PREFIX, tags=["figures"], responses=RESPONSES)

    @router.get("/figures", summary="How well do the alarms serve the operators?", response_model=FiguresForm)
    async def alarm_figures(question: Annotated[FiguresQuestion, Query()]) -> Response:
        """Figures of ISA-18.2 / IEC 62682 for a range, each with its target and verdict, and the lists behind them.

        `complete_from` and `complete_until` say how much of the range is known: what is not known is in no figure.
        """
        tree = one_tree(services.live, question.config, question.path)
        now = services.clock.now().wall
        within = read_range(question.start, question.end, now)
        await _must_have_been(services, tree, question.path, (within.start, min(within.end, now)))
        limits = services.settings.limits
        selection = Selection(question.path or "/", question.lost_connections, limits)
        sources = Sources(services.live.trees, services.history, now, limits)
        found = await performance_of(sources, tree, Span(within.start, within.end), selection)
        return _answer({"config": tree.config, "path": selection.prefix, **figures_object(found)})

    @router.get("/counts", summary="How many alarms, over time?", response_model=CountsForm)
    async def counts(question: Annotated[CountsQuestion, Query()]) -> Response:
        """Alarms that rose per bucket, by severity or subsystem; or events of every kind."""
        tree = one_tree(services.live, question.config, question.path)
        within = read_range(question.start, question.end, services.clock.now().wall)
        bucket_s = _bucket_s(question.bucket)
        found = await services.history.counts(tree.config, within.start, within.end, bucket_s, question.by, question.path)
        buckets = [{"start": iso(one.start), "counts": one.counts} for one in found]
        return _answer({"config": tree.config, "bucket_s": bucket_s, "by": question.by.value, "buckets": buckets})

    @router.get("/top", summary="Which alarms come most often?", response_model=TopForm)
    async def top(question: Annotated[TopQuestion, Query()]) -> Response:
        """Alarms that rose most often in a range, most first."""
        tree = one_tree(services.live, question.config, question.path)
        within = read_range(question.start, question.end, services.clock.now().wall)
        found = await services.history.most_frequent(tree.config, within.start, within.end, question.limit, question.path)
        return _answer({"config": tree.config, "alarms": [{"path": one.path, "pv": one.pv, "count": one.count} for one in found]})

    return router


async def _must_have_been(services: Services, tree: Follower, path: str | None, span: tuple[Nanos, Nanos]) -> None:
    """Figures of a path that never was would look as if all targets were met."""
    if path is not None and span[0] < span[1] and not await was_there(services.history, tree.config, path, span, tree):
        raise Problem(404, f"there is no alarm and no component {path[:500]}, now or in the range")


def figures_object(found: Performance) -> dict[str, Any]:
    """Figures and lists as JSON: the form `FiguresForm` without `config` and `path`."""
    figures = found.figures
    return {
        "start": iso(figures.start),
        "end": iso(figures.end),
        "complete_from": time_text(found.complete_from),
        "complete_until": time_text(found.complete_until),
        "remarks": list(figures.remarks),
        "figures": [_figure(one) for one in figures.figures],
        "periods": [{"start": iso(time), "count": count} for time, count in figures.counts],
        "floods": [
            {
                "start": iso(one.start),
                "end": iso(one.end),
                "ongoing": one.ongoing,
                "size": one.size,
                "peak": one.peak,
                "peak_at": iso(one.peak_at),
                "first": [{"path": path, "time": iso(time)} for path, time in one.first],
            }
            for one in figures.floods
        ],
        "frequent": [one._asdict() for one in figures.frequent],
        "chattering": _repeated(figures.chattering),
        "fleeting": _repeated(figures.fleeting),
        "stale": _spans(figures.stale),
        "shelved": _spans(figures.shelved),
        "out_of_service": _spans(figures.out_of_service),
        "over_time": [{**one._asdict(), "time": iso(one.time)} for one in figures.over_time],
    }


def _figure(one: Figure) -> dict[str, Any]:
    target = one.target
    shown = None if target is None else {name: getattr(target, name) for name in ("good", "bearable", "text", "source")}
    fields = {"name": one.name, "title": one.title, "value": one.value, "unit": one.unit}
    return {**fields, "target": shown, "verdict": one.verdict.value, "text": one.text}


def _repeated(alarms: Iterable[Repeated]) -> list[dict[str, Any]]:
    return [{"path": one.path, "number": one.number, "first": iso(one.first), "last": iso(one.last)} for one in alarms]


def _spans(alarms: Iterable[StaleAlarm | Hidden]) -> list[dict[str, Any]]:
    return [{"path": one.path, "since": iso(one.since), "until": time_text(one.until)} for one in alarms]


def _bucket_s(text: str) -> int:
    try:
        seconds = span_s(text)
    except ValueError as problem:
        raise faulty_request([fault("query.bucket", str(problem), text)]) from None
    if seconds != int(seconds) or not SHORTEST_BUCKET_S <= seconds <= LONGEST_BUCKET_S:
        raise faulty_request([fault("query.bucket", "must be whole seconds from 10 s to 1 day", text)])
    return int(seconds)


def _answer(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json")
