"""Who may do what, from the settings."""

from __future__ import annotations

from alarm_engine.errors import SettingsError
from backend.credentials import Credentials, load_users
from backend.proxies import network
from backend.security import AuthMode, Security, SecuritySettings, is_loopback
from tocsin.settings import Settings
from tocsin.settings_sections import AuthSection


def make_security(settings: Settings) -> Security:
    """The security that the settings describe; raises `SettingsError`."""
    auth = settings.auth
    _check(auth)
    chosen = SecuritySettings(
        mode=AuthMode(auth.mode),
        open_reading=auth.open_reading,
        proxy_header=auth.proxy_header,
        proxies=tuple(map(network, auth.proxy_addresses)),
        allowed_hosts=settings.backend.allowed_hosts,
        loopback=is_loopback(settings.backend.host),
    )
    credentials = Credentials() if auth.users_file is None else Credentials(load_users(auth.users_file))
    return Security(chosen, credentials)


def _check(auth: AuthSection) -> None:
    """Refuse settings with which everybody would be turned away: it would be noticed when the first alarm has to be acknowledged."""
    if auth.mode == "users" and auth.users_file is None:
        raise SettingsError(
            "auth.mode is 'users' and auth.users_file is missing: nobody could give commands. "
            "Name a file with users; `tocsin auth user NAME` makes the entries"
        )
    if auth.mode == "proxy" and not auth.proxy_addresses:
        raise SettingsError(
            "auth.mode is 'proxy' and auth.proxy_addresses is empty: no proxy would be believed, so nobody could give commands. "
            "Name the address of the proxy, as 127.0.0.1"
        )
