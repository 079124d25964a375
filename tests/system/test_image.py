"""The container image: its Dockerfile and lock files, built by hand, and a whole site run in it as its user on a read-only tree."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from packaging.requirements import Requirement

from alarm_engine.wire.topics import Topics, status_topic
from tests.conformance.kafka_site import PlainClient
from tests.container import ROOT, SETTINGS, VOLUME, Image, cannot_be_built, dockerfile
from tests.contract.kafka_topics import servers_or_skip
from tests.ioc import port_pool
from tests.kafka_broker import free_ports, random_topic
from tests.system.site import DB

pytestmark = [pytest.mark.system, pytest.mark.timeout(500)]

LOCKS = ("requirements.lock", "requirements-build.lock")


def locked(name: str) -> dict[str, str]:
    """Packages of a lock file with their versions."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return {package.lower(): version for package, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[\S+\])?==(\S+)", text, re.M)}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    why = cannot_be_built()
    if why:
        pytest.skip(why)
    image = Image(tmp_path_factory.mktemp("image"))
    image.build()
    return image


def lint(text: str) -> str:
    hadolint = Path(sys.executable).with_name("hadolint")
    return subprocess.run([hadolint, "-"], input=text, capture_output=True, text=True, check=False).stdout


def test_hadolint_has_nothing_to_say():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert lint(text) == ""
    assert "DL3006" in lint(text.replace("python:3.11-slim-bookworm", "python"))


def test_it_is_built_in_stages_and_needs_no_shell():
    build, final = dockerfile()
    assert build.base == final.base
    assert re.fullmatch(r"docker\.io/library/python:\d+\.\d+-slim-\w+", final.base)
    assert final.words("ENTRYPOINT") == ["/opt/tocsin/bin/tocsin"]
    assert final.words("CMD")
    assert final.words("HEALTHCHECK")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", final.last("USER")), "by number: Kubernetes cannot tell whether a name is root"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f'version="{version}"' in final.last("LABEL")
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {word for name, rest in build.steps if name == "COPY" for word in rest.split()[:-1]}
    assert copied == kept


def test_the_locks_have_a_hash_for_everything_and_what_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name, wanted in zip(LOCKS, (project["project"]["dependencies"], project["build-system"]["requires"]), strict=True):
        entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
        assert [one for one in entries if "==" in one and "--hash=sha256:" not in one] == []
        for requirement in map(Requirement, wanted):
            version = locked(name).get(requirement.name.lower())
            assert version is not None, f"{requirement.name} is not in {name}: make lock"
            assert requirement.specifier.contains(version), f"{name} has {requirement.name} {version}: make lock"
        assert "://" not in (ROOT / name).read_text()


