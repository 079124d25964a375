"""The pipeline of the example repository: what it runs of a proposal, what it is given, and when it says that a merge is in force."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

pytestmark = pytest.mark.system

EXAMPLE = Path(__file__).parents[2] / "examples/alarm-repository"
WORKFLOW = yaml.safe_load((EXAMPLE / ".github/workflows/alarms.yaml").read_text())
EVENTS = WORKFLOW[True]  # YAML takes `on` for a truth value


def steps(job: str) -> list[dict]:
    return WORKFLOW["jobs"][job]["steps"]


def test_the_pipeline_runs_what_is_there_and_can_only_read_the_repository():
    assert WORKFLOW["permissions"] == {}
    rights = {name: job["permissions"] for name, job in WORKFLOW["jobs"].items()}
    assert rights == {"propose": {"contents": "read", "pull-requests": "write"}, "released": {"contents": "read"}}
    runs = "\n".join(step.get("run", "") for job in WORKFLOW["jobs"] for step in steps(job)) + WORKFLOW["env"]["TOCSIN"]
    used = set(re.findall(r"\bci/\w+", runs))
    assert used == {f"ci/{file.name}" for file in (EXAMPLE / "ci").iterdir()}
    assert all(os.access(EXAMPLE / name, os.X_OK) for name in used)
    owned = [line.split()[0] for line in (EXAMPLE / ".github/CODEOWNERS").read_text().splitlines() if line and line[0] != "#"]
    assert all((EXAMPLE / path.strip("/")).exists() for path in owned if path != "*")
    assert {file.name for file in (EXAMPLE / "alarms").iterdir()} - {"tree.yaml"} <= {Path(path).name for path in owned}


def test_nothing_of_a_proposal_is_run_and_no_text_of_it_is_put_into_a_command():
    assert set(EVENTS) == {"pull_request_target", "push"}  # with `pull_request` a proposal would bring a pipeline of its own
    ours, theirs = (step["with"] for step in steps("propose") if step.get("uses", "").startswith("actions/checkout"))
    assert "ref" not in ours
    assert "path" not in ours
    assert theirs["path"] == "proposal"
    assert ours["persist-credentials"] is theirs["persist-credentials"] is False
    commands = [step["run"] for job in WORKFLOW["jobs"] for step in steps(job) if "run" in step]
    assert not [command for command in commands if "${{" in command]
    assert not [
        command for command in commands if re.search(r"(^|[\s;&|])(\./)?proposal/", command.replace("ci/propose proposal/alarms", ""))
    ]
    secret = [step for job in WORKFLOW["jobs"] for step in steps(job) if "secrets." in json.dumps(step)]
    assert len(secret) == 2
    assert {job["environment"] for job in WORKFLOW["jobs"].values()} == {"alarms"}


def propose(directory: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `ci/propose` of `main` says, from a copy in `directory`."""
    path = f"{directory / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **variables}
    return subprocess.run([str(directory / "main/ci/propose"), *words], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def proposal(tmp_path) -> Path:
    for there, here in ((EXAMPLE, "main"), (EXAMPLE / "alarms", "alarms")):
        subprocess.run(["cp", "-r", str(there), str(tmp_path / here)], check=True)
    (tmp_path / "main/kafka.crt").write_text("certificate")
    return tmp_path


def test_a_link_in_a_proposal_is_refused_before_anything_reads_it(proposal):
    (proposal / "secret").write_text("hunter2")
    (proposal / "alarms/cooling.yaml").unlink()
    (proposal / "alarms/cooling.yaml").symlink_to(proposal / "secret")
    done = propose(proposal, str(proposal / "alarms"), TOCSIN="false")
    assert done.returncode == 1
    assert "no links" in done.stdout
    assert "cooling.yaml" in done.stdout
    assert "hunter2" not in done.stdout


DOCKER = """#!/bin/sh
echo "$@" >> {record}
while [ "$1" != image@sha256:0 ]; do
    case $1 in *:/work:ro) cd "${{1#--volume=}}" 2>/dev/null || cd "$(echo "$1" | sed 's/^--volume=//; s/:.*//')" ;; esac
    shift
done
shift
cat kafka.crt >> {record}.certificates
exec {python} -m tocsin "$@"
"""


def test_tocsin_comes_from_its_image_and_is_given_the_password_only_for_what_is_in_force(proposal):
    (proposal / "bin").mkdir()
    (proposal / "bin/docker").write_text(DOCKER.format(record=proposal / "record", python=sys.executable))
    (proposal / "bin/docker").chmod(0o755)
    (proposal / "password").write_text("hunter2")
    given = {"TOCSIN": "ci/tocsin", "TOCSIN_IMAGE": "image@sha256:0", "KAFKA_PASSWORD_FILE": str(proposal / "password")}
    text = (proposal / "alarms/cooling.yaml").read_text()
    (proposal / "alarms/cooling.yaml").write_text(text.replace("delay: 10s", "delay: soon"))
    bad = propose(proposal, str(proposal / "alarms"), **given)
    assert bad.returncode == 1, bad.stdout + bad.stderr
    assert "cooling.yaml" in bad.stdout
    (checking,) = (proposal / "record").read_text().splitlines()
    assert "kafka-password" not in checking
    assert "--network=none" in checking
    assert "--read-only" in checking
    (proposal / "alarms/cooling.yaml").write_text(text)
    good = propose(proposal, str(proposal / "alarms"), TOCSIN_KAFKA__SERVERS="127.0.0.1:9", **given)
    assert good.returncode == 2, good.stdout + good.stderr
    assert "could not be asked" in good.stdout
    *_, asking = (proposal / "record").read_text().splitlines()
    assert f"--volume={proposal}/password:/run/secrets/kafka-password:ro" in asking
    assert "config diff" in asking
    assert "certificate" in (proposal / "record.certificates").read_text(), "what the settings name beside them is there"


class Page(BaseHTTPRequestHandler):
    """What an operator page tells of the files."""

    answer: ClassVar[dict] = {}
    tokens: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.tokens.append(self.headers["Authorization"])
        is_known = self.path == "/api/v1/files"
        self.send_response(200 if is_known else 404)
        self.end_headers()
        self.wfile.write(json.dumps(self.answer if is_known else {}).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def page() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_merge_that_a_later_one_overtook_is_in_force_too(tmp_path, page):
    """Both pipelines are green: the second commit contains the first, and the first was never in force by itself."""
    who = {f"GIT_{role}_{what}": "m" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("GIT_")}, **who, "TOCSIN_TOKEN": "tttt"}

    def git(*words: str, at: str = "work") -> str:
        command = ["git", "-C", str(tmp_path / at), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    def commit(text: str) -> str:
        git("commit", "-q", "--allow-empty", "-m", text)
        git("push", "-q", "origin", "HEAD:main")
        return git("rev-parse", "HEAD")

    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "origin")], check=True, env=environment)
    subprocess.run(
        ["git", "clone", "-q", str(tmp_path / "origin"), str(tmp_path / "work")], check=True, env=environment, capture_output=True
    )
    before, first = commit("Before"), commit("First")
    subprocess.run(["git", "clone", "-q", str(tmp_path / "origin"), str(tmp_path / "runner")], check=True, env=environment)
    second = commit("Second")  # the runner of the first has never seen it

    def released(what: str) -> tuple[int, str]:
        words = [str(EXAMPLE / "ci/released"), page, what, "1"]
        done = subprocess.run(words, cwd=tmp_path / "runner", env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def tells(state: str, what: str, faults: Sequence[str] = ()) -> None:
        ours = {"config": "Accelerator", "state": state, "commit": what, "faults": list(faults)}
        Page.answer = {"files": [ours, {"config": "Old", "state": "unknown", "commit": "", "faults": []}]}

    tells("in force", second)
    assert released(second) == (0, f"{second} is in force\n")
    assert released(first) == (0, f"{first} is in force, with {second} after it\n")
    tells("in force", before)
    assert released(first) == (1, f"{first} is not in force yet. Accelerator: in force at {before}\n")
    tells("refused", second, ["cooling.yaml:3: no"])
    assert released(first) == (1, f"{second} was refused, what was in force stays:\n  cooling.yaml:3: no\n")
    assert set(Page.tokens) == {"Bearer tttt"}
