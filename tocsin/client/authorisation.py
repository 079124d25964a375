"""How a client says who asks. Imported when a client is made: it needs httpx."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import httpx

from tocsin.client.errors import BadClientSettings
from tocsin.client.settings import ClientSettings, checked_token


class TokenFile(httpx.Auth):
    """A token out of a file, which is read again when it has changed: tokens are renewed while programs run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the token into a request."""
        request.headers["Authorization"] = f"Bearer {self.token()}"
        yield request

    def token(self) -> str:
        """The token as it is in the file now; raises `BadClientSettings`."""
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp != self._stamp:
                self._token = checked_token(self._path.read_text(encoding="utf-8"), str(self._path))
                self._stamp = stamp
        except OSError as problem:
            raise BadClientSettings(f"the token file {self._path} cannot be read: {problem.strerror or problem}") from problem
        except UnicodeDecodeError as problem:
            raise BadClientSettings(f"the token file {self._path} is no text: expected one line with a token") from problem
        return self._token


class Token(httpx.Auth):
    """A token that stays the same."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the token into a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def authorisation(settings: ClientSettings) -> httpx.Auth | None:
    """What goes with each request; None: what the address says, or nothing."""
    if settings.token_file is not None:
        return TokenFile(settings.token_file)
    return Token(settings.token) if settings.token else None
