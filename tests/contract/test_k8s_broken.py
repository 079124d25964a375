"""Manifests with one mistake each: every one is caught, and by the right check."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.contract.test_k8s_manifests import secrets_of_the_page
from tests.k8s import flows, policy, references, schemas
from tests.k8s.building import Manifest, overlay

Manifests = list[Manifest]


def one(manifests: Manifests, kind: str, name: str) -> Manifest:
    """An object; the first where a namespace each has one."""
    return next(each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name)


def pod(manifests: Manifests, role: str = "engine") -> Manifest:
    return one(manifests, "Deployment", f"tocsin-{role}")["spec"]["template"]["spec"]


def container(manifests: Manifests, role: str = "engine") -> Manifest:
    return pod(manifests, role)["containers"][0]


@dataclass(frozen=True)
class Mistake:
    """Something that is easily done."""

    name: str
    do: Callable[[Manifests], object]
    said: str
    """Part of the fault that is found."""

    def broken(self, name: str = "demo") -> Manifests:
        manifests = copy.deepcopy(list(overlay(name)))
        self.do(manifests)
        return manifests


def parametrized(*mistakes: Mistake):
    return pytest.mark.parametrize("mistake", mistakes, ids=[mistake.name for mistake in mistakes])


def put(place: Manifest, **values: object) -> None:
    place.update(values)


BUILTIN = (
    Mistake("a field is misspelt", lambda m: put(container(m), volumeMount=[]), "volumeMount"),
    Mistake("a number is a text", lambda m: put(one(m, "Deployment", "tocsin-engine")["spec"], replicas="two"), "spec.replicas"),
    Mistake("a port has no number", lambda m: container(m)["ports"][0].pop("containerPort"), "containerPort"),
    Mistake(
        "an old version of the API",
        lambda m: put(one(m, "PodDisruptionBudget", "tocsin-engine"), apiVersion="policy/v1beta1"),
        "has no kind",
    ),
    Mistake("a kind that there is not", lambda m: put(one(m, "Service", "tocsin-engine"), kind="Servise"), "has no kind Servise"),
    Mistake("a field at the wrong place", lambda m: put(pod(m), livenessProbe={}), "livenessProbe"),
)


@parametrized(*BUILTIN)
@pytest.mark.parametrize("version", schemas.VERSIONS)
def test_kubernetes_does_not_take(mistake, version):
    assert [fault for fault in schemas.faults(mistake.broken(), version) if mistake.said in fault]


CUSTOM = (
    Mistake(
        "replicas of brokers where they were once",
        lambda m: put(one(m, "Kafka", "tocsin")["spec"]["kafka"], replicas=3),
        "replicas",
    ),
    Mistake("ZooKeeper", lambda m: put(one(m, "Kafka", "tocsin")["spec"], zookeeper={"replicas": 3}), "zookeeper"),
    Mistake(
        "an old version of the API", lambda m: put(one(m, "KafkaUser", "tocsin-engine"), apiVersion="kafka.strimzi.io/v1beta2"), "serve no"
    ),
    Mistake(
        "a right with one operation",
        lambda m: put(one(m, "KafkaUser", "tocsin-engine")["spec"]["authorization"]["acls"][0], operation="Read"),
        "operation",
    ),
    Mistake("a pool without a role", lambda m: one(m, "KafkaNodePool", "dual")["spec"].pop("roles"), "roles"),
    Mistake("a listener of no type", lambda m: put(one(m, "Kafka", "tocsin")["spec"]["kafka"]["listeners"][0], type="outside"), "outside"),
    Mistake("nodes of Elasticsearch misspelt", lambda m: put(one(m, "Elasticsearch", "tocsin")["spec"], nodeSet=[]), "nodeSet"),
    Mistake("a partition is a text", lambda m: put(one(m, "KafkaTopic", "demo")["spec"], partitions="one"), "partitions"),
)


@parametrized(*CUSTOM)
def test_operators_do_not_take(mistake):
    directory = schemas.crds()
    if directory is None:
        pytest.skip(schemas.HOW_TO_GET)
    assert [fault for fault in schemas.custom_faults(mistake.broken(), directory) if mistake.said in fault]


def drop_policy(manifests: Manifests) -> None:
    manifests[:] = [each for each in manifests if each["metadata"]["name"] != "tocsin-nothing-else"]


def drop_budget(manifests: Manifests) -> None:
    manifests[:] = [each for each in manifests if (each["kind"], each["metadata"]["name"]) != ("PodDisruptionBudget", "tocsin-engine")]


POLICY = (
    Mistake("root", lambda m: pod(m)["securityContext"].pop("runAsNonRoot"), "may be root: tocsin-engine"),
    Mistake("a low user", lambda m: put(pod(m)["securityContext"], runAsUser=1000), "user below 10000: tocsin-engine"),
    Mistake("all system calls", lambda m: pod(m)["securityContext"].pop("seccompProfile"), "system calls"),
    Mistake("more privileges", lambda m: put(container(m)["securityContext"], allowPrivilegeEscalation=True), "privileges"),
    Mistake("capabilities", lambda m: put(container(m)["securityContext"]["capabilities"], add=["NET_RAW"]), "capabilities"),
    Mistake("files can be written", lambda m: put(container(m)["securityContext"], readOnlyRootFilesystem=False), "writable files"),
    Mistake("a token of the API", lambda m: put(pod(m), automountServiceAccountToken=True), "rights in the cluster"),
    Mistake("a binding", lambda m: m.append({"kind": "RoleBinding", "metadata": {"name": "x"}}), "rights in the cluster: x"),
    Mistake("no memory is asked for", lambda m: container(m)["resources"].pop("requests"), "resources"),
    Mistake("the processor is throttled", lambda m: put(container(m)["resources"]["limits"], cpu="1"), "throttled"),
    Mistake("the newest image, whichever", lambda m: put(container(m), image="tocsin:latest"), "version of the image"),
    Mistake("the placeholder of the image", lambda m: put(container(m), image="tocsin:VERSION"), "version of the image"),
    Mistake("no liveness", lambda m: container(m).pop("livenessProbe"), "no liveness probe"),
    Mistake("restarted for others", lambda m: put(container(m)["livenessProbe"]["httpGet"], path="/readyz"), "restarts for others"),
    Mistake("killed while it stops", lambda m: put(pod(m), terminationGracePeriodSeconds=10), "killed while it stops"),
    Mistake("one engine", lambda m: put(one(m, "Deployment", "tocsin-engine")["spec"], replicas=1), "one replica: tocsin-engine"),
    Mistake("both on one node", lambda m: pod(m).pop("topologySpreadConstraints"), "not spread: tocsin-engine"),
    Mistake("variables of services", lambda m: pod(m).pop("enableServiceLinks"), "strange variables: tocsin-engine"),
    Mistake("all at once", lambda m: put(one(m, "Deployment", "tocsin-engine")["spec"], strategy={"type": "Recreate"}), "gap in a rollout"),
    Mistake("no budget", drop_budget, "no budget for disruptions: tocsin-engine"),
    Mistake(
        "a budget of nothing", lambda m: put(one(m, "PodDisruptionBudget", "tocsin-engine")["spec"], maxUnavailable=0), "holds up drains"
    ),
    Mistake("files of the node", lambda m: pod(m)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "files of the node"),
    Mistake("the network of the node", lambda m: put(pod(m), hostNetwork=True), "network of the node: tocsin-engine"),
    Mistake("a secret for everybody", lambda m: pod(m)["volumes"][1]["secret"].pop("defaultMode"), "secret for everybody"),
    Mistake("a disk without end", lambda m: put(pod(m)["volumes"][-1], emptyDir={}), "unlimited volume"),
    Mistake("no policy", drop_policy, "open network: tocsin-engine"),
    Mistake("a way to anywhere", lambda m: one(m, "NetworkPolicy", "tocsin-to-kafka")["spec"]["egress"][0].pop("to"), "open network"),
    Mistake(
        "brokers that the namespace refuses",
        lambda m: one(m, "KafkaNodePool", "dual")["spec"]["template"].pop("initContainer"),
        "refused by the namespace: dual",
    ),
    Mistake("an open namespace", lambda m: put(one(m, "Namespace", "tocsin")["metadata"], labels={}), "not restricted"),
)


@parametrized(*POLICY)
def test_policy_refuses(mistake):
    assert [fault for fault in policy.unexcepted(policy.faults(mistake.broken())) if mistake.said in fault]


def settings_map(manifests: Manifests) -> Manifest:
    return next(each for each in manifests if each["kind"] == "ConfigMap" and "site.yaml" in each["data"])


REFERENCES = (
    Mistake("an account that is not there", lambda m: put(pod(m), serviceAccountName="tocsin"), "no account tocsin"),
    Mistake(
        "a secret that is not there", lambda m: put(pod(m)["volumes"][1]["secret"], secretName="tocsin-engin"), "no Secret tocsin-engin"
    ),
    Mistake(
        "a key that is not in the secret",
        lambda m: put(pod(m)["volumes"][2]["secret"]["items"][0], key="ca.pem"),
        "tocsin-cluster-ca-cert has no ca.pem",
    ),
    Mistake("the settings are named otherwise", lambda m: put(settings_map(m)["metadata"], name="tocsin-settings"), "no ConfigMap"),
    Mistake("a config map that nobody wants", lambda m: put(settings_map(m)["metadata"], name="other"), "other is used by nobody"),
    Mistake("a priority that is not there", lambda m: put(pod(m), priorityClassName="high"), "no priority class high"),
    Mistake("a mount without a volume", lambda m: put(container(m)["volumeMounts"][0], name="sttings"), "mounts sttings"),
    Mistake("a probe of another port", lambda m: put(container(m)["livenessProbe"]["httpGet"], port="metrics"), "asks port metrics"),
    Mistake(
        "a service to another port",
        lambda m: put(one(m, "Service", "tocsin-backend")["spec"]["ports"][0], targetPort="web"),
        "leads to web",
    ),
    Mistake(
        "a service to nobody",
        lambda m: put(one(m, "Service", "tocsin-backend")["spec"]["selector"], **{"app.kubernetes.io/component": "web"}),
        "selects no pod",
    ),
    Mistake(
        "pods that their set does not know",
        lambda m: put(one(m, "Deployment", "tocsin-engine")["spec"]["selector"]["matchLabels"], **{"app.kubernetes.io/component": "x"}),
        "does not mean its own pods",
    ),
    Mistake(
        "two sets with the same pods",
        lambda m: put(one(m, "Deployment", "tocsin-engine")["spec"]["selector"], matchLabels={"app.kubernetes.io/part-of": "tocsin"}),
        "its selector means those of",
    ),
    Mistake(
        "a budget for nobody",
        lambda m: put(one(m, "PodDisruptionBudget", "tocsin-engine")["spec"]["selector"], matchLabels={"app": "engine"}),
        "selects no pod",
    ),
    Mistake(
        "a policy to a port where nobody is",
        lambda m: put(one(m, "NetworkPolicy", "tocsin-to-kafka")["spec"]["egress"][0]["ports"][0], port=9092),
        "nobody there listens on 9092",
    ),
    Mistake(
        "a policy to another cluster",
        lambda m: put(one(m, "NetworkPolicy", "tocsin-to-kafka")["spec"]["egress"][0]["to"][0]["podSelector"]["matchLabels"], x="y"),
        "a peer is no pod",
    ),
    Mistake(
        "a topic of another cluster",
        lambda m: put(one(m, "KafkaTopic", "demo")["metadata"]["labels"], **{"strimzi.io/cluster": "x"}),
        "no Kafka x",
    ),
    Mistake("more copies than brokers", lambda m: put(one(m, "KafkaTopic", "demo")["spec"], replicas=3), "3 copies on 1 brokers"),
    Mistake("a topic twice", lambda m: put(one(m, "KafkaTopic", "demo")["spec"], topicName="DemoTalk"), "DemoTalk has another object"),
    Mistake(
        "a right on a topic that is not there",
        lambda m: put(one(m, "KafkaUser", "tocsin-engine")["spec"]["authorization"]["acls"][0]["resource"], name="Demo2"),
        "has a right on Demo2",
    ),
    Mistake(
        "a right on more than a topic",
        lambda m: put(one(m, "KafkaUser", "tocsin-engine")["spec"]["authorization"]["acls"][0]["resource"], patternType="prefix"),
        "which is no topic",
    ),
    Mistake(
        "a user whom no listener takes",
        lambda m: put(one(m, "KafkaUser", "tocsin-engine")["spec"], authentication={"type": "tls-external"}),
        "no listener takes",
    ),
    Mistake("an object twice", lambda m: m.append(copy.deepcopy(one(m, "Service", "tocsin-engine"))), "is there twice"),
)


@parametrized(*REFERENCES)
def test_a_name_that_leads_nowhere_is_found(mistake):
    found = references.faults(references.Objects(mistake.broken(), secrets_of_the_page()))
    assert [fault for fault in found if mistake.said in fault], found


PRODUCTION = (
    Mistake("no certificate", lambda m: one(m, "Ingress", "tocsin")["spec"].pop("tls"), "has no certificate"),
    Mistake(
        "a page on another port",
        lambda m: put(one(m, "Ingress", "tocsin")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"], name="web"),
        "no service tocsin-backend with port",
    ),
    Mistake(
        "figures of another port",
        lambda m: put(one(m, "ServiceMonitor", "tocsin-engine")["spec"]["endpoints"][0], port="metrics"),
        "has no port metrics",
    ),
    Mistake(
        "figures of nobody",
        lambda m: put(one(m, "ServiceMonitor", "tocsin-engine")["spec"]["selector"], matchLabels={"a": "b"}),
        "selects nothing",
    ),
    Mistake(
        "a secret that no page tells of",
        lambda m: put(one(m, "Elasticsearch", "tocsin")["spec"]["auth"]["roles"][0], secretName="roles"),
        "no secret roles",
    ),
)


@parametrized(*PRODUCTION)
def test_a_name_that_leads_nowhere_is_found_in_production(mistake):
    found = references.faults(references.Objects(mistake.broken("production"), secrets_of_the_page()))
    assert [fault for fault in found if mistake.said in fault], found


def test_a_flow_that_nobody_needs_is_seen():
    manifests = copy.deepcopy(list(overlay("demo")))
    values = one(manifests, "NetworkPolicy", "tocsin-to-elasticsearch")["spec"]["podSelector"]["matchExpressions"][0]["values"]
    assert ("engine", "elasticsearch", 9200) not in flows.flows(manifests, "tocsin")
    values.append("engine")
    peers = one(manifests, "NetworkPolicy", "tocsin-elasticsearch")["spec"]["ingress"][0]["from"]
    assert ("engine", "elasticsearch", 9200) not in flows.flows(manifests, "tocsin"), "the other side refuses it"
    peers[0]["podSelector"]["matchExpressions"][0]["values"].append("engine")
    assert ("engine", "elasticsearch", 9200) in flows.flows(manifests, "tocsin")


def test_a_listener_that_does_not_know_us_is_seen():
    manifests = copy.deepcopy(list(overlay("demo")))
    for listener in one(manifests, "Kafka", "tocsin")["spec"]["kafka"]["listeners"]:
        listener["networkPolicyPeers"] = [{"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "alarms"}}}]
    assert not [flow for flow in flows.flows(manifests, "tocsin") if flow[1] == "kafka"]
