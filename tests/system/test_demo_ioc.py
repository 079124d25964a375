"""An IOC of the demo by itself, as in a container: found by a search over TCP alone, ended by SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.kafka_broker import free_ports
from tocsin.demo.machine import Group, signals

pytestmark = pytest.mark.system

PV = signals(Group.REMOTE)[0].pv
CLIENT = """
import sys
import epicscorelibs.path.pyepics
import epics
value = epics.caget(sys.argv[1], timeout=20)
print("found" if value is not None else "not found", flush=True)
epics.ca.finalize_libca()
"""


def ask(port: int) -> str:
    names = {"EPICS_CA_NAME_SERVERS": f"127.0.0.1:{port}", "EPICS_CA_ADDR_LIST": "", "EPICS_CA_AUTO_ADDR_LIST": "NO"}
    command = [sys.executable, "-c", CLIENT, PV]
    done = subprocess.run(
        command, env={**os.environ, **names}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.strip() or done.stderr


def test_it_is_found_over_tcp_and_ends_when_told():
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tocsin", "demo-ioc", "--group", "remote", "--port", str(port)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            deadline = time.monotonic() + 30
            while not _answers(port):
                assert process.poll() is None, process.stdout.read()
                assert time.monotonic() < deadline, "it does not listen"
                time.sleep(0.05)
            assert ask(port) == "found"
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
