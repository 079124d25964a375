"""How the history in Elasticsearch is reached, and its limits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from alarm_engine.errors import SettingsError

_PREFIX = re.compile(r"[a-z][a-z0-9]{0,30}")


@dataclass(frozen=True, slots=True)
class ElasticOptions:
    """Servers of one cluster, who we are there, and limits. Raises `SettingsError` for what cannot be used."""

    hosts: tuple[str, ...] = ("http://127.0.0.1:9200",)
    """Addresses with scheme and port. If one does not answer, the next is asked."""
    api_key: str | None = field(default=None, repr=False)
    user: str | None = None
    """For basic authentication, with `password`."""
    password: str | None = field(default=None, repr=False)
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
    longest_write_s: float = 30.0
    """How long a write tries again while the server is busy, before it says so."""
    first_pause_s: float = 0.1
    """Wait before the first new try of a write; grows with each, with some chance."""
    longest_pause_s: float = 5.0
    bulk_bytes: int = 4_000_000
    """Most bytes of one bulk. One is under way at a time: a slow server slows the writer, and the journal keeps what waits."""

    def __post_init__(self) -> None:
        if not self.hosts:
            raise SettingsError("Elasticsearch: no host is given, expected addresses such as https://elastic.example.org:9200")
        for host in self.hosts:
            parts = urlsplit(host)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.port is None:
                raise SettingsError(f"Elasticsearch: {_plain(host)!r} is no address, expected one such as https://elastic.example.org:9200")
            if parts.username is not None or parts.password is not None:
                raise SettingsError(f"Elasticsearch: {_plain(host)!r} holds a user, give user and password apart from the address")
        if len(set(self.hosts)) < len(self.hosts):
            raise SettingsError(f"Elasticsearch: a host is given twice: {', '.join(self.hosts)}")
        if not _PREFIX.fullmatch(self.prefix):
            raise SettingsError(f"Elasticsearch: prefix {self.prefix!r} is not 1 to 31 small letters and digits that begin with a letter")
        if (self.user is None) != (self.password is None):
            raise SettingsError("Elasticsearch: user and password go together, one of them is missing")
        if self.api_key is not None and self.user is not None:
            raise SettingsError("Elasticsearch: an API key and a user are given, expected one of them")
        if self.client_key is not None and self.client_certificate is None:
            raise SettingsError("Elasticsearch: client_key is given without client_certificate")

    @property
    def where(self) -> str:
        """The store as messages name it."""
        return f"Elasticsearch at {', '.join(self.hosts)}"


def _plain(host: str) -> str:
    """An address without the secrets that it may hold."""
    return re.sub(r"//[^/]*@", "//...@", host)
