"""Who may connect to whom, by network policies and by the listeners of Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.k8s.building import Manifest
from tests.k8s.pods import Pod, matches, pods, selected

Flow = tuple[str, str, int]
"""From, to (both by their component), and the port."""


def flows(manifests: Sequence[Manifest], namespace: str) -> set[Flow]:
    """All connections from pods of ours to pods of the namespace that are not refused."""
    every = [pod for pod in pods(manifests) if pod.namespace == namespace]
    policies = [one["spec"] for one in manifests if one["kind"] == "NetworkPolicy" and one["metadata"].get("namespace") == namespace]
    found = set()
    for source in every:
        for target in every:
            if not source.spec or source is target:
                continue
            for port in set(target.ports.values()):
                if _may(policies, "egress", source, target, port) and (
                    _may(policies, "ingress", target, source, port) and _listens(manifests, source, target, port)
                ):
                    found.add((_name(source), _name(target), port))
    return found


def outside(manifests: Sequence[Manifest], namespace: str, direction: str) -> set[tuple[str, str]]:
    """By component: networks (of `egress`) or namespaces (of `ingress`) with which it may have to do."""
    found = set()
    for one in manifests:
        if one["kind"] != "NetworkPolicy" or one["metadata"].get("namespace") != namespace:
            continue
        for pod in selected(one["spec"]["podSelector"], namespace, [pod for pod in pods(manifests) if pod.spec]):
            for rule in one["spec"].get(direction) or []:
                for peer in rule["to" if direction == "egress" else "from"]:
                    if "ipBlock" in peer:
                        found.add((_name(pod), peer["ipBlock"]["cidr"]))
                    if "namespaceSelector" in peer:
                        found.add((_name(pod), peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]))
    return found


def _name(pod: Pod) -> str:
    if not pod.spec:
        return pod.owner.partition(" ")[0].lower()
    return pod.labels["app.kubernetes.io/component"]


def _may(policies: Sequence[Mapping[str, Any]], direction: str, one: Pod, other: Pod, port: int) -> bool:
    mine = [spec for spec in policies if direction.capitalize() in spec["policyTypes"] and matches(spec["podSelector"], one.labels)]
    if not mine:
        return True  # nobody closes it
    return any(port == wanted and peer for spec in mine for wanted, peer in _rules(spec, direction, other))


def _rules(spec: Mapping[str, Any], direction: str, other: Pod) -> Iterator[tuple[int, bool]]:
    for rule in spec.get(direction) or []:
        peers = [
            peer["podSelector"] for peer in rule["to" if direction == "egress" else "from"] if "podSelector" in peer and len(peer) == 1
        ]
        is_meant = any(matches(peer, other.labels) for peer in peers)
        yield from ((port["port"], is_meant) for port in rule["ports"])


def _listens(manifests: Sequence[Manifest], source: Pod, target: Pod, port: int) -> bool:
    """Strimzi makes policies of its pods from the peers of listeners."""
    if not target.owner.startswith("Kafka "):
        return True
    listeners = [
        listener
        for one in manifests
        if one["kind"] == "Kafka" and one["metadata"].get("namespace") == target.namespace
        for listener in one["spec"]["kafka"]["listeners"]
        if listener["port"] == port
    ]
    peers = [peer["podSelector"] for one in listeners for peer in one.get("networkPolicyPeers", []) if list(peer) == ["podSelector"]]
    return any(matches(peer, source.labels) for peer in peers)
