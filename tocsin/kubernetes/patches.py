"""Patches of an overlay: what base and components leave to the site. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from provisioning.render import PLUGINS
from tocsin.kubernetes.inside import GIT, USERS
from tocsin.kubernetes.kafka import PORT
from tocsin.kubernetes.site import ClusterSite
from tocsin.kubernetes.sizes import size_for

TREE_MAP = "tocsin-tree"
Patch = dict[str, Any]
_GIT_USER = 65533
"""That of the image of git-sync: ssh serves nobody whom the image does not know."""
ROLES = {"tocsin-engine": "engine", "tocsin-backend": "backend", "tocsin-history": "history", "tocsin-sync": "sync"}
"""Deployments of ours, and the container in each."""


def patches(site: ClusterSite, files: Mapping[str, str]) -> list[Patch]:
    """All of them. `files`: those of trees that go into a ConfigMap, key and name of the file in the overlay."""
    return [*_deployments(site, files), *_networks(site), *_kafka(site), *_ingresses(site), *_monitoring(site), *_storage(site)]


def to_networks(networks: Sequence[str], ports: list[dict[str, Any]]) -> dict[str, Any]:
    """A rule of a network policy: out to these."""
    return {"to": [{"ipBlock": {"cidr": network}} for network in networks], "ports": ports}


def is_ssh(repository: str) -> bool:
    """A repository is reached by ssh: ssh://host/path or user@host:path."""
    return repository.startswith("ssh://") or "://" not in repository


def git_port(repository: str) -> int:
    """Where the server of a repository listens."""
    if "://" not in repository:
        return 22
    url = urlsplit(repository)
    return url.port or {"ssh": 22, "http": 80}.get(url.scheme, 443)


def _patch(kind: str, name: str, operations: list[dict[str, Any]]) -> Patch:
    """A JSON patch; text, as kustomize wants it, is made of it when it is written."""
    return {"target": {"kind": kind, "name": name}, "patch": operations}


def _add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def _replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def _merge(deployment: str, pod: dict[str, Any]) -> Patch:
    """A patch that is merged into a Deployment: lists by the names of their entries."""
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": deployment},
        "spec": {"template": {"spec": pod}},
    }
    return {"target": {"kind": "Deployment", "name": deployment}, "patch": body}


def _deployments(site: ClusterSite, files: Mapping[str, str]) -> Iterator[Patch]:
    """What depends on the settings in the pods."""
    chosen = site.settings.kubernetes
    if chosen.elasticsearch_access == "user" and not chosen.single_node:
        variable = {"name": "TOCSIN_HISTORY__ELASTICSEARCH__USER", "value": "tocsin-history"}
        yield _merge("tocsin-history", {"containers": [{"name": "history", "env": [variable]}]})
    yield from _kafka_users(site)
    if site.settings.auth.users_file is not None:
        mount = {"name": "users", "mountPath": str(USERS.parent), "readOnly": True}
        volume = {"name": "users", "secret": {"secretName": "tocsin-users", "defaultMode": 0o440}}
        yield _merge("tocsin-backend", {"containers": [{"name": "backend", "volumeMounts": [mount]}], "volumes": [volume]})
    for deployment, resources in size_for(chosen.alarms).items():
        yield _merge(deployment, {"containers": [{"name": ROLES[deployment], "resources": resources}]})
    followers = {"tocsin-sync": "sync"} | ({"tocsin-grafana": "dashboards"} if chosen.grafana else {})
    for deployment, container in followers.items():
        yield _with_git(site, deployment) if chosen.git_repository else _merge(deployment, _without_git(container, files))
    if chosen.grafana:
        name, version = PLUGINS["infinity"]
        variables = [{"name": "GF_PLUGINS_PREINSTALL_SYNC", "value": f"{name}@{version}"}]
        if chosen.grafana_host:
            variables.append({"name": "GF_SERVER_ROOT_URL", "value": f"https://{chosen.grafana_host}/"})
        yield _merge("tocsin-grafana", {"containers": [{"name": "grafana", "env": variables}]})


