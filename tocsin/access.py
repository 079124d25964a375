"""Who may do what, from the settings."""

from __future__ import annotations

from backend.credentials import Credentials, load_users
from backend.security import AuthMode, Security, SecuritySettings, is_loopback
from tocsin.settings import Settings


def make_security(settings: Settings) -> Security:
    """The security that the settings describe; raises `SettingsError`."""
    auth = settings.auth
    chosen = SecuritySettings(
        mode=AuthMode(auth.mode),
        open_reading=auth.open_reading,
        proxy_header=auth.proxy_header,
        proxy_addresses=auth.proxy_addresses,
        allowed_hosts=settings.backend.allowed_hosts,
        loopback=is_loopback(settings.backend.host),
    )
    credentials = Credentials() if auth.users_file is None else Credentials(load_users(auth.users_file))
    return Security(chosen, credentials)
