"""How a command reaches a site: the options that all of them share, the client that these open, and how far its answers can be trusted."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from alarm_engine.errors import SettingsError
from tocsin.cli.printing import console, note

if TYPE_CHECKING:
    from tocsin.client import AsyncClient, Client
    from tocsin.settings import Settings

STALE = 3
"""Exit code: the answer is old."""

_PANEL = "Where from"


class Via(StrEnum):
    """Whom a command asks."""

    BACKEND = "backend"
    """A running backend, by its REST interface."""
    KAFKA = "kafka"
    """The topics themselves; no backend is needed."""


class Trusted(Protocol):
    """An answer that says how far it can be trusted."""

    @property
    def stale(self) -> bool:
        """True: it is old."""
        ...

    @property
    def age_s(self) -> float | None:
        """Seconds since the engine's last life sign; None: there never was one."""
        ...


Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="Address of the backend. Else that of the settings, else TOCSIN_URL, else http://127.0.0.1:8080.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="File with the token of a program or person. Else TOCSIN_TOKEN_FILE or TOCSIN_TOKEN.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file", help="Certificates that are trusted (PEM), for https with one of your own.", rich_help_panel=_PANEL, show_default=False
    ),
]
SiteFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        "-s",
        help="Settings file of the site: says where its backend is, and its Kafka.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Ask = Annotated[
    Via,
    typer.Option(
        "--via",
        metavar="WAY",
        help="backend: ask it; kafka: read the topics themselves, without a backend; needs --settings.",
        rich_help_panel=_PANEL,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        help="Name of the configuration, where there are several and no path says which.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]


@dataclass(slots=True)
class Reach:
    """A way to a site. Nothing is opened before `open` or `open_async`."""

    url: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    settings_file: Path | None = None
    via: Via = Via.BACKEND
    config: str | None = None
    said: set[str] = field(default_factory=set)
    """What was told already about answers that are old."""

    @contextmanager
    def open(self) -> Iterator[Client]:
        """A client, closed at the end. Raises `TocsinError` for options that do not go together; asking it raises `ClientError`."""
        with self._kafka() if self.via is Via.KAFKA else self._rest() as client:
            yield client

    def open_async(self) -> AsyncClient:
        """The same for asyncio, to be used with `async with`."""
        from tocsin.client import AsyncClient

        if self.via is Via.KAFKA:
            from tocsin.client.kafka import open_async_kafka_client

            return open_async_kafka_client(self._site(), self.config, note)
        return AsyncClient(self.address(), **self._credentials())

    def judge(self, answer: Trusted) -> None:
        """Say on standard error, once, that an answer is old; the exit code becomes 3."""
        if answer.stale:
            self.stale(stale_sentence(answer.age_s))

    def stale(self, sentence: str) -> None:
        """Say on standard error, once, why what is shown can not be trusted; the exit code becomes 3."""
        if sentence not in self.said:
            self.said.add(sentence)
            console(stderr=True).print(f"STALE: {sentence}", style="bold reverse", soft_wrap=True)

    def address(self) -> str | None:
        """Address of the backend that the options name; None: the client looks for itself."""
        if self.url is not None or self.settings_file is None:
            return self.url
        return address_of(self._site(), self.settings_file)

    def _rest(self) -> Client:
        from tocsin.client import Client

        return Client(self.address(), **self._credentials())

    def _kafka(self) -> Client:
        from tocsin.client.kafka import open_kafka_client

        return open_kafka_client(self._site(), self.config, note)

    def _credentials(self) -> dict[str, Any]:
        given = {"token_file": self.token_file, "ca_file": self.ca_file}
        return {name: value for name, value in given.items() if value is not None}

    def _site(self) -> Settings:
        from tocsin.settings import load

        if self.settings_file is None:
            raise SettingsError("--via kafka needs --settings FILE: it says where Kafka is, and how to log in")
        return load(self.settings_file)


def address_of(site: Settings, file: Path) -> str:
    """Where the backend of a site listens, seen from this machine. Raises `SettingsError` if the settings leave the port to chance."""
    host, port = site.backend.host, site.backend.port
    if port == 0:
        raise SettingsError(f"{file}: backend.port is 0, any free one: say with --url where the backend listens")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def stale_sentence(age_s: float | None) -> str:
    """What to say of an answer that is old; `age_s`: seconds since the engine's last life sign, None if there never was one."""
    since = "the engine has given no life sign" if age_s is None else f"no life sign of the engine for {age_s:,.0f} s"
    return f"{since}; alarms are NOT being evaluated, and what is shown is OLD"


def reaching(command: Callable[..., int | None]) -> Callable[..., None]:
    """Make a command of a function whose first parameter is a `Reach`: it gets the options above.

    The function returns its exit code, None for 0. If an answer was old, the exit code is 3 whatever the function says.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    own = list(inspect.signature(command).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _SHARED.items()
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        reach = Reach(**{name: given.pop(option) for option, name in _FIELDS.items()})
        code = command(reach, **given)
        raise typer.Exit(STALE if reach.said else code or 0)

    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name]) for one in own] + shared
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


_SHARED: dict[str, tuple[Any, Any]] = {
    "config": (Config, None),
    "url": (Url, None),
    "settings": (SiteFile, None),
    "via": (Ask, Via.BACKEND),
    "token_file": (TokenFile, None),
    "ca_file": (CaFile, None),
}
_FIELDS = {name: "settings_file" if name == "settings" else name for name in _SHARED}
