"""Names in manifests that lead somewhere: accounts, secrets, config maps, keys, ports, selectors, services, topics, files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.k8s.building import Manifest, title
from tests.k8s.pods import Pod, matches, pods, selected, sources

ANY = frozenset(["*"])
"""Keys of something whose content nobody here knows."""


class Objects:
    """The objects of an overlay, with those that operators and the site bring."""

    def __init__(self, manifests: Sequence[Manifest], of_the_site: Mapping[str, frozenset[str]]) -> None:
        """`of_the_site`: secrets that are made by hand, with their keys."""
        self.manifests = manifests
        self.pods = pods(manifests)
        self._keys: dict[tuple[str, str, str], frozenset[str]] = {}
        self._of_the_site = of_the_site
        for one in manifests:
            name, namespace = one["metadata"]["name"], one["metadata"].get("namespace", "")
            if one["kind"] in ("ConfigMap", "Secret"):
                keys = {**(one.get("data") or {}), **(one.get("stringData") or {}), **(one.get("binaryData") or {})}
                self._keys[one["kind"], namespace, name] = frozenset(keys)
            for secret, keys_of in _made_by_operators(one).items():
                self._keys["Secret", namespace, secret] = keys_of

    def keys(self, kind: str, namespace: str, name: str) -> frozenset[str] | None:
        """What is in a ConfigMap or Secret; None: there is none."""
        found = self._keys.get((kind, namespace, name))
        return found if found is not None or kind != "Secret" else self._of_the_site.get(name)

    def of(self, kind: str, namespace: str | None = None) -> list[Manifest]:
        """All of a kind."""
        every = [one for one in self.manifests if one["kind"] == kind]
        return every if namespace is None else [one for one in every if one["metadata"].get("namespace", "") == namespace]

    def has(self, kind: str, namespace: str, name: str) -> bool:
        """There is such an object."""
        return any(one["metadata"]["name"] == name for one in self.of(kind, namespace))


def _made_by_operators(one: Manifest) -> dict[str, frozenset[str]]:
    name = one["metadata"]["name"]
    if one["kind"] == "Kafka":
        return {f"{name}-cluster-ca-cert": frozenset(["ca.crt", "ca.p12", "ca.password"])}
    if one["kind"] == "KafkaUser":
        scram = one["spec"]["authentication"]["type"] == "scram-sha-512"
        return {
            name: frozenset(["password", "sasl.jaas.config"] if scram else ["user.crt", "user.key", "ca.crt", "user.p12", "user.password"])
        }
    if one["kind"] == "Elasticsearch":
        return {f"{name}-es-http-certs-public": frozenset(["ca.crt", "tls.crt"]), f"{name}-es-elastic-user": frozenset(["elastic"])}
    return {}


def faults(objects: Objects) -> list[str]:
    """Everything that leads nowhere."""
    found = [f"{title(one)} is there twice" for one in _twins(objects.manifests)]
    for pod in objects.pods:
        if pod.spec:
            found += [f"{pod.owner}: {text}" for text in _pod(pod, objects)]
    for one in objects.manifests:
        check = _CHECKS.get(one["kind"])
        if check is not None:
            found += [f"{title(one)}: {text}" for text in check(one, objects)]
    return found + list(_unused(objects))


def _twins(manifests: Sequence[Manifest]) -> Iterator[Manifest]:
    seen = set()
    for one in manifests:
        key = (one["apiVersion"], title(one))
        if key in seen:
            yield one
        seen.add(key)


def _pod(pod: Pod, objects: Objects) -> Iterator[str]:
    spec, namespace = pod.spec, pod.namespace
    account, priority = spec.get("serviceAccountName", "default"), spec.get("priorityClassName")
    if not objects.has("ServiceAccount", namespace, account):
        yield f"there is no account {account}"
    if priority and not any(one["metadata"]["name"] == priority for one in objects.of("PriorityClass")):
        yield f"there is no priority class {priority}"
    for kind, source, volume in sources(pod):
        name = source.get("secretName") or source.get("name")
        keys = objects.keys(kind, namespace, name)
        if keys is None:
            if not source.get("optional"):
                yield f"volume {volume}: there is no {kind} {name}"
            continue
        for item in source.get("items", []):
            if item["key"] not in keys and keys != ANY:
                yield f"volume {volume}: {kind} {name} has no {item['key']}, only {', '.join(sorted(keys))}"
    yield from _mounts(pod, objects)


def _mounts(pod: Pod, objects: Objects) -> Iterator[str]:
    spec, namespace = pod.spec, pod.namespace
    for name, volume in pod.volumes.items():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim and not objects.has("PersistentVolumeClaim", namespace, claim):
            yield f"volume {name}: there is no claim {claim}"
    mounted = set()
    for one in [*spec.get("initContainers", []), *spec["containers"]]:
        for mount in one.get("volumeMounts", []):
            mounted.add(mount["name"])
            if mount["name"] not in pod.volumes:
                yield f"container {one['name']} mounts {mount['name']}, which is no volume"
        yield from _container(one, pod, objects)
    for name in pod.volumes.keys() - mounted:
        yield f"volume {name} is mounted nowhere"


def _container(one: Mapping[str, Any], pod: Pod, objects: Objects) -> Iterator[str]:
    ports = {port["name"]: port["containerPort"] for port in one.get("ports", [])}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        for way in ("httpGet", "tcpSocket"):
            port = (one.get(probe, {}).get(way) or {}).get("port")
            if port is not None and port not in ports and port not in ports.values():
                yield f"container {one['name']}: {probe} asks port {port}, which it has not"
    for variable in one.get("env", []):
        for kind, key in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
            wanted = (variable.get("valueFrom") or {}).get(key)
            if wanted and not wanted.get("optional"):
                keys = objects.keys(kind, pod.namespace, wanted["name"])
                if keys is None or (wanted["key"] not in keys and keys != ANY):
                    yield f"container {one['name']}: {variable['name']}: there is no {wanted['key']} in {kind} {wanted['name']}"


def _service(one: Manifest, objects: Objects) -> Iterator[str]:
    spec = one["spec"]
    behind = selected({"matchLabels": spec["selector"]}, one["metadata"]["namespace"], objects.pods)
    if not behind:
        yield f"selects no pod: {spec['selector']}"
    for pod in behind:
        for port in spec["ports"]:
            target = port.get("targetPort", port["port"])
            if target not in pod.ports and target not in pod.ports.values():
                yield f"port {port['port']} leads to {target}, which {pod.owner} has not"


def _selector(one: Manifest, objects: Objects) -> Iterator[str]:
    spec = one["spec"]
    selector = spec.get("selector", spec.get("podSelector", {}))
    if not selected(selector, one["metadata"]["namespace"], objects.pods):
        yield f"selects no pod: {selector}"


def _workload(one: Manifest, objects: Objects) -> Iterator[str]:
    spec = one["spec"]
    if not matches(spec["selector"], spec["template"]["metadata"]["labels"]):
        yield "its selector does not mean its own pods"
    others = [pod for pod in selected(spec["selector"], one["metadata"]["namespace"], objects.pods) if pod.owner != title(one)]
    for pod in others:
        yield f"its selector means those of {pod.owner} too"


def _policy(one: Manifest, objects: Objects) -> Iterator[str]:
    yield from _selector(one, objects)
    namespace, spec = one["metadata"]["namespace"], one["spec"]
    mine = selected(spec["podSelector"], namespace, objects.pods)
    for direction, key in (("egress", "to"), ("ingress", "from")):
        for rule in spec.get(direction) or []:
            peers = [peer["podSelector"] for peer in rule.get(key, []) if "podSelector" in peer and "namespaceSelector" not in peer]
            others = [pod for peer in peers for pod in selected(peer, namespace, objects.pods)]
            if any(not selected(peer, namespace, objects.pods) for peer in peers):
                yield f"{direction}: a peer is no pod of {namespace}: {peers}"
            listening = others if direction == "egress" else mine
            known = {number for pod in listening for number in pod.ports.values()}
            for port in rule.get("ports", []) if listening else []:
                if "endPort" not in port and port["port"] not in known:
                    yield f"{direction}: nobody there listens on {port['port']}, only on {sorted(known)}"


def _ingress(one: Manifest, objects: Objects) -> Iterator[str]:
    namespace = one["metadata"]["namespace"]
    for rule in one["spec"]["rules"]:
        if not any(rule["host"] in tls["hosts"] for tls in one["spec"].get("tls", [])):
            yield f"{rule['host']} has no certificate"
        for path in rule["http"]["paths"]:
            wanted = path["backend"]["service"]
            services = [one for one in objects.of("Service", namespace) if one["metadata"]["name"] == wanted["name"]]
            ports = [port for service in services for port in service["spec"]["ports"]]
            if not any(port.get("name") == wanted["port"].get("name") or port["port"] == wanted["port"].get("number") for port in ports):
                yield f"there is no service {wanted['name']} with port {wanted['port']}"
    for tls in one["spec"].get("tls", []):
        if objects.keys("Secret", namespace, tls["secretName"]) is None:
            yield f"there is no secret {tls['secretName']}"


def _monitor(one: Manifest, objects: Objects) -> Iterator[str]:
    namespace, spec = one["metadata"]["namespace"], one["spec"]
    if one["kind"] == "PodMonitor":
        found = [pod.ports for pod in selected(spec["selector"], namespace, objects.pods)]
    else:
        services = [each for each in objects.of("Service", namespace) if matches(spec["selector"], each["metadata"].get("labels", {}))]
        found = [{port["name"]: port["port"] for port in each["spec"]["ports"]} for each in services]
    if not found:
        yield f"selects nothing: {spec['selector']}"
    for end in spec.get("endpoints", spec.get("podMetricsEndpoints", [])):
        token = end.get("authorization", {}).get("credentials")
        if token and token["key"] not in (objects.keys("Secret", namespace, token["name"]) or ()):
            yield f"there is no {token['key']} in secret {token['name']}"
        if any(end["port"] not in ports for ports in found):
            yield f"what it selects has no port {end['port']}"


def _topic(one: Manifest, objects: Objects) -> Iterator[str]:
    namespace, spec = one["metadata"]["namespace"], one["spec"]
    cluster = one["metadata"]["labels"].get("strimzi.io/cluster")
    if not objects.has("Kafka", namespace, str(cluster)):
        yield f"there is no Kafka {cluster}"
    brokers = sum(pool["spec"]["replicas"] for pool in objects.of("KafkaNodePool", namespace) if "broker" in pool["spec"]["roles"])
    if spec["replicas"] > brokers:
        yield f"{spec['replicas']} copies on {brokers} brokers"
    if int(spec.get("config", {}).get("min.insync.replicas", 1)) > spec["replicas"]:
        yield "never as many copies as have to be written"
    names = [each["spec"]["topicName"] for each in objects.of("KafkaTopic", namespace)]
    if names.count(spec["topicName"]) > 1:
        yield f"the topic {spec['topicName']} has another object"


def _user(one: Manifest, objects: Objects) -> Iterator[str]:
    namespace, spec = one["metadata"]["namespace"], one["spec"]
    topics = {each["spec"]["topicName"] for each in objects.of("KafkaTopic", namespace)}
    for acl in spec["authorization"]["acls"]:
        resource = acl["resource"]
        if resource["type"] == "topic" and (resource["patternType"] != "literal" or resource["name"] not in topics):
            yield f"has a right on {resource['name']}, which is no topic"
    ways = [
        listener["authentication"]["type"] for kafka in objects.of("Kafka", namespace) for listener in kafka["spec"]["kafka"]["listeners"]
    ]
    if spec["authentication"]["type"] not in ways:
        yield f"no listener takes {spec['authentication']['type']}"


def _elasticsearch(one: Manifest, objects: Objects) -> Iterator[str]:
    namespace, spec = one["metadata"]["namespace"], one["spec"]
    auth = spec.get("auth") or {}
    wanted = [*auth.get("fileRealm", []), *auth.get("roles", []), *(spec.get("secureSettings") or [])]
    for secret in wanted:
        if objects.keys("Secret", namespace, secret["secretName"]) is None:
            yield f"there is no secret {secret['secretName']}"


def _unused(objects: Objects) -> Iterator[str]:
    """What nobody asks for is a name that was mistyped elsewhere, or forgotten."""
    used: dict[str, set[str]] = defaultdict(set)
    for pod in objects.pods:
        for kind, source, _ in sources(pod) if pod.spec else ():
            used[pod.namespace].add(f"{kind} {source.get('secretName') or source.get('name')}")
    for one in objects.of("Elasticsearch"):
        auth = one["spec"].get("auth") or {}
        used[one["metadata"]["namespace"]] |= {
            f"Secret {each['secretName']}" for each in [*auth.get("roles", []), *auth.get("fileRealm", [])]
        }
    for kind in ("ConfigMap", "Secret"):
        for one in objects.of(kind):
            if f"{kind} {one['metadata']['name']}" not in used[one["metadata"].get("namespace", "")]:
                yield f"{title(one)} is used by nobody"


_CHECKS = {
    "Service": _service,
    "Deployment": _workload,
    "PodDisruptionBudget": _selector,
    "NetworkPolicy": _policy,
    "Ingress": _ingress,
    "ServiceMonitor": _monitor,
    "PodMonitor": _monitor,
    "KafkaTopic": _topic,
    "KafkaUser": _user,
    "Elasticsearch": _elasticsearch,
}
