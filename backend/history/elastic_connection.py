"""A client that is made anew when a file of secrets or certificates has changed."""

from __future__ import annotations

import time

import structlog
from elasticsearch import AsyncElasticsearch

from alarm_engine.errors import HistoryError
from backend.history.elastic_client import connect
from backend.history.elastic_options import ElasticOptions

LOOK_EVERY_S = 5.0
"""Between looks at the files."""

log = structlog.get_logger()


class Connection:
    """Made open; raises `HistoryError` for a file that cannot be used."""

    def __init__(self, options: ElasticOptions) -> None:
        self._options = options
        self._stamps = _stamps(options)
        self._looked = time.monotonic()
        self._retired: list[AsyncElasticsearch] = []
        self.client = connect(options)
        """Who asks for it each time has the newest."""

    def renew(self) -> bool:
        """Look at the files, not too often; True if there is another client now. With broken files the one that worked is kept."""
        if not self._stamps or time.monotonic() - self._looked < LOOK_EVERY_S:
            return False
        self._looked = time.monotonic()
        stamps = _stamps(self._options)
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            client = connect(self._options)
        except HistoryError as problem:
            log.error("changed secrets or certificates are not used", problem=str(problem))
            return False
        log.info("secrets or certificates were read again", store=self._options.where)
        # Requests are still under way on the old one. Idle, it holds no connection, and files change a few times a year.
        self._retired.append(self.client)
        self.client = client
        return True

    async def close(self) -> None:
        """Close."""
        for client in (self.client, *self._retired):
            await client.close()


def _stamps(options: ElasticOptions) -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for file in options.files:
        try:
            status = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_ino))
    return found
