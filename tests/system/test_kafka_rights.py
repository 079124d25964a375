"""The rights that the page on Kafka asks for: enough for a whole round where each command has a user of its own, and none too many."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType

from alarm_engine.config.load import read_tree
from alarm_engine.config.sync import Author, sync
from alarm_engine.wire.topics import Topics, status_topic
from tests.conformance.kafka_site import PlainClient
from tests.contract.histories import delete_all, elastic_options, elastic_url
from tests.kafka_broker import ClusterOptions, KafkaCluster, free_ports
from tests.kafka_jars import Missing
from tests.system.site import DB, Site
from tocsin.journals import visiting
from tocsin.settings import load

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

PAGE = Path(__file__).parents[2] / "docs/how-to/run-on-kafka.md"
_ROW = re.compile(r"\| (?:`tocsin ([a-z ]+)` )?\| ([a-z ]+?)(s beginning with)? `(\S+)` \| ([A-Za-z, ]+) \|")
PASSWORD = "right"
_OPERATIONS = {"Create": "CREATE", "Describe": "DESCRIBE", "DescribeConfigs": "DESCRIBE_CONFIGS", "Read": "READ", "Write": "WRITE"}
_RESOURCES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "transactional id": ResourceType.TRANSACTIONAL_ID}


@dataclass(frozen=True)
class Right:
    """One operation of one row of the table."""

    command: str
    resource: str
    prefixed: bool
    name: str
    operation: str

    def __str__(self):
        return f"{self.command}: {self.operation} {self.resource} {self.name}{'*' if self.prefixed else ''}"

    @property
    def user(self):
        return self.command.replace(" ", "-")

    def binding(self, site, user=""):
        """As it is for the names of a site; `user`: another than the one of the command."""
        name = self.name.replace("Accelerator", site.config).replace("main", cell(site)).replace("tocsin-", prefix(site))
        pattern = ResourcePatternType.PREFIXED if self.prefixed else ResourcePatternType.LITERAL
        operation = AclOperation[_OPERATIONS[self.operation]]
        principal = f"User:{user or self.user}"
        return AclBinding(_RESOURCES[self.resource], name, pattern, principal, "*", operation, AclPermissionType.ALLOW)


def cell(site):
    return f"Hall{site.config}"


def prefix(site):
    return f"{site.config}-"


def table():
    """The one that follows the word `Rights`."""
    lines = PAGE.read_text(encoding="utf-8").partition("Rights that are needed")[2].splitlines()
    rows = itertools.takewhile(bool, lines[lines.index("|---|---|---|") + 1 :])
    rights, command = [], ""
    for row in rows:
        said, resource, prefixed, name, operations = _ROW.fullmatch(row).groups()
        command = said or command
        rights += [Right(command, resource, bool(prefixed), name, operation) for operation in operations.split(", ")]
    return rights


RIGHTS = table()


@pytest.fixture(scope="module")
def secured():
    try:
        cluster = KafkaCluster(ClusterOptions(users=dict.fromkeys([*(right.user for right in RIGHTS), "run"], PASSWORD)))
    except Missing as problem:
        pytest.skip(str(problem))
    with cluster:
        yield cluster


@pytest.fixture
async def elastic():
    options = elastic_options(hosts=(elastic_url(),))
    yield options
    await delete_all(options)


@pytest.fixture
def site(tmp_path, iocs, secured, elastic, monkeypatch):
    """With a history that several processes may write."""
    store = {"store": "elasticsearch", "elasticsearch": {"hosts": elastic.hosts, "prefix": elastic.prefix}}
    site = Site(tmp_path, iocs(DB), secured.servers, f"history: {json.dumps(store)}\n")
    (tmp_path / "password").write_text(PASSWORD)
    monkeypatch.setenv("TOCSIN_CELL", cell(site))
    monkeypatch.setenv("TOCSIN_BACKEND__PORT", "0")
    monkeypatch.setenv("TOCSIN_KAFKA__PREFIX", prefix(site))
    return site


@pytest.fixture
def become(secured, site, monkeypatch):
    """What is started from now on is the user of that command."""

    def become(command):
        monkeypatch.setenv("TOCSIN_KAFKA__SERVERS", secured.listener("SASL"))
        monkeypatch.setenv("TOCSIN_KAFKA__USER", command.replace(" ", "-"))
        monkeypatch.setenv("TOCSIN_KAFKA__PASSWORD_FILE", str(site.directory / "password"))

    return become


def allow(cluster, site, rights, user=""):
    admin = AdminClient({"bootstrap.servers": cluster.servers})
    for made in admin.create_acls(list({right.binding(site, user) for right in rights})).values():
        made.result(20)


async def test_the_rights_of_the_page_are_enough_for_a_whole_round(secured, site, become):
    allow(secured, site, RIGHTS)
    async with AsyncExitStack() as stack:
        become("config sync")
        assert await site.config_command("sync") == 0, site.output("sync")
        become("config diff")
        assert await site.config_command("diff") == 0, site.output("diff")
        assert await site.config_command("export") == 0, site.output("export")
        become("engine")
        await stack.enter_async_context(site.running("engine"))
        become("history")
        await stack.enter_async_context(site.running("history"))
        become("backend")
        await stack.enter_async_context(site.serving("backend"))
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        answer = await site.command("acknowledge", site.path("GC1"), reason="pump is being changed")
        assert answer.json()["outcome"] == "done", answer.text
        await site.until_severity("GC1", "MAJOR_ACK", "acknowledged")
        answer = await site.command("disable", site.path("GV1"))
        assert answer.json()["outcome"] == "done", answer.text

        async def kept():
            return await site.events("acknowledged")

        (event,) = await site.until(kept, "the history", lambda: site.output("history"))
        assert (event["user"], event["comment"]) == ("mara", "pump is being changed")
        await site.until(site.ready, "all is there", lambda: site.output("backend"))
        for name in ("engine", "history", "backend"):
            assert "no right" not in site.output(name)
    client = PlainClient(secured.servers)
    client.remove([spec.name for spec in Topics(site.config).specs()])
    client.close()
    become("config sync")
    assert await site.config_command("sync") == 0, site.output("sync")
    become("history restore")
    async with site.running("history", "restore", name="restore") as process:
        assert await asyncio.to_thread(process.wait, 40) == 0, site.output("restore")
    assert "2 alarms restored" in site.output("restore")


async def test_one_user_with_all_of_them_runs_everything(secured, site, become):
    allow(secured, site, RIGHTS, "run")
    become("run")
    async with site.serving():
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        assert (await site.command("acknowledge", site.path("GC1"))).json()["outcome"] == "done"
        await site.until(site.ready, "all is there", lambda: site.output("run"))
        assert "no right" not in site.output("run")


async def test_an_engine_in_the_shadow_needs_no_more_than_to_read(secured, site, become):
    """So it can write nothing, whatever else is wrong with it."""
    await make_topics(site)
    reading = [right for right in RIGHTS if right.command == "config diff"]
    assert {right.operation for right in reading} == {"Read", "Describe"}
    assert [right.name for right in reading if right.resource == "topic"] == ["Accelerator"]
    allow(secured, site, reading)
    become("config diff")
    (port,) = free_ports(1)
    async with site.running("engine", "--shadow", "--health-port", str(port)), httpx.AsyncClient() as client:

        async def compares():
            try:
                told = (await client.get(f"http://127.0.0.1:{port}/differences")).json()["configurations"]
            except httpx.TransportError:
                return False
            return bool(told) and told[0]["connected"] == 2 and not told[0]["problem"]

        await site.until(compares, "the shadow", lambda: site.output("engine"))
        assert "no right" not in site.output("engine")


async def make_topics(site):
    """All topics with the tree in them, from somebody who may do everything."""
    async with visiting(load(site.directory / "site.yaml"), writing=True) as journal:
        await sync(journal, read_tree(site.directory / "tree.yaml"), Author("mara", "ops7"))
        await journal.ensure_topics([status_topic(cell(site))])


def without(*commands):
    """The first right of each row of these commands is missing; a short visit may be over before it hears of its group."""
    rows = {(right.command, right.resource, right.name): right for right in reversed(RIGHTS) if right.command in commands}
    missing = [right for right in rows.values() if right.resource != "group" or " " not in right.command]
    return pytest.mark.parametrize("missing", missing, ids=str)


@pytest.fixture
async def named(secured, site, become, missing):
    """What a command says of a right that it is missing, as a pattern; all its others are given."""
    if missing.operation != "Create":
        await make_topics(site)
    allow(secured, site, [right for right in RIGHTS if right != missing and right.command == missing.command])
    become(missing.command)
    return rf"User:{missing.user} has no right [^`]*`kafka-acls.sh [^`]*--{missing.resource.replace(' ', '-')} "


@without("engine", "history", "backend")
async def test_a_right_that_a_process_is_missing_is_named(site, missing, named):
    if missing.name == "AcceleratorCommand":
        async with site.serving("backend"):

            async def known():
                return site.path("GC1") in await site.alarms("all")

            await site.until(known, "the tree", lambda: site.output("backend"))
            answer = await site.command("acknowledge", site.path("GC1"))
            assert re.search(named, answer.text), answer.text
    else:
        async with site.running(missing.command):
            await site.said(missing.command, named)


@without("config sync", "config diff")
async def test_a_right_that_a_visit_is_missing_is_named(site, missing, named):
    tree = site.directory / "tree.yaml"
    tree.write_text(tree.read_text(encoding="utf-8").replace("GV1 of the site", "Gate valve"), encoding="utf-8")
    command = missing.command.removeprefix("config ")
    status = await site.config_command(command)
    assert re.search(named, site.output(command)), site.output(command)
    assert status == 2
