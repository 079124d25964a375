"""The line to the server: questions, asked again where that is safe, and streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from tocsin.client.answers import error_of, problem_of, read
from tocsin.client.asking import Parameters
from tocsin.client.errors import ClientError, NotSent, Unavailable, UnexpectedAnswer, Unreachable
from tocsin.client.settings import ClientSettings
from tocsin.client.transport import is_worth_asking_again, options, pause_s, stream_timeout, translated
from tocsin.client.waiting import async_sleep

T = TypeVar("T")

API = "api/v1"


class AsyncConnection:
    """Asks the server; opens with the first question."""

    def __init__(self, settings: ClientSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Raises `BadClientSettings`. `transport` takes the place of the network, as a unix socket does."""
        self.settings = settings
        given: dict[str, Any] = options(settings)
        self._http = httpx.AsyncClient(transport=transport, **given)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, kind: type[T], path: str, asked: Parameters | None = None) -> T:
        """An answer as a type. Questions change nothing, so one that brought no answer is asked again."""
        return read(kind, (await self.answer("GET", f"{API}/{path.lstrip('/')}", params=asked)).content)

    async def answer(self, method: str, path: str, *, also: tuple[int, ...] = (), **given: Any) -> httpx.Response:
        """The answer to a question which may be asked twice without harm; `also`: statuses that are answers, too.

        If an attempt may have reached the server and no later one was answered, its error is raised and not that of a later one.
        """
        doubtful: list[ClientError] = []
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(self.settings.retries + 1),
                retry=retry_if_exception(is_worth_asking_again),
                wait=pause_s,
                sleep=async_sleep,
                reraise=True,
            ):
                with attempt:
                    return await self._once(method, path, also, given, doubtful)
        except (Unreachable, Unavailable):
            if doubtful:
                raise doubtful[0] from None
            raise
        raise AssertionError("it ends with an answer or an error")

    async def _once(
        self, method: str, path: str, also: tuple[int, ...], given: dict[str, Any], doubtful: list[ClientError]
    ) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, **given)
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            told = translated(problem, self.settings)
            if isinstance(told, Unreachable) and not isinstance(told, NotSent):
                doubtful.append(told)
            raise told from problem
        if answer.status_code == 200 or (answer.status_code in also and problem_of(answer.content)):
            return answer
        if answer.is_redirect:
            raise UnexpectedAnswer(f"{self.settings.shown_url} sends elsewhere, to {answer.headers.get('location')}: is that its address?")
        error = error_of(answer.status_code, answer.headers, answer.content)
        if answer.status_code in (502, 504):  # of a proxy: it may have handed the question on
            doubtful.append(error)
        raise error

    @asynccontextmanager
    async def stream(self, asked: Parameters) -> AsyncIterator[AsyncIterator[bytes]]:
        """Pieces of the stream of events as they come. Raises as a question does, also under way."""
        try:
            async with self._http.stream("GET", f"{API}/stream", params=asked, timeout=stream_timeout(self.settings)) as answer:
                if answer.status_code != 200:
                    raise error_of(answer.status_code, answer.headers, await answer.aread())
                if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                    raise UnexpectedAnswer(f"{self.settings.shown_url} gives no stream of events: is another program at that address?")
                yield answer.aiter_bytes()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as problem:
            raise translated(problem, self.settings, of_stream=True) from problem
