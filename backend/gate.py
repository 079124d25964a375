"""The gate that every request passes: names of this host, who is asking, and pages from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.problems import Problem
from backend.security import Identity, Role, Security, TooManyAttempts, Unauthorized

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/readyz/live"})
"""Probes ask without saying who they are."""

MAX_BODY = 1_000_000
"""Bytes of a request: commands and questions are short."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_READING_POSTS = "/grafana"
"""Below this, POST is a question."""

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="tocsin", charset="UTF-8"'}


class Gate:
    """ASGI middleware; leaves the `Identity` in `request.state.identity`."""

    def __init__(self, app: ASGIApp, security: Security) -> None:
        self._app = app
        self._security = security

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            identity = await self._check(scope)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        scope.setdefault("state", {})["identity"] = identity
        await self._app(scope, _limited(receive), send)

    async def _check(self, scope: Scope) -> Identity:
        headers = _headers(scope)
        path, method = scope["path"], scope["method"]
        client = (scope.get("client") or ("", 0))[0].removeprefix("::ffff:")
        host = headers.get("host", "")
        if not self._security.is_host_allowed(host):
            raise Problem(421, f"this server does not answer for the name {host[:100]!r}: add it to backend.allowed_hosts if it should")
        if path in OPEN_PATHS:
            return Identity("", Role.VIEWER, client)
        if method not in _SAFE_METHODS and not _is_below(path, _READING_POSTS):
            self._check_origin(headers)
        try:
            identity = await self._security.identify(headers, client)
        except TooManyAttempts as problem:
            raise Problem(429, str(problem), {"Retry-After": "60"}) from None
        except Unauthorized as problem:
            raise Problem(401, str(problem), _CHALLENGE) from None
        if identity.role < Role.VIEWER:
            raise Problem(401, "say who you are: this server shows alarms to its users only", _CHALLENGE)
        return identity

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        if not self._security.is_same_site(headers):
            raise Problem(403, "refused: a page of another site made your browser send this")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "send JSON, with Content-Type: application/json")


def _headers(scope: Scope) -> dict[str, str]:
    """By name in small letters; the proxies of a request may each have added a line of the same name."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]},{text}" if key == "x-forwarded-for" and key in found else text
    return found


def _limited(receive: Receive) -> Receive:
    """A body that is too long is refused while it comes, before it fills the memory."""
    length = 0

    async def limited() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > MAX_BODY:
            raise HTTPException(413, f"the request is longer than {MAX_BODY} bytes")
        return message

    return limited


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def require(identity: Identity, role: Role) -> None:
    """Raise `Problem` if somebody may not do what only `role` may: 401 for a stranger, 403 for a known user."""
    if identity.role >= role:
        return
    if not identity.name:
        raise Problem(401, f"say who you are: this needs the role {role.name.lower()}", _CHALLENGE)
    raise Problem(403, f"{identity.name} has the role {identity.role.name.lower()}; this needs the role {role.name.lower()}")


def identity_of(request: Any) -> Identity:
    """Who sent a request that has passed the gate."""
    identity: Identity = request.state.identity
    return identity
