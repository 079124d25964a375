"""The demo as a user sees it: it says what to open, shows alarms, ends at Ctrl-C with nothing left, and remembers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

pytestmark = pytest.mark.system


class Demo:
    """A running `tocsin demo` in a process group of its own, as under a terminal."""

    def __init__(self, directory: Path) -> None:
        arguments = [sys.executable, "-m", "tocsin", "demo", "--port", "0", "--dir", str(directory / "demo")]
        environment = os.environ | {"COLUMNS": "200"}
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env=environment
        )
        self.said = ""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C ends it" in line:
                break
        found = re.search(r"http://127\.0\.0\.1:\d+", self.said)
        assert found, self.said
        self.url = found.group()

    def get(self, question: str) -> dict:
        answer = httpx.get(f"{self.url}/api/v1/{question}", timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, question: str, condition) -> dict:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            answer = self.get(question)
            if condition(answer):
                return answer
            time.sleep(0.02)
        pytest.fail(f"{question} never came right: {answer}")

    def end(self) -> None:
        """Ctrl-C reaches every process of the terminal's group."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        assert children, "no IOC is running"
        os.killpg(self.process.pid, signal.SIGINT)
        output, _ = self.process.communicate(timeout=90)
        assert self.process.returncode == 0
        assert "Traceback" not in output
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.timeout(180)
def test_the_demo_shows_alarms_ends_cleanly_and_remembers(tmp_path):
    demo = Demo(tmp_path)
    try:
        alarms = demo.until("alarms?limit=50", lambda a: a["total"] >= 3 and not a["stale"])["alarms"]
        assert len({alarm["system"] for alarm in alarms}) >= 2
        assert httpx.get(demo.url).status_code == 200
        path = alarms[0]["path"]
        command = {"command": "acknowledge", "path": path, "user": "mara", "reason": "seen in the test"}
        assert httpx.post(f"{demo.url}/api/v1/commands", json=command, timeout=10).json()["outcome"] == "done"
        demo.until(f"events?path={path}&kind=acknowledged&start=-1h", lambda a: len(a["events"]) == 1)
        assert len(list((tmp_path / "demo/grafana/dashboards").rglob("*.json"))) >= 10
    finally:
        demo.end()
    again = Demo(tmp_path)
    try:
        events = again.get(f"events?path={path}&kind=acknowledged&start=-1h")["events"]
        assert [(event["user"], event["comment"]) for event in events] == [("mara", "seen in the test")]
        known = again.get("alarms" + path)
        assert "mara" in str(known) or known["severity"] == "OK"
    finally:
        again.end()
