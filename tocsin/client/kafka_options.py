"""Arguments of the clients straight from Kafka, and the private backend that they ask for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from tocsin.client.kafka_site import KafkaSite
    from tocsin.client.private_backend import PrivateBackend
    from tocsin.settings import Settings

START_S = 15.0
PATIENCE_S = 60.0
"""A question for the past waits for so long while it is being read."""


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


def of_settings(
    settings: Settings, config: str | None, tell: Callable[[str], None] | None
) -> tuple[PrivateBackend, str | None, KafkaOptions]:
    """Backend, user and options for a command that runs once: it is patient with the past, and tells how far it is."""
    from tocsin.client.kafka_site import site_of

    options: KafkaOptions = {"patience_s": 3600.0, "tell": tell or _say}
    return _with(site_of(settings, config), options), None, options


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def backend_of(
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
    return _with(site, options)


def _refuse(servers: str | None, phoebus: bool, options: KafkaOptions) -> None:
    from tocsin.client.errors import BadClientSettings

    doubled = [name for name in options if name not in _READING or name in ("cell", "time_zone")]
    doubled += [name for name, one in (("servers", servers), ("phoebus", phoebus)) if one]
    if doubled:
        raise BadClientSettings(f"{', '.join(doubled)}: the settings file says that already; leave it out, or the file")


def _with(site: KafkaSite, options: KafkaOptions) -> PrivateBackend:
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


def only_one(site: KafkaSite) -> str | None:
    """The configuration that is meant, where there is one."""
    return site.configurations[0].name if len(site.configurations) == 1 else None


def timeout_s_of(options: KafkaOptions) -> float:
    """A question may wait for the past, and then for what is worked out of it."""
    return 2 * options.get("patience_s", PATIENCE_S) + 30.0
