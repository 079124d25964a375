"""The demo machine as processes: starts its IOCs, lets one of them go away and come back, ends them."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from alarm_engine.errors import SourceError
from tocsin.demo.ioc import LOOPBACK, PORT_TAKEN, READY
from tocsin.demo.machine import Group

log = structlog.get_logger()

START_S = 30.0
"""Longest wait for an IOC to serve; a loaded machine needs seconds."""
_ATTEMPTS = 5
_END_S = 0.4
"""How long an IOC may take to end before it is killed."""


@dataclass(frozen=True, slots=True)
class Outages:
    """When the remote IOC is away; all in seconds."""

    first_s: float = 40
    """From the start to the first time."""
    away_s: float = 15
    between_s: tuple[float, float] = (180, 300)
    """From its return until it goes again: least and greatest."""


class DemoMachine:
    """The IOCs of the demo machine, on loopback. Use once."""

    def __init__(self, log_dir: Path | None = None, outages: Outages | None = None) -> None:
        """`log_dir`: where the IOCs write what they have to say; None: it is thrown away."""
        self._log_dir = log_dir
        self._outages = outages or Outages()
        self._stopping = threading.Event()
        self._main: _Ioc | None = None
        self._remote: _Ioc | None = None
        self._thread: threading.Thread | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """`host:port` of each IOC, for EPICS_CA_ADDR_LIST; empty before the start."""
        return tuple(f"{LOOPBACK}:{ioc.port}" for ioc in (self._main, self._remote) if ioc is not None)

    def start(self) -> None:
        """Start the IOCs and wait until they answer. Raises `SourceError`, with nothing left running, if they cannot."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)  # after Ctrl-C while we wait, too, no process must stay
            self._main, self._remote = _Ioc(Group.MAIN, self._log_dir), _Ioc(Group.REMOTE, self._log_dir)
            for ioc in (self._main, self._remote):
                ioc.start()
            deadline_s = time.monotonic() + START_S
            for ioc in (self._main, self._remote):
                self._wait_for(ioc, deadline_s)
            undo.pop_all()
        self._thread = threading.Thread(target=self._run_outages, name="demo outages", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the IOCs; may be called again."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        running = [ioc for ioc in (self._main, self._remote) if ioc is not None]
        for ioc in running:
            ioc.begin_to_end()
        for ioc in running:
            ioc.close()

    def _wait_for(self, ioc: _Ioc, deadline_s: float) -> None:
        """Wait until it serves; with other ports if its own has been taken meanwhile."""
        for _ in range(_ATTEMPTS):
            if ioc.wait_until_ready(deadline_s, self._stopping):
                return
            if ioc.exit_code != PORT_TAKEN:
                break
            ioc.port = _free_port()
            ioc.start()
        raise SourceError(ioc.problem())

    def _run_outages(self) -> None:
        """Let the remote IOC go away and come back until we stop."""
        assert self._remote is not None
        quiet_s = self._outages.first_s
        while not self._stopping.wait(quiet_s):
            self._remote.begin_to_end()
            self._remote.end()
            if self._stopping.wait(self._outages.away_s):
                return
            # The address is known to clients: it comes back there, or later.
            self._remote.start()
            if not self._remote.wait_until_ready(time.monotonic() + START_S, self._stopping) and not self._stopping.is_set():
                log.warning("the remote IOC of the demo did not come back; it will be tried again", problem=self._remote.problem())
            quiet_s = random.uniform(*self._outages.between_s)


class _Ioc:
    """One IOC process, that may be started again."""

    def __init__(self, group: Group, log_dir: Path | None) -> None:
        self.port = _free_port()
        self._group = group
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes]
        try:
            if log_dir is None:
                self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object, see close()
            else:
                log_dir.mkdir(parents=True, exist_ok=True)
                self._log = (log_dir / f"ioc-{group}.log").open("w+b")
        except OSError as problem:
            raise SourceError(f"the log of the demo's IOC cannot be written to {log_dir}: {problem.strerror}") from problem

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process; `wait_until_ready` tells whether it serves."""
        self._let_go()
        command = [sys.executable, "-m", "tocsin.demo.ioc", "--group", self._group, "--port", str(self.port)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,  # Ctrl-C in the terminal is for the parent, who ends us in order
            )
        except OSError as problem:
            raise SourceError(f"the demo's IOC cannot be started: {' '.join(command)}: {problem.strerror}") from problem

    def wait_until_ready(self, deadline_s: float, stopping: threading.Event) -> bool:
        """Whether it serves, before a moment of the monotonic clock."""
        assert self._process is not None
        assert self._process.stdout is not None
        while time.monotonic() < deadline_s and not stopping.is_set():
            ready, _, _ = select.select([self._process.stdout], [], [], 0.05)
            if ready:
                if self._process.stdout.readline().strip() == READY.encode():
                    return True
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_END_S)
                return False
        return False

    def problem(self) -> str:
        """Why it does not serve, for a person; with the end of what it has said."""
        code = self.exit_code
        what = f"did not answer within {START_S:g} s" if code is None else f"ended with code {code} before it answered"
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 2000))
        said = self._log.read().decode(errors="replace").strip() or "(nothing)"
        return f"the demo's IOC ({self._group}, {LOOPBACK}:{self.port}) {what}. It said:\n{said}"

    def begin_to_end(self) -> None:
        """Ask it to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self) -> None:
        """Wait until it has ended; it is killed if it takes long."""
        if self._process is None:
            return
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End it and let go of its files; may be called again."""
        self.begin_to_end()
        self.end()
        self._let_go()
        self._log.close()

    def _let_go(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
        self._process = None


def _free_port() -> int:
    """A port of loopback that is free for TCP and UDP, outside of the range that the system gives out by itself."""
    while True:
        port = random.randrange(20_000, 32_000)
        if all(_is_free(kind, port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            return port


def _is_free(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
