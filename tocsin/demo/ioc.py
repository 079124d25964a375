"""An IOC of the demo machine as a process: `python -m tocsin.demo.ioc --group main --port 5064`.

Serves Channel Access on loopback only. Says `ready` on standard output once it serves, and then nothing more; ends when standard
input does, so that it never outlives its parent. Ctrl-C in a terminal reaches every process there: it is left to the parent.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

from tocsin.demo.faults import FAULTS
from tocsin.demo.machine import Group, database, signals
from tocsin.demo.simulation import Simulation

LOOPBACK = "127.0.0.1"
READY = "ready"
PORT_TAKEN = 3
"""Exit code: another process has the port."""
STEP_S = 0.5
"""Seconds from one step of the simulation to the next."""

_Put = Callable[[str, str], bool]


def main() -> None:
    """Run until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parser = argparse.ArgumentParser(prog="tocsin.demo.ioc", description="An IOC of the demo machine; ends with its standard input.")
    parser.add_argument("--group", type=Group, choices=list(Group), default=Group.MAIN, help="which part of the machine")
    parser.add_argument("--port", type=int, required=True, help="port for Channel Access, on loopback")
    arguments = parser.parse_args()

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # dbpf prints what it has written. Only our one line belongs on standard output.
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    _run(arguments.group, arguments.port, LOOPBACK, lambda: answers.write(f"{READY}\n"), _input_ended)


def run_until_told(group: Group, port: int, address: str) -> None:
    """Run until SIGTERM or SIGINT, also as the first process of a container, to which neither means anything by itself."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    _run(group, port, address, lambda: None, lambda: told.wait(STEP_S))


def _run(group: Group, port: int, address: str, ready: Callable[[], object], ended: Callable[[], bool]) -> None:
    """Serve until `ended`, which takes the time of a step; never returns."""
    put = _start(group, port, address)
    simulation = Simulation(signals(group), FAULTS, Random())
    _step(simulation, put)
    ready()
    while not ended():
        _step(simulation, put)
    # Threads of the IOC run on, and its exit hooks would wait for them: nothing here is worth being saved.
    os._exit(0)


def _start(group: Group, port: int, address: str) -> _Put:
    """Start to serve. Gives what writes a field: name and text, true when it was accepted."""
    for name in [name for name in os.environ if name.startswith("EPICS_")]:
        del os.environ[name]
    os.environ |= {
        "EPICS_CA_ADDR_LIST": f"{LOOPBACK}:{port}",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CAS_SERVER_PORT": str(port),
        "EPICS_CAS_INTF_ADDR_LIST": address,
        "EPICS_CAS_BEACON_ADDR_LIST": LOOPBACK,
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
    }
    from epicscorelibs import ioc

    with tempfile.NamedTemporaryFile("w", suffix=".db", encoding="utf-8") as file:
        file.write(database(group))
        file.flush()
        ioc.start_ioc(database=file.name)
    if _served_port() != port:
        sys.stderr.write(f"port {port} is taken by another process\n")
        sys.stderr.flush()
        os._exit(PORT_TAKEN)
    dbpf: Any = ioc.dbCore.dbpf
    dbpf.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    dbpf.restype = ctypes.c_long
    return lambda name, text: dbpf(name.encode(), text.encode()) == 0


def _served_port() -> int:
    """The port that the server has got: an IOC that finds its own taken quietly uses another one."""
    # The IOC sets this in the environment of C, which os.environ does not follow.
    getenv: Any = ctypes.CDLL(None).getenv
    getenv.argtypes, getenv.restype = [ctypes.c_char_p], ctypes.c_char_p
    found = getenv(b"RSRV_SERVER_PORT")
    return int(found) if found else 0


def _step(simulation: Simulation, put: _Put) -> None:
    for field, text in simulation.step(time.monotonic()):
        # PROC is written to a record that is to fail: it answers with its own failure.
        if not put(field, text) and not field.endswith(".PROC"):
            sys.stderr.write(f"{field}: {text!r} was refused\n")


def _input_ended() -> bool:
    """Whether the parent has gone, within the time of a step."""
    ready, _, _ = select.select([sys.stdin], [], [], STEP_S)
    return bool(ready) and not os.read(sys.stdin.fileno(), 4096)


if __name__ == "__main__":
    main()
