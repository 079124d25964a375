"""Real soft IOCs for tests: each a process on loopback, on a port that was reserved before Channel Access was first used.

libca reads its environment once per process, so the addresses of all IOCs that a test session may ever start must be in
`EPICS_CA_ADDR_LIST` from the beginning. `tests/conftest.py` reserves a pool of ports and exports it; each IOC takes one of them.

with start_ioc('record(ao, "$(P)X") { field(HIGH, 5) field(HSV, MINOR) }') as ioc:
    ioc.put(f"{ioc.prefix}X", 7)
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Self

LOOPBACK = "127.0.0.1"
POOL_SIZE = 8
START_S = 30.0
"""Longest wait for an IOC to serve; a loaded machine needs seconds."""


class PortPool:
    """Ports of loopback, kept from everybody else while no IOC uses them."""

    def __init__(self, size: int = POOL_SIZE) -> None:
        self._held: dict[int, list[socket.socket]] = {}
        while len(self._held) < size:
            # Below the range from which the system gives out ports by itself.
            port = random.randrange(20_000, 32_000)
            with contextlib.suppress(OSError):
                self._held[port] = _hold(port)
        self.ports = tuple(self._held)
        self.repeater_port = _free_udp_port()

    def environment(self) -> dict[str, str]:
        """What a client needs to find the IOCs of this pool and nothing else."""
        return {
            "EPICS_CA_ADDR_LIST": " ".join(f"{LOOPBACK}:{port}" for port in self.ports),
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_REPEATER_PORT": str(self.repeater_port),
        }

    def export(self, environment: MutableMapping[str, str]) -> None:
        """Set the addresses of the pool; before the first use of Channel Access."""
        environment.update(self.environment())

    def take(self, port: int | None = None) -> int:
        """A port for an IOC that starts now: `port`, or any that is free."""
        if port is None:
            if not self._held:
                raise RuntimeError(f"all {len(self.ports)} ports are in use: stop an IOC first, or raise POOL_SIZE")
            port = next(iter(self._held))
        for held in self._held.pop(port, []):
            held.close()
        return port

    def give_back(self, port: int) -> None:
        """The IOC has gone; wait until nobody else can take its port."""
        deadline = time.monotonic() + 5
        while True:
            try:
                self._held[port] = _hold(port)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _hold(port: int) -> list[socket.socket]:
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stream.bind((LOOPBACK, port))
        datagram.bind((LOOPBACK, port))
    except OSError:
        stream.close()
        datagram.close()
        raise
    return [stream, datagram]


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@functools.cache
def port_pool() -> PortPool:
    """The pool of this process."""
    return PortPool()


class Ioc:
    """One soft IOC. A context manager; `stop` and `restart` may be called in between."""

    def __init__(self, db_text: str, prefix: str, access_rules: Path | None = None) -> None:
        self.prefix = prefix
        """Replaces `$(P)` in the database."""
        self.port = port_pool().take()
        self.addr = f"{LOOPBACK}:{self.port}"
        """For `EPICS_CA_ADDR_LIST` and for name servers. (The `server` of a `Connection` may have the name of the host instead.)"""
        self._holds_port = True
        self._directory = tempfile.TemporaryDirectory(prefix="tocsin-ioc-")
        self._database = Path(self._directory.name) / "test.db"
        self._log = Path(self._directory.name) / "ioc.log"
        self._access_rules = [] if access_rules is None else [str(access_rules)]
        self._write(db_text)
        self._process: subprocess.Popen[str] | None = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _write(self, db_text: str) -> None:
        self._database.write_text(db_text.replace("$(P)", self.prefix), encoding="utf-8")

    def _start(self) -> None:
        environment = os.environ | {
            "EPICS_CA_ADDR_LIST": self.addr,
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_REPEATER_PORT": str(port_pool().repeater_port),
            "EPICS_CAS_SERVER_PORT": str(self.port),
            "EPICS_CAS_INTF_ADDR_LIST": LOOPBACK,
            "EPICS_CAS_BEACON_ADDR_LIST": LOOPBACK,
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_CAS_BEACON_PORT": str(port_pool().repeater_port),
        }
        with self._log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                cwd=Path(__file__).parent.parent,
            )
        if self._answer(START_S) != "ready":
            raise RuntimeError(f"the IOC did not start:\n{self.log()}")
        # An IOC that finds its port taken quietly serves another one.
        with socket.create_connection((LOOPBACK, self.port), timeout=5):
            pass

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "tests.ioc_process", str(self._database), *self._access_rules]

    def _answer(self, timeout_s: float) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout_s)
        return self._process.stdout.readline().strip() if ready else "nothing"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """What the IOC has said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def put(self, pv: str, value: Any) -> None:
        """Write a field as the IOC itself would (`dbpf`): numbers, enum labels, texts. Returns when the record has processed."""
        if not self.is_running:
            raise RuntimeError(f"put {pv}: the IOC is not running")
        assert self._process is not None
        assert self._process.stdin is not None
        print(json.dumps({"pv": pv, "value": str(value)}), file=self._process.stdin, flush=True)
        answer = self._answer(10)
        if answer != "ok":
            raise RuntimeError(f"put {pv} = {value!r}: {answer}\n{self.log()[-2000:]}")

    def pause(self) -> None:
        """Hang: the process is stopped, its sockets stay open. Undone by `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill it, as a crash would. Keeps its port for `restart`."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process = None
        if self._holds_port:
            port_pool().give_back(self.port)
            self._holds_port = False

    def restart(self, db_text: str | None = None) -> None:
        """Start again on the same port, with the database as it was in the beginning, or with another one.

        libca begins to search a channel that was lost only with the next beat of a 10 s timer: wait for up to 20 s.
        """
        self.stop()
        if db_text is not None:
            self._write(db_text)
        port_pool().take(self.port)
        self._holds_port = True
        self._start()

    def close(self) -> None:
        """Stop, and remove its files."""
        self.stop()
        if self._holds_port:
            port_pool().give_back(self.port)
            self._holds_port = False
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_ioc(db_text: str, prefix: str | None = None, *, access_rules: Path | None = None) -> Ioc:
    """An IOC that serves the records of `db_text`, ready to answer. `$(P)` becomes the prefix, a random one if none is given.

    `access_rules` is a file of EPICS access security.
    """
    return Ioc(db_text, random_prefix() if prefix is None else prefix, access_rules)


def random_prefix() -> str:
    """A prefix for PV names that no other test has."""
    return f"T{secrets.token_hex(4)}:"
