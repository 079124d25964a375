"""Clients that need no backend: alarms, history and commands straight from the topics of Kafka, by the methods of the other clients.

They run the backend's own code inside this process, so their answers are its answers. They only read, and write nothing but commands: no
topic is made, no group is joined, no position is kept.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from tocsin.client.asking import When
from tocsin.client.asynchronous.client import AsyncClient
from tocsin.client.kafka_options import KafkaOptions, backend_of, of_settings, only_one, timeout_s_of
from tocsin.client.synchronous.client import Client
from tocsin.client.types.kafka import KafkaStatus, PastRead

if TYPE_CHECKING:
    from tocsin.client.private_backend import PrivateBackend
    from tocsin.settings import Settings

_CALL_S = 10.0
_URL = "http://localhost"


class KafkaClient(Client):
    """Alarms of one or several configurations straight from Kafka. Close it, best by `with`.

    It has threads, and must not be used in a process that was forked off after it was made.

    >>> with KafkaClient(servers, config="Acc", cell=cell) as own:
    ...     own.wait_ready()
    ...     [alarm.pv for alarm in own.alarms().alarms]
    ['GC1']
    """

    def __init__(
        self,
        servers: str | None = None,
        *,
        config: str | Iterable[str] | None = None,
        settings_file: str | Path | None = None,
        phoebus: bool = False,
        user: str | None = None,
        **options: Unpack[KafkaOptions],
    ) -> None:
        """`servers`: host:port of the brokers; `config`: one name of a configuration, or several. Or both from a `settings_file`.

        `phoebus`: a Phoebus server owns the configurations. `user`: who gives commands; default: the user of this process. It connects at
        once, and returns when the topics were read. Raises `Unreachable` if Kafka does not answer within `start_s`, `NotFound` if there is
        no such configuration, `BadClientSettings` that names what cannot be used.
        """
        self._open(backend_of(servers, config, settings_file, phoebus, options), user, options)

    def _open(self, backend: PrivateBackend, user: str | None, options: KafkaOptions) -> None:
        from tocsin.client.kafka_transport import PrivateTransport

        self._backend = backend
        self._closing = weakref.finalize(self, backend.close)
        try:
            backend.start()
            super().__init__(
                _URL,
                token="",
                user=user,
                config=only_one(backend.site),
                transport=PrivateTransport(backend),
                timeout_s=timeout_s_of(options),
            )
        except BaseException:
            self._closing()
            raise

    @property
    def url(self) -> str:
        """Where Kafka is.

        >>> client.url.partition("://")[0]
        'kafka'
        """
        return f"kafka://{self._backend.site.kafka.servers}"

    def status(self) -> tuple[KafkaStatus, ...]:
        """How each configuration is followed: caught up or not, server there or gone.

        >>> [(one.config, one.caught_up, one.server_gone) for one in client.status()]
        [('Acc', True, False)]
        """
        return self._backend.call(self._backend.followed.status, _CALL_S)

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Return when all is read and whoever evaluates the alarms gives life signs. Raises `TimedOut` with what is missing.

        >>> client.wait_ready(timeout_s=60)
        """
        self._backend.call(lambda: self._backend.followed.until_ready(timeout_s), timeout_s + _CALL_S)

    def past(self, *, config: str | None = None) -> PastRead:
        """How much of the past was read so far.

        >>> past = client.past()
        >>> past.read <= past.total
        True
        """
        return self._backend.call(lambda: self._backend.followed.past(self._config(config)), _CALL_S)

    def read_past(self, since: When | None = None, *, config: str | None = None, timeout_s: float = 3600.0) -> PastRead:
        """Read the past back to a time, or all of it, before it is asked for. Raises `TimedOut` with how far it is.

        >>> client.read_past("2h").config
        'Acc'
        """
        return self._backend.call(lambda: self._backend.followed.read_past(self._config(config), since, timeout_s), timeout_s + _CALL_S)

    def close(self) -> None:
        """End it: threads, connections, and all that was read.

        >>> client.close()
        """
        if hasattr(self, "_connection"):
            super().close()
        self._closing()


