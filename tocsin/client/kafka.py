"""Clients that need no backend: alarms, history and commands straight from the topics of Kafka, by the methods of the other clients.

They run the backend's own code inside this process, so their answers are its answers. They only read, and write nothing but commands: no
topic is made, no group is joined, no position is kept.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from tocsin.client.asking import When
from tocsin.client.asynchronous.client import AsyncClient
from tocsin.client.synchronous.client import Client
from tocsin.client.types.kafka import KafkaStatus, PastRead

if TYPE_CHECKING:
    from tocsin.client.kafka_site import KafkaSite
    from tocsin.client.private_backend import PrivateBackend
    from tocsin.settings import Settings

START_S = 15.0
PATIENCE_S = 60.0
"""A question for the past waits for so long while it is being read."""
_CALL_S = 10.0
_URL = "http://localhost"


class KafkaOptions(TypedDict, total=False):
    """How Kafka is reached, and how it is read: arguments of either client beside the first few."""

    tls: bool
    """Connect by TLS."""
    ca_file: str | Path | None
    """Certificates that are trusted (PEM); absent: those of the system."""
    certificate_file: str | Path | None
    """Our certificate (PEM), where the brokers ask for one."""
    key_file: str | Path | None
    key_password_file: str | Path | None
    kafka_user: str
    """User name for the brokers, where they ask for one."""
    password_file: str | Path | None
    """File with the password of that user."""
    mechanism: str
    """How the password is proven: SCRAM-SHA-512 (default), SCRAM-SHA-256, PLAIN."""
    properties: Mapping[str, str | int | float | bool]
    """Any further property, by librdkafka's names."""
    cell: str
    """Name of the group of engines, `cell` of their settings (default: tocsin)."""
    time_zone: str
    """Of dates without one in the records (default: UTC)."""
    start_s: float
    """Kafka has to answer within that time, and what is in the topics should be read."""
    patience_s: float
    """A question for the past waits for so long while it is being read from Kafka."""
    past_records: int
    """No more records than that are read back."""
    folder: str | Path | None
    """Where a private folder is made for a socket and for what is read of the past; absent: where temporary files go."""
    tell: Callable[[str], None]
    """Is told every few seconds how far the reading of the past is, on another thread."""


_READING = frozenset({"cell", "time_zone", "start_s", "patience_s", "past_records", "folder", "tell"})


