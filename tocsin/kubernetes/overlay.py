"""The kustomization of a site: which components, and what they leave open. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tocsin.kubernetes.patches import TREE_MAP, git_port, patches, to_networks
from tocsin.kubernetes.site import ClusterSite

GRAFANA_FILES = ("datasources", "dashboards", "alerting")
"""Of Grafana's provisioning."""


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
        "restore": chosen.restore and bool(site.ours),
        "single-node": chosen.single_node,
        "epics-host-network": chosen.epics == "host_network",
        "grafana": chosen.grafana,
        "ingress": bool(chosen.ingress_host),
        "grafana-ingress": bool(chosen.grafana_host),
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
            *(["alerts.yaml"] if chosen.monitoring else []),
        ],
        "components": [f"{site.manifests}/components/{name}" for name in components(site)],
        "configMapGenerator": generated,
        "images": [_image("tocsin", chosen.image), *_logger_image(chosen.phoebus_alarm_logger)],
        "replicas": [
            {"name": "tocsin-engine", "count": chosen.engines},
            {"name": "tocsin-backend", "count": chosen.backends},
            {"name": "tocsin-history", "count": chosen.history_writers},
        ],
        "patches": patches(site, files),
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
        ports = [{"port": git_port(chosen.git_repository), "protocol": "TCP"}]
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
            "egress": [to_networks(networks, ports)],
        },
    }


def _image(placeholder: str, image: str) -> dict[str, str]:
    name, at, digest = image.partition("@")
    if at:
        return {"name": placeholder, "newName": name, "digest": digest}
    name, _, tag = image.rpartition(":")
    return {"name": placeholder, "newName": name, "newTag": tag}


def _logger_image(image: str) -> list[dict[str, str]]:
    return [_image("phoebus-alarm-logger", image)] if image else []
