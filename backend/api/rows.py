"""Row endpoints for the Infinity datasource (backend parser): each question of the registry as a plain GET.

Answers are JSON arrays of flat objects. Grafana never shows an error's text for these, only its status; the text is for people with curl.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import orjson
from fastapi import APIRouter, Request, Response

from alarm_engine.clock import Clock
from alarm_engine.errors import HistoryError, QueryTooLarge, TocsinError
from backend.history.port import History
from backend.live.model import LiveTree
from backend.queries.registry import QUERIES, Query
from backend.queries.request import PARAMETERS, BadQuestion, Sources, read_ask
from backend.services import BackendSettings
from backend.suggesting import Suggestions


class LiveTrees(Protocol):
    """Live trees by configuration."""

    @property
    def trees(self) -> Mapping[str, LiveTree]:
        """By name of the configuration."""
        ...


class RowServices(Protocol):
    """What the endpoints need."""

    @property
    def live(self) -> LiveTrees:
        """What is now."""
        ...

    @property
    def history(self) -> History:
        """What was."""
        ...

    @property
    def clock(self) -> Clock:
        """By which ages are counted."""
        ...

    @property
    def suggestions(self) -> Suggestions:
        """Proposals, kept from one question to the next."""
        ...

    @property
    def settings(self) -> BackendSettings:
        """What the site sets."""
        ...


def sources_of(services: RowServices) -> Sources:
    """Where answers come from, at this instant."""
    return Sources(services.live.trees, services.history, services.clock.now().wall, services.settings.limits, services.suggestions)


def json_response(body: object, status: int = 200) -> Response:
    """JSON that no cache keeps."""
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, "application/json")


def status_of(problem: TocsinError) -> int:
    """HTTP status of a problem."""
    if isinstance(problem, BadQuestion | QueryTooLarge):
        return 400
    return 503 if isinstance(problem, HistoryError) else 500


def rows_router(services: RowServices) -> APIRouter:
    """`GET /grafana/rows/NAME` for every question."""
    router = APIRouter(prefix="/grafana/rows", tags=["grafana"])
    for query in QUERIES.values():
        router.add_api_route(
            f"/{query.name}",
            _endpoint(query, services),
            methods=["GET"],
            summary=query.title,
            operation_id="rows_" + query.name.replace("/", "__"),
            response_class=Response,
            responses=_responses(query),
            openapi_extra={"parameters": [_parameter(name) for name in query.parameters]},
        )
    return router


def _endpoint(query: Query, services: RowServices) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        sources = sources_of(services)
        try:
            return json_response(await query.rows(sources, read_ask(request.query_params.multi_items(), sources.now)))
        except TocsinError as problem:
            return json_response({"message": str(problem)}, status_of(problem))

    answer.__doc__ = query.run.__doc__ or query.title
    return answer


def _parameter(name: str) -> dict[str, Any]:
    several = name in ("system", "severity", "kind")
    schema: dict[str, Any] = {"type": "integer"} if name in ("from", "to", "limit", "older", "at") else {"type": "string"}
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": PARAMETERS[name],
        "schema": {"type": "array", "items": schema} if several else schema,
    }


_JSON_TYPES = {"time": "integer", "number": "number", "string": "string", "boolean": "boolean"}


def _responses(query: Query) -> dict[int | str, dict[str, Any]]:
    columns = {name: {"type": [_JSON_TYPES[kind], "null"]} for name, kind in query.columns.items()}
    rows = {"type": "array", "items": {"type": "object", "properties": columns, "required": list(columns)}}
    problem = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    return {
        200: {"description": "Rows", "content": {"application/json": {"schema": rows}}},
        400: {"description": "The question cannot be understood", "content": {"application/json": {"schema": problem}}},
        503: {"description": "The history store does not answer", "content": {"application/json": {"schema": problem}}},
    }