class AsyncKafkaClient(AsyncClient):
    """The same for asyncio. It connects by `async with`, or with the first question.

    >>> async def ask() -> list[str]:
    ...     async with AsyncKafkaClient(servers, config="Acc", cell=cell) as own:
    ...         await own.wait_ready()
    ...         return [alarm.pv for alarm in (await own.alarms()).alarms]
    >>> asyncio.run(ask())
    ['GC1']
    """

    def __init__(
        self,
        servers: str | None = None,
        *,
        config: str | Iterable[str] | None = None,
        settings_file: str | Path | None = None,
        phoebus: bool = False,
        user: str | None = None,
        **options: Unpack[KafkaOptions],
    ) -> None:
        """As `KafkaClient`, which tells what the arguments are; but `Unreachable` and `NotFound` are raised when it connects."""
        self._open(backend_of(servers, config, settings_file, phoebus, options), user, options)

    def _open(self, backend: PrivateBackend, user: str | None, options: KafkaOptions) -> None:
        from tocsin.client.kafka_transport import AsyncPrivateTransport

        self._backend = backend
        self._closing = weakref.finalize(self, backend.close)
        super().__init__(
            _URL,
            token="",
            user=user,
            config=only_one(backend.site),
            transport=AsyncPrivateTransport(backend),
            timeout_s=timeout_s_of(options),
        )

    @property
    def url(self) -> str:
        """Where Kafka is.

        >>> client.url.partition("://")[0]
        'kafka'
        """
        return f"kafka://{self._backend.site.kafka.servers}"

    async def status(self) -> tuple[KafkaStatus, ...]:
        """How each configuration is followed: caught up or not, server there or gone.

        >>> [(one.config, one.caught_up, one.server_gone) for one in await client.status()]
        [('Acc', True, False)]
        """
        return await asyncio.to_thread(self._backend.call, self._backend.followed.status, _CALL_S)

    async def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Return when all is read and whoever evaluates the alarms gives life signs. Raises `TimedOut` with what is missing.

        >>> await client.wait_ready(timeout_s=60)
        """
        await asyncio.to_thread(self._backend.call, lambda: self._backend.followed.until_ready(timeout_s), timeout_s + _CALL_S)

    async def past(self, *, config: str | None = None) -> PastRead:
        """How much of the past was read so far.

        >>> past = await client.past()
        >>> past.read <= past.total
        True
        """
        return await asyncio.to_thread(self._backend.call, lambda: self._backend.followed.past(self._config(config)), _CALL_S)

    async def read_past(self, since: When | None = None, *, config: str | None = None, timeout_s: float = 3600.0) -> PastRead:
        """Read the past back to a time, or all of it, before it is asked for. Raises `TimedOut` with how far it is.

        >>> (await client.read_past("2h")).config
        'Acc'
        """
        return await asyncio.to_thread(
            self._backend.call, lambda: self._backend.followed.read_past(self._config(config), since, timeout_s), timeout_s + _CALL_S
        )

    async def aclose(self) -> None:
        """End it: threads, connections, and all that was read.

        >>> await client.aclose()
        """
        await super().aclose()
        await asyncio.to_thread(self._closing)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._backend.start)
        except BaseException:
            await self.aclose()
            raise
        return self


def open_kafka_client(settings: Settings, config: str | None = None, tell: Callable[[str], None] | None = None) -> KafkaClient:
    """A client for the site of settings, and of one configuration of it if that is named; for a command that runs once.

    It is patient with the past, and says to `tell`, else on the error output, every few seconds how far the reading is. Raises as
    `KafkaClient` does.
    """
    client = KafkaClient.__new__(KafkaClient)
    client._open(*of_settings(settings, config, tell))
    return client


def open_async_kafka_client(settings: Settings, config: str | None = None, tell: Callable[[str], None] | None = None) -> AsyncKafkaClient:
    """The same for asyncio, to be used with `async with`."""
    client = AsyncKafkaClient.__new__(AsyncKafkaClient)
    client._open(*of_settings(settings, config, tell))
    return client
