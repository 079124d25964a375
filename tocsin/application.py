"""The one place where adapters are chosen: settings in, a running system out."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import tzinfo
from enum import StrEnum

import structlog
from prometheus_client import CollectorRegistry

from alarm_engine.clock import SystemClock
from alarm_engine.config.tree import ConfigTree
from alarm_engine.engine import EnginePorts, EngineSettings
from alarm_engine.errors import HistoryError, SettingsError
from alarm_engine.journal.port import Journal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Access, FileOptions
from alarm_engine.sources.port import Source
from alarm_engine.wire.topics import Topics
from backend.app import create_app
from backend.history.group import HistoryGroup
from backend.history.port import HistoryStore
from backend.history.shift import Shift
from backend.history.summariser import Summariser
from backend.history.writer import HistoryWriter
from backend.live import Live
from backend.phoebus.journal import DerivingJournal
from backend.security import check_exposure
from backend.server import BackendServer
from backend.services import BackendSettings, Services
from tocsin.access import make_security
from tocsin.engine_settings import channel_access, runner_settings
from tocsin.engine_thread import EngineThread
from tocsin.grafana_files import write_grafana_files
from tocsin.health import EngineFigures, HistoryFigures, health_app
from tocsin.histories import open_history
from tocsin.journals import history_ownership, open_journal, patiently, process_name
from tocsin.settings import Settings
from tocsin.settings_sections import ConfigurationSettings
from tocsin.syncing import follow_options
from tocsin.tree_watch import TreeWatch
from tocsin.trees import Configuration, configurations, load_all

log = structlog.get_logger()


class Role(StrEnum):
    """A part that can run in a process of its own."""

    ENGINE = "engine"
    """Evaluates alarms."""
    HISTORY = "history"
    """Copies events to the history store."""
    BACKEND = "backend"
    """Answers browsers, Grafana and scripts, and takes commands."""


ALL = frozenset(Role)


class Application:
    """Some or all parts of a site in one process. With all of them it also keeps the journal at what the files of the trees say."""

    def __init__(self, settings: Settings, source: Source | None = None, roles: Collection[Role] = ALL) -> None:
        """`source`: instead of Channel Access, for tests. Raises `SettingsError` if the settings do not allow these roles."""
        if settings.journal == "sqlite" and set(roles) != ALL:
            raise SettingsError(
                "with the embedded journal (journal: sqlite) all parts are one process: use `tocsin run`, or put the journal into Kafka"
            )
        self._settings = settings
        self._source = source
        self._roles = frozenset(roles)
        self._stack = AsyncExitStack()
        self._registry: CollectorRegistry | None = None
        self.faults = 0
        """Errors in the files of the alarm trees at the start: what they concern is left out."""
        self.journal: Journal | None = None
        """The journal, while the application runs."""
        self._engine: EngineThread | None = None
        self._history: HistoryGroup | None = None
        self._live: Live | None = None
        self._server: BackendServer | None = None
        self._watch: TreeWatch | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where the page is, or where machines ask; empty if nothing is served."""
        return self._server.url if self._server is not None else ""

    async def start(self) -> None:
        """Start: first what answers, then what it depends on. Raises a `TocsinError` that says what is wrong; `stop` undoes the rest.

        A Kafka cluster that does not answer is waited for.
        """
        settings, clock = self._settings, SystemClock()
        security = make_security(settings)
        if Role.BACKEND in self._roles:
            check_exposure(settings.backend.host, settings.backend.commands, security.settings.mode)
        loaded = await asyncio.to_thread(load_all, self._with_files())
        self.faults = sum(one.faults for one in loaded)
        configs = configurations(settings.configurations, loaded)
        shared, history, self._live, self._history = self._make_parts(configs)
        self._watch = watch = TreeWatch(shared, loaded, self._write_grafana, follow_options(settings, shared))

        if settings.journal == "sqlite":
            await self._open_journal(shared)  # what cannot be used is said before anything is served
        if Role.BACKEND in self._roles:
            options = BackendSettings(commands=settings.backend.commands, limits=settings.figures.limits())
            services = Services(self._live, history, shared, security, clock, settings=options, also_missing=self._beside_the_web)
            app = create_app(services)
            watch.export(app.state.registry)
            await self._serve(BackendServer(app, settings.backend.host, settings.backend.port), app.state.registry)
        elif settings.health.port is not None:
            registry = CollectorRegistry()
            app = health_app(registry, self._missing)
            await self._serve(BackendServer(app, settings.health.host, settings.health.port, "health"), registry)
        if settings.journal == "kafka":
            await patiently("start", lambda: self._open_journal(shared))
        await self._open_history(history)
        if self._roles == ALL:
            await watch.start()
            self._stack.push_async_callback(watch.stop)
        if Role.BACKEND in self._roles:
            await self._live.start()
            self._stack.push_async_callback(self._live.stop)
        if Role.HISTORY in self._roles:
            await self._history.start()
            self._stack.push_async_callback(self._history.stop)
        if self._engine is not None:
            self._stack.push_async_callback(self._engine.stop)
            await self._engine.start()
        if Role.BACKEND in self._roles:
            self._write_grafana([one.tree for one in loaded])
        if self._server is not None and Role.BACKEND in self._roles:
            # First to go: nobody is to be answered by half a system. Machines may ask to the end, and a successor must not wait for them.
            self._stack.push_async_callback(self._server.stop)

    async def stop(self) -> None:
        """Stop in reverse order; may be called again, and after a start that failed."""
        await self._stack.aclose()

    def failure(self) -> BaseException | None:
        """What ended a part that must not end; None while all is well."""
        ended = self._engine.ended if self._engine is not None else None
        failures = [ended.result() if ended is not None and ended.done() else None]
        failures += [part.failure() for part in (self._live, self._history, self._server, self._watch) if part is not None]
        return next((failure for failure in failures if failure is not None), None)

    def _make_parts(self, configs: Sequence[Configuration]) -> tuple[Journal, HistoryStore, Live, HistoryGroup]:
        """Journal and history, and what reads and writes them; the engine too. Nothing is started yet."""
        settings, clock = self._settings, SystemClock()
        ours = [config for config in configs if not config.phoebus]
        foreign = {config.name: config.zone for config in configs if config.phoebus}
        if self._roles == {Role.ENGINE} and not ours:
            raise SettingsError("there is nothing to evaluate: all configurations have owner 'phoebus', and their servers do it")
        file = SqliteFile(settings.store, FileOptions(access=Access.READ if self._roles == {Role.BACKEND} else Access.ENGINE))
        journal = open_journal(settings, file, [config.name for config in ours])
        shared, history = journal.shared, open_history(settings, file)
        zones = {config.name: config.zone for config in configs}
        live = Live(DerivingJournal(shared, foreign), zones, settings.cell, clock, history, phoebus=foreign)
        group = self._history_group(shared, history, foreign, list(zones))
        if Role.ENGINE in self._roles and ours:
            ports = EnginePorts(shared, self._source or channel_access(settings), journal.ownership, clock, journal.writer)
            self._engine = EngineThread(self._engine_settings(ours), ports, settings.engine.watchdog_s)
        return shared, history, live, group

    def _history_group(self, shared: Journal, store: HistoryStore, foreign: Mapping[str, tzinfo], names: Sequence[str]) -> HistoryGroup:
        """`foreign`: configurations of Phoebus servers with the time zones of their dates; `names`: all of them."""
        deriving, keep_days = DerivingJournal(shared, foreign, store), self._settings.history.keep_days

        def shift(configs: Sequence[str]) -> Shift:
            return Shift(HistoryWriter(deriving, store, configs, keep_days=keep_days), Summariser(store.summaries, configs))

        topics = {name: name if name in foreign else Topics(name).events for name in names}
        return HistoryGroup(store, history_ownership(self._settings, topics), names, shift)

    def _with_files(self) -> list[ConfigurationSettings]:
        """Configurations whose files are read: all of them where they are brought into force, else those that only a file names."""
        return [one for one in self._settings.configurations if self._roles == ALL or one.name is None]

    async def _open_journal(self, journal: Journal) -> None:
        await journal.start()
        self._stack.push_async_callback(journal.close)
        self.journal = journal

    async def _open_history(self, history: HistoryStore) -> None:
        if self._roles == {Role.ENGINE}:
            return
        self._stack.push_async_callback(history.close)
        if Role.HISTORY in self._roles:
            if self._settings.history.store == "sqlite":
                await history.start()
            return  # the writer opens what may be away
        # Another process makes the file, or it is away; until then questions for the past are answered with what is wrong.
        self._opening = asyncio.create_task(_when_there(history), name="open history")
        self._stack.callback(self._opening.cancel)

    async def _serve(self, server: BackendServer, registry: CollectorRegistry) -> None:
        assert self._history is not None
        engine = self._engine
        if engine is not None:
            registry.register(EngineFigures(lambda: engine.engine))
        if Role.HISTORY in self._roles:
            registry.register(HistoryFigures(self._history))
        await server.start()
        self._server = server
        self._stack.push_async_callback(server.stop)

    def _missing(self) -> dict[str, str]:
        """For the roles without a web side."""
        return self._beside_the_web() if self.journal is not None else {"journal": "does not answer yet"}

    def _beside_the_web(self) -> dict[str, str]:
        """What the writer of the history and the engine lack."""
        found = {}
        if Role.HISTORY in self._roles and self._history is not None and self._history.problem:
            found["history writer"] = self._history.problem
        if self._engine is not None:
            engine = self._engine.engine
            if engine is None or not engine.holdings:
                found["engine"] = "is starting"
            else:
                found |= {f"engine of {config}": why for config, why in engine.problems().items()}
        return found

    def _engine_settings(self, configs: Sequence[Configuration]) -> EngineSettings:
        runners = tuple(runner_settings(self._settings, config) for config in configs)
        return EngineSettings(process_name(), self._settings.cell, runners)

    def _write_grafana(self, trees: Sequence[ConfigTree]) -> None:
        write_grafana_files(self._settings.dashboards, trees, self.url.rstrip("/"))


async def _when_there(history: HistoryStore) -> None:
    said = ""
    while True:
        try:
            await history.start()
        except HistoryError as problem:
            if str(problem) != said:
                log.warning("the history cannot be read yet", problem=str(problem))
            said = str(problem)
            await asyncio.sleep(1.0)
        else:
            return
