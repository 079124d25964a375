"""What a site may choose in its settings, and what becomes of each choice in the manifests."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.contract.test_k8s_manifests import secrets_of_the_page
from tests.k8s import policy, references, schemas
from tests.k8s.building import ROOT, build
from tests.k8s.pods import matches, pods
from tests.k8s.rendering import SETTINGS, built, make
from tocsin.kubernetes.kafka import user_objects
from tocsin.kubernetes.render import render
from tocsin.kubernetes.rights import users
from tocsin.kubernetes.sizes import SIZES

__all__ = ["built", "make"]  # fixtures

CHOICES = {
    "nothing": "{}",
    "one node": "{single_node: true, demo_ioc: true}",
    "servers of the site": "{kafka: external, kafka_networks: [10.1.0.0/16], "
    "elasticsearch: external, elasticsearch_networks: [10.2.0.0/16]}",
    "keys": "{elasticsearch_access: api_key}",
    "host network": "{epics: host_network, node_networks: [10.4.0.0/16, 10.5.0.0/16]}",
    "a Kafka of the next namespace": "{namespace: tocsin-ring, kafka: external, kafka_namespace: tocsin-linac}",
    "guests, no zones": "{kafka_guests: [tocsin-ring], zones: false, dns_networks: [169.254.20.10/32], alarms: 250000}",
    "git by ssh": "{git_repository: 'ssh://git@git.example.org:2222/a.git'}",
    "closed to readers": "{monitoring: true, grafana_host: g.example.org}",
    "all": "{outside_kafka: true, pipeline_user: true, phoebus_alarm_logger: 'logger:5', monitoring: true, ingress_host: a.example.org, "
    "storage_class: fast, git_repository: 'https://git.example.org/a.git', epics_networks: [10.3.0.0/16], engines: 3}",
    "watched without git": "{monitoring: true, grafana: false}",
}
EXTERNAL = (
    "journal: kafka\nkafka: {servers: 'k1:9095,k2:9095', tls: true, user: tocsin, password_file: p}\n"
    "history: {store: elasticsearch, elasticsearch: {hosts: ['https://e1:9201']}}\n"
)

MORE = {
    "servers of the site": EXTERNAL,
    "a Kafka of the next namespace": "kafka: {prefix: ring-}\n",
}
MORE_AUTH = {"closed to readers": "auth: {open_reading: false, "}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_makes_manifests_that_are_accepted(built, choice):
    manifests = built(CHOICES[choice], SETTINGS.replace("auth: {", MORE_AUTH.get(choice, "auth: {")) + MORE.get(choice, ""))
    assert [fault for version in schemas.VERSIONS for fault in schemas.faults(manifests, version)] == []
    directory = schemas.crds()
    if directory is not None:
        assert list(schemas.custom_faults(manifests, directory)) == []
    found = [fault for fault in policy.unexcepted(policy.faults(manifests)) if choice != "host network" or not _of_host_network(fault)]
    assert [fault for fault in found if "VERSION" not in fault] == []
    secrets = secrets_of_the_page() | (external_secrets() if "kafka: external" in CHOICES[choice] else {})
    assert references.faults(references.Objects(manifests, secrets)) == []


def _of_host_network(fault: str) -> bool:
    """What is given up for it, as the page says."""
    return fault.startswith(("network of the node: tocsin-engine", "not restricted: tocsin", "port of the node: tocsin-engine"))


def external_secrets() -> dict[str, frozenset[str]]:
    roles = ("engine", "backend", "history", "sync", "restore")
    return {f"tocsin-{role}": references.ANY for role in roles} | {
        "tocsin-cluster-ca-cert": frozenset(["ca.crt"]),
        "tocsin-es-http-certs-public": frozenset(["ca.crt"]),
    }


def test_servers_of_the_site_are_reached_where_the_settings_say(built):
    manifests = built(CHOICES["servers of the site"], SETTINGS + EXTERNAL)
    egress = {one["metadata"]["name"]: one["spec"]["egress"] for one in manifests if one["metadata"]["name"].startswith("tocsin-to-")}
    assert egress["tocsin-to-kafka"] == [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 9095, "protocol": "TCP"}]}]
    assert egress["tocsin-to-elasticsearch"][0]["ports"] == [{"port": 9201, "protocol": "TCP"}]
    (data,) = [yaml.safe_load(one["data"]["site.yaml"]) for one in manifests if one["kind"] == "ConfigMap" and "site.yaml" in one["data"]]
    assert data["kafka"] == {
        "servers": "k1:9095,k2:9095",
        "tls": True,
        "user": "tocsin",
        "password_file": "/etc/tocsin-kafka/user/password",
    }
    assert known_as(manifests) == {role: f"tocsin-{role}" for role in ("engine", "backend", "history", "sync", "restore")}
    assert not [one for one in manifests if one["kind"].startswith("Kafka")]


def known_as(manifests: list[dict]) -> dict[str, str]:
    """By role: the user of Kafka whose name a container has for itself."""
    return {
        one["name"]: variable["value"]
        for pod in pods(manifests)
        for one in pod.containers
        for variable in one.get("env", [])
        if variable["name"] == "TOCSIN_KAFKA__USER"
    }


def test_a_kafka_of_the_site_may_know_us_as_one_user(built):
    assert known_as(built("{kafka: external, kafka_users: one}", SETTINGS + EXTERNAL)) == {}


def peers_of(manifests: list[dict], listener: str) -> list[dict]:
    (kafka,) = [one for one in manifests if one["kind"] == "Kafka"]
    (found,) = [one for one in kafka["spec"]["kafka"]["listeners"] if one["name"] == listener]
    return found["networkPolicyPeers"]


OURS = {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "tocsin"}}}


def test_kafka_lets_engines_in_that_come_from_their_nodes(built):
    """No label of a pod is known of what comes from the network of a node: Strimzi's policy would drop it."""
    manifests = built(CHOICES["host network"])
    assert peers_of(manifests, "tls") == [OURS, {"ipBlock": {"cidr": "10.4.0.0/16"}}, {"ipBlock": {"cidr": "10.5.0.0/16"}}]
    assert peers_of(manifests, "scram") == [OURS]


