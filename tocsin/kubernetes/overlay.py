"""The kustomization of a site, with its patches: what base and components leave open. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from provisioning.render import PLUGINS
from tocsin.kubernetes.inside import GIT, USERS
from tocsin.kubernetes.site import ClusterSite

TREE_MAP = "tocsin-tree"
GRAFANA_FILES = ("datasources", "dashboards", "alerting")
"""Of Grafana's provisioning."""
Patch = dict[str, Any]


def components(site: ClusterSite) -> list[str]:
    """Names of the components, in the order in which they build on one another."""
    chosen = site.settings.kubernetes
    wanted = {
        "priority-classes": chosen.priority_classes,
        "kafka-strimzi": chosen.kafka == "strimzi",
        "kafka-external": chosen.kafka == "external",
        "kafka-outside": chosen.outside_kafka,
        "elasticsearch-eck": chosen.elasticsearch == "eck",
        "elasticsearch-external": chosen.elasticsearch == "external",
        "single-node": chosen.single_node,
        "epics-host-network": chosen.epics == "host_network",
        "grafana": chosen.grafana,
        "ingress": bool(chosen.ingress_host),
        "phoebus-alarm-logger": bool(chosen.phoebus_alarm_logger),
        "demo-ioc": chosen.demo_ioc,
        "monitoring": chosen.monitoring,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def kustomization(site: ClusterSite, files: Mapping[str, str]) -> dict[str, Any]:
    """Content of `kustomization.yaml`. `files`: those of trees that go into a ConfigMap, key and name of the file in the overlay."""
    chosen = site.settings.kubernetes
    generated: list[dict[str, Any]] = [{"name": "tocsin-settings", "files": ["site.yaml"]}]
    if files:
        generated.append({"name": TREE_MAP, "files": [f"{key}={name}" for key, name in files.items()]})
    if chosen.grafana:
        generated.append({"name": "tocsin-grafana", "files": [f"{name}.yaml=grafana/{name}.yaml" for name in GRAFANA_FILES]})
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": chosen.namespace,
        "resources": [
            f"{site.manifests}/base",
            *(["network.yaml"] if networks(site) else []),
            *(["kafka.yaml"] if chosen.kafka == "strimzi" else []),
        ],
        "components": [f"{site.manifests}/components/{name}" for name in components(site)],
        "configMapGenerator": generated,
        "images": [_image("tocsin", chosen.image), *_logger_image(chosen.phoebus_alarm_logger)],
        "replicas": [
            {"name": "tocsin-engine", "count": chosen.engines},
            {"name": "tocsin-backend", "count": chosen.backends},
            {"name": "tocsin-history", "count": chosen.history_writers},
        ],
        "patches": [*_deployment_patches(site, files), *_value_patches(site)],
    }


def networks(site: ClusterSite) -> list[dict[str, Any]]:
    """Network policies towards what is outside of the cluster."""
    chosen = site.settings.kubernetes
    found = []
    if chosen.epics_networks:
        ports: list[dict[str, Any]] = [
            {"port": 1024, "endPort": 65535, "protocol": "TCP"},  # IOCs choose their own
            *({"port": port, "protocol": "UDP"} for port in (5064, 5065, 5076)),
        ]
        found.append(_policy("tocsin-engine-to-epics", ["engine"], chosen.epics_networks, ports))
    if chosen.git_repository:
        ports = [{"port": port, "protocol": "TCP"} for port in (22, 443)]
        found.append(_policy("tocsin-to-git", ["sync", *(["grafana"] if chosen.grafana else [])], chosen.git_networks, ports))
    return found


def _policy(name: str, roles: Sequence[str], networks: Sequence[str], ports: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "podSelector": {
                "matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": list(roles)}],
            },
            "policyTypes": ["Egress"],
            "egress": [_to(networks, ports)],
        },
    }


def _to(networks: Sequence[str], ports: list[dict[str, Any]]) -> dict[str, Any]:
    return {"to": [{"ipBlock": {"cidr": network}} for network in networks], "ports": ports}


def _image(placeholder: str, image: str) -> dict[str, str]:
    name, at, digest = image.partition("@")
    if at:
        return {"name": placeholder, "newName": name, "digest": digest}
    name, _, tag = image.rpartition(":")
    return {"name": placeholder, "newName": name, "newTag": tag}


def _logger_image(image: str) -> list[dict[str, str]]:
    return [_image("phoebus-alarm-logger", image)] if image else []


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


