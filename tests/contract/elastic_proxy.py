"""A proxy before the real Elasticsearch that does what networks, load balancers and busy servers do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

import orjson
from aiohttp import ClientSession, web

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}


@dataclass
class Call:
    """A request that came to the proxy."""

    method: str
    path: str
    body: bytes
    authorization: str | None

    @property
    def is_bulk(self) -> bool:
        return self.path.endswith("/_bulk")

    @property
    def is_search(self) -> bool:
        return self.path.endswith("/_search")


Forward = Callable[[bytes | None], Awaitable[web.Response]]
Fault = Callable[[Call, Forward], Awaitable[web.Response | None]]
"""Answers itself, or by `forward` (None: the body as it came) what the server says; None: no fault this time."""


class ElasticProxy:
    """`async with ElasticProxy(url) as proxy`: what is asked for at `proxy.url` goes to `url`, unless `proxy.fault` has other ideas."""

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._tls = tls
        self.fault: Fault | None = None
        self.calls: list[Call] = []
        self.url = ""

    @property
    def bulks(self) -> list[Call]:
        return [call for call in self.calls if call.is_bulk]

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._session = ClientSession(auto_decompress=True)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.method, request.path, await request.read(), request.headers.get("Authorization"))
        self.calls.append(call)

        async def forward(body: bytes | None) -> web.Response:
            kept = {name: value for name, value in request.headers.items() if name.lower() in ("content-type", "accept")}
            url = self._target + request.path_qs
            async with self._session.request(call.method, url, data=call.body if body is None else body, headers=kept) as answer:
                own = {name: value for name, value in answer.headers.items() if name.lower() in ("content-type", "x-elastic-product")}
                return web.Response(status=answer.status, body=await answer.read(), headers=own)

        answer = await self.fault(call, forward) if self.fault else None
        return await forward(None) if answer is None else answer


def refusal(status: int, kind: str, reason: str) -> web.Response:
    """An answer that says no, as Elasticsearch words it."""
    body = {"error": {"type": kind, "reason": reason, "root_cause": [{"type": kind, "reason": reason}]}, "status": status}
    return json_answer(body, status)


def json_answer(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), headers=PRODUCT, content_type="application/vnd.elasticsearch+json")


def times(count: int, fault: Fault) -> Fault:
    """A fault that passes after so many times."""
    left = count

    async def some(call: Call, forward: Forward) -> web.Response | None:
        nonlocal left
        if left == 0:
            return None
        answer = await fault(call, forward)
        left -= answer is not None
        return answer

    return some


def on_bulk(answer: Callable[[], web.Response]) -> Fault:
    """The same answer to each bulk, which does not come to the server."""

    async def fault(call: Call, forward: Forward) -> web.Response | None:
        return answer() if call.is_bulk else None

    return fault


async def half_a_bulk(call: Call, forward: Forward) -> web.Response | None:
    """The server takes every second document and has no room for the others."""
    if not call.is_bulk:
        return None
    lines = call.body.splitlines()
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    taken = [pair for number, pair in enumerate(pairs) if number % 2 == 0]
    if len(taken) == len(pairs):
        return None
    answer = orjson.loads((await forward(b"".join(line + b"\n" for pair in taken for line in pair))).body or b"")
    error = {"type": "es_rejected_execution_exception", "reason": "the queue is full"}
    busy = {"create": {"status": 429, "error": error}}
    answer["items"] = [answer["items"].pop(0) if number % 2 == 0 else busy for number in range(len(pairs))]
    return json_answer(answer)


async def answer_lost(call: Call, forward: Forward) -> web.Response | None:
    """The server does it, but what it says does not arrive."""
    if not call.is_bulk:
        return None
    await forward(None)
    return web.Response(status=502, body=b"<html>bad gateway</html>", content_type="text/html")


def slow(seconds: float) -> Fault:
    """Searches take so long."""

    async def fault(call: Call, forward: Forward) -> web.Response | None:
        if call.is_search:
            await asyncio.sleep(seconds)
        return None

    return fault
