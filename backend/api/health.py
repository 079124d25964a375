"""`/healthz`, `/readyz`, `/readyz/live`, `/metrics`: what machines ask."""

from __future__ import annotations

import asyncio

import orjson
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from alarm_engine.errors import HistoryError
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.port import EventQuery
from backend.metrics import Metrics
from backend.services import Services

_HISTORY_TIMEOUT_S = 2.0


class Readiness(BaseModel):
    """Whether this server can answer, and what is missing if not."""

    ready: bool = Field(description="Everything is there.")
    missing: dict[str, str] = Field(description="What is missing, with the reason.")


def health_router(services: Services, metrics: Metrics) -> APIRouter:
    """All endpoints."""
    router = APIRouter(tags=["health"])
    read: list[bool] = []
    """Filled when the trees were read."""

    @router.get("/healthz", summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        """Always 200 while this process answers: whoever restarts it for a missing journal only makes it worse."""
        return {"status": "ok"}

    @router.get(
        "/readyz", summary="Can it answer?", response_model=Readiness, responses={503: {"model": Readiness, "description": "Not yet"}}
    )
    async def readyz() -> Response:
        """200 if the journal has been read to its end and the history store answers, else 503 and what is missing."""
        missing = {f"journal of {name}": problem for name, problem in services.live.problems().items()}
        history = await history_problem(services)
        if history:
            missing["history"] = history
        missing.update(services.also_missing())
        body = orjson.dumps({"ready": not missing, "missing": missing})
        return Response(body, 503 if missing else 200, {"Cache-Control": "no-store"}, "application/json")

    @router.get(
        "/readyz/live",
        summary="Has it read the trees?",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "Not yet"}},
    )
    async def readyz_live() -> Response:
        """200 from when the journal was once read to its end: whoever balances load sends nobody here before.

        It stays 200 while journal or history are away: a page that says *stale* is better than none.
        """
        missing = {} if read else {f"journal of {name}": problem for name, problem in services.live.problems().items()}
        if not missing:
            read.append(True)
        body = orjson.dumps({"ready": not missing, "missing": missing})
        return Response(body, 503 if missing else 200, {"Cache-Control": "no-store"}, "application/json")

    @router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    async def figures() -> Response:
        """Text form of Prometheus."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


async def history_problem(services: Services) -> str:
    """Why the history store cannot be asked, empty if it can."""
    config = next(iter(services.live.trees), None)
    if config is None:
        return ""
    now = services.clock.now().wall
    try:
        async with asyncio.timeout(_HISTORY_TIMEOUT_S):
            await services.history.events(EventQuery(config, Nanos(now - NANOS_PER_SECOND), now, limit=1))
    except HistoryError as problem:
        return str(problem) or type(problem).__name__
    except TimeoutError:
        return f"no answer within {_HISTORY_TIMEOUT_S:g} s"
    return ""
