"""The description of the interface (OpenAPI), brought to what the endpoints really answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from backend.api.problems import MEDIA_TYPE

_PROBLEM = {"$ref": "#/components/schemas/ProblemDocument"}


def describe(app: FastAPI) -> None:
    """Replace the description that FastAPI makes: problems have their own media type, and its own form of them does not exist here."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            for path in schema["paths"].values():
                for operation in path.values():
                    _bring_right(operation["responses"])
            for unused in ("HTTPValidationError", "ValidationError"):
                schema.get("components", {}).get("schemas", {}).pop(unused, None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def _bring_right(responses: dict[str, Any]) -> None:
    for status, response in list(responses.items()):
        content = response.get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema == {"$ref": "#/components/schemas/HTTPValidationError"}:
            responses[status] = {"description": "The request has faults", "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
        elif schema == _PROBLEM:
            response["content"] = {MEDIA_TYPE: {"schema": _PROBLEM}}
