"""A small control system for the page: real engine and backend over a journal in memory, in a thread of their own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC
from typing import Any

import uvicorn

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.path import name
from alarm_engine.model.settings import AlarmSettings, Settings, TitledText
from alarm_engine.model.severity import BY_NAME
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.report import FileReport, encode_report
from alarm_engine.wire.topics import Topics, status_topic
from backend.app import BackendSettings, Services, create_app
from backend.history.memory import MemoryHistory
from backend.live import Live, LiveAlarm
from backend.security import Security

CONFIG, CELL = "Demo", "cell"
TOPICS = Topics(CONFIG)
DEADLINE_S = 10.0

_GUIDANCE = TitledText("Pressure", "Call the vacuum group: **4711**\n\n- look at the gauge\n- close the valve")
_SHORT = TitledText("Exchange it", "Exchange it")
_HOSTILE = TitledText(
    "Careful", "<script>document.title='guidance'</script> [click](javascript:document.title='link') <img src=x onerror=1>"
)
TREE: dict[str, AlarmSettings] = {
    "/Demo/Vacuum/Sector 01/IP1": AlarmSettings(
        "Ion pump pressure", guidance=(_GUIDANCE,), displays=(TitledText("Wiki", "https://wiki.example.org/ip"),)
    ),
    "/Demo/Vacuum/Sector 02/IP2": AlarmSettings("Ion pump pressure", guidance=(_SHORT,)),
    "/Demo/RF/CAV1": AlarmSettings("Cavity reflected power", latching=False),
    "/Demo/RF/XSS": AlarmSettings(
        "<img src=x onerror=\"document.title='description'\"><b>bold</b>",
        guidance=(_HOSTILE,),
        displays=(TitledText("<i>x</i>", "javascript:document.title='display'"),),
    ),
}


class Plant:
    """What a test does to the control system; every method returns when it is done."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="plant", daemon=True)
        self._journal = MemoryJournal()
        self._source = MemorySource()
        self._engine: Engine | None = None
        self._live = Live(self._journal, {CONFIG: UTC}, CELL, SystemClock())
        self._history = MemoryHistory()
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Engine and server, with the tree that tests know."""
        self._thread.start()
        self._do(self._start())

    def stop(self) -> None:
        """End everything."""
        try:
            self._do(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(DEADLINE_S)
            self._loop.close()

    def put(self, pv: str, severity: str, message: str, value: str = "1.0") -> None:
        """A sample of a PV; returns when the engine and the backend have worked it in."""
        path = next(path for path in self._live.trees[CONFIG].alarms if name(path) == pv)
        if pv not in self._source.subscriptions:
            raise AssertionError(f"{pv} is not watched")
        self._source.put(pv, BY_NAME[severity], message, value=value)
        self._until(lambda: (alarm := self.alarm(path)).snapshot and alarm.snapshot.current[:3] == (BY_NAME[severity], message, value))

    def alarm(self, path: str) -> LiveAlarm:
        """An alarm as the backend has it."""
        return self._live.trees[CONFIG].alarms[path]

    @property
    def newest(self) -> str:
        """Id of the newest event."""
        return str(self._live.trees[CONFIG].newest)

    def configure(self, path: str, description: str | None) -> None:
        """Add an alarm, or remove it."""
        settings = None if description is None else AlarmSettings(description)
        self._do(self._journal.append([_config(path, settings)]))
        self._until(lambda: (path in self._live.trees[CONFIG].alarms) == (settings is not None))
        self._until(lambda: (name(path) in self._source.subscriptions) == (settings is not None))

    def report(self, report: FileReport) -> None:
        """What a sync process says of the files of the tree."""
        self._do(self._journal.append([Record(TOPICS.settings, f"report:/{CONFIG}", encode_report(report))]))
        self._until(lambda: self._live.trees[CONFIG].files.report == report)

    def engine_off(self) -> None:
        """The engine stops: nothing is evaluated, no life signs."""
        self._do(self._stop_engine())

    def engine_on(self) -> None:
        """The engine starts again."""
        self._do(self._start_engine())

    def server_off(self) -> None:
        """The backend stops, open connections end."""
        self._do(self._stop_server())

    def server_on(self) -> None:
        """The backend starts again, at the same address."""
        self._do(self._start_server())

    # ---- in the loop of the plant ----

    async def _start(self) -> None:
        await self._journal.start()
        await self._journal.ensure_topics([*TOPICS.specs(), status_topic(CELL)])
        await self._journal.append([_config(path, settings) for path, settings in TREE.items()])
        await self._start_engine()
        await self._live.start()
        self._recording = asyncio.create_task(self._record())
        await self._start_server()

    async def _stop(self) -> None:
        await self._stop_server()
        self._recording.cancel()
        await asyncio.gather(self._recording, return_exceptions=True)
        await self._live.stop()
        await self._stop_engine()
        await self._journal.close()
        await self._loop.shutdown_default_executor()

    async def _start_engine(self) -> None:
        self._source = MemorySource()
        settings = EngineSettings("test", CELL, (RunnerSettings(EvaluatorSettings(CONFIG)),))
        self._engine = Engine(settings, EnginePorts(self._journal, self._source, SoleOwnership(), SystemClock()))
        await self._engine.start()

    async def _stop_engine(self) -> None:
        if self._engine is not None:
            await self._engine.stop()
            self._engine = None

    async def _record(self) -> None:
        """What the history writer does."""
        tree, known = self._live.trees[CONFIG], None
        while True:
            await tree.wait(known, 1.0)
            events = tree.recent(known) or []
            await self._history.write(events)
            known = events[-1].id if events else known

    async def _start_server(self) -> None:
        services = Services(
            self._live, self._history, self._journal, Security(), SystemClock(), settings=BackendSettings(command_timeout_s=1.0)
        )
        self._app = create_app(services)
        config = uvicorn.Config(self._app, "127.0.0.1", self._port, log_config=None, timeout_graceful_shutdown=1, lifespan="off")
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._serving = asyncio.create_task(self._server._serve())
        async with asyncio.timeout(DEADLINE_S):
            while not self._server.started:
                await asyncio.sleep(0.005)

    async def _stop_server(self) -> None:
        if self._server is None or self._serving is None:
            return
        self._app.state.close()
        self._server.should_exit = True
        await self._serving
        self._server = self._serving = None

    # ---- between the threads ----

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    def _until(self, what: Callable[[], Any]) -> None:
        async def wait() -> None:
            async with asyncio.timeout(DEADLINE_S):
                while not what():
                    await asyncio.sleep(0.005)

        self._do(wait())


def _config(path: str, settings: Settings | None) -> Record:
    value = None if settings is None else encode_config(settings, "git", "git", UTC)
    return Record(TOPICS.config, key(RecordType.CONFIG, path), value)
