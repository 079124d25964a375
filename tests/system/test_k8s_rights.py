"""The whole system on a real Kafka, each role with the rights of its manifest only: they are enough, and none too many."""

from __future__ import annotations

import json
import os
import re
import signal
from contextlib import AsyncExitStack

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from alarm_engine import strict_yaml
from tests.contract.histories import delete_all, elastic_options, elastic_url
from tests.kafka_broker import ClusterOptions, KafkaCluster
from tests.kafka_jars import Missing
from tests.system.site import DB, Site
from tocsin.kubernetes.kafka import topic_objects, user_objects
from tocsin.kubernetes.render import read_configurations
from tocsin.kubernetes.rights import users
from tocsin.kubernetes.site import ClusterSite
from tocsin.settings import load

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ROLES = ("tocsin-backend", "tocsin-engine", "tocsin-history", "tocsin-sync")
PASSWORD = "right"
_RESOURCES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "transactionalId": ResourceType.TRANSACTIONAL_ID}
_OPERATIONS = {"Read": "READ", "Write": "WRITE", "Describe": "DESCRIBE", "DescribeConfigs": "DESCRIBE_CONFIGS"}
_TOLD = re.compile(r"Principal = User:(\S+) is (Allowed|Denied) operation = (\w+) .*?on resource = (\w+):\w+:(\S+) for request = (\w+)")


@pytest.fixture(scope="module")
def secured():
    try:
        cluster = KafkaCluster(ClusterOptions(users=dict.fromkeys(ROLES, PASSWORD), tell_rights=True))
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
    store = {"store": "elasticsearch", "elasticsearch": {"hosts": elastic.hosts, "prefix": elastic.prefix}}
    site = Site(tmp_path, iocs(DB), secured.listener("SASL"), f"history: {json.dumps(store)}\n")
    (tmp_path / "password").write_text(PASSWORD)
    for name, value in {"PREFIX": f"{site.config}-", "PASSWORD_FILE": str(tmp_path / "password"), "SESSION_S": "2.5"}.items():
        monkeypatch.setenv(f"TOCSIN_KAFKA__{name}", value)
    monkeypatch.setenv("TOCSIN_KAFKA__USER", ROLES[0])
    monkeypatch.setenv("TOCSIN_KAFKA__REPLICATION_FACTOR", "1")
    monkeypatch.setenv("TOCSIN_BACKEND__PORT", "0")
    return site


@pytest.fixture
def objects(site):
    """What `tocsin k8s render` writes into kafka.yaml."""
    file = site.directory / "site.yaml"
    settings = load(file)
    rendered = ClusterSite(settings, strict_yaml.load(file.read_text("utf-8")), read_configurations(settings), "k8s")
    return [*topic_objects(rendered), *user_objects(users(rendered))]


def give_rights(cluster, objects):
    """As the user operator of Strimzi does."""
    admin = AdminClient({"bootstrap.servers": cluster.servers})
    rights = [
        AclBinding(
            _RESOURCES[resource], name, ResourcePatternType.LITERAL, f"User:{user}", "*", AclOperation[_OPERATIONS[operation]], allow
        )
        for user, resource, name, operation in granted(objects)
        for allow in [AclPermissionType.ALLOW]
    ]
    for future in admin.create_acls(rights).values():
        future.result(20)


def make_topics(cluster, objects):
    """As the topic operator of Strimzi does."""
    admin = AdminClient({"bootstrap.servers": cluster.servers})
    topics = [one["spec"] for one in objects if one["kind"] == "KafkaTopic"]
    made = admin.create_topics([NewTopic(one["topicName"], one["partitions"], one["replicas"], config=one["config"]) for one in topics])
    for future in made.values():
        future.result(20)


def granted(objects):
    """Each operation that a manifest allows: user, kind of resource, its name, operation."""
    for one in objects:
        for acl in one["spec"]["authorization"]["acls"] if one["kind"] == "KafkaUser" else ():
            assert acl["resource"]["patternType"] == "literal"
            for operation in acl["operations"]:
                yield one["metadata"]["name"], acl["resource"]["type"], acl["resource"]["name"], operation


def told(cluster, verdict):
    """Rights that were asked for, as far as the broker has told: as `granted`, and the request."""
    names = {"Topic": "topic", "Group": "group", "TransactionalId": "transactionalId"}
    log = cluster.brokers[0].log()
    return {
        (user, names.get(resource, resource), name, _camel(operation), request)
        for user, said, operation, resource, name, request in _TOLD.findall(log)
        if said == verdict
    }


def _camel(operation):
    return "".join(part.capitalize() for part in operation.split("_"))


async def test_the_system_needs_these_rights_and_no_others(secured, site, objects, monkeypatch):
    def become(role):
        monkeypatch.setenv("TOCSIN_KAFKA__USER", f"tocsin-{role}")

    give_rights(secured, objects)
    async with AsyncExitStack() as stack:
        become("engine")
        first = await stack.enter_async_context(site.running("engine"))
        await site.said("engine", f"cannot make topic '{site.config}'.*no right")  # and waits for whoever may
        make_topics(secured, objects)
        become("sync")
        await stack.enter_async_context(site.running("config", "sync", "--watch", name="sync"))
        become("history")
        await stack.enter_async_context(site.running("history"))
        become("backend")
        await stack.enter_async_context(site.serving("backend"))
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        answer = await site.command("acknowledge", site.path("GC1"), reason="pump is being changed")
        assert answer.json()["outcome"] == "done", answer.text
        await site.until_severity("GC1", "MAJOR_ACK", "acknowledged")
        become("engine")
        await stack.enter_async_context(site.running("engine", name="second"))
        await site.said("second", rf"held by[^\n]*{first.pid}")
        become("history")
        await stack.enter_async_context(site.running("history", name="writer"))
        os.kill(first.pid, signal.SIGTERM)
        await site.said("second", "configuration restored")
        answer = await site.command("disable", site.path("GV1"))
        assert answer.json()["outcome"] == "done", answer.text

        async def kept():
            return await site.events("acknowledged")

        (event,) = await site.until(kept, "the history", lambda: site.output("history"))
        assert (event["user"], event["comment"]) == ("mara", "pump is being changed")
        await site.until(site.ready, "all is there", lambda: site.output("backend"))
        text = (site.directory / "tree.yaml").read_text("utf-8").replace("GV1 of the site", "Gate valve")
        (site.directory / "tree.yaml").write_text(text, "utf-8")

        async def edited():
            found = (await site.client.get(f"/api/v1/alarms{site.path('GV1')}")).json()
            return "Gate valve" in json.dumps(found)

        await site.until(edited, "an edit of the files", lambda: site.output("sync"))
    # Only before there were topics, an engine was refused something: to make them itself.
    assert {(user, request) for user, *_, request in told(secured, "Denied")} == {("tocsin-engine", "CreateTopics")}
    used = {right[:4] for right in told(secured, "Allowed")}
    # An engine writes into the settings when it gives up a revision that was never closed, half a minute after its sync has died.
    seldom = {("tocsin-engine", "topic", f"{site.config}Settings", "Write")}
    assert set(granted(objects)) - used == seldom