def test_a_site_of_another_namespace_uses_our_kafka(built):
    label = {"kubernetes.io/metadata.name": "tocsin-ring"}
    manifests = built(CHOICES["guests, no zones"])
    for listener in ("tls", "scram"):
        assert peers_of(manifests, listener) == [OURS, {"namespaceSelector": {"matchLabels": label}, **OURS}]
    (kafka,) = [one for one in manifests if one["kind"] == "Kafka"]
    assert "rack" not in kafka["spec"]["kafka"]
    guest = built(CHOICES["a Kafka of the next namespace"], SETTINGS + MORE["a Kafka of the next namespace"])
    (policy_of_guest,) = [one for one in guest if one["metadata"]["name"] == "tocsin-to-kafka"]
    (rule,) = policy_of_guest["spec"]["egress"]
    assert rule["ports"] == [{"port": 9093, "protocol": "TCP"}]
    assert rule["to"][0]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "tocsin-linac"}}
    assert matches(rule["to"][0]["podSelector"], pods([kafka])[0].labels)
    (data,) = [yaml.safe_load(one["data"]["site.yaml"]) for one in guest if one["kind"] == "ConfigMap" and "site.yaml" in one["data"]]
    assert data["kafka"]["servers"] == "tocsin-kafka-bootstrap.tocsin-linac.svc:9093"
    assert data["kafka"]["certificate_file"] == "/etc/tocsin-kafka/user/user.crt"


def test_a_guest_brings_its_topics_and_users_to_the_kafka_of_its_host(make, built, tmp_path):
    host = user_objects(users(make("{kafka_guests: [tocsin-ring]}")))
    built(CHOICES["a Kafka of the next namespace"], SETTINGS + MORE["a Kafka of the next namespace"])
    brought = build(tmp_path / "made/kafka")
    assert {one["metadata"]["namespace"] for one in brought} == {"tocsin-linac"}
    names = {one["metadata"]["name"] for one in brought if one["kind"] == "KafkaUser"}
    assert names == {f"tocsin-ring-{role}" for role in ("engine", "backend", "history", "sync", "restore")}
    assert not names & {one["metadata"]["name"] for one in host}
    directory = schemas.crds()
    if directory is not None:
        assert list(schemas.custom_faults(brought, directory)) == []
    acls = [acl["resource"] for one in brought if one["kind"] == "KafkaUser" for acl in one["spec"]["authorization"]["acls"]]
    assert {one["name"].partition("-")[0] for one in acls if one["type"] != "topic"} == {"ring"}, "no group of the host's"
    there = {one["spec"]["topicName"] for one in brought if one["kind"] == "KafkaTopic"}
    assert {one["name"] for one in acls if one["type"] == "topic"} <= there


def git_sync(manifests: list[dict]) -> list[dict]:
    return [one for pod in pods(manifests) for one in pod.containers if one["name"] == "git-sync"]


