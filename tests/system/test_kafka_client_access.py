"""How a client straight from Kafka comes in, is turned away, and leaves: rights, TLS, a broker that is away, a process that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourcePatternType, ResourceType

from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.model.severity import Severity
from tests.contract.journals import until as until_within
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import ClusterOptions, KafkaCluster, free_ports, random_topic
from tests.kafka_certificates import make_certificates
from tests.kafka_jars import Missing
from tests.system.machines import configure, machine
from tocsin import AsyncKafkaClient, KafkaClient
from tocsin.client import ClientError, NotFound, TimedOut

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
until = partial(until_within, deadline_s=120)
PATIENT = {"write_timeout_s": 60.0, "request_timeout_s": 20.0, "session_s": 20.0}
"""Of the engines: the machine may have much else to do."""
PREFIXED, LITERAL = ResourcePatternType.PREFIXED, ResourcePatternType.LITERAL


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(certificates):
    try:
        cluster = KafkaCluster(ClusterOptions(users={"script": "right", "viewer": "right", "stranger": "right"}, certificates=certificates))
    except Missing as problem:
        pytest.skip(str(problem))
    with cluster:
        yield cluster


@asynccontextmanager
async def plant(servers: str):
    """An engine with two alarms, from somebody who may do everything."""
    settings = KafkaSettings(servers, name="engine-a", cell=random_topic("cell"), **PATIENT)
    config = random_topic("Plant")
    await configure(settings, config)
    async with machine(settings, config) as engine:
        await until(lambda: engine.engine.runners)
        yield engine


def reading(engine) -> tuple:
    return (ResourceType.TOPIC, engine.config, PREFIXED), (ResourceType.TOPIC, f"{engine.settings.cell}Status", LITERAL)


async def test_reading_the_topics_and_writing_commands_are_all_the_rights_that_it_needs(secured, certificates, tmp_path):
    (tmp_path / "password").write_text("right\n")
    async with plant(secured.servers) as engine:
        secured.allow("User:script", *reading(engine), operation=AclOperation.READ)
        secured.allow("User:viewer", *reading(engine), operation=AclOperation.READ)
        secured.allow("User:script", (ResourceType.TOPIC, f"{engine.config}Command", LITERAL), operation=AclOperation.WRITE)
        path = f"/{engine.config}/Vacuum/GC1"
        common = {
            "config": engine.config,
            "cell": engine.settings.cell,
            "tls": True,
            "ca_file": certificates / "ca.pem",
            "password_file": tmp_path / "password",
            "start_s": 60,
        }
        async with AsyncKafkaClient(secured.listener("SASLTLS"), kafka_user="script", **common) as client:
            await client.wait_ready(60)
            engine.source.put("GC1", Severity.MAJOR, "HIHI_ALARM")

            async def risen() -> bool:
                await asyncio.sleep(0.02)
                return (await client.alarm(path)).severity == "MAJOR"

            await until(risen)
            assert (await client.acknowledge(path)).outcome == "done"
            assert (await client.read_past()).whole
            assert [event async for event in client.events(path, kind="acknowledged")]
            assert (await client.figures()).config == engine.config
        async with AsyncKafkaClient(secured.listener("SASLTLS"), kafka_user="viewer", **common) as client:
            await client.wait_ready(60)
            assert (await client.alarm(path)).severity == "MAJOR_ACK"
            answer = await client.acknowledge(path)
            assert answer.outcome == "not_confirmed"
            assert f"User:viewer has no right to do that on topic {engine.config}Command" in answer.reason
        stranger = {**common, "kafka_user": "stranger", "start_s": 5}
        with pytest.raises(TimedOut, match="User:stranger has no right to do that on topic"):
            async with AsyncKafkaClient(secured.listener("SASLTLS"), **stranger):
                pass
        (tmp_path / "password").write_text("wrong\n")
        with pytest.raises(TimedOut, match="does not let User:script with SCRAM-SHA-512 in"):
            async with AsyncKafkaClient(secured.listener("SASLTLS"), kafka_user="script", **{**common, "start_s": 5}):
                pass


def test_a_broker_that_is_not_there_is_told_within_the_time():
    (port,) = free_ports(1)
    begun = time.monotonic()
    with pytest.raises(TimedOut, match=rf"Kafka at 127.0.0.1:{port} does not answer.*\(tried for 1.5 s\)"):
        KafkaClient(f"127.0.0.1:{port}", config="Site", start_s=1.5)
    assert time.monotonic() - begun < 60


def test_a_configuration_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFound, match="has no topic NoSuchSite: is that the name of the configuration"):
        KafkaClient(servers_or_skip(), config="NoSuchSite", folder=tmp_path, start_s=60)
    assert not list(tmp_path.iterdir())


async def test_closing_leaves_nothing_and_a_closed_one_says_so(tmp_path):
    async with plant(servers_or_skip()) as engine:

        def use() -> None:
            clients = [KafkaClient(engine.settings.servers, config=engine.config, folder=tmp_path, start_s=60) for _ in range(3)]
            assert len(list(tmp_path.iterdir())) == 3
            assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in tmp_path.iterdir())
            for client in clients:
                assert client.alarms(state="all").total == 2
                client.read_past()
                client.close()
                client.close()
            with pytest.raises(ClientError):
                clients[0].status()

        await asyncio.to_thread(use)
        assert not list(tmp_path.iterdir())
        assert not [one for one in threading.enumerate() if one.name == "tocsin kafka client"]


_SCRIPT = """
import os, sys
from tocsin import KafkaClient
client = KafkaClient({servers!r}, config={config!r}, folder={folder!r}, start_s=60)
client.read_past()
print("there", flush=True)
{then}
"""


def script(engine, folder: Path, then: str) -> subprocess.Popen:
    text = _SCRIPT.format(servers=engine.settings.servers, config=engine.config, folder=str(folder), then=then)
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path):
    async with plant(servers_or_skip()) as engine:
        killed = await asyncio.to_thread(script, engine, tmp_path, "import time; time.sleep(600)")
        assert await asyncio.to_thread(killed.stdout.readline) == "there\n"
        assert len(list(tmp_path.iterdir())) == 1
        living = await asyncio.to_thread(script, engine, tmp_path, "import time; time.sleep(600)")
        assert await asyncio.to_thread(living.stdout.readline) == "there\n"
        assert len(list(tmp_path.iterdir())) == 2
        os.kill(killed.pid, signal.SIGKILL)
        await asyncio.to_thread(killed.communicate)
        last = await asyncio.to_thread(
            script, engine, tmp_path, "raise SystemExit(3)"
        )  # it does not close, and leaves nothing all the same
        output, errors = await asyncio.to_thread(last.communicate)
        assert (output, last.returncode, errors) == ("there\n", 3, "")
        assert len(list(tmp_path.iterdir())) == 1  # that of the living one
        os.kill(living.pid, signal.SIGKILL)
        await asyncio.to_thread(living.communicate)


async def test_a_process_that_was_forked_off_is_told_and_takes_nothing_away(tmp_path):
    then = """
