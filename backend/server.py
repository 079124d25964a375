"""Serves an application over HTTP, in the event loop that is running."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from alarm_engine.errors import SettingsError

_BACKLOG = 2048
_GRACE_S = 0.5
_KEEP_ALIVE_S = 65
"""Longer than a minute: Grafana asks every few seconds, proxies keep connections for about a minute."""

_DEAD_PEER_MS = 30_000


class _Uvicorn(uvicorn.Server):
    """Signals are handled by the command line only."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class BackendServer:
    """The HTTP side as an application object."""

    def __init__(
        self, app: FastAPI, host: str = "", port: int = 0, section: str = "backend", listener: socket.socket | None = None
    ) -> None:
        """`port` 0: any free one, see `address`. `section` of the settings that says where to listen: messages name it.

        `listener`: a socket that listens already, as a private one in the file system, instead of host and port; it is closed at the end.
        """
        self._listener = listener
        self._app = app
        self._host = host
        self._port = port
        self._section = section
        self._server: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None
        self.address: tuple[str, int] = (host, port)
        """Host and port that the server really listens on, once it is started."""

    @property
    def url(self) -> str:
        """Address for people on this machine."""
        host, port = self.address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen; returns when requests are answered. Raises `SettingsError` if the address cannot be used."""
        listener = self._listener or _listen(self._host, self._port, self._section)
        if self._listener is None:
            self.address = listener.getsockname()[:2]
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who is believed is decided in `security`
            lifespan="on" if self._listener is None else "off",  # `stop` closes the application in any case
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        )
        self._server = _Uvicorn(config)
        self._task = asyncio.create_task(self._server.serve([listener]), name="http server")
        while not self._server.started:
            if self._task.done():
                listener.close()
                task, self._task = self._task, None
                await task
                raise SettingsError(f"the HTTP server on {self._host}:{self._port} ended while it started")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End open streams, then all connections; within a second. May be called again."""
        task, server = self._task, self._server
        self._task = self._server = None
        if task is None or server is None:
            return
        close = getattr(self._app.state, "close", None)
        if close is not None:
            close()
        server.should_exit = True
        done, _ = await asyncio.wait({task}, timeout=_GRACE_S)
        if not done:
            server.force_exit = True
            for connection in list(server.server_state.connections):
                transport = getattr(connection, "transport", None)
                if transport is not None:
                    transport.abort()
            for request in list(server.server_state.tasks):
                request.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def failure(self) -> BaseException | None:
        """What ended the server, None while it runs or was stopped."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception() or RuntimeError("the HTTP server ended")


def _listen(host: str, port: int, section: str) -> socket.socket:
    """A listening socket; raises `SettingsError` that says what to do."""
    listener: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A client that has gone without a word, or takes nothing, must not hold its connection for ever.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_MS)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        return listener
    except OSError as problem:
        if listener is not None:
            listener.close()
        raise SettingsError(_advice(host, port, section, problem)) from problem


def _advice(host: str, port: int, section: str, problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        option = "--port" if section == "backend" else f"--{section}-port"
        return (
            f"port {port} on {host} is in use: is another tocsin running? "
            f"Stop it, or choose another port ({option}, or {section}.port in the settings; 0 takes any free one)"
        )
    if problem.errno == errno.EACCES:
        return f"port {port} on {host} may not be used by this user: choose one above 1023 ({section}.port)"
    if problem.errno == errno.EADDRNOTAVAIL or isinstance(problem, socket.gaierror):
        return f"{host!r} is no address of this machine: set {section}.host to one, or to 127.0.0.1"
    return f"cannot listen on {host}:{port}: {problem.strerror or problem}"
