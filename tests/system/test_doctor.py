"""`tocsin doctor` on sites with a real broker and a real IOC: calm where all is well, and each fault told with what to do."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclOperation,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.wire.topics import Topics, status_topic
from tests.contract.histories import delete_all, elastic_options
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import ClusterOptions, KafkaCluster, free_ports
from tests.kafka_jars import Missing
from tests.system.site import DB, Site
from tests.system.test_demo import Demo

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

PASSWORD = "right"


async def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tocsin", "doctor", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


class Report:
    """What a doctor has said."""

    def __init__(self, code: int, text: str, stderr: str) -> None:
        assert stderr == ""
        self.code, self.body = code, json.loads(text)
        self.text = text
        self.findings = self.body["findings"]

    def of(self, verdict: str) -> dict[str, str]:
        """Texts and advice of one verdict by subject."""
        return {one["subject"]: f"{one['text']} -> {one['advice']}" for one in self.findings if one["verdict"] == verdict}


async def examine(site: Site, *arguments: str, **environment: str) -> Report:
    file = str(site.directory / "site.yaml")
    return Report(*await run("-s", file, "--json", "--timeout", "60", *arguments, **environment))


async def until_quiet(site: Site) -> None:
    """Everything runs, and has something to show."""
    await site.until(site.ready, "readiness")
    site.put("GC1", 12)
    await site.until_severity("GC1", "MAJOR")


# ---------------------------------------------------------------------------------------------------------------- one process


async def test_a_site_in_one_process(tmp_path, iocs):
    site = Site(tmp_path, iocs(DB), "")
    before = await examine(site)
    assert before.code == 0, before.text
    assert "none has run yet" in before.of("warning")["engine"]
    async with site.serving():
        await until_quiet(site)
        found = await examine(site, "--url", str(site.client.base_url))
        assert (found.code, found.of("fault"), found.of("warning")) == (0, {}, {}), found.text
        good = found.of("good")
        assert "2 of 2 PVs are connected" in good[f"engine of {site.config}"]
        assert "is ready" in good[f"web side {str(site.client.base_url).rstrip('/')}"]
        assert "2 of 2 of a sample" in good["PVs"]
        assert "up to date" in good[f"history of {site.config}"]
    after = await examine(site)
    assert after.code == 1
    assert "alarms are NOT evaluated" in after.of("fault")[f"engine of {site.config}"]


async def test_an_ioc_that_is_away_a_pv_that_is_none_and_a_name_server_that_is_dead(tmp_path, iocs):
    ioc = iocs(DB)
    (dead,) = free_ports(1)
    site = Site(tmp_path, ioc, "")
    text = (
        (tmp_path / "site.yaml").read_text().replace("auto_addr_list: false", f"auto_addr_list: false, name_servers: ['127.0.0.1:{dead}']")
    )
    (tmp_path / "site.yaml").write_text(text)
    found = await examine(site, "--pv", f"{ioc.prefix}GC1", "--pv", f"{ioc.prefix}Nothing", "--timeout", "20")
    assert found.code == 1
    assert f"1 of 2 named did not come: {ioc.prefix}Nothing" in found.of("fault")["PVs"]
    assert "1 of 2 named have come" in found.of("good")["PVs"]
    assert "takes no connection" in found.of("fault")[f"name server 127.0.0.1:{dead}"]
    ioc.stop()
    gone = await examine(site, "--timeout", "20")
    assert "2 of 2 of a sample of the trees did not come" in gone.of("fault")["PVs"]
    assert "is the IOC up?" in gone.of("fault")["PVs"]


async def test_a_port_that_another_program_has(tmp_path, iocs):
    with socket.create_server(("127.0.0.1", 0)) as other:
        site = Site(tmp_path, iocs(DB), "", f"backend: {{port: {other.getsockname()[1]}}}\n")
        found = await examine(site, "--timeout", "4")
        assert "does not answer within 4 s" in found.text or "no answer within 4 s" in found.text
        assert found.code == 1


async def test_settings_of_no_use_and_people(tmp_path):
    (tmp_path / "site.yaml").write_text("configurations: []\nstoer: a\n")
    code, out, err = await run("-s", str(tmp_path / "site.yaml"), NO_COLOR="1")
    assert (code, err) == (1, "")
    assert "✘" in out
    assert "stoer: unknown key; did you mean store?" in out
    assert "Traceback" not in out
    assert "✔ librdkafka" in out, "what does not need the settings is looked at all the same"
    assert "\x1b" not in out
    code, out, _ = await run("-s", str(tmp_path / "site.yaml"), PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert "XX" in out


async def test_the_demo_by_the_settings_that_it_leaves(tmp_path):
    demo = await asyncio.to_thread(Demo, tmp_path)
    try:
        file = str(tmp_path / "demo" / "demo.yaml")
        deadline = time.monotonic() + 60
        while True:
            found = Report(*await run("-s", file, "--json", "--timeout", "30"))
            if not found.of("fault") and not found.of("warning"):
                break
            assert time.monotonic() < deadline, found.text
        assert "40 of 40 of a sample of the trees have come" in found.of("good")["PVs"]
        assert "is ready" in found.of("good")[f"web side {demo.url}"]
    finally:
        await asyncio.to_thread(demo.end)


# ---------------------------------------------------------------------------------------------------------------- Kafka


def alter(servers: str, topic: str, **settings: str) -> None:
    entries = [ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(20)


def ends(servers: str, site: Site) -> dict[str, int]:
    """Where each topic of a site ends, to see that nobody writes."""
    names = [spec.name for spec in Topics(site.config).specs()]
    return {name: seen.end for name, seen in Cluster(KafkaSettings(servers)).look(names).items()}


async def test_a_site_on_kafka_and_topics_that_lose_records(tmp_path, iocs):
    servers = servers_or_skip()
    site = Site(tmp_path, iocs(DB), servers)
    before = await examine(site)
    assert before.code == 0, before.text
    assert "none is there yet" in before.of("warning")["topics"]
    assert "may make the 7" in before.of("good")["topics to be made"]
    assert ends(servers, site) == {}, "it has made a topic"
    async with site.serving():
        await until_quiet(site)
        found = await examine(site, "--url", str(site.client.base_url))
        assert (found.code, found.of("fault")) == (0, {}), found.text
        assert list(found.of("warning")) == [f"engine of {site.config}"], "nobody stands by, and nothing else is wrong"
        good = found.of("good")
        assert "right settings, all copies in step" in good["7 topics"]
        assert "may do what each part of tocsin needs on 7 topics" in good["rights on topics"]
        assert "brokers take kafka.session_s 6" in good["session of engines"]
        assert "with nothing in it" in good["transactions"]
        assert (await examine(site, "--url", str(site.client.base_url), "--strict")).code == 1
        alter(servers, Topics(site.config).events, retention_ms="60000")
        alter(servers, Topics(site.config).command, message_timestamp_type="LogAppendTime")
        worse = await examine(site, "--url", str(site.client.base_url))
        fault = worse.of("fault")[f"topic {Topics(site.config).events}"]
        assert "retention.ms=60000, expected 2592000000" in fault
        assert f"kafka-configs.sh --bootstrap-server {servers} --alter" in fault
        assert "clock of the broker" in worse.of("warning")[f"topic {Topics(site.config).command}"]
        assert worse.code == 1


async def test_it_writes_no_record(tmp_path, iocs):
    servers = servers_or_skip()
    site = Site(tmp_path, iocs(DB), servers)
    async with site.serving():
        await until_quiet(site)
    before = ends(servers, site)
    assert (await examine(site)).code == 1, "no engine runs"
    assert ends(servers, site) == before


async def test_a_standby_is_seen_and_an_engine_that_was_killed_is_missed(tmp_path, iocs):
    site = Site(tmp_path, iocs(DB), servers_or_skip())
    assert await site.config_command("sync") == 0, site.output("sync")
    async with site.running("engine", name="first") as first:
        await site.said("first", "this engine serves|is served by this engine|writer of the configuration")
        async with site.running("engine", name="second"):

            async def stands_by():
                return "ready to take over" in (await examine(site)).text

            await site.until(stands_by, "the standby", lambda: site.output("second"))
        first.kill()
        await asyncio.to_thread(first.wait, 20)
    found = await examine(site)
    assert "alarms are NOT evaluated" in found.of("fault")[f"engine of {site.config}"]


async def test_a_session_that_the_brokers_do_not_take(tmp_path, iocs):
    site = Site(tmp_path, iocs(DB), servers_or_skip())
    async with site.serving():
        await site.until(site.ready, "readiness")
    found = await examine(site, TOCSIN_KAFKA__SESSION_S="1.5")
    told = found.of("fault")["session of engines"]
    assert "brokers take no session of 1.5 s" in told
    assert "give kafka.session_s a value between their group.min.session.timeout.ms" in told


async def test_a_broker_that_is_away_is_told_once(tmp_path, iocs):
    (port,) = free_ports(1)
    site = Site(tmp_path, iocs(DB), f"127.0.0.1:{port}")
    found = await examine(site, "--timeout", "20")
    assert found.code == 1
    assert list(found.of("fault")) == [f"Kafka at 127.0.0.1:{port}"]
    assert "does not answer" in found.of("fault")[f"Kafka at 127.0.0.1:{port}"]
    assert "Kafka does not answer" in found.of("note")["topics"]
    assert "2 of 2" in found.of("good")["PVs"], "the rest is looked at all the same"


# ---------------------------------------------------------------------------------------------------------------- rights


@pytest.fixture(scope="module")
def secured():
    try:
        cluster = KafkaCluster(ClusterOptions(users=dict.fromkeys(["everything", "reader", "nobody"], PASSWORD)))
    except Missing as problem:
        pytest.skip(str(problem))
    with cluster:
        yield cluster


def as_user(secured: KafkaCluster, directory: Path, user: str, password: str = PASSWORD) -> dict[str, str]:
    file = directory / f"password-{user}-{password}"
    file.write_text(password)
    file.chmod(0o600)
    return {
        "TOCSIN_KAFKA__SERVERS": secured.listener("SASL"),
        "TOCSIN_KAFKA__USER": user,
        "TOCSIN_KAFKA__PASSWORD_FILE": str(file),
    }


async def test_rights_that_are_missing_are_named_with_the_command_that_gives_them(tmp_path, iocs, secured):
    site = Site(tmp_path, iocs(DB), secured.servers)
    async with site.serving():
        await site.until(site.ready, "readiness")
    prefixed, literal = ResourcePatternType.PREFIXED, ResourcePatternType.LITERAL
    secured.allow("User:everything", (ResourceType.TOPIC, site.config, prefixed))
    secured.allow("User:everything", (ResourceType.GROUP, "tocsin-", prefixed), (ResourceType.TRANSACTIONAL_ID, "tocsin-", prefixed))
    found = await examine(site, **as_user(secured, tmp_path, "everything"))
    lines = {name: text for name, text in found.of("fault").items() if not name.startswith("engine of")}
    assert lines == {}, found.text
    assert "User:everything may do what each part of tocsin needs on 7 topics" in found.of("good")["rights on topics"]

    secured.allow("User:reader", (ResourceType.TOPIC, site.config, prefixed), operation=AclOperation.READ)
    secured.allow("User:reader", (ResourceType.GROUP, "tocsin-reader", literal), operation=AclOperation.DESCRIBE)
    lacking = await examine(site, **as_user(secured, tmp_path, "reader"))
    told = lacking.of("fault")
    assert "User:reader may not DescribeConfigs and not Write" in told[f"rights on topic {Topics(site.config).events}"]
    assert "--operation Write --topic" in told[f"rights on topic {Topics(site.config).events}"]
    assert f"--group tocsin-cell-{site.config}" in told[f"rights on group tocsin-cell-{site.config}"]
    assert "--operation Write --transactional-id tocsin- --resource-pattern-type prefixed" in told["transactions"]
    assert "--operation Read --group tocsin-" in told["session of engines"]
    assert "can not be read" in lacking.of("warning")[f"topic {Topics(site.config).events}"]
    assert lacking.code == 1

    looking = await examine(site, "--role", "backend", **as_user(secured, tmp_path, "reader"))
    told = [name for name in looking.of("fault") if "rights" in name or name == "transactions"]
    assert told == [f"rights on topic {Topics(site.config).command}"], "a backend writes commands, and nothing else"

    hidden = await examine(site, **as_user(secured, tmp_path, "nobody"))
    assert "may not" in hidden.of("fault")[f"rights on topic {status_topic(site.config).name}"]
    assert "no right" in hidden.of("fault")[f"topic {Topics(site.config).events}"]


async def test_a_wrong_password_is_told_as_such(tmp_path, iocs, secured):
    site = Site(tmp_path, iocs(DB), secured.servers)
    found = await examine(site, "--timeout", "20", **as_user(secured, tmp_path, "everything", "Krokodil"))
    (told,) = found.of("fault").values()
    assert "does not let User:everything with SCRAM-SHA-512 in" in told
    assert "Krokodil" not in found.text.replace("password-everything-Krokodil", "")


# ---------------------------------------------------------------------------------------------------------------- what hangs


async def test_a_broker_that_hangs_keeps_nothing_else_from_being_told(tmp_path, iocs, secured):
    site = Site(tmp_path, iocs(DB), secured.servers)
    secured.brokers[0].pause()
    try:
        began = time.monotonic()
        found = await examine(site, "--timeout", "6")
        assert time.monotonic() - began < 60, "it waits for what hangs"
    finally:
        secured.brokers[0].resume()
        secured.wait()
    told = found.of("fault")[f"Kafka at {secured.servers}"]
    assert "does not answer" in told or "no answer within 6 s" in told
    assert "tocsin" in found.of("good")
    assert "2 of 2" in found.of("good")["PVs"]
    assert found.code == 1


# ---------------------------------------------------------------------------------------------------------------- Elasticsearch


@pytest.mark.timeout(600)  # with the start of the server
async def test_a_history_in_elasticsearch(tmp_path, iocs):
    options = elastic_options()
    hosts = json.dumps(list(options.hosts))
    site = Site(
        tmp_path,
        iocs(DB),
        servers_or_skip(),
        f"history: {{store: elasticsearch, elasticsearch: {{hosts: {hosts}, prefix: {options.prefix}}}}}\n",
    )
    try:
        async with site.serving():
            await until_quiet(site)

            async def recorded():
                return await site.events("alarm")

            await site.until(recorded, "the event in the history")
            found = await examine(site, "--url", str(site.client.base_url))
            assert found.of("fault") == {}, found.text
            good = found.of("good")
            assert "is of version 8." in good["Elasticsearch server"]
            assert "up to date" in good[f"history of {site.config}"]
            assert "is not used" in found.of("note")[f"store {tmp_path / 'tocsin.sqlite'}"]
    finally:
        await delete_all(options)
    (dead,) = free_ports(1)
    text = (tmp_path / "site.yaml").read_text().replace(hosts, f'["http://127.0.0.1:{dead}"]')
    (tmp_path / "site.yaml").write_text(text)
    away = await examine(site)
    assert "cannot be reached" in away.of("fault")["Elasticsearch"]
    assert "alarms are right" in away.of("fault")["history"]
