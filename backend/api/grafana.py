"""The simPod JSON datasource under `/grafana`: the same questions as the row endpoints, as data frames.

Errors have the body `{"message": ...}`, the only one that the plugin shows. A bad target gets a notice of its own; a payload without
its marker fails the request, since the answer would be to another question than was asked.
"""

from __future__ import annotations

from typing import Any, TypeVar

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ValidationError

from alarm_engine.errors import TocsinError
from alarm_engine.model.times import Nanos
from backend.api.rows import RowServices, json_response, sources_of, status_of
from backend.api.simpod import (
    MetricsBody,
    QueryBody,
    TagBody,
    Target,
    VariableBody,
    check_marker,
    columns_of,
    find_query,
    frame,
    metric_entry,
    notice,
    payload_of,
    read_payload,
)
from backend.queries.adhoc import Filter, apply, read_filters
from backend.queries.registry import QUERIES
from backend.queries.request import Ask, BadQuestion, Sources

_log = structlog.get_logger()
_Body = TypeVar("_Body", bound=BaseModel)

TAG_KEYS = ("severity", "system", "pv", "path", "description", "message", "current", "acked", "kind", "by")
"""Columns that the editor of ad hoc filters offers."""

_MAX_TAG_VALUES = 1000
_OPTIONS = {"config": "vars/configurations", "system": "vars/systems", "severity": "vars/severities", "path": "vars/paths"}


def grafana_router(services: RowServices) -> APIRouter:
    """The datasource; its base answers with and without a slash at the end, never with a redirect."""
    router = APIRouter(prefix="/grafana", tags=["grafana"])
    endpoints = _Endpoints(services)
    for path in ("", "/"):
        router.add_api_route(path, endpoints.health, methods=["GET"], include_in_schema=not path, summary="Test the datasource")
    for name, endpoint, body in (
        ("query", endpoints.query, QueryBody),
        ("metrics", endpoints.metrics, MetricsBody),
        ("metric-payload-options", endpoints.payload_options, MetricsBody),
        ("variable", endpoints.variable, VariableBody),
        ("tag-keys", endpoints.tag_keys, TagBody),
        ("tag-values", endpoints.tag_values, TagBody),
    ):
        schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        router.add_api_route(
            f"/{name}",
            endpoint,
            methods=["POST"],
            response_class=Response,
            operation_id="grafana_" + name.replace("-", "_"),
            openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"type": "object", "title": schema["title"]}}}}},
        )
    return router


