"""The one place where adapters are chosen: settings in, a running system out."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from zoneinfo import ZoneInfo

import structlog

from alarm_engine.clock import SystemClock
from alarm_engine.config.tree import ConfigTree
from alarm_engine.engine import EnginePorts, EngineSettings
from alarm_engine.errors import TocsinError
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.ca import CaSettings, CaSource
from alarm_engine.sources.port import Source
from backend.app import create_app
from backend.history.sqlite import SqliteHistory
from backend.history.writer import HistoryWriter
from backend.live import Live
from backend.security import check_exposure
from backend.server import BackendServer
from backend.services import BackendSettings, Services
from tocsin.access import make_security
from tocsin.engine_thread import EngineThread
from tocsin.grafana_files import write_grafana_files
from tocsin.settings import Settings
from tocsin.trees import TreeWatch, load_all

log = structlog.get_logger()


class Application:
    """Engine, history and backend of a site, in one process and one file."""

    def __init__(self, settings: Settings, source: Source | None = None) -> None:
        """`source`: instead of Channel Access, for tests."""
        self._settings = settings
        self._source = source
        self._stack = AsyncExitStack()
        self.faults = 0
        """Errors in the files of the alarm trees at the start: what they concern is left out."""
        self.journal: SqliteJournal | None = None
        """The journal, while the application runs."""
        self._engine: EngineThread | None = None
        self._history: HistoryWriter | None = None
        self._live: Live | None = None
        self._server: BackendServer | None = None
        self._watch: TreeWatch | None = None

    @property
    def url(self) -> str:
        """Where the page is."""
        return self._server.url if self._server is not None else ""

    async def start(self) -> None:
        """Start from the bottom up. Raises a `TocsinError` that says what is wrong; `stop` undoes what was started."""
        settings, clock = self._settings, SystemClock()
        security = make_security(settings)
        check_exposure(settings.backend.host, settings.backend.commands, security.settings.mode)
        loaded = await asyncio.to_thread(load_all, settings.configurations)
        trees = [one.tree for one in loaded]
        self.faults = sum(one.faults for one in loaded)

        file = SqliteFile(settings.store)
        journal, history = SqliteJournal(file), SqliteHistory(file)
        await journal.start()
        self._stack.push_async_callback(journal.close)
        self.journal = journal
        await history.start()
        self._stack.push_async_callback(history.close)
        self._watch = watch = TreeWatch(journal, loaded, self._write_grafana)
        await watch.start()
        self._stack.push_async_callback(watch.stop)

        zones = {tree.name: ZoneInfo(tree.time_zone) for tree in trees}
        self._live = Live(journal, zones, settings.cell, clock, history)
        await self._live.start()
        self._stack.push_async_callback(self._live.stop)
        self._history = HistoryWriter(journal, history, [tree.name for tree in trees], keep_days=settings.history.keep_days)
        await self._history.start()
        self._stack.push_async_callback(self._history.stop)

        ports = EnginePorts(journal, self._source or self._channel_access(), SoleOwnership(), clock)
        self._engine = EngineThread(self._engine_settings(trees), ports)
        self._stack.push_async_callback(self._engine.stop)
        await self._engine.start()

        backend = BackendSettings(commands=settings.backend.commands)
        app = create_app(Services(self._live, history, journal, security, clock, settings=backend))
        watch.export(app.state.registry)
        self._server = BackendServer(app, settings.backend.host, settings.backend.port)
        await self._server.start()
        self._stack.push_async_callback(self._server.stop)
        self._write_grafana(trees)

    async def stop(self) -> None:
        """Stop in reverse order; may be called again, and after a start that failed."""
        await self._stack.aclose()

    async def wait(self, stopping: asyncio.Event) -> None:
        """Until it is asked to stop; raises what ended a part that must not end."""
        assert self._engine is not None
        while not stopping.is_set():
            failure = self._engine.ended.result() if self._engine.ended.done() else None
            for part in (self._live, self._history, self._server, self._watch):
                failure = failure or (part.failure() if part is not None else None)
            if failure is not None:
                if isinstance(failure, TocsinError):
                    raise failure
                raise RuntimeError("a part of tocsin ended that must not end") from failure
            try:
                async with asyncio.timeout(0.5):
                    await stopping.wait()
            except TimeoutError:
                continue

    def _engine_settings(self, trees: Sequence[ConfigTree]) -> EngineSettings:
        engine = self._settings.engine
        configurations = tuple(
            RunnerSettings(
                evaluator=EvaluatorSettings(
                    config=tree.name,
                    connection_timeout_s=engine.connection_timeout_s,
                    idle_s=engine.idle_s,
                    nag_period_s=engine.nag_period_s,
                    command_max_age_s=engine.command_max_age_s,
                ),
                zone=ZoneInfo(tree.time_zone),
                monitor_values=engine.monitor == "values",
                intake_bound=engine.intake_bound,
                events_keep_days=self._settings.history.journal_days,
            )
            for tree in trees
        )
        return EngineSettings(f"{socket.gethostname()}:{os.getpid()}", self._settings.cell, configurations)

    def _channel_access(self) -> Source:
        chosen = self._settings.channel_access
        return CaSource(CaSettings(chosen.addr_list, chosen.auto_addr_list, chosen.name_servers, chosen.server_timeout_s))

    def _write_grafana(self, trees: Sequence[ConfigTree]) -> None:
        write_grafana_files(self._settings.dashboards, trees, self.url.rstrip("/"))
