"""The rights that manifests give, on a real Kafka that tells which of them were used and which were missing."""

from __future__ import annotations

import json
import re

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
from tocsin.settings_kubernetes import KubernetesSection

ROLES = ("tocsin-backend", "tocsin-engine", "tocsin-history", "tocsin-restore", "tocsin-sync")
OTHERS = ("cs-studio", "phoebus-alarm-logger", "tocsin-pipeline")
PASSWORD = "right"
_RESOURCES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "transactionalId": ResourceType.TRANSACTIONAL_ID}
_PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}
_OPERATIONS = {"Read": "READ", "Write": "WRITE", "Describe": "DESCRIBE", "DescribeConfigs": "DESCRIBE_CONFIGS"}
_TOLD = re.compile(r"Principal = User:(\S+) is (Allowed|Denied) operation = (\w+) .*?on resource = (\w+):\w+:(\S+) for request = (\w+)")


@pytest.fixture(scope="module")
def secured():
    try:
        cluster = KafkaCluster(ClusterOptions(users=dict.fromkeys((*ROLES, *OTHERS), PASSWORD), tell_rights=True))
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


def made_for(site, **kubernetes):
    """What `tocsin k8s render` writes into kafka.yaml."""
    file = site.directory / "site.yaml"
    settings = load(file).model_copy(update={"kubernetes": KubernetesSection(**kubernetes)})
    rendered = ClusterSite(settings, strict_yaml.load(file.read_text("utf-8")), read_configurations(settings), "k8s")
    return [*topic_objects(rendered), *user_objects(users(rendered))]


def give_rights(cluster, objects):
    """As the user operator of Strimzi does."""
    admin = AdminClient({"bootstrap.servers": cluster.servers})
    rights = [
        AclBinding(_RESOURCES[resource], name, _PATTERNS[pattern], f"User:{user}", "*", AclOperation[_OPERATIONS[operation]], allow)
        for user, resource, name, operation, pattern in granted(objects)
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
    """Each operation that a manifest allows: user, kind of resource, its name, operation, whether the name is only how it begins."""
    for one in objects:
        for acl in one["spec"]["authorization"]["acls"] if one["kind"] == "KafkaUser" else ():
            resource = acl["resource"]
            assert resource["patternType"] == "literal" or (resource["type"], resource["name"]) == ("group", "Alarm-")
            for operation in acl["operations"]:
                yield one["metadata"]["name"], resource["type"], resource["name"], operation, resource["patternType"]


def unused(cluster, objects):
    """Rights that are given and that nobody needed."""
    used = {right[:4] for right in told(cluster, "Allowed")}
    return {
        (user, kind, name, operation)
        for user, kind, name, operation, pattern in granted(objects)
        if (user, kind, name, operation) not in used
        and not any(pattern == "prefix" and one == (user, kind, one[2], operation) and one[2].startswith(name) for one in used)
    }


def denied(cluster, site):
    """Who was refused what of a site: user and request."""
    return {(user, request) for user, *_, name, _, request in told(cluster, "Denied") if site.config in name}


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
