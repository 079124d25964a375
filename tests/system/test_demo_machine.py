"""The demo machine as it runs: real IOCs, seen by a client of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from alarm_engine.errors import SourceError
from tocsin.demo import machine_process
from tocsin.demo.machine import Group, signals
from tocsin.demo.machine_process import DemoMachine, Outages

pytestmark = pytest.mark.system

DEADLINE_S = 60
ROOT = Path(__file__).parents[2]
QUIET = Outages(first_s=3600)

CLIENT = """
import epicscorelibs, json, sys, time
import epics
names = json.loads(sys.stdin.readline())
seen = {}
def note(pvname, severity, **_):
    seen[pvname] = severity
pvs = [epics.PV(name, callback=note, auto_monitor=epics.dbr.DBE_ALARM) for name in names]
deadline = time.monotonic() + 60
while time.monotonic() < deadline and not (len(seen) == len(names) and {1, 2, 3} <= set(seen.values())):
    time.sleep(0.02)
print(json.dumps(seen))
"""

PARENT = """
import sys
from tocsin.demo.machine_process import DemoMachine
machine = DemoMachine()
machine.start()
print(" ".join(machine.addresses), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def demo() -> Iterator[Callable[..., DemoMachine]]:
    """Makes machines; all of them end with the test."""
    made: list[DemoMachine] = []

    def make(log_dir: Path | None = None, outages: Outages = QUIET) -> DemoMachine:
        made.append(DemoMachine(log_dir, outages))
        return made[-1]

    yield make
    for machine in made:
        machine.stop()


def iocs_of(pid: int) -> list[psutil.Process]:
    """IOCs that a process has started; those of other tests have other parents."""
    children = [child for child in psutil.Process(pid).children() if not is_gone(child)]
    return [child for child in children if "tocsin.demo.ioc" in child.cmdline()]


def answers(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_client_sees_every_pv_and_alarms_of_every_severity(demo: Callable[..., DemoMachine], tmp_path: Path) -> None:
    machine = demo(tmp_path / "logs")
    machine.start()
    assert len(machine.addresses) == 2
    environment = os.environ | {"EPICS_CA_ADDR_LIST": " ".join(machine.addresses), "EPICS_CA_AUTO_ADDR_LIST": "NO"}
    names = [signal.pv for group in Group for signal in signals(group)]
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        input=json.dumps(names) + "\n",
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    severities = json.loads(done.stdout)
    assert severities.keys() == set(names)
    assert {1, 2, 3} <= set(severities.values())
    logs = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "logs").iterdir()}
    assert logs.keys() == {"ioc-main.log", "ioc-remote.log"}
    for text in logs.values():
        assert "refused" not in text


def test_stop_leaves_nothing_and_may_be_called_again(demo: Callable[..., DemoMachine]) -> None:
    demo().stop()
    machine = demo()
    machine.start()
    running = iocs_of(os.getpid())
    assert len(running) == 2
    machine.stop()
    assert iocs_of(os.getpid()) == []
    assert all(is_gone(process) for process in running)
    machine.stop()


def test_the_remote_ioc_goes_away_and_comes_back(demo: Callable[..., DemoMachine]) -> None:
    machine = demo(outages=Outages(first_s=0.2, away_s=0.5, between_s=(0.2, 0.3)))
    machine.start()
    main, remote = machine.addresses
    wait(lambda: not answers(remote), "the remote IOC goes away")
    assert answers(main)
    wait(lambda: answers(remote), "the remote IOC comes back")


def test_the_iocs_leave_ctrl_c_to_their_parent(demo: Callable[..., DemoMachine]) -> None:
    machine = demo()
    machine.start()
    running = iocs_of(os.getpid())
    for process in running:
        assert os.getpgid(process.pid) != os.getpgid(0)
        process.send_signal(signal.SIGINT)
    # One that dies of it is gone before its signal mask can be read again.
    for process in running:
        ignored = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("SigIgn"))
        assert int(ignored.split()[1], 16) & 1 << (signal.SIGINT - 1)
    assert all(answers(address) for address in machine.addresses)


def test_the_iocs_end_when_their_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with parent:
        assert parent.stdout is not None
        addresses = parent.stdout.readline().split()
        iocs = iocs_of(parent.pid)
        assert len(iocs) == len(addresses) == 2
        parent.kill()
        parent.wait()
        wait(lambda: all(is_gone(process) for process in iocs), "the IOCs end")


def test_a_port_that_is_taken_is_left_alone(demo: Callable[..., DemoMachine], monkeypatch: pytest.MonkeyPatch) -> None:
    free_port = machine_process._free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1]])
        monkeypatch.setattr(machine_process, "_free_port", lambda: next(ports, None) or free_port())
        machine = demo()
        machine.start()
        assert f"127.0.0.1:{taken.getsockname()[1]}" not in machine.addresses
        assert all(answers(address) for address in machine.addresses)


def test_an_ioc_that_cannot_start_is_told_in_a_sentence(
    demo: Callable[..., DemoMachine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no libca here >&2\nexit 7\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(SourceError, match=r"(?s)ended with code 7 before it answered.*no libca here"):
        demo().start()
    assert iocs_of(os.getpid()) == []


def test_a_log_directory_that_cannot_be_written_is_told(demo: Callable[..., DemoMachine], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SourceError, match=r"cannot be written to .*file"):
        demo(tmp_path / "file").start()