def _deployment_patches(site: ClusterSite, files: Mapping[str, str]) -> list[Patch]:
    """What depends on the settings in the pods."""
    chosen = site.settings.kubernetes
    patches = []
    if chosen.elasticsearch_access == "user" and not chosen.single_node:
        variable = {"name": "TOCSIN_HISTORY__ELASTICSEARCH__USER", "value": "tocsin-history"}
        patches.append(_merge("tocsin-history", {"containers": [{"name": "history", "env": [variable]}]}))
    if site.settings.auth.users_file is not None:
        mount = {"name": "users", "mountPath": str(USERS.parent), "readOnly": True}
        volume = {"name": "users", "secret": {"secretName": "tocsin-users", "defaultMode": 0o440}}
        patches.append(_merge("tocsin-backend", {"containers": [{"name": "backend", "volumeMounts": [mount]}], "volumes": [volume]}))
    followers = {"tocsin-sync": "sync"} | ({"tocsin-grafana": "dashboards"} if chosen.grafana else {})
    for deployment, container in followers.items():
        if chosen.git_repository:
            arguments = [f"--ref={chosen.git_ref}", f"--repo={chosen.git_repository}"]
            first = "/spec/template/spec/initContainers/0/args/0"
            patches.append(_patch("Deployment", deployment, [_add(first, argument) for argument in arguments]))
        else:
            patches.append(_merge(deployment, _without_git(container, files)))
    if chosen.grafana:
        name, version = PLUGINS["infinity"]
        variable = {"name": "GF_PLUGINS_PREINSTALL_SYNC", "value": f"{name}@{version}"}
        patches.append(_merge("tocsin-grafana", {"containers": [{"name": "grafana", "env": [variable]}]}))
    return patches


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


def _value_patches(site: ClusterSite) -> list[Patch]:
    """What components leave to the site."""
    chosen = site.settings.kubernetes
    patches = []
    for name, networks, ports in (
        ("tocsin-to-kafka", chosen.kafka_networks if chosen.kafka == "external" else (), _kafka_ports(site)),
        ("tocsin-to-elasticsearch", chosen.elasticsearch_networks if chosen.elasticsearch == "external" else (), _elastic_ports(site)),
    ):
        if networks:
            patches.append(_patch("NetworkPolicy", name, [_replace("/spec/egress", [_to(networks, ports)])]))
    if chosen.ingress_host:
        rules = [
            _replace("/spec/ingressClassName", chosen.ingress_class),
            _replace("/spec/tls/0", {"hosts": [chosen.ingress_host], "secretName": chosen.tls_secret}),
            _replace("/spec/rules/0/host", chosen.ingress_host),
        ]
        patches.append(_patch("Ingress", "tocsin", rules))
        patches.append(_from_namespace("tocsin-backend-from-ingress", chosen.ingress_namespace))
    if chosen.monitoring:
        patches.append(_from_namespace("tocsin-from-monitoring", chosen.monitoring_namespace))
        if chosen.git_repository:
            patches.append(_from_namespace("tocsin-git-sync-from-monitoring", chosen.monitoring_namespace))
        else:
            patches.append(_without("monitoring.coreos.com/v1", "PodMonitor", "tocsin-git-sync"))
            patches.append(_without("networking.k8s.io/v1", "NetworkPolicy", "tocsin-git-sync-from-monitoring"))
    if chosen.storage_class:
        patches += _storage(site)
    return patches


def _from_namespace(policy: str, namespace: str) -> Patch:
    label = {"kubernetes.io/metadata.name": namespace}
    return _patch("NetworkPolicy", policy, [_replace("/spec/ingress/0/from/0/namespaceSelector/matchLabels", label)])


def _without(api: str, kind: str, name: str) -> Patch:
    body = {"$patch": "delete", "apiVersion": api, "kind": kind, "metadata": {"name": name}}
    return {"target": {"kind": kind, "name": name}, "patch": body}


def _storage(site: ClusterSite) -> list[Patch]:
    chosen = site.settings.kubernetes
    patches = []
    if chosen.kafka == "strimzi":
        patches.append(_patch("KafkaNodePool", "dual", [_add("/spec/storage/volumes/0/class", chosen.storage_class)]))
    if chosen.elasticsearch == "eck":
        path = "/spec/nodeSets/0/volumeClaimTemplates/0/spec/storageClassName"
        patches.append(_patch("Elasticsearch", "tocsin", [_add(path, chosen.storage_class)]))
    if chosen.grafana:
        patches.append(_patch("PersistentVolumeClaim", "tocsin-grafana", [_add("/spec/storageClassName", chosen.storage_class)]))
    return patches


def _kafka_ports(site: ClusterSite) -> list[dict[str, Any]]:
    found = sorted(
        {int(server.rpartition(":")[2]) for server in site.settings.kafka.servers.split(",") if server.rpartition(":")[2].isdigit()}
    )
    return [{"port": port, "protocol": "TCP"} for port in found or [9092]]


def _elastic_ports(site: ClusterSite) -> list[dict[str, Any]]:
    found = {host.rstrip("/").rpartition(":")[2] for host in site.settings.history.elasticsearch.hosts}
    return [{"port": port, "protocol": "TCP"} for port in sorted(int(text) for text in found if text.isdigit()) or [9200]]
