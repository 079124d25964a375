"""The requests that the documentation shows are answered, by the site that the README shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.test_tutorial import free_port
from tests.system.tutorial import Reader, with_our_programs

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs/how-to/use-the-api.md").read_text("utf-8")
PAST = (ROOT / "docs/how-to/ask-the-past.md").read_text("utf-8")
COMMANDS = (ROOT / "docs/how-to/acknowledge-and-shelve.md").read_text("utf-8")
REQUESTS = re.findall(r"^curl -s (.*?)(?:\s+#.*)?$", API, re.MULTILINE)
PAST_REQUESTS = re.findall(r"^curl -s (.*)$", PAST, re.MULTILINE)
STREAMS = re.findall(r"^curl -sN (.*)$", API, re.MULTILINE)
RUN = "```console background\n$ tocsin run --settings site.yaml\n...tocsin is watching...\n```\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The site of the README, running; its PVs are not there."""
    directory, port = tmp_path_factory.mktemp("site"), free_port()
    tree, site = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (directory / "tree.yaml").write_text(tree, "utf-8")
    (directory / "site.yaml").write_text(f"{site}backend:\n  port: {port}\n", "utf-8")
    reader = Reader(directory, {}, with_our_programs(os.environ))
    try:
        reader.follow(RUN)
        yield port
    finally:
        reader.close()


def curl(arguments: str, port: int, *more: str) -> str:
    words = shlex.split(arguments.replace("\\\n", " ").replace("8080", str(port)))
    done = subprocess.run(["curl", "-sS", *more, *words], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode in (0, 28), f"curl {arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def test_there_are_requests():
    assert len(REQUESTS) == API.count("curl -s '") >= 10
    assert len(PAST_REQUESTS) == PAST.count("curl -s '") >= 6
    assert len(STREAMS) == 2


@pytest.mark.parametrize("arguments", [*REQUESTS, *PAST_REQUESTS])
def test_a_request_is_answered(port, arguments):
    assert curl(arguments, port, "--fail-with-body").startswith("{")


@pytest.mark.parametrize("arguments", STREAMS)
def test_a_stream_begins(port, arguments):
    said = curl(arguments, port, "--fail-with-body", "--no-buffer", "--max-time", "1")
    assert "event: status" in said or "event: reset" in said


def test_a_file_of_events_is_written(port, tmp_path):
    [arguments] = re.findall(r"^curl -sf (.*)$", PAST, re.MULTILINE)
    curl(arguments.replace("events.ndjson", str(tmp_path / "events.ndjson")), port, "--fail-with-body")
    lines = (tmp_path / "events.ndjson").read_text("utf-8").splitlines()
    assert all(json.loads(line)["id"].startswith("Site.") for line in lines)


def test_a_command_is_answered(port):
    [command] = re.findall(r"^\$ curl -s ((?:.*\\\n)*.*)$", COMMANDS, re.MULTILINE)
    assert '"outcome":"done"' in curl(command, port, "--fail-with-body")


def test_the_example_of_a_problem_is_what_is_answered(port):
    [example] = re.findall(r"^```json\n(.*?)^```", API, re.DOTALL | re.MULTILINE)
    shown, answered = json.loads(example), json.loads(curl("'http://127.0.0.1:8080/api/v1/alarms?limit=99999'", port))
    assert shown.pop("title")  # Python's name of the status, another one from 3.13 on
    assert answered.pop("title")
    assert shown == answered


def test_the_description_is_served(port):
    assert curl("http://127.0.0.1:8080/openapi.json", port, "--fail-with-body").startswith('{"openapi"')


def test_the_python_example_tells_of_events(port, tmp_path):
    [example] = re.findall(r"^```python\n(.*?)^```", API, re.DOTALL | re.MULTILINE)
    script, log = tmp_path / "follow.py", tmp_path / "log"
    script.write_text(example.replace("8080", str(port)), "utf-8")
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-u", script], stdout=output, stderr=output)
    try:
        body = '{"command": "shelve", "path": "/Site/Cooling/SITE:Temp", "duration": "1h", "user": "mara", "reason": "test"}'
        deadline = time.monotonic() + 30
        while "/Site/Cooling/SITE:Temp" not in log.read_text("utf-8"):
            assert time.monotonic() < deadline, log.read_text("utf-8")
            assert process.poll() is None, log.read_text("utf-8")
            curl(f"http://127.0.0.1:8080/api/v1/commands -H 'Content-Type: application/json' -d '{body}'", port)
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
