"""Errors as problem documents (RFC 9457), with a `message` for people: it is what Grafana shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from alarm_engine.errors import HistoryError, JournalError, JournalUnavailable, QueryTooLarge, TocsinError

log = structlog.get_logger()

PREFIX = "/api/v1"
"""Where the REST interface lives."""

MEDIA_TYPE = "application/problem+json"
_MAX_VALUE = 100


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="forbid")

    where: str = Field(description="Parameter or field, e.g. `query.limit` or `body.until`.")
    message: str = Field(description="What was expected.")
    value: str | None = Field(None, description="What was sent, shortened.")


class ProblemDocument(BaseModel):
    """Why a request was not answered as it should be."""

    type: str = Field("about:blank", description="Kind of the problem; `about:blank`: what `status` says.")
    title: str = Field(description="The kind of the problem in words; the same for all of its kind.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What went wrong this time.")
    message: str = Field(description="As `detail`, for clients that show only this (Grafana).")
    faults: list[Fault] | None = Field(None, description="All that is wrong with the request.")


class Problem(Exception):
    """An answer that is a problem; `extra` are further members of the document."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **extra: object) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.extra = extra

    def response(self) -> Response:
        """The answer."""
        return problem_response(self.status, self.detail, self.headers, **self.extra)


def problem_response(status: int, detail: str, headers: Mapping[str, str] | None = None, **extra: object) -> Response:
    """A problem document."""
    title = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "message": detail, **extra}
    return Response(_encode(body), status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def _encode(body: dict[str, Any]) -> bytes:
    """A document; what a client sent may be repeated in it, also half a character, which only the slower encoder can write."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode()


def fault(where: str, message: str, value: object = None) -> dict[str, Any]:
    """One thing that is wrong with a request."""
    text = None if value is None else str(value)
    return {"where": where, "message": message, "value": text if text is None or len(text) <= _MAX_VALUE else text[:_MAX_VALUE] + "…"}


def faulty_request(faults: Sequence[dict[str, Any]]) -> Problem:
    """The problem that tells of all faults of a request at once."""
    lines = "; ".join(f"{one['where'].partition('.')[2] or one['where']}: {one['message']}" for one in faults)
    return Problem(422, lines if len(faults) == 1 else f"{len(faults)} faults: {lines}", faults=list(faults))


def _status_of(problem: TocsinError) -> int:
    if isinstance(problem, QueryTooLarge):
        return 422
    if isinstance(problem, HistoryError | JournalUnavailable):  # a store that refuses us is no fault of whoever asks
        return 503
    return 500


def _what_failed(problem: TocsinError) -> str:
    if isinstance(problem, HistoryError) and not isinstance(problem, QueryTooLarge):
        return f"the history store does not answer: {problem}"
    if isinstance(problem, JournalError):
        return f"the journal does not answer: {problem}"
    return str(problem)


def install(app: FastAPI) -> None:
    """Make every error of an application a problem document."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, problem: Problem) -> Response:
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, problem: RequestValidationError) -> Response:
        return faulty_request([_validation_fault(one) for one in problem.errors()]).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, problem: HTTPException) -> Response:
        detail = str(problem.detail)
        if problem.status_code == 404 and detail == "Not Found":
            detail = f"there is nothing at {request.url.path}"
        elif problem.status_code == 405:
            detail = f"{request.method} is not possible at {request.url.path}"
        return problem_response(problem.status_code, detail, problem.headers)

    @app.exception_handler(TocsinError)
    async def _ours(_: Request, problem: TocsinError) -> Response:
        return problem_response(_status_of(problem), _what_failed(problem))

    @app.exception_handler(Exception)
    async def _unknown(request: Request, problem: Exception) -> Response:
        log.error("request failed by a fault of ours", path=request.url.path, problem=repr(problem))
        return problem_response(500, "internal fault: the log of the backend tells more")


def _validation_fault(error: Any) -> dict[str, Any]:
    where = ".".join(str(part) for part in error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return fault(where, "is not known here")
    if kind == "json_invalid":
        return fault("body", f"is no JSON: {context.get('error', '')}")
    message: str = error["msg"].removeprefix("Value error, ")
    return fault(where, message[:1].lower() + message[1:], error.get("input") if kind != "missing" else None)


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "model": ProblemDocument}
    for status, text in (
        (401, "Who are you?"),
        (403, "You may not do that"),
        (404, "There is no such thing"),
        (422, "The request has faults; all of them are told"),
        (503, "Journal or history store do not answer"),
    )
}
"""Problems that any endpoint may answer, for the interface description."""