class _Endpoints:
    def __init__(self, services: RowServices) -> None:
        self._services = services

    async def health(self) -> dict[str, str]:
        """Save & test asks for a 200 and nothing else."""
        return {"message": "tocsin answers"}

    async def query(self, request: Request) -> Response:
        """Rows of every target of a panel or an annotation, as data frames."""
        try:
            body = await _read(request, QueryBody)
            targets = [target for target in body.targets if not target.hide]
            payloads = [payload_of(target.payload) for target in targets]
            for target, payload in zip(targets, payloads, strict=True):
                check_marker(payload, f"query {target.ref_id} ({target.target})")
            filters = read_filters(body.filters)
        except TocsinError as problem:
            return _failed(problem)
        sources = sources_of(self._services)
        question = (body, filters, sources)
        return json_response([await _answer(target, payload, question) for target, payload in zip(targets, payloads, strict=True)])

    async def metrics(self, request: Request) -> Response:
        """All questions, for the query editor."""
        try:
            await _read(request, MetricsBody)
        except TocsinError as problem:
            return _failed(problem)
        return json_response([metric_entry(query) for query in QUERIES.values()])

    async def payload_options(self, request: Request) -> Response:
        """Options of a parameter, for the query editor."""
        try:
            body = await _read(request, MetricsBody)
            name = _OPTIONS.get(body.name or "")
            if name is None:
                return json_response([])
            given = payload_of(body.payload)
            config = given.get("config") if body.name != "config" else None
            sources = sources_of(self._services)
            ask = read_payload({"config": config} if isinstance(config, str) else {}, None, sources.now)
            rows = await QUERIES[name].rows(sources, ask)
        except TocsinError as problem:
            return _failed(problem)
        return json_response([{"label": row["text"], "value": row["value"]} for row in rows])

    async def variable(self, request: Request) -> Response:
        """Options of a dashboard variable."""
        try:
            body = await _read(request, VariableBody)
            payload = payload_of(body.payload)
            if set(payload) != {"target"}:  # the plain text form has nothing but a name
                check_marker(payload, "variable")
            query = find_query(payload.get("target"))
            if not query.name.startswith("vars/"):
                raise BadQuestion(
                    f"{query.name} has no options; use one of {', '.join(name for name in QUERIES if name.startswith('vars/'))}"
                )
            sources = sources_of(self._services)
            rows = await query.rows(sources, read_payload(payload, body.range, sources.now))
        except TocsinError as problem:
            return _failed(problem)
        return json_response([{"__text": row["text"], "__value": row["value"]} for row in rows])

    async def tag_keys(self, request: Request) -> Response:
        """Columns that ad hoc filters can use: those of the queries that the dashboard has."""
        try:
            body = await _read(request, TagBody)
        except TocsinError as problem:
            return _failed(problem)
        used = {name for target in body.queries if target.target in QUERIES for name in QUERIES[str(target.target)].columns}
        return json_response([{"text": key, "value": key} for key in TAG_KEYS if key in (used or TAG_KEYS)])

    async def tag_values(self, request: Request) -> Response:
        """Values of a column among the active alarms and in the tree."""
        try:
            body = await _read(request, TagBody)
            if not body.key:
                raise BadQuestion("key: expected the name of a column")
            sources = sources_of(self._services)
            values = await _tag_values(body.key, sources)
        except TocsinError as problem:
            return _failed(problem)
        return json_response([{"text": value} for value in values[:_MAX_TAG_VALUES]])


async def _answer(target: Target, payload: dict[str, Any], question: tuple[QueryBody, list[Filter], Sources]) -> dict[str, Any]:
    body, filters, sources = question
    try:
        query = find_query(target.target)
        columns = columns_of(query, payload)
        rows = await query.rows(sources, read_payload(payload, body.range, sources.now))
        return frame(target.ref_id, query, columns, apply(filters, rows))
    except TocsinError as problem:
        _log.warning("a query of Grafana failed", query=str(target.target), problem=str(problem))
        return notice(target.ref_id, str(problem))


async def _tag_values(key: str, sources: Sources) -> list[str]:
    fixed = {"severity": "vars/severities", "current": "vars/severities", "system": "vars/systems", "pv": "vars/pvs", "path": "vars/paths"}
    ask = Ask(start=Nanos(0), end=sources.now)
    if key in fixed:
        return [str(row["value"]) for row in await QUERIES[fixed[key]].rows(sources, ask) if row["value"] != ""]
    if key == "acked":
        return ["true", "false"]
    found = [*await QUERIES["active"].rows(sources, ask), *await QUERIES["shelved"].rows(sources, ask)]
    return sorted({str(row[key]) for row in found if row.get(key) not in (None, "") and row.get("path")})


async def _read(request: Request, model: type[_Body]) -> _Body:
    """The body of a request; one that cannot be understood is a `BadQuestion` (FastAPI's own answer would not be shown)."""
    try:
        return model.model_validate_json(await request.body() or b"{}")
    except ValidationError as problem:
        faults = [f"{'.'.join(str(part) for part in fault['loc']) or 'body'}: {fault['msg']}" for fault in problem.errors()]
        raise BadQuestion("; ".join(faults)) from problem


def _failed(problem: TocsinError) -> Response:
    return json_response({"message": str(problem)}, status_of(problem))
