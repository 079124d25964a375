"""How a client of Kafka reaches the private backend. Imported when one is made: it needs httpx."""

from __future__ import annotations

import asyncio

import httpx

from tocsin.client.private_backend import PrivateBackend


class PrivateTransport(httpx.BaseTransport):
    """Over the socket of a private backend."""

    def __init__(self, backend: PrivateBackend) -> None:
        self._backend = backend
        self._inner = httpx.HTTPTransport(uds=str(backend.socket))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.BaseTransport`. Raises `ClientError` in a process that was forked off."""
        self._backend.check_process()
        return self._inner.handle_request(request)

    def close(self) -> None:
        """See `httpx.BaseTransport`."""
        self._inner.close()


class AsyncPrivateTransport(httpx.AsyncBaseTransport):
    """The same for asyncio; the first question starts the backend."""

    def __init__(self, backend: PrivateBackend) -> None:
        self._backend = backend
        self._inner = httpx.AsyncHTTPTransport(uds=str(backend.socket))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`. Raises what `PrivateBackend.start` does."""
        self._backend.check_process()
        if not self._backend.started:
            await asyncio.to_thread(self._backend.start)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """See `httpx.AsyncBaseTransport`."""
        await self._inner.aclose()
