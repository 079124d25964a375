"""The two kinds of Python clients, used in the same way by tests: each call is awaited, each iterator is a list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

from backend.server import BackendServer
from tests.unit.backend_world import world
from tocsin.client import AsyncClient, Client


class Threaded:
    """The client without asyncio, each call in a thread."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        def call(*given: Any, **named: Any) -> Any:
            answer = method(*given, **named)
            return list(answer) if hasattr(answer, "__next__") else answer

        async def threaded(*given: Any, **named: Any) -> Any:
            return await asyncio.to_thread(call, *given, **named)

        return threaded


class Awaited:
    """The client for asyncio."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        async def awaited(*given: Any, **named: Any) -> Any:
            answer = method(*given, **named)
            return [one async for one in answer] if hasattr(answer, "__anext__") else await answer

        return awaited


KINDS = ("asyncio", "plain")


@asynccontextmanager
async def opened(kind: str, *given: Any, **named: Any):
    """A client of that kind."""
    if kind == "asyncio":
        async with AsyncClient(*given, **named) as client:
            yield Awaited(client)
    else:
        with Client(*given, **named) as plain:
            yield Threaded(plain)


@asynccontextmanager
async def served(**options: Any):
    """A site in memory behind a real server: the site and its address."""
    async with world(**options) as site:
        server = BackendServer(site.app, "127.0.0.1", 0)
        await server.start()
        try:
            yield site, server.url
        finally:
            await server.stop()