def test_a_package_of_another_hash_is_refused(tmp_path):
    wrong = re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", (ROOT / LOCKS[1]).read_text())
    (tmp_path / "wrong.lock").write_text(wrong)
    command = [sys.executable, "-m", "pip", "install", "--require-hashes", "--target", str(tmp_path / "there"), "-r", "wrong.lock"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_what_is_in_it(image, tmp_path):
    code, said = image.run("--version", output=tmp_path / "version.log")
    assert (code, said) == (0, "tocsin 0.1.0\n")
    script = (
        "import importlib.metadata as m, json, os, sys, zoneinfo; zoneinfo.reset_tzpath(()); "
        "print(json.dumps({'packages': [d.name for d in m.distributions()], 'zone': str(zoneinfo.ZoneInfo('Europe/Berlin')), "
        "'user': os.getuid(), 'prefix': sys.prefix, 'groups': os.getgroups()}))"
    )
    code, said = image.run("-c", script, output=tmp_path / "inside.log", entrypoint=["/opt/tocsin/bin/python"])
    assert code == 0, said
    inside = json.loads(said)
    packages = {name.lower().replace("_", "-") for name in inside["packages"]}
    assert packages - {"tocsin"} <= set(locked(LOCKS[0]))
    assert "pip" not in packages
    assert (inside["user"], inside["groups"], inside["prefix"]) == (10001, [], "/opt/tocsin")
    assert inside["zone"] == "Europe/Berlin"
    assert list((image.directory / "opt/tocsin").rglob("tocsin/__pycache__/settings.*.pyc")), "nothing is compiled at each start"
    code, said = image.run("-c", "open('/opt/tocsin/x', 'w')", output=tmp_path / "write.log", entrypoint=["/opt/tocsin/bin/python"])
    assert "Read-only file system" in said
    code, said = image.run("-c", "import os; os.system('true') and exit(7)", output=tmp_path / "shell.log", entrypoint=["python"])
    assert code == 7, "a shell could be started"


async def test_a_site_runs_in_it_as_its_user_on_a_read_only_tree(image, iocs, tmp_path):
    ioc = iocs(DB)
    (port,) = free_ports(1)
    site = image.settings
    (site / "tree.yaml").write_text(f"config: Site\nsystems:\n  Vacuum:\n    pvs:\n      {ioc.prefix}GC1: Gauge\n")
    addresses = json.dumps(port_pool().environment()["EPICS_CA_ADDR_LIST"].split())
    (site / "site.yaml").write_text(
        f"configurations: [{{tree: tree.yaml}}]\nstore: {VOLUME}/tocsin.sqlite\nbackend: {{port: {port}}}\n"
        f"channel_access: {{addr_list: {addresses}, auto_addr_list: false}}\ndashboards: {{out: {VOLUME}/grafana}}\n"
    )
    assert image.run("settings", "check", f"{SETTINGS}/site.yaml", output=tmp_path / "check.log")[0] == 0
    log = tmp_path / "run.log"
    command = [word.replace("/etc/tocsin", SETTINGS) for word in image.final.words("CMD")]
    process = image.start(*command, output=log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def severities() -> list[str]:
                try:
                    return [one["severity"] for one in (await client.get("/api/v1/alarms")).json()["alarms"]]
                except httpx.TransportError:
                    assert process.poll() is None, log.read_text()
                    return []

            ioc.put(f"{ioc.prefix}GC1", 12)
            async with asyncio.timeout(40):
                while await severities() != ["MAJOR"]:
                    await asyncio.sleep(0.05)
        check = image.final.words("HEALTHCHECK")
        address = f"http://127.0.0.1:{port}/healthz"
        assert image.run(address, output=tmp_path / "healthy.log", entrypoint=check) == (0, "")
        assert image.run("http://127.0.0.1:1/healthz", output=tmp_path / "ill.log", entrypoint=check)[0] == 1
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
        assert "Read-only" not in log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert os.listdir(image.directory / "var/tocsin") == [], "what it kept is in the volume, which is gone"


@dataclass
class ComposedSite:
    """What compose.yaml starts for the demo, one process in the image for each service; servers are those of the tests."""

    image: Image
    logs: Path
    config: str = field(default_factory=lambda: random_topic("Demo"))
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    services: dict[str, Any] = field(default_factory=lambda: yaml.safe_load((ROOT / "compose.yaml").read_text())["services"])
    page: int = field(default_factory=lambda: free_ports(1)[0])

    def prepare(self, servers: str) -> None:
        """Settings and tree as they are mounted, with the addresses of this machine."""
        iocs = dict(zip(("demo-ioc", "demo-ioc-remote"), free_ports(2), strict=True))
        text = (ROOT / "examples/compose/site.yaml").read_text()
        for ours, theirs in {
            "kafka:9092": servers,
            "http://elasticsearch:9200": "http://127.0.0.1:1",
            "name: Demo": f"name: {self.config}",
            "cell: main": f"cell: {self.config}",
            "/srv/tree": f"{SETTINGS}/tree",
            **{f"{name}:5064": f"127.0.0.1:{port}" for name, port in iocs.items()},
        }.items():
            assert ours in text, ours
            text = text.replace(ours, theirs)
        (self.image.settings / "site.yaml").write_text(text)
        shutil.copy(ROOT / "examples/compose/users.yaml", self.image.settings)
        shutil.copytree(ROOT / "examples/demo", self.image.settings / "tree")
        tree = self.image.settings / "tree/tree.yaml"
        tree.write_text(tree.read_text().replace("config: Demo", f"config: {self.config}"))
        for name, port in iocs.items():
            words = self.services[name]["command"]
            words[words.index("--port") + 1] = str(port)
            words[words.index("--address") + 1] = "127.0.0.1"

    def start(self, name: str) -> None:
        words = [word.replace("/etc/tocsin", SETTINGS) for word in self.services[name]["command"]]
        own = {"TOCSIN_HEALTH__PORT": str(free_ports(1)[0]), "TOCSIN_BACKEND__PORT": str(self.page)}
        environment = {**self.services[name].get("environment", {}), **own}
        self.running.append(self.image.start(*words, output=self.logs / f"{name}.log", environment=environment))

    def said(self) -> str:
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.logs.glob("*.log")))

    async def until(self, condition: Callable[[], Awaitable[Any]], what: str) -> Any:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if found := await condition():
                    return found
            except httpx.TransportError:
                pass
            assert all(one.poll() is None for one in self.running), self.said()
            await asyncio.sleep(0.1)
        pytest.fail(f"waited in vain for {what}\n{self.said()}")


async def test_what_compose_starts_for_the_demo_is_a_site(image, tmp_path):
    """The commands, settings and tree of compose.yaml: from a fault of the demo machine to an alarm that its user acknowledges."""
    servers = servers_or_skip()
    site = ComposedSite(image, tmp_path)
    site.prepare(servers)
    try:
        for name in ("demo-ioc", "demo-ioc-remote", "sync", "engine-1", "backend"):
            site.start(name)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.page}", headers={"Host": "backend"}) as client:

            async def alarms() -> list[dict[str, Any]]:
                found = (await client.get("/api/v1/alarms", params={"severity": "MINOR"})).json()["alarms"]
                return [one for one in found if one["path"].startswith(f"/{site.config}/Magnets/")]

            (alarm, *_) = await site.until(alarms, "an alarm of the magnets")  # from the start there is a supply in local
            command = {"command": "acknowledge", "path": alarm["path"]}
            assert (await client.post("/api/v1/commands", json=command)).status_code in (401, 403)
            answer = await client.post("/api/v1/commands", json=command, auth=("operator", "demo"), timeout=20)
            assert answer.json()["outcome"] == "done", answer.text
        said = (tmp_path / "sync.log").read_text()
        assert '"event": "files for Grafana written"' in said, said
        assert "cannot be written" not in said
        for one in site.running:
            one.terminate()
        assert [await asyncio.to_thread(one.wait, 20) for one in site.running] == [0] * len(site.running), site.said()
    finally:
        for one in site.running:
            if one.poll() is None:
                one.kill()
                one.wait()
        client = PlainClient(servers)
        client.remove([*(spec.name for spec in Topics(site.config).specs()), status_topic(site.config).name])
        client.close()
