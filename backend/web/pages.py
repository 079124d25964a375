"""The operator's page: one document, and the files that it loads. Everything else it asks from the REST interface."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, StrictUndefined

from alarm_engine.model.palette import PALETTE
from alarm_engine.model.path import split
from backend.web.assets import load_assets

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types guidance"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Nothing from elsewhere, nothing inline, no frame around it (a hidden frame could have its buttons clicked)."""


def pages_router() -> APIRouter:
    """`/` the page, `/a?path=` a link to one alarm or component, `/static/NAME` its files."""
    router = APIRouter(include_in_schema=False)
    assets = load_assets()
    version = hashlib.sha256("".join(asset.etag for asset in assets.values()).encode()).hexdigest()[:12]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("backend.web").joinpath("templates/page.html").read_text("utf-8"))
    document = template.render(words=json.dumps({state: shade.word for state, shade in PALETTE.items()}), version=version)

    @router.get("/")
    async def page() -> HTMLResponse:
        """The page."""
        return HTMLResponse(document, headers=PAGE_HEADERS)

    @router.get("/a")
    async def link(path: str) -> RedirectResponse:
        """A short address for one alarm or component, made for links from dashboards."""
        elements = split(path)
        query = {"config": elements[0], "at": path} if elements else {}
        return RedirectResponse(f"./?{urlencode(query)}", status_code=307)

    @router.get("/static/{name}")
    async def asset(name: str, request: Request) -> Response:
        """A file of the page; browsers ask each time and are told that nothing changed."""
        found = assets.get(name)
        if found is None:
            raise HTTPException(404, f"the page has no file {name!r}")
        headers = {"ETag": found.etag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        if request.headers.get("if-none-match") == found.etag:
            return Response(status_code=304, headers=headers)
        return Response(found.body, media_type=found.media_type, headers=headers)

    return router
