"""Pods that manifests lead to: those of our own objects, and those that operators make, as far as others refer to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.k8s.building import Manifest, title

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")


@dataclass(frozen=True)
class Pod:
    """What a pod of a workload will be like."""

    owner: str
    namespace: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any] = field(default_factory=dict)
    """Empty: an operator makes it."""
    operators_ports: Mapping[str, int] = field(default_factory=dict)
    replicas: int = 1

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """All that run for as long as the pod."""
        sidecars = [one for one in self.spec.get("initContainers", []) if one.get("restartPolicy") == "Always"]
        return [*sidecars, *self.spec.get("containers", [])]

    @property
    def ports(self) -> dict[str, int]:
        """Ports by name."""
        named = {port["name"]: port["containerPort"] for one in self.containers for port in one.get("ports", [])}
        return {**self.operators_ports, **named}

    @property
    def volumes(self) -> dict[str, Mapping[str, Any]]:
        """Volumes by name."""
        return {one["name"]: one for one in self.spec.get("volumes", [])}


def pods(manifests: Iterable[Manifest]) -> list[Pod]:
    """All of them."""
    found = []
    for manifest in manifests:
        kind, spec = manifest.get("kind"), manifest.get("spec", {})
        namespace = manifest["metadata"].get("namespace", "")
        name = manifest["metadata"]["name"]
        if kind in WORKLOADS:
            found.append(_of(manifest, spec["template"], spec.get("replicas", 1)))
        elif kind == "CronJob":
            found.append(_of(manifest, spec["jobTemplate"]["spec"]["template"], 1))
        elif kind == "Kafka":
            labels = {"strimzi.io/cluster": name, "strimzi.io/kind": "Kafka", "strimzi.io/pool-name": "dual"}
            ports = {f"tcp-{one['name']}": one["port"] for one in spec["kafka"]["listeners"]} | {"tcp-prometheus": 9404}
            found.append(Pod(title(manifest), namespace, labels, operators_ports=ports))
        elif kind == "Elasticsearch":
            labels = {"elasticsearch.k8s.elastic.co/cluster-name": name}
            found.append(Pod(title(manifest), namespace, labels, operators_ports={"https": 9200, "transport": 9300}))
    return found


def _of(manifest: Manifest, template: Mapping[str, Any], replicas: int) -> Pod:
    labels = template.get("metadata", {}).get("labels", {})
    return Pod(title(manifest), manifest["metadata"].get("namespace", ""), labels, template["spec"], replicas=replicas)


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """A label selector; an empty one matches all."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions", []))


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, wanted = labels.get(expression["key"]), expression.get("values", [])
    return {
        "In": value in wanted,
        "NotIn": value not in wanted,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


def selected(selector: Mapping[str, Any], namespace: str, among: Sequence[Pod]) -> list[Pod]:
    """The pods of a namespace that a selector means."""
    return [pod for pod in among if pod.namespace == namespace and matches(selector, pod.labels)]


def sources(pod: Pod) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Kind, reference and volume of what volumes take from ConfigMaps and Secrets."""
    for name, volume in pod.volumes.items():
        for kind, key in (("ConfigMap", "configMap"), ("Secret", "secret")):
            if volume.get(key):
                yield kind, volume[key], name
            for source in (volume.get("projected") or {}).get("sources", []):
                if key in source:
                    yield kind, source[key], name
