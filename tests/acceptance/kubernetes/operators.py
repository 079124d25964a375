"""What operators and the site bring into a cluster: definitions, and the secrets that pods wait for, by the operators' names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.acceptance.kubernetes.control_plane import ControlPlane
from tests.acceptance.kubernetes.stand_in import StandIn
from tests.contract.test_k8s_manifests import secrets_of_the_page
from tests.k8s.building import Manifest

_KINDS = {
    "Kafka": "kafka.strimzi.io/v1/{}kafkas",
    "KafkaUser": "kafka.strimzi.io/v1/{}kafkausers",
    "Elasticsearch": "elasticsearch.k8s.elastic.co/v1/{}elasticsearches",
}
_PROMETHEUS = {"ServiceMonitor": "servicemonitors", "PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"}


class Operators(StandIn):
    """Strimzi and ECK, as far as pods of ours wait for them: secrets and conditions. They make no pods."""

    def look(self) -> None:
        for kind, path in _KINDS.items():
            for one in self.items(f"/apis/{path.format('')}"):
                if "status" not in one:
                    self._make(kind, one)

    def _make(self, kind: str, one: Manifest) -> None:
        name, namespace = one["metadata"]["name"], one["metadata"]["namespace"]
        for secret, keys in _made(kind, one):
            give(self.plane, namespace, {secret: keys})
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        self.set_status(f"/apis/{_KINDS[kind].format(f'namespaces/{namespace}/')}/{name}", ready)


def _made(kind: str, one: Manifest) -> Iterator[tuple[str, list[str]]]:
    """Names and keys of the secrets that an operator makes for an object."""
    name = one["metadata"]["name"]
    if kind == "Kafka":
        yield f"{name}-cluster-ca-cert", ["ca.crt", "ca.p12", "ca.password"]
    elif kind == "Elasticsearch":
        yield f"{name}-es-http-certs-public", ["ca.crt", "tls.crt"]
        yield f"{name}-es-elastic-user", ["elastic"]
    elif one["spec"]["authentication"]["type"] == "tls":
        yield name, ["ca.crt", "user.crt", "user.key", "user.p12", "user.password"]
    else:
        yield name, ["password", "sasl.jaas.config"]


def give_secrets_of_the_site(plane: ControlPlane, namespace: str, manifests: Iterable[Manifest] = ()) -> None:
    """Those that the page asks it for, and `manifests` do not bring."""
    brought = {one["metadata"]["name"] for one in manifests if one["kind"] == "Secret"}
    give(plane, namespace, {name: sorted(keys) for name, keys in secrets_of_the_page().items() if name not in brought})


def give(plane: ControlPlane, namespace: str, secrets: dict[str, list[str]]) -> None:
    """Secrets with these keys."""
    items = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "stringData": {key: f"{key} of {name}" for key in keys},
        }
        for name, keys in secrets.items()
    ]
    apply(plane, items)


def apply(plane: ControlPlane, items: list[Manifest]) -> None:
    """Bring objects into the cluster."""
    answer = plane.kubectl("apply", "-f", "-", said=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    assert answer.code == 0, answer.err


def install(plane: ControlPlane, definitions: Path) -> None:
    """Definitions of Strimzi and ECK as they are published; those of the Prometheus operator take everything."""
    answer = plane.kubectl("apply", "--server-side", "-f", str(definitions))  # some are too large for an annotation
    assert answer.code == 0, answer.err
    apply(plane, [_anything(kind, plural) for kind, plural in _PROMETHEUS.items()])
    answer = plane.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
    assert answer.code == 0, answer.err


def _anything(kind: str, plural: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
