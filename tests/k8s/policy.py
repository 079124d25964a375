"""What is asked of every pod beyond what Kubernetes accepts. Each exception is named, with its reason.

checkov 3.3 finds nothing else than these exceptions, but for three things that are meant so: images by tag (a site names the digest), no
pull policy of Always (a node must start an engine while the registry is away), and no limit of the processor (see `throttled`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.k8s.building import Manifest, title
from tests.k8s.pods import Pod, pods, selected

STOP_S = 20
"""Longest time that a process of ours takes to end; tests of the system wait for that long."""

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("secret in environment", "tocsin-grafana"): "Grafana expands the token of a datasource from its environment only",
    ("no liveness probe", "tocsin-grafana/dashboards"): "it serves nothing, and ends by itself when it cannot go on",
    ("no readiness probe", "tocsin-grafana/dashboards"): "nobody asks it anything",
    ("no readiness probe", "git-sync"): "the sync waits for it by its startup probe; afterwards nobody asks it anything",
    ("one replica", "tocsin-grafana"): "its database is one file; pages of tocsin do not need it",
    ("one replica", "tocsin-sync"): "two with different files would write against each other; engines go on without it",
    ("one replica", "tocsin-demo-ioc"): "a demo",
    ("one replica", "tocsin-phoebus-alarm-logger"): "with one partition a second one would idle",
    ("no budget for disruptions", "tocsin-grafana"): "see above: a drain may interrupt it",
    ("no budget for disruptions", "tocsin-demo-ioc"): "a demo",
    ("no budget for disruptions", "tocsin-phoebus-alarm-logger"): "it goes on where it ended",
    ("not restricted", "tocsin-gateway"): "broadcasts of IOCs are heard in the network of the node only; it has a namespace of its own",
    ("network of the node", "tocsin-gateway"): "see above",
    ("port of the node", "tocsin-gateway"): "see above",
    ("user below 10000", "tocsin-grafana"): "the user of its image, who owns its files",
}

Fault = tuple[str, str, str]
"""Rule, object, and what there is to say."""


def faults(manifests: Sequence[Manifest]) -> list[Fault]:
    """All faults, also those that are excepted."""
    every = pods(manifests)
    restricted = {
        one["metadata"]["name"]: one["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce")
        for one in manifests
        if one.get("kind") == "Namespace"
    }
    found: list[Fault] = [("not restricted", name, f"namespace is {level}") for name, level in restricted.items() if level != "restricted"]
    for pod in every:
        if pod.spec:
            found += _pod(pod)
            found += _set(pod, manifests)
            found += _network(pod, manifests)
    for manifest in manifests:
        found += _object(manifest)
        found += _operators(manifest)
    return found


def unexcepted(found: Iterable[Fault]) -> list[str]:
    """As sentences, without those for which there is a reason."""
    return [f"{rule}: {name}: {text}" for rule, name, text in found if (rule, name) not in EXCEPTIONS]


def _short(owner: str) -> str:
    return owner.rpartition("/")[2]


def _pod(pod: Pod) -> Iterator[Fault]:
    name, spec = _short(pod.owner), pod.spec
    security = spec.get("securityContext", {})
    if security.get("runAsNonRoot") is not True:
        yield "may be root", name, "expected runAsNonRoot: true"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "system calls", name, "expected seccompProfile RuntimeDefault"
    if not isinstance(security.get("runAsUser"), int) or security["runAsUser"] < 10_000:
        yield "user below 10000", name, f"runAsUser is {security.get('runAsUser')}"
    if spec.get("automountServiceAccountToken") is not False or spec.get("serviceAccountName") in (None, "default"):
        yield "rights in the cluster", name, "expected an account of its own, and no token of it"
    if spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC"):
        yield "network of the node", name, "hostNetwork, hostPID or hostIPC"
    if not spec.get("priorityClassName"):
        yield "no priority", name, "expected a priority class"
    if spec.get("enableServiceLinks") is not False:
        yield "strange variables", name, "Kubernetes would set TOCSIN_... for each service, and those are settings"
    for volume in spec.get("volumes", []):
        if "hostPath" in volume:
            yield "files of the node", name, f"volume {volume['name']}"
        if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
            yield "unlimited volume", name, f"volume {volume['name']}"
        if "secret" in volume and volume["secret"].get("defaultMode", 0o644) & 0o007:
            yield "secret for everybody", name, f"volume {volume['name']}: expected mode 0440"
    for one in [*spec.get("initContainers", []), *spec["containers"]]:
        yield from _container(name, one, spec)


def _container(pod: str, one: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Fault]:
    name = f"{pod}/{one['name']}"
    security = one.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "privileges", name, "expected allowPrivilegeEscalation: false"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "writable files", name, "expected readOnlyRootFilesystem: true"
    if security.get("capabilities", {}).get("drop") != ["ALL"] or security.get("capabilities", {}).get("add"):
        yield "capabilities", name, "expected to drop all of them"
    resources = one.get("resources", {})
    if not {"cpu", "memory"} <= resources.get("requests", {}).keys() or "memory" not in resources.get("limits", {}):
        yield "resources", name, "expected requests of cpu and memory, and a limit of memory"
    if "cpu" in resources.get("limits", {}):
        yield "throttled", name, "a limit of cpu makes an engine look as if it hangs"
    if not re.search(r"(:(?!latest$|VERSION$)[\w.-]+|@sha256:[0-9a-f]{64})$", one["image"]):
        yield "version of the image", name, f"{one['image']}: expected a tag that is no placeholder, or a digest"
    yield from _ways_in(pod, one, spec)
    yield from _ends(pod, one, spec)


def _ways_in(pod: str, one: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Fault]:
    """Ports of the node, secrets in the environment."""
    if any("hostPort" in port for port in one.get("ports", [])) and not (spec.get("hostNetwork") and pod == "tocsin-engine"):
        yield "port of the node", pod, "hostPort"
    if any("secretKeyRef" in (variable.get("valueFrom") or {}) for variable in one.get("env", [])):
        yield "secret in environment", pod, f"container {one['name']}: expected a file"


def _ends(pod: str, one: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Fault]:
    """Probes, and the time to stop."""
    name = f"{pod}/{one['name']}"
    short = "git-sync" if one["name"] == "git-sync" else name
    runs_on = spec.get("restartPolicy") != "Never"
    for probe in ("liveness", "readiness"):
        if runs_on and f"{probe}Probe" not in one:
            yield f"no {probe} probe", short, "expected one"
    liveness = one.get("livenessProbe", {}).get("httpGet", {}).get("path", "/healthz")
    if one["image"].partition(":")[0].endswith("tocsin") and liveness != "/healthz":
        yield "restarts for others", name, f"liveness asks {liveness}: it must not depend on Kafka, Elasticsearch or IOCs"
    sleep_s = one.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if one["image"].partition(":")[0].endswith("tocsin") and pod != "tocsin-demo-ioc":
        grace_s = spec.get("terminationGracePeriodSeconds", 30)
        if sleep_s + STOP_S >= grace_s:
            yield "killed while it stops", name, f"{sleep_s} s of sleep and {STOP_S} s to end, and {grace_s} s are given"


def _set(pod: Pod, manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """What holds of all pods of a workload together."""
    name = _short(pod.owner)
    if pod.spec.get("restartPolicy") == "Never":
        return
    if pod.replicas < 2:
        yield "one replica", name, f"{pod.replicas}"
    elif not pod.spec.get("topologySpreadConstraints") and not pod.spec.get("hostNetwork"):
        yield "not spread", name, "expected topologySpreadConstraints"
    yield from _rollout(pod, manifests)
    budgets = [
        one
        for one in manifests
        if one.get("kind") == "PodDisruptionBudget"
        and one["metadata"].get("namespace") == pod.namespace
        and selected(one["spec"]["selector"], pod.namespace, [pod])
    ]
    if not budgets:
        yield "no budget for disruptions", name, "expected a PodDisruptionBudget"
    for budget in budgets:
        if budget["spec"].get("maxUnavailable") in (None, 0):
            yield "holds up drains", name, f"{title(budget)}: expected maxUnavailable of 1"


def _rollout(pod: Pod, manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """A new pod is ready before an old one goes, where both can be there."""
    for one in manifests:
        strategy = one["spec"].get("strategy", {}) if title(one) == pod.owner and one.get("kind") == "Deployment" else {}
        if pod.replicas > 1 and strategy and not pod.spec.get("hostNetwork"):
            rolling = strategy.get("rollingUpdate", {})
            if strategy.get("type") != "RollingUpdate" or rolling.get("maxUnavailable") != 0:
                yield "gap in a rollout", _short(pod.owner), "expected RollingUpdate with maxUnavailable: 0"


def _network(pod: Pod, manifests: Sequence[Manifest]) -> Iterator[Fault]:
    if pod.spec.get("hostNetwork"):
        return
    policies = [
        one["spec"] for one in manifests if one.get("kind") == "NetworkPolicy" and one["metadata"].get("namespace") == pod.namespace
    ]
    closed = {kind for spec in policies if selected(spec["podSelector"], pod.namespace, [pod]) for kind in spec.get("policyTypes", [])}
    if closed != {"Ingress", "Egress"}:
        yield "open network", _short(pod.owner), "no policy closes it in both directions"


def _object(manifest: Manifest) -> Iterator[Fault]:
    name, kind = manifest["metadata"]["name"], manifest.get("kind", "")
    if kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"):
        yield "rights in the cluster", name, f"a {kind}: none of ours asks the API"
    if kind == "NetworkPolicy":
        spec = manifest["spec"]
        for direction, key in (("egress", "to"), ("ingress", "from")):
            if any(not rule.get(key) or not rule.get("ports") for rule in spec.get(direction) or []):
                yield "open network", name, f"a rule of {direction} without {key} or without ports allows all"


def _operators(manifest: Manifest) -> Iterator[Fault]:
    """Pods that operators make come into a restricted namespace too: what their templates do not say, would be refused there."""
    name, kind, spec = manifest["metadata"]["name"], manifest.get("kind"), manifest.get("spec", {})
    parts: dict[str, tuple[Any, list[Any]]] = {}
    if kind == "KafkaNodePool":
        template = spec["template"]
        parts["brokers"] = (template.get("pod"), [template.get("kafkaContainer"), template.get("initContainer")])
    elif kind == "Kafka":
        template = spec["entityOperator"]["template"]
        parts["entity operator"] = (template.get("pod"), [template.get(f"{one}OperatorContainer") for one in ("topic", "user")])
    elif kind == "Elasticsearch":
        for nodes in spec["nodeSets"]:
            pod = nodes["podTemplate"]["spec"]
            parts[nodes["name"]] = (pod, pod["containers"])
    for part, (pod, containers) in parts.items():
        security = (pod or {}).get("securityContext", {})
        if security.get("runAsNonRoot") is not True or security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield "refused by the namespace", name, f"{part}: expected runAsNonRoot and a seccompProfile"
        for one in containers:
            rights = (one or {}).get("securityContext", {})
            if rights.get("allowPrivilegeEscalation") is not False or rights.get("capabilities", {}).get("drop") != ["ALL"]:
                yield "refused by the namespace", name, f"{part}: a container may escalate or keeps capabilities"
        if not (pod or {}).get("priorityClassName"):
            yield "no priority", name, f"{part}: expected a priority class"
