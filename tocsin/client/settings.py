"""Where the server is, and how it is spoken to: arguments, then environment variables, then defaults."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tocsin.client.errors import BadClientSettings

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_S = 30.0
RETRIES = 2


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """All that a client has to know."""

    url: str = DEFAULT_URL
    """Of the backend, also with a path where a proxy gives it one. A login may stand in it: `https://mara:password@alarms.lab.example`."""
    token: str = ""
    """Bearer token; empty: none."""
    token_file: Path | None = None
    """File with the token; read again when it has changed."""
    ca_file: Path | None = None
    """Certificates that are believed instead of those of the system."""
    timeout_s: float = TIMEOUT_S
    """For an answer; a connection has to be there within 5 s of it."""
    retries: int = RETRIES
    """How often a question is asked again that brought no answer."""
    user: str = ""
    """Who gives commands, where the server asks nobody to log in."""
    config: str | None = None
    """Configuration that is meant where neither it nor a path is given."""

    @property
    def shown_url(self) -> str:
        """The address without a login, for messages."""
        return without_login(self.url)


def without_login(url: str) -> str:
    """An address without user and password."""
    scheme, found, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{found}{place.rpartition('@')[2]}{slash}{path}"


def settle(
    url: str | None = None,
    *,
    token: str | None = None,
    token_file: str | Path | None = None,
    ca_file: str | Path | None = None,
    timeout_s: float = TIMEOUT_S,
    retries: int = RETRIES,
    user: str | None = None,
    config: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> ClientSettings:
    """Settings out of arguments and of TOCSIN_URL, TOCSIN_TOKEN, TOCSIN_TOKEN_FILE, TOCSIN_CA_FILE.

    An argument counts before a variable. Raises `BadClientSettings` that names what cannot be used.
    """
    source = "url" if url else "TOCSIN_URL"
    url = _checked_url(url or environment.get("TOCSIN_URL") or DEFAULT_URL, source)
    if token is None and token_file is None:
        token, token_file = environment.get("TOCSIN_TOKEN"), environment.get("TOCSIN_TOKEN_FILE")
    if token and token_file:
        raise BadClientSettings("a token and a token file are given (token=, token_file=, TOCSIN_TOKEN, TOCSIN_TOKEN_FILE): leave one out")
    if timeout_s <= 0:
        raise BadClientSettings(f"timeout_s: {timeout_s} is no time to wait: expected seconds above 0")
    if retries < 0:
        raise BadClientSettings(f"retries: {retries} is no number of times: expected 0 or more")
    certificates = ca_file or environment.get("TOCSIN_CA_FILE")
    return ClientSettings(
        url=url,
        token=checked_token(token, "token" if token else "TOCSIN_TOKEN") if token else "",
        token_file=Path(token_file).expanduser() if token_file else None,
        ca_file=Path(certificates).expanduser() if certificates else None,
        timeout_s=timeout_s,
        retries=retries,
        user=_login_name() if user is None else user,
        config=config,
    )


def _checked_url(url: str, source: str) -> str:
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good or parts.query or parts.fragment:
        raise BadClientSettings(f"{source}: {without_login(url)!r} is no address of a server: expected one as {DEFAULT_URL}")
    return url


def checked_token(token: str, source: str) -> str:
    """A token without white space around it; raises `BadClientSettings`."""
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise BadClientSettings(
            f"{source}: holds no token: expected one line of letters, digits and signs, as `tocsin auth token` prints it"
        )
    return token


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a process of a user without a name, as in containers
        return ""