class KafkaClient(Client):
    """Alarms of one or several configurations straight from Kafka. Close it, best by `with`."""

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
        self._open(_backend(servers, config, settings_file, phoebus, options), user, options)

    def _open(self, backend: PrivateBackend, user: str | None, options: KafkaOptions) -> None:
        from tocsin.client.kafka_transport import PrivateTransport

        self._backend = backend
        self._closing = weakref.finalize(self, backend.close)
        try:
            backend.start()
            super().__init__(
                _URL, token="", user=user, config=_only(backend.site), transport=PrivateTransport(backend), timeout_s=_timeout_s(options)
            )
        except BaseException:
            self._closing()
            raise

    @property
    def url(self) -> str:
        """Where Kafka is."""
        return f"kafka://{self._backend.site.kafka.servers}"

    def status(self) -> tuple[KafkaStatus, ...]:
        """How each configuration is followed: caught up or not, server there or gone."""
        return self._backend.call(self._backend.followed.status, _CALL_S)

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Return when all is read and whoever evaluates the alarms gives life signs. Raises `TimedOut` with what is missing."""
        self._backend.call(lambda: self._backend.followed.until_ready(timeout_s), timeout_s + _CALL_S)

    def past(self, *, config: str | None = None) -> PastRead:
        """How much of the past was read so far."""
        return self._backend.call(lambda: self._backend.followed.past(self._config(config)), _CALL_S)

    def read_past(self, since: When | None = None, *, config: str | None = None, timeout_s: float = 3600.0) -> PastRead:
        """Read the past back to a time, or all of it, before it is asked for. Raises `TimedOut` with how far it is."""
        return self._backend.call(lambda: self._backend.followed.read_past(self._config(config), since, timeout_s), timeout_s + _CALL_S)

    def close(self) -> None:
        """End it: threads, connections, and all that was read."""
        if hasattr(self, "_connection"):
            super().close()
        self._closing()


class AsyncKafkaClient(AsyncClient):
    """The same for asyncio. It connects by `async with`, or with the first question."""

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
        self._open(_backend(servers, config, settings_file, phoebus, options), user, options)

    def _open(self, backend: PrivateBackend, user: str | None, options: KafkaOptions) -> None:
        from tocsin.client.kafka_transport import AsyncPrivateTransport

        self._backend = backend
        self._closing = weakref.finalize(self, backend.close)
        super().__init__(
            _URL, token="", user=user, config=_only(backend.site), transport=AsyncPrivateTransport(backend), timeout_s=_timeout_s(options)
        )

    @property
    def url(self) -> str:
        """Where Kafka is."""
        return f"kafka://{self._backend.site.kafka.servers}"

    async def status(self) -> tuple[KafkaStatus, ...]:
        """How each configuration is followed: caught up or not, server there or gone."""
        return await asyncio.to_thread(self._backend.call, self._backend.followed.status, _CALL_S)

    async def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Return when all is read and whoever evaluates the alarms gives life signs. Raises `TimedOut` with what is missing."""
        await asyncio.to_thread(self._backend.call, lambda: self._backend.followed.until_ready(timeout_s), timeout_s + _CALL_S)

    async def past(self, *, config: str | None = None) -> PastRead:
        """How much of the past was read so far."""
        return await asyncio.to_thread(self._backend.call, lambda: self._backend.followed.past(self._config(config)), _CALL_S)

    async def read_past(self, since: When | None = None, *, config: str | None = None, timeout_s: float = 3600.0) -> PastRead:
        """Read the past back to a time, or all of it, before it is asked for. Raises `TimedOut` with how far it is."""
        return await asyncio.to_thread(
            self._backend.call, lambda: self._backend.followed.read_past(self._config(config), since, timeout_s), timeout_s + _CALL_S
        )

    async def aclose(self) -> None:
        """End it: threads, connections, and all that was read."""
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

    It is patient with the past, and says to `tell` every few seconds how far the reading is. Raises as `KafkaClient` does.
    """
    client = KafkaClient.__new__(KafkaClient)
    client._open(*_of_settings(settings, config, tell))
    return client


def open_async_kafka_client(settings: Settings, config: str | None = None, tell: Callable[[str], None] | None = None) -> AsyncKafkaClient:
    """The same for asyncio, to be used with `async with`."""
    client = AsyncKafkaClient.__new__(AsyncKafkaClient)
    client._open(*_of_settings(settings, config, tell))
    return client


def _of_settings(
    settings: Settings, config: str | None, tell: Callable[[str], None] | None
) -> tuple[PrivateBackend, str | None, KafkaOptions]:
    from tocsin.client.kafka_site import site_of

    options: KafkaOptions = {"patience_s": 3600.0, **({"tell": tell} if tell is not None else {})}
    return _started_with(site_of(settings, config), options), None, options


def _backend(
    servers: str | None, config: str | Iterable[str] | None, settings_file: str | Path | None, phoebus: bool, options: KafkaOptions
) -> PrivateBackend:
    """The backend for the arguments of a client; raises `BadClientSettings`."""
    from tocsin.client.kafka_site import site_of_arguments, site_of_file

    kafka: dict[str, Any] = {("user" if name == "kafka_user" else name): one for name, one in options.items() if name not in _READING}
    names = (config,) if isinstance(config, str) else tuple(config or ())
    if settings_file is not None:
        _refuse(servers, phoebus, options)
        site = site_of_file(settings_file, names)
    else:
        given = {"servers": servers or "", **kafka}
        site = site_of_arguments(names, options.get("time_zone", "UTC"), options.get("cell", "tocsin"), phoebus, given)
    return _started_with(site, options)


def _refuse(servers: str | None, phoebus: bool, options: KafkaOptions) -> None:
    from tocsin.client.errors import BadClientSettings

    doubled = [name for name in options if name not in _READING or name in ("cell", "time_zone")]
    doubled += [name for name, one in (("servers", servers), ("phoebus", phoebus)) if one]
    if doubled:
        raise BadClientSettings(f"{', '.join(doubled)}: the settings file says that already; leave it out, or the file")


def _started_with(site: KafkaSite, options: KafkaOptions) -> PrivateBackend:
    from backend.history.journal_history import Keeping
    from backend.history.read_past import PastOptions
    from tocsin.client.private_backend import BackendOptions, PrivateBackend

    patience_s, folder = options.get("patience_s", PATIENCE_S), options.get("folder")
    past = PastOptions(patience_s=patience_s)
    if "past_records" in options or "tell" in options:
        past = PastOptions(options.get("past_records", past.most_records), patience_s, tell=options.get("tell", past.tell))
    return PrivateBackend(
        site,
        BackendOptions(options.get("start_s", START_S), Path(folder) if folder is not None else None, past, Keeping(patience_s)),
    )


def _only(site: KafkaSite) -> str | None:
    """The configuration that is meant, where there is one."""
    return site.configurations[0].name if len(site.configurations) == 1 else None


def _timeout_s(options: KafkaOptions) -> float:
    """A question may wait for the past, and then for what is worked out of it."""
    return 2 * options.get("patience_s", PATIENCE_S) + 30.0
