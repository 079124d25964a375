"""`tocsin config sync --watch`: a process beside the engines that keeps the journal at what the files of the trees say."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Annotated, Any

import orjson
import structlog
from fastapi import Header, Response
from prometheus_client import CollectorRegistry

from alarm_engine.config.sync import Author, Writer
from alarm_engine.errors import SettingsError
from alarm_engine.journal.port import Journal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Access, FileOptions
from backend.server import BackendServer
from tocsin.grafana_files import write_grafana_files
from tocsin.health import health_app
from tocsin.held_writer import HeldWriter
from tocsin.journals import open_journal, patiently, revision_writer
from tocsin.settings import Settings
from tocsin.tree_follower import FollowOptions
from tocsin.tree_watch import TreeWatch
from tocsin.trees import load_patiently

log = structlog.get_logger()

_ANSWER_S = 0.8
"""git-sync gives a webhook one second, unless it is told otherwise."""


def follow_options(settings: Settings, journal: Journal, *, strict: bool = False) -> FollowOptions:
    """How the settings want files followed; see `FollowOptions.strict`."""

    def writer(config: str) -> Writer:
        opened = revision_writer(settings, journal, config)
        # A file is locked for others only while something is written; Kafka fences, so a writer may stay what it is.
        return HeldWriter(opened) if settings.journal == "kafka" else opened

    chosen = settings.sync
    author = Author("tocsin", socket.gethostname())
    return FollowOptions(author, writer, chosen.look_every_s, chosen.edits == "keep", strict, chosen.commit)


class SyncService:
    """The process as an object: files, journal, and what answers git-sync and Prometheus."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._registry = CollectorRegistry()
        self._server: BackendServer | None = None
        self._watch: TreeWatch | None = None
        self._started = False

    @property
    def url(self) -> str:
        """Where machines ask; empty if nothing is served."""
        return self._server.url if self._server is not None else ""

    async def start(self) -> None:
        """Load, serve, bring into force. Raises a `TocsinError`; `stop` undoes the rest. A cluster that does not answer is waited for."""
        settings = self._settings
        loaded = await asyncio.to_thread(load_patiently, settings.configurations)
        if not loaded:
            raise SettingsError("no configuration has a `tree`: there is no file to bring into force")
        file = SqliteFile(settings.store, FileOptions(access=Access.GUEST))
        journal = open_journal(settings, file, [one.tree.name for one in loaded]).shared
        self._watch = watch = TreeWatch(journal, loaded, lambda _: self._write_grafana(), follow_options(settings, journal, strict=True))
        watch.export(self._registry)
        if settings.health.port is not None:
            self._server = server = BackendServer(self._app(watch), settings.health.host, settings.health.port, "health")
            await server.start()
            self._stack.push_async_callback(server.stop)
        await patiently("start", journal.start)
        self._stack.push_async_callback(journal.close)
        await watch.start()
        self._stack.push_async_callback(watch.stop)
        self._started = True
        self._write_grafana()

    async def stop(self) -> None:
        """Stop in reverse order; may be called again."""
        await self._stack.aclose()

    def failure(self) -> BaseException | None:
        """What ended a part that must not end; None while all is well."""
        failures = [part.failure() for part in (self._watch, self._server) if part is not None]
        return next((failure for failure in failures if failure is not None), None)

    def _write_grafana(self) -> None:
        if self._watch is not None:
            backend = self._settings.backend
            trees = [follower.loaded.tree for follower in self._watch.followers]
            write_grafana_files(self._settings.dashboards, trees, f"http://{backend.host}:{backend.port}")

    def _missing(self) -> Mapping[str, str]:
        """What is not as it should be: files that were refused are the business of whoever wrote them, and no reason to be restarted."""
        if not self._started or self._watch is None:
            return {"journal": "does not answer yet"}
        return {follower.config: follower.problem for follower in self._watch.followers if follower.problem}

    def _app(self, watch: TreeWatch) -> Any:
        app = health_app(self._registry, self._missing)

        @app.get("/status")
        async def status() -> Response:
            """What is in force of which commit, what is wrong with the files, and what others edited."""
            return _json(watch.status(), 200)

        @app.post("/sync")
        async def look(gitsync_hash: Annotated[str, Header()] = "") -> Response:
            """Look at the files now. 200: in force, or being worked on; 422: refused, with all faults: git-sync tries again then."""
            done = await watch.ask(_ANSWER_S) if self._started else False
            refused = [one for one in watch.status() if one["state"] == "refused"]
            log.debug("asked to look at the files", commit=gitsync_hash, done=done, refused=len(refused))
            return _json({"done": done, "configurations": watch.status()}, 422 if refused else 200)

        return app


def _json(data: object, status: int) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")
