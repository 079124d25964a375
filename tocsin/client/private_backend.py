"""The backend's own code over the topics of a site, inside this process: so a client of Kafka gives the very answers of a backend.

It runs in a thread with an event loop of its own, and answers on a socket in a folder that only this user can look into.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import structlog

from alarm_engine.clock import SystemClock
from alarm_engine.errors import JournalUnavailable, TocsinError
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Durability, FileOptions
from backend.app import create_app
from backend.history.journal_history import JournalHistory, Keeping
from backend.history.port import HistoryStore
from backend.history.read_past import Past, PastOptions
from backend.history.sqlite import SqliteHistory
from backend.history.topic_past import TopicPast
from backend.live import Live
from backend.phoebus.journal import DerivingJournal
from backend.phoebus.past import DerivedPast
from backend.security import Identity, Role, Security
from backend.server import BackendServer
from backend.services import BackendSettings, Services
from tocsin.client.errors import ClientError, NotFound, TimedOut, Unreachable
from tocsin.client.followed_topics import FollowedTopics
from tocsin.client.kafka_site import KafkaSite
from tocsin.client.private_folder import PrivateFolder

T = TypeVar("T")

_LOOK_S = 0.02
_PAUSE_S = 0.2
_STOP_S = 10.0
_LIFE_S = 1.5
"""An engine of ours gives a life sign each second."""
SOCKET = "s"


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """How the private backend works."""

    start_s: float = 15.0
    """Kafka has to answer within that time, and what is in the topics should be read."""
    folder: Path | None = None
    """Where the private folder is made; None: where temporary files go."""
    past: PastOptions = field(default_factory=PastOptions)
    keeping: Keeping = field(default_factory=Keeping)


class _OfThisProcess(Security):
    """Who asks is the one who has started this process: nobody else can."""

    async def identify(self, headers: Mapping[str, str], client: str) -> Identity:
        """See `Security.identify`: commands are from this host."""
        return Identity("", Role.ENGINEER, socket.gethostname())


class _ThrownAway(SqliteHistory):
    """Takes its file with it when it is closed."""

    def __init__(self, file: SqliteFile) -> None:
        super().__init__(file)
        self._path = file.path

    async def close(self) -> None:
        """See `HistoryStore.close`."""
        await super().close()
        for part in self._path.parent.glob(f"{self._path.name}*"):
            part.unlink(missing_ok=True)


class PrivateBackend:
    """Started and closed once, from any thread."""

    def __init__(self, site: KafkaSite, options: BackendOptions) -> None:
        """Raises `BadClientSettings` if no private folder can be made. Nothing runs before `start`."""
        self.site = site
        self._options = options
        self._folder = PrivateFolder(options.folder)
        self._numbers = count(1)
        self._journal = KafkaJournal(site.kafka)
        self._zones = {one.name: one.zone for one in site.configurations if one.phoebus}
        deriving = DerivingJournal(self._journal, self._zones)
        zones = {one.name: one.zone for one in site.configurations}
        self.live = Live(deriving, zones, site.cell, SystemClock(), phoebus=self._zones)
        self.history = JournalHistory(self._make_past, options.keeping)
        self.followed = FollowedTopics(self.live, self.history)
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._ready: Future[None] = Future()

    @property
    def socket(self) -> Path:
        """Where it answers."""
        return self._folder.path / SOCKET

    @property
    def started(self) -> bool:
        """It answers, or did."""
        return self._ready.done() and self._ready.exception() is None

    def start(self) -> None:
        """Returns when Kafka answers and the topics were read, or were not within the time: then answers are stale for a while.

        May be called again, from any thread. Raises `Unreachable` if Kafka does not answer in time, `NotFound` if it has no such
        configuration.
        """
        self.check_process()
        with self._lock:
            if self._closed:
                raise ClientError(f"this client of {self.site.name} is closed")
            if self._thread is None:
                _log_as_libraries_do()
                self._thread = threading.Thread(target=self._main, name="tocsin kafka client", daemon=True)
                self._thread.start()
        self._ready.result()

    def close(self) -> None:
        """End all of it and remove the folder; may be called again. In a process that was forked off, nothing: it is the parent's."""
        if os.getpid() != self._process:
            return
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            while thread.is_alive() and self._loop is None:
                time.sleep(_LOOK_S)
            if self._loop is not None and self._stopping is not None and thread.is_alive():
                with contextlib.suppress(RuntimeError):  # it has just ended by itself
                    self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join(_STOP_S)
        self._folder.close()

    def check_process(self) -> None:
        """Raise `ClientError` in a process that was forked off: threads are not there."""
        if os.getpid() != self._process:
            raise ClientError("this client was made before the process was forked, and its threads are not here: make one after that")

    def call(self, question: Callable[[], Coroutine[Any, Any, T]], timeout_s: float) -> T:
        """Ask something in its event loop, from another thread. Raises what the question does, `Unreachable`, `TimedOut`."""
        self.start()
        loop = self._loop
        if self._closed or loop is None or self._thread is None or not self._thread.is_alive():
            raise Unreachable(f"this client of {self.site.name} has ended")
        asked = asyncio.run_coroutine_threadsafe(question(), loop)
        try:
            return asked.result(timeout_s)
        except concurrent.futures.TimeoutError:
            asked.cancel()
            raise TimedOut(f"no answer within {timeout_s:g} s") from None

    # ------------------------------------------------------------------ its thread

    def _main(self) -> None:
        outcome: BaseException | None = None
        try:
            asyncio.run(self._serve())
        except Exception as problem:  # noqa: BLE001 - handed on to whoever has started it: the border between two threads
            outcome = problem
        if not self._ready.done():
            self._ready.set_exception(outcome or Unreachable(f"this client of {self.site.name} was closed while it started"))

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._closed:
            return
        async with AsyncExitStack() as stack:
            starting = asyncio.create_task(self._start(stack), name="start")
            stopping = asyncio.create_task(self._stopping.wait(), name="stop")
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
                return
            try:
                await starting
                self._ready.set_result(None)
                await stopping
            finally:
                stopping.cancel()
                await asyncio.gather(stopping, return_exceptions=True)

    async def _start(self, stack: AsyncExitStack) -> None:
        deadline = time.monotonic() + self._options.start_s
        stack.push_async_callback(self._journal.close)
        await self._reach_kafka(deadline)
        await self.history.start()
        stack.push_async_callback(self.history.close)
        await self.live.start()
        stack.push_async_callback(self.live.stop)
        options = BackendSettings(limits=self.site.limits)
        services = Services(self.live, self.history, self._journal, _OfThisProcess(), SystemClock(), settings=options)
        server = BackendServer(create_app(services), listener=_listen(self.socket))
        await server.start()
        stack.push_async_callback(server.stop)
        while self.live.problems() and time.monotonic() < deadline:  # noqa: ASYNC110 - several trees, each of which may have several
            await asyncio.sleep(_LOOK_S)
        # Where clocks differ, how old a life sign is that was read from the topic says nothing; the next one does.
        ours = [tree for name, tree in self.live.followers.items() if name not in self._zones]
        deadline = min(deadline, time.monotonic() + _LIFE_S)
        while any(tree.freshness().stale for tree in ours) and time.monotonic() < deadline:  # noqa: ASYNC110 - as above
            await asyncio.sleep(_LOOK_S)

    async def _reach_kafka(self, deadline: float) -> None:
        start_s, names = self._options.start_s, [one.name for one in self.site.configurations]
        problem = ""
        while True:
            try:
                async with asyncio.timeout(max(0.01, deadline - time.monotonic())):
                    await self._journal.start()
                    there = await self._journal.present(names)
                break
            except JournalUnavailable as found:
                problem = str(found)
            except TimeoutError:
                problem = problem or self._journal.silence
            except TocsinError as found:
                raise Unreachable(str(found)) from found
            if time.monotonic() + _PAUSE_S >= deadline:
                raise TimedOut(f"{problem} (tried for {start_s:g} s)")
            await asyncio.sleep(_PAUSE_S)
        if missing := [name for name in names if name not in there]:
            raise NotFound(f"{self.site.name} has no topic {', '.join(missing)}: is that the name of the configuration?", 404)

    def _make_past(self) -> tuple[HistoryStore, dict[str, Past]]:
        """An empty store in a file of its own, and what fills it."""
        file = SqliteFile(self._folder.path / f"past{next(self._numbers)}.sqlite", FileOptions(durability=Durability.OFF))
        store, options = _ThrownAway(file), self._options.past
        pasts: dict[str, Past] = {}
        for name, tree in self.live.followers.items():
            zone = self._zones.get(name)
            pasts[name] = (
                TopicPast(self._journal, store, tree, options)
                if zone is None
                else DerivedPast(self._journal, store, tree, {name: zone}, options)
            )
        return store, pasts


def _listen(path: Path) -> socket.socket:
    """The folder around it keeps others out."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(128)
    listener.setblocking(False)
    return listener


def _log_as_libraries_do() -> None:
    """What goes wrong is said by the standard `logging`, unless the program has chosen something: its output is its own."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _line],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _line(_: object, __: str, said: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    """What `logging` is given."""
    event, failed = said.pop("event", ""), said.pop("exc_info", None)
    more = ", ".join(f"{name}: {value}" for name, value in said.items())
    return (f"tocsin: {event} ({more})" if more else f"tocsin: {event}",), {"exc_info": failed}
