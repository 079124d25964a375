"""How the history in Elasticsearch is reached, and its limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from alarm_engine.errors import SettingsError

_EXAMPLE = "https://elastic.example.org:9200"
_PREFIX = re.compile(r"[a-z][a-z0-9]{0,30}")


@dataclass(frozen=True, slots=True)
class ElasticOptions:
    """Servers of one cluster, who we are there, and limits. Raises `SettingsError` for what cannot be used."""

    hosts: tuple[str, ...] = ("http://127.0.0.1:9200",)
    """Addresses with scheme and port. If one does not answer, the next is asked."""
    api_key_file: Path | None = None
    """File with an API key in its encoded form. Secrets and certificates are read again when their files change."""
    user: str | None = None
    """For basic authentication, with `password_file`."""
    password_file: Path | None = None
    ca_file: Path | None = None
    """Certificates (PEM) that are trusted instead of those of the system."""
    client_certificate: Path | None = None
    client_key: Path | None = None
    prefix: str = "tocsin"
    """Begin of the names of all indices."""
    replicas: int | None = None
    """Copies of each index beside the first. None: one if there is a second node, else none."""
    ilm_delete_days: int | None = None
    """Where the server has index life cycle management: it deletes an index so many days after the end of its month, even if no writer
    runs. A safety net well beyond our own retention, for it does not keep the last state of each alarm as that does."""
    longest_query_s: float = 15.0
    """A question that takes longer is given up, and says so."""
    longest_write_s: float = 5.0
    """How long a write tries again while the server is busy, before it says so."""
    first_pause_s: float = 0.1
    """Wait before the first new try of a write; grows with each, with some chance."""
    longest_pause_s: float = 5.0
    bulk_bytes: int = 4_000_000
    """Most bytes of one bulk. One is under way at a time: a slow server slows the writer, and the journal keeps what waits."""

    def __post_init__(self) -> None:
        if faults := [*self._host_faults(), *self._other_faults()]:
            raise SettingsError(f"Elasticsearch: {'; '.join(faults)}")

    def _host_faults(self) -> Iterator[str]:
        if not self.hosts:
            yield f"no host is given, expected addresses such as {_EXAMPLE}"
        for host in self.hosts:
            if not _is_address(host):
                yield f"{_plain(host)!r} is no address, expected one such as {_EXAMPLE}"
            elif "@" in host:
                yield f"{_plain(host)!r} holds a user, give user and password_file apart from the address"
        if len(set(self.hosts)) < len(self.hosts):
            yield f"a host is given twice: {', '.join(map(_plain, self.hosts))}"

    def _other_faults(self) -> Iterator[str]:
        if not _PREFIX.fullmatch(self.prefix):
            yield f"prefix {self.prefix!r} is not 1 to 31 small letters and digits that begin with a letter"
        if (self.user is None) != (self.password_file is None):
            yield "user and password_file go together, one of them is missing"
        if self.api_key_file is not None and self.user is not None:
            yield "an API key and a user are given, expected one of them"
        if self.client_key is not None and self.client_certificate is None:
            yield "the key of a certificate is given without the certificate"
        tls = [name for name in ("ca_file", "client_certificate") if getattr(self, name) is not None]
        if tls and not any(host.startswith("https:") for host in self.hosts):
            yield f"{' and '.join(tls)} given, and no address begins with https"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that a connection depends on."""
        named = (self.api_key_file, self.password_file, self.ca_file, self.client_certificate, self.client_key)
        return tuple(file for file in named if file is not None)

    @property
    def where(self) -> str:
        """The store as messages name it."""
        return f"Elasticsearch at {', '.join(self.hosts)}"


def _is_address(host: str) -> bool:
    try:
        parts = urlsplit(host)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False


def _plain(host: str) -> str:
    """An address without the secrets that it may hold."""
    return re.sub(r"//[^/]*@", "//...@", host)
