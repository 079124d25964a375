"""The settings as the pods have them: those of the site, with the addresses and files of the cluster. Pure."""

from __future__ import annotations

import copy
from pathlib import PurePosixPath
from typing import Any

from alarm_engine.errors import SettingsError
from tocsin.kubernetes import kafka
from tocsin.kubernetes.site import ClusterSite, SiteConfiguration
from tocsin.settings_sections import KafkaSection

SETTINGS = PurePosixPath("/etc/tocsin")
"""Where `site.yaml` is in a pod, and `users.yaml` where there is one."""
USERS = PurePosixPath("/etc/tocsin-users/users.yaml")
GIT = PurePosixPath("/git/current")
"""The link that git-sync turns, or the ConfigMap with the files."""
KAFKA = PurePosixPath("/etc/tocsin-kafka")
ELASTICSEARCH = PurePosixPath("/etc/tocsin-elasticsearch")
BACKEND = "tocsin-backend"
BACKEND_PORT, HEALTH_PORT = 8080, 8081
_SESSION_S = 2.5
"""Brokers of our own accept less than the default of others."""


def settings_inside(site: ClusterSite) -> dict[str, Any]:
    """Content of `site.yaml` in the pods; raises `SettingsError`."""
    data = copy.deepcopy(dict(site.raw))
    for name in ("kubernetes", "store"):
        data.pop(name, None)
    data["configurations"] = [_configuration(site, one, given) for one, given in zip(site.configurations, _given(data), strict=True)]
    data["journal"] = "kafka"
    data["kafka"] = _kafka(site, dict(data.get("kafka") or {}))
    data["history"] = _history(site, dict(data.get("history") or {}))
    data["backend"] = _backend(site, dict(data.get("backend") or {}))
    data["health"] = {"host": "0.0.0.0", "port": HEALTH_PORT}
    data["log"] = {**(data.get("log") or {}), "form": "json"}
    if site.settings.auth.users_file is not None:
        data["auth"] = {**(data.get("auth") or {}), "users_file": str(USERS)}
    data["dashboards"] = _dashboards(site, dict(data.get("dashboards") or {}))
    return data


def _given(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(one) for one in data["configurations"]]


def _configuration(site: ClusterSite, one: SiteConfiguration, given: dict[str, Any]) -> dict[str, Any]:
    """With a name, since only the pod of the sync has files, and with the file as that pod has it."""
    found = {"name": one.name, **{key: value for key, value in given.items() if key not in ("name", "tree")}}
    if "tree" not in given:
        return found
    tree = PurePosixPath(str(given["tree"]))
    chosen = site.settings.kubernetes
    if not chosen.git_repository:
        return found | {"tree": str(GIT / one.name / tree.name)}
    if tree.is_absolute() or ".." in (*tree.parts, *PurePosixPath(chosen.git_directory).parts):
        raise SettingsError(
            f"configurations: {one.name}: tree {str(tree)!r}: in a cluster it comes from git; expected a name below the settings file"
        )
    return found | {"tree": str(GIT / chosen.git_directory / tree)}


def _kafka(site: ClusterSite, data: dict[str, Any]) -> dict[str, Any]:
    chosen = site.settings.kubernetes
    if site.is_guest and site.settings.kafka.prefix == KafkaSection().prefix:
        raise SettingsError(
            f"kubernetes.kafka_namespace is {chosen.kafka_namespace!r} and kafka.prefix is not given: groups of both sites would have the "
            f"same names; give one of this site, as {site.settings.cell}-"
        )
    if chosen.kafka == "external" and not site.is_guest:
        if not site.settings.kafka.servers:
            raise SettingsError("kubernetes.kafka is 'external' and kafka.servers is missing: give host:port of the brokers")
        files = {
            "ca_file": KAFKA / "ca/ca.crt",
            "certificate_file": KAFKA / "user/user.crt",
            "key_file": KAFKA / "user/user.key",
            "key_password_file": KAFKA / "user/key_password",
            "password_file": KAFKA / "user/password",
        }
        return data | {name: str(path) for name, path in files.items() if name in data}
    for name in ("user", "password_file", "mechanism", "key_password_file"):
        data.pop(name, None)
    return (
        {"session_s": _SESSION_S}
        | data
        | {
            "servers": f"{kafka.BOOTSTRAP}.{chosen.kafka_namespace or chosen.namespace}.svc:{kafka.PORT}",
            "tls": True,
            "ca_file": str(KAFKA / "ca/ca.crt"),
            "certificate_file": str(KAFKA / "user/user.crt"),
            "key_file": str(KAFKA / "user/user.key"),
            "replication_factor": site.copies,
        }
    )


def _history(site: ClusterSite, data: dict[str, Any]) -> dict[str, Any]:
    chosen = site.settings.kubernetes
    elastic = dict(data.get("elasticsearch") or {})
    for name in ("user", "password_file", "api_key_file"):
        elastic.pop(name, None)
    if chosen.elasticsearch_access == "api_key":
        elastic["api_key_file"] = str(ELASTICSEARCH / "user/api_key")
    else:
        elastic["user"] = "elastic" if chosen.single_node else "tocsin-backend"  # the writer has its own by its environment
        elastic["password_file"] = str(ELASTICSEARCH / "user/password")
    if chosen.elasticsearch == "eck":
        elastic["hosts"] = [f"https://tocsin-es-http.{chosen.namespace}.svc:9200"]
        elastic["ca_file"] = str(ELASTICSEARCH / "ca/ca.crt")
    elif not elastic.get("hosts"):
        raise SettingsError("kubernetes.elasticsearch is 'external' and history.elasticsearch.hosts is missing: give its addresses")
    elif "ca_file" in elastic:
        elastic["ca_file"] = str(ELASTICSEARCH / "ca/ca.crt")
    return data | {"store": "elasticsearch", "elasticsearch": elastic}


def _backend(site: ClusterSite, data: dict[str, Any]) -> dict[str, Any]:
    data |= {"host": "0.0.0.0", "port": BACKEND_PORT}
    hosts = [str(host) for host in data.get("allowed_hosts") or []]
    if hosts or site.settings.kubernetes.ingress_host:
        ours = [BACKEND, f"{BACKEND}.{site.settings.kubernetes.namespace}.svc", site.settings.kubernetes.ingress_host]
        data["allowed_hosts"] = list(dict.fromkeys([*hosts, *(host for host in ours if host)]))
    return data


def _dashboards(site: ClusterSite, data: dict[str, Any]) -> dict[str, Any]:
    """Files are made by `tocsin k8s render`; panels and extra dashboards are of no use in a pod."""
    for name in ("out", "extra"):
        data.pop(name, None)
    host = site.settings.kubernetes.ingress_host
    if site.settings.kubernetes.monitoring and "alerts" in data:
        data["alerts"] = {"service": False, **data["alerts"]}  # Prometheus has rules of its own for it
    return {"backend_url": f"http://{BACKEND}:{BACKEND_PORT}"} | ({"page_url": f"https://{host}"} if host else {}) | data
