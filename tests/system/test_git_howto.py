"""The page on keeping alarms in git: its commands are carried out, one after the other, against a running sync process."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from alarm_engine.config.load import load_tree
from alarm_engine.wire.topics import Topics
from tests.conformance.kafka_site import PlainClient
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import free_ports, random_topic

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/alarm-repository"
PAGE = (ROOT / "docs/how-to/keep-alarms-in-git.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
SHOWN = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1]
FLOW = "Cooling/COOL:PMP1:Flow"


class Forge:
    """A repository that everybody pushes to, the checkout of an engineer, and that of the sync process."""

    def __init__(self, directory: Path, servers: str) -> None:
        self.directory, self.servers, self.config = directory, servers, random_topic("Git")
        (self.port,) = free_ports(1)
        self.work, self.deployed = directory / "alarms", directory / "deployed"
        self.run(f"git init -q --bare -b main {directory}/origin")
        (directory / "tocsin/examples").mkdir(parents=True)
        example = directory / "tocsin/examples/alarm-repository"
        subprocess.run(["cp", "-r", str(EXAMPLE), str(example)], check=True)
        for name in ("alarms/tree.yaml", "site.yaml"):
            file = example / name
            file.write_text(file.read_text().replace("Accelerator", self.config).replace("kafka1.example.org:9092", servers))

    def filled(self, text: str) -> str:
        """With the places of this machine."""
        places = {
            "git@git.example.org:alarms.git": f"{self.directory}/origin",
            "/srv/alarms": str(self.deployed),
            "http://tocsin-sync:8081": f"http://127.0.0.1:{self.port}",
        }
        for ours, theirs in places.items():
            text = text.replace(ours, theirs)
        return text

    def run(self, commands: str, at: Path | None = None) -> str:
        who = {
            f"GIT_{role}_{what}": text for role in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "Mara"), ("EMAIL", "m@lab.example"))
        }
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        mine = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", self.filled(commands)],
            cwd=at or self.directory,
            env={**mine, **who, "PATH": path, "COLUMNS": "200", "GIT_CONFIG_GLOBAL": "/dev/null"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or "ci/propose" in commands, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @asynccontextmanager
    async def syncing(self):
        """`tocsin config sync --watch` on the checkout of the site."""
        settings = {
            "configurations": [{"name": self.config, "tree": str(self.deployed / "alarms/tree.yaml"), "time_zone": "Europe/Berlin"}],
            "journal": "kafka",
            "kafka": {"servers": self.servers},
            "health": {"port": self.port},
            "log": {"form": "json"},
        }
        (self.directory / "sync.yaml").write_text(json.dumps(settings))
        command = [sys.executable, "-m", "tocsin", "config", "sync", "--watch", "-s", str(self.directory / "sync.yaml")]
        with (self.directory / "sync.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: ASYNC220 - it returns at once
        try:
            yield
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 20)

    def delay(self) -> str:
        """Of the alarm that the page changes, as it is in force."""
        client = PlainClient(self.servers)
        client.follow([self.config])
        values = [m.value() for m in client.read(1) if (m.key() or b"").decode() == f"config:/{self.config}/{FLOW}"]
        client.close()
        return str(json.loads(values[-1])["delay"])

    def remove(self) -> None:
        client = PlainClient(self.servers)
        client.remove([spec.name for spec in Topics(self.config).specs()])
        client.close()


@pytest.fixture
def forge(tmp_path):
    forge = Forge(tmp_path, servers_or_skip())
    yield forge
    forge.remove()


async def test_every_command_of_the_page_does_what_it_says(forge):
    begin, first, propose, show, merge, released, revert = BLOCKS
    forge.run(begin)
    forge.run(f"git clone -q {forge.directory}/origin {forge.deployed}")
    async with forge.syncing():
        assert "is in force" in await asyncio.to_thread(forge.run, first, forge.work)
        assert forge.delay() == "10"
        assert "no faults" in forge.run(propose, forge.work)
        shown = forge.run(show, forge.work)
        assert shown.replace("```diff\n", "").replace("```\n", "") == SHOWN.replace("Accelerator", forge.config)
        forge.run(merge, forge.work)
        assert "is in force" in await asyncio.to_thread(forge.run, released, forge.work)
        assert forge.delay() == "20"
        assert "is in force" in await asyncio.to_thread(forge.run, revert, forge.work)
        assert forge.delay() == "10"
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{forge.port}") as client:
            figures = (await client.get("/metrics")).text
            assert re.search(rf'tocsin_sync_refused{{config="{forge.config}"}} 0.0', figures)
            # A proposal with a fault is red; merged all the same, it is refused, and that is told.
            forge.run("git switch -q -c bad; sed -i 's/delay: 10s/delay: soon/' alarms/cooling.yaml; git commit -qam Bad", forge.work)
            assert "cooling.yaml" in forge.run(show, forge.work)
            forge.run("git push -q origin bad:main; git -C /srv/alarms pull -q --ff-only", forge.work)
            words = ["ci/released", f"http://127.0.0.1:{forge.port}", forge.run("git rev-parse HEAD", forge.work).strip()]
            done = await asyncio.to_thread(subprocess.run, words, cwd=forge.work, capture_output=True, text=True, check=False)
            assert done.returncode == 1
            assert "was refused" in done.stdout
            assert "cooling.yaml" in done.stdout
            assert re.search(rf'tocsin_sync_refused{{config="{forge.config}"}} 1.0', (await client.get("/metrics")).text)
        assert forge.delay() == "10"


def test_the_example_has_no_fault_and_tells_what_to_do_in_every_alarm():
    result = load_tree(EXAMPLE / "alarms")
    assert result.faults == ()
    assert all(alarm.guidance for alarm in result.tree.alarms.values())
