"""Who is asking, and what may they do."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from alarm_engine.errors import SettingsError
from backend.credentials import Credentials, Throttle
from backend.proxies import Network, client_behind, is_among


class Role(IntEnum):
    """What somebody may do; each includes the ones before."""

    NOBODY = 0
    VIEWER = 1
    OPERATOR = 2
    ENGINEER = 3


class AuthMode(StrEnum):
    """How people say who they are."""

    NONE = "none"
    """Not at all: for loopback only."""
    USERS = "users"
    """Password or token, from a file of users."""
    PROXY = "proxy"
    """A trusted proxy in front has asked them already; tokens work too."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who asks."""

    name: str
    """`""` if he was not asked who he is."""
    role: Role
    host: str
    """Address of the client."""


class Unauthorized(Exception):
    """Credentials are missing or wrong; the message is for the user."""


class TooManyAttempts(Unauthorized):
    """Too many wrong credentials from one address."""


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """How people say who they are, and what is open to all."""

    mode: AuthMode = AuthMode.NONE
    open_reading: bool = True
    """Everybody may look; commands need a user."""
    proxy_header: str = "X-Forwarded-User"
    proxies: tuple[Network, ...] = ()
    """Proxies that are believed: about who asks, and in the mode `proxy` also about his name."""
    proxy_role: Role = Role.OPERATOR
    """What a user may do whom the proxy names and the file of users does not."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which this server is reached, beside those of loopback; on a network none means any."""
    loopback: bool = True
    """The server listens on loopback only: then only requests for a loopback name are answered."""


@dataclass(slots=True)
class Security:
    """Decides for each request. Belongs to one event loop."""

    settings: SecuritySettings = field(default_factory=SecuritySettings)
    credentials: Credentials = field(default_factory=Credentials)
    throttle: Throttle = field(default_factory=Throttle)

    async def identify(self, headers: Mapping[str, str], client: str) -> Identity:
        """Who asks; `client` is the address of the peer. Raises `Unauthorized` for wrong credentials, never for missing ones."""
        settings = self.settings
        is_proxy = is_among(client, settings.proxies)
        client = client_behind(client, headers.get("x-forwarded-for", ""), settings.proxies)
        if settings.mode is AuthMode.NONE:
            return Identity("", Role.ENGINEER, client)
        if settings.mode is AuthMode.PROXY and is_proxy:
            name = _utf8(headers.get(settings.proxy_header.lower(), ""))
            if name:
                return Identity(name, self._role_of(name, settings.proxy_role), client)
        given = headers.get("authorization")
        if given is None:
            return Identity("", Role.VIEWER if settings.open_reading else Role.NOBODY, client)
        if self.throttle.is_blocked(client):
            raise TooManyAttempts("too many wrong passwords from this address: wait a minute")
        found = await self.credentials.check(given)
        if found is None:
            self.throttle.failed(client)
            raise Unauthorized("user name, password or token is wrong")
        return Identity(found[0], Role[found[1].upper()], client)

    def _role_of(self, name: str, default: Role) -> Role:
        role = self.credentials.role_of(name)
        return default if role is None else Role[role.upper()]

    def is_host_allowed(self, host: str) -> bool:
        """False for a `Host` header that a page elsewhere got pointed at this server (DNS rebinding).

        On a network any name is good as long as none is given; addresses always are, since that attack needs a name.
        """
        settings = self.settings
        if not settings.loopback and not settings.allowed_hosts:
            return True
        name = host_name(host)
        is_known = is_loopback(name) or name in {allowed.lower() for allowed in settings.allowed_hosts}
        return is_known or (not settings.loopback and _is_address(name))

    def is_same_site(self, headers: Mapping[str, str]) -> bool:
        """False for a request that a page from elsewhere made a browser send (browsers add passwords by themselves)."""
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        if origin is None:
            return True  # not a browser
        name = host_name(origin.rpartition("//")[2])
        return origin != "null" and (
            origin.rpartition("//")[2].lower() == headers.get("host", "").lower()
            or name in {allowed.lower() for allowed in self.settings.allowed_hosts}
        )


def _utf8(value: str) -> str:
    """A header's text as the proxy wrote it: headers are read as Latin-1, names are written in UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def host_name(host: str) -> str:
    """The name in a `Host` header, without port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """True for an address or name that only this machine can reach."""
    host = host.strip("[]").lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, commands_enabled: bool, mode: AuthMode) -> None:
    """Refuse to take commands from a network without asking who gives them. Raises `SettingsError` that says what to do."""
    if is_loopback(host) or not commands_enabled or mode is not AuthMode.NONE:
        return
    raise SettingsError(
        f"backend.host is {host!r}: anybody who reaches this machine could acknowledge and shelve alarms. "
        "Do one of these: set auth.mode to 'users' (with auth.users_file) or 'proxy', "
        "set backend.commands to false, or leave backend.host at 127.0.0.1"
    )