child = os.fork()
if child == 0:
    try:
        client.alarms()
    except Exception as problem:
        print(type(problem).__name__, problem, flush=True)
    sys.exit(0)
os.waitpid(child, 0)
print(client.alarms(state="all").total, flush=True)
"""
    async with plant(servers_or_skip()) as engine:
        process = await asyncio.to_thread(script, engine, tmp_path, then)
        output, errors = await asyncio.to_thread(process.communicate)
        there, child, parent = output.splitlines()
        assert there == "there", errors
        assert child.startswith("ClientError this client was made before the process was forked")
        assert parent == "2", errors


async def test_settings_of_a_site_are_enough(tmp_path):
    async with plant(servers_or_skip()) as engine:
        file = tmp_path / "site.yaml"
        file.write_text(
            f"configurations: [{{name: {engine.config}}}]\ncell: {engine.settings.cell}\njournal: kafka\n"
            f"kafka: {{servers: '{engine.settings.servers}'}}\n"
        )
        async with AsyncKafkaClient(settings_file=file, start_s=60) as client:
            await client.wait_ready(60)
            assert [one.name for one in await client.configurations()] == [engine.config]
        command = [sys.executable, "-m", "tocsin", "alarms", "--via", "kafka", "-s", str(file), "--state", "all", "--format", "json"]
        told = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        assert {one["pv"] for one in json.loads(told.stdout)["alarms"]} == {"GC1", "GC2"}
        silent = replace(engine.settings, cell="nobody")
        async with AsyncKafkaClient(silent.servers, config=engine.config, cell="nobody", start_s=60) as client:
            with pytest.raises(TimedOut, match="has never given a life sign"):
                await client.wait_ready(0.2)
            assert (await client.status())[0].server_gone