def _kafka_users(site: ClusterSite) -> Iterator[Patch]:
    """A Kafka of the site knows each role by a name of its own, so each has only the rights that it needs."""
    chosen, user = site.settings.kubernetes, site.settings.kafka.user
    if chosen.kafka != "external" or site.is_guest or not user or chosen.kafka_users == "one":
        return
    for deployment, role in ROLES.items():
        variable = {"name": "TOCSIN_KAFKA__USER", "value": f"{user}-{role}"}
        yield _merge(deployment, {"containers": [{"name": role, "env": [variable]}]})
    if chosen.restore:
        container = "/spec/jobTemplate/spec/template/spec/containers/0/env"
        yield _patch("CronJob", "tocsin-restore", [_add(container, [{"name": "TOCSIN_KAFKA__USER", "value": f"{user}-restore"}])])


def _with_git(site: ClusterSite, deployment: str) -> Patch:
    """Which repository, and who we are there; what stands last here comes first there."""
    chosen = site.settings.kubernetes
    container = "/spec/template/spec/initContainers/0"
    if is_ssh(chosen.git_repository):
        known = ["--ssh-known-hosts-file=/etc/git-secret/known_hosts", "--ssh-key-file=/etc/git-secret/ssh"]
        operations = [_add(f"{container}/securityContext/runAsUser", _GIT_USER)]
    else:
        known, operations = ["--password-file=/etc/git-secret/token", "--username=git"], []
    arguments = [*known, f"--ref={chosen.git_ref}", f"--repo={chosen.git_repository}"]
    return _patch("Deployment", deployment, [*operations, *(_add(f"{container}/args/0", argument) for argument in arguments)])


def _without_git(container: str, files: Mapping[str, str]) -> dict[str, Any]:
    """The files come from a ConfigMap, which is where the link of git-sync would be."""
    items = [{"key": key, "path": name.removeprefix("tree/")} for key, name in files.items()]
    return {
        "initContainers": [{"name": "git-sync", "$patch": "delete"}],
        "containers": [
            {
                "name": container,
                "volumeMounts": [
                    {"mountPath": str(GIT.parent), "$patch": "delete"},
                    {"name": "git", "mountPath": str(GIT), "readOnly": True},
                ],
            }
        ],
        "volumes": [
            {"name": "git", "emptyDir": None, "configMap": {"name": TREE_MAP, "items": items}},
            {"name": "git-tmp", "$patch": "delete"},
            {"name": "git-secret", "$patch": "delete"},
        ],
    }


def _networks(site: ClusterSite) -> Iterator[Patch]:
    """Where names are resolved, and where servers of the site are."""
    chosen = site.settings.kubernetes
    if chosen.dns_networks:
        ports = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
        yield _patch("NetworkPolicy", "tocsin-names", [_add("/spec/egress/-", to_networks(chosen.dns_networks, ports))])
    rules = []
    if chosen.kafka == "external" and chosen.kafka_networks and not site.is_guest:
        rules.append(to_networks(chosen.kafka_networks, _kafka_ports(site)))
    if site.is_guest:
        brokers = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": chosen.kafka_namespace}},
            "podSelector": {"matchLabels": {"strimzi.io/cluster": "tocsin", "strimzi.io/kind": "Kafka"}},
        }
        rules.append({"to": [brokers], "ports": [{"port": PORT, "protocol": "TCP"}]})
    if rules:
        yield _patch("NetworkPolicy", "tocsin-to-kafka", [_replace("/spec/egress", rules)])
    if chosen.elasticsearch == "eck":
        yield _from_namespace("tocsin-elasticsearch", chosen.elastic_namespace, peer=1)
    if chosen.elasticsearch == "external" and chosen.elasticsearch_networks:
        rule = to_networks(chosen.elasticsearch_networks, _elastic_ports(site))
        yield _patch("NetworkPolicy", "tocsin-to-elasticsearch", [_replace("/spec/egress", [rule])])