@pytest.mark.parametrize(
    ("repository", "port", "arguments"),
    [
        ("https://git.example.org/a.git", 443, ["--username=git", "--password-file=/etc/git-secret/token"]),
        ("https://git.example.org:8443/a.git", 8443, ["--username=git", "--password-file=/etc/git-secret/token"]),
        (
            "git@git.example.org:a.git",
            22,
            SSH := ["--ssh-key-file=/etc/git-secret/ssh", "--ssh-known-hosts-file=/etc/git-secret/known_hosts"],
        ),
        ("ssh://git@git.example.org:2222/a.git", 2222, SSH),
    ],
)
def test_git_is_reached_as_its_address_says(built, repository, port, arguments):
    manifests = built(f"{{git_repository: '{repository}', git_networks: [10.9.0.0/16]}}")
    (rules,) = [one["spec"]["egress"] for one in manifests if one["metadata"]["name"] == "tocsin-to-git"]
    assert rules == [{"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}], "ports": [{"port": port, "protocol": "TCP"}]}]
    found = git_sync(manifests)
    assert len(found) == 2
    for one in found:
        assert one["args"][:4] == [f"--repo={repository}", "--ref=main", *arguments]
        assert len({text.partition("=")[0] for text in one["args"]}) == len(one["args"]), "an option is there twice"
        # ssh serves no user whom its image does not know.
        assert one["securityContext"].get("runAsUser") == (65533 if arguments is SSH else None)


@pytest.mark.parametrize(("kubernetes", "namespace"), [("{}", "elastic-system"), ("{elastic_namespace: operators}", "operators")])
def test_the_operator_of_elasticsearch_is_let_in_from_where_it_is(built, kubernetes, namespace):
    """It holds up every change of Elasticsearch as long as it cannot ask how that is."""
    (policy,) = [one for one in built(kubernetes) if (one["kind"], one["metadata"]["name"]) == ("NetworkPolicy", "tocsin-elasticsearch")]
    peers = policy["spec"]["ingress"][0]["from"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}} in peers
    assert len(peers) == 2


def test_figures_that_are_not_for_everybody_are_asked_for_with_a_token(built):
    def asking(settings: str) -> dict:
        (monitor,) = [
            one
            for one in built("{monitoring: true}", settings)
            if one["metadata"]["name"] == "tocsin-backend" and one["kind"] == "ServiceMonitor"
        ]
        return monitor["spec"]["endpoints"][0].get("authorization")

    assert asking(SETTINGS) is None
    assert asking(SETTINGS.replace("auth: {", "auth: {open_reading: false, ")) == {
        "type": "Bearer",
        "credentials": {"name": "tocsin-monitoring", "key": "token"},
    }


@pytest.mark.parametrize(
    ("kubernetes", "more", "told"),
    [
        ("{}", "", 4),
        ("{monitoring: true}", "", 2),
        ("{monitoring: true}", ", service: true", 4),
    ],
)
def test_grafana_leaves_engine_and_history_to_prometheus_where_that_has_rules(make, kubernetes, more, told):
    alerts = f"dashboards: {{alerts: {{mail: [a@example.org]{more}}}}}\n"
    files = render(make(kubernetes, SETTINGS + alerts))
    assert len(yaml.safe_load(files["grafana/alerting.yaml"])["groups"][0]["rules"]) == told


def resources(manifests: list[dict]) -> dict[str, dict]:
    return {one["name"]: one["resources"] for pod in pods(manifests) for one in pod.containers}


def mib(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([MG])i", text).groups()
    return int(number) * (1024 if unit == "G" else 1)


def test_pods_ask_for_what_the_page_on_sizing_measured(built):
    page = (ROOT / "docs/explanations/sizing.md").read_text("utf-8")
    columns = [
        int(text.replace(",", ""))
        for text in re.findall(r"([\d,]+) alarms \|", page.partition("## What follows")[2].partition("\n\n|")[2].partition("\n")[0])
    ]
    assert columns == [size.alarms for size in SIZES]
    rows = dict(re.findall(r"^\| ([^|]+?) \| (.*) \|$", page, re.MULTILINE))
    for index, alarms in enumerate(columns):
        found = resources(built(f"{{alarms: {alarms}}}"))
        for role in ("engine", "backend"):
            (row,) = [text for name, text in rows.items() if name.startswith(role) and name.endswith("memory")]
            amount, unit = row.split(" | ")[index].split()
            assert mib(found[role]["requests"]["memory"]) == int(amount) * (1024 if unit == "GB" else 1), (role, alarms)
            assert mib(found[role]["limits"]["memory"]) == 4 * mib(found[role]["requests"]["memory"])
        wanted = float(rows["engine: processors"].split(" | ")[index].split(",")[0])
        assert found["engine"]["requests"]["cpu"] == ("500m" if wanted == 0.5 else f"{wanted:g}")
    large = resources(built("{alarms: 250000}"))
    assert large["engine"]["requests"]["memory"] == "2560Mi"
