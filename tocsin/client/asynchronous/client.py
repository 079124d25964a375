"""The client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from tocsin.client.asynchronous.commands import AsyncCommands
from tocsin.client.asynchronous.figures import AsyncFigureQuestions
from tocsin.client.asynchronous.past import AsyncPastQuestions
from tocsin.client.asynchronous.subscribing import AsyncSubscribing
from tocsin.client.settings import RETRIES, TIMEOUT_S, settle

if TYPE_CHECKING:
    import httpx


class AsyncClient(AsyncSubscribing, AsyncPastQuestions, AsyncFigureQuestions, AsyncCommands):
    """Alarms of a tocsin backend: what is, what was, commands.

    >>> import asyncio
    >>> async def worst() -> str:
    ...     async with AsyncClient(url) as client:
    ...         found = await client.alarms()
    ...         return found.alarms[0].path
    >>> asyncio.run(worst())
    '/Acc/Vacuum/GC1'
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        token_file: str | Path | None = None,
        ca_file: str | Path | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        user: str | None = None,
        config: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """What is not given comes from TOCSIN_URL (default http://127.0.0.1:8080), TOCSIN_TOKEN or TOCSIN_TOKEN_FILE, TOCSIN_CA_FILE.

        `timeout_s`: for an answer. `retries`: how often a question is asked again that brought no answer. `user`: who gives commands, where
        the server asks nobody to log in; default: the user of this process. `config`: which configuration is meant where neither it nor a
        path is given. `transport`: what is used instead of the network. No connection is made before the first question. Raises
        `BadClientSettings` that names what cannot be used.
        """
        from tocsin.client.asynchronous.connection import AsyncConnection

        self._settings = settle(
            url, token=token, token_file=token_file, ca_file=ca_file, timeout_s=timeout_s, retries=retries, user=user, config=config
        )
        self._connection = AsyncConnection(self._settings, transport)

    @property
    def url(self) -> str:
        """Address of the server, without a login.

        >>> client.url == url
        True
        """
        return self._settings.shown_url

    async def aclose(self) -> None:
        """Close all connections.

        >>> other = AsyncClient(url)
        >>> await other.aclose()
        """
        await self._connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"
