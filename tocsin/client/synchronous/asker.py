"""What all questions share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.client.settings import ClientSettings

if TYPE_CHECKING:
    from tocsin.client.synchronous.connection import Connection


class Asker:
    """Has a connection, and knows which configuration is meant."""

    _settings: ClientSettings
    _connection: Connection

    def _config(self, config: str | None, path: str | None = None) -> str | None:
        """The configuration to ask for; a path says by itself which."""
        return config or (None if path else self._settings.config)
