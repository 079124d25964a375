"""What kubelets would do, as far as the control plane sees it: a pod becomes ready when all is there that it is made of."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.acceptance.kubernetes.control_plane import ControlPlane
from tests.acceptance.kubernetes.stand_in import StandIn

Pod = Mapping[str, Any]
LABEL = "app.kubernetes.io/component"


class Nodes(StandIn):
    """While it is open, pods are looked after."""

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self.lacking: dict[str, list[str]] = {}
        """Of each pod that cannot start, by `namespace/name`: what is not there."""
        self.ready: list[str] = []
        """Roles in the order in which their pods became ready."""
        self.fewest: dict[str, int] = {}
        """Of each role, the fewest pods that were ready at a time since `watch`."""

    def watch(self) -> None:
        """Forget what was seen so far."""
        self.ready.clear()
        self.fewest.clear()

    def look(self) -> None:
        found = [pod for pod in self.items("/api/v1/pods") if "deletionTimestamp" not in pod["metadata"]]
        known = _Known(self)
        lacking = {}
        for pod in found:
            if pod["status"]["phase"] != "Pending":
                continue
            if missing := sorted(set(known.missing(pod))):
                lacking[f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"] = missing
            else:
                self._run(pod)
        self.lacking = lacking
        numbers: dict[str, int] = {}
        for pod in found:
            numbers[_role(pod)] = numbers.get(_role(pod), 0) + (pod["status"]["phase"] == "Running")
        for role, number in numbers.items():
            self.fewest[role] = min(number, self.fewest.get(role, number))

    def _run(self, pod: Pod) -> None:
        """It runs and is ready; what is made to end has ended well."""
        ends = pod["spec"]["restartPolicy"] == "Never"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("ContainersReady", "Ready")]
        status = {"phase": "Succeeded", "startTime": now} if ends else {"phase": "Running", "startTime": now, "conditions": conditions}
        data = pod["metadata"]
        if self.set_status(f"/api/v1/namespaces/{data['namespace']}/pods/{data['name']}", status):
            self.ready.append(_role(pod))


class _Known:
    """ConfigMaps, Secrets and claims of namespaces, asked for once each."""

    def __init__(self, nodes: StandIn) -> None:
        self._nodes = nodes
        self._keys: dict[tuple[str, str], dict[str, set[str]]] = {}

    def missing(self, pod: Pod) -> Iterator[str]:
        """What a pod needs, and is not there."""
        namespace = pod["metadata"]["namespace"]
        for kind, name, keys in _references(pod["spec"]):
            there = self._of(namespace, kind).get(name)
            if there is None:
                yield f"{kind} {name}"
            else:
                yield from (f"{kind} {name}: {key}" for key in keys - there if kind != "persistentvolumeclaims")

    def _of(self, namespace: str, kind: str) -> dict[str, set[str]]:
        if (namespace, kind) not in self._keys:
            items = self._nodes.items(f"/api/v1/namespaces/{namespace}/{kind}")
            self._keys[namespace, kind] = {
                one["metadata"]["name"]: {*(one.get("data") or {}), *(one.get("binaryData") or {})} for one in items
            }
        return self._keys[namespace, kind]


def _references(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, set[str]]]:
    """Kind, name and keys of what a pod cannot start without."""
    for volume in spec.get("volumes", []):
        for source in (volume, *volume.get("projected", {}).get("sources", [])):
            if "configMap" in source:
                yield "configmaps", source["configMap"]["name"], _keys(source["configMap"])
            if "secret" in source:
                name = source["secret"].get("secretName") or source["secret"]["name"]
                yield "secrets", name, _keys(source["secret"])
        if "persistentVolumeClaim" in volume:
            yield "persistentvolumeclaims", volume["persistentVolumeClaim"]["claimName"], set()
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        for variable in container.get("env", []):
            for kind, key in (("configmaps", "configMapKeyRef"), ("secrets", "secretKeyRef")):
                source = variable.get("valueFrom", {}).get(key)
                if source and not source.get("optional"):
                    yield kind, source["name"], {source["key"]}


def _keys(source: Mapping[str, Any]) -> set[str]:
    return {item["key"] for item in source.get("items", [])}


def _role(pod: Pod) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata'].get('labels', {}).get(LABEL, '')}"