def _kafka(site: ClusterSite) -> Iterator[Patch]:
    """Who else reaches our brokers, and whether zones are known."""
    chosen = site.settings.kubernetes
    if chosen.kafka == "strimzi":
        guests = [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "tocsin"}},
            }
            for namespace in chosen.kafka_guests
        ]
        # An engine in the network of its node comes from the address of the node: no label of a pod is known there.
        nodes = [{"ipBlock": {"cidr": network}} for network in chosen.node_networks] if chosen.epics == "host_network" else []
        peers = [("0", peer) for peer in (*guests, *nodes)] + [("1", peer) for peer in guests]
        operations = [_add(f"/spec/kafka/listeners/{number}/networkPolicyPeers/-", peer) for number, peer in peers]
        if not chosen.zones and not chosen.single_node:
            operations.append({"op": "remove", "path": "/spec/kafka/rack"})
        if operations:
            yield _patch("Kafka", "tocsin", operations)
    if chosen.elasticsearch == "eck" and not chosen.zones and not chosen.single_node:
        yield _patch("Elasticsearch", "tocsin", [{"op": "remove", "path": "/spec/nodeSets/0/zoneAwareness"}])


def _ingresses(site: ClusterSite) -> Iterator[Patch]:
    chosen = site.settings.kubernetes
    for name, policy, host, secret in (
        ("tocsin", "tocsin-backend-from-ingress", chosen.ingress_host, chosen.tls_secret),
        ("tocsin-grafana", "tocsin-grafana-from-ingress", chosen.grafana_host, chosen.grafana_tls_secret),
    ):
        if host:
            rules = [
                _replace("/spec/ingressClassName", chosen.ingress_class),
                _replace("/spec/tls/0", {"hosts": [host], "secretName": secret}),
                _replace("/spec/rules/0/host", host),
            ]
            yield _patch("Ingress", name, rules)
            yield _from_namespace(policy, chosen.ingress_namespace)


def _monitoring(site: ClusterSite) -> Iterator[Patch]:
    chosen = site.settings.kubernetes
    if not chosen.monitoring:
        return
    yield _from_namespace("tocsin-from-monitoring", chosen.monitoring_namespace)
    if not site.settings.auth.open_reading:
        token = {"type": "Bearer", "credentials": {"name": "tocsin-monitoring", "key": "token"}}
        yield _patch("ServiceMonitor", "tocsin-backend", [_add("/spec/endpoints/0/authorization", token)])
    if chosen.git_repository:
        yield _from_namespace("tocsin-git-sync-from-monitoring", chosen.monitoring_namespace)
    else:
        yield _without("monitoring.coreos.com/v1", "PodMonitor", "tocsin-git-sync")
        yield _without("networking.k8s.io/v1", "NetworkPolicy", "tocsin-git-sync-from-monitoring")


def _from_namespace(policy: str, namespace: str, peer: int = 0) -> Patch:
    label = {"kubernetes.io/metadata.name": namespace}
    return _patch("NetworkPolicy", policy, [_replace(f"/spec/ingress/0/from/{peer}/namespaceSelector/matchLabels", label)])


def _without(api: str, kind: str, name: str) -> Patch:
    body = {"$patch": "delete", "apiVersion": api, "kind": kind, "metadata": {"name": name}}
    return {"target": {"kind": kind, "name": name}, "patch": body}


def _storage(site: ClusterSite) -> Iterator[Patch]:
    chosen = site.settings.kubernetes
    if not chosen.storage_class:
        return
    if chosen.kafka == "strimzi":
        yield _patch("KafkaNodePool", "dual", [_add("/spec/storage/volumes/0/class", chosen.storage_class)])
    if chosen.elasticsearch == "eck":
        path = "/spec/nodeSets/0/volumeClaimTemplates/0/spec/storageClassName"
        yield _patch("Elasticsearch", "tocsin", [_add(path, chosen.storage_class)])
    if chosen.grafana:
        yield _patch("PersistentVolumeClaim", "tocsin-grafana", [_add("/spec/storageClassName", chosen.storage_class)])


def _kafka_ports(site: ClusterSite) -> list[dict[str, Any]]:
    found = sorted(
        {int(server.rpartition(":")[2]) for server in site.settings.kafka.servers.split(",") if server.rpartition(":")[2].isdigit()}
    )
    return [{"port": port, "protocol": "TCP"} for port in found or [9092]]


def _elastic_ports(site: ClusterSite) -> list[dict[str, Any]]:
    found = {host.rstrip("/").rpartition(":")[2] for host in site.settings.history.elasticsearch.hosts}
    return [{"port": port, "protocol": "TCP"} for port in sorted(int(text) for text in found if text.isdigit()) or [9200]]
