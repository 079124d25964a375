"""All files of the overlay of a site, by name. Reads the files of trees, and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from alarm_engine.errors import SettingsError
from backend.security import AuthMode, check_exposure
from provisioning.render import ProvisioningOptions
from provisioning.render import render as render_provisioning
from tocsin.grafana_files import alert_options, prometheus_options
from tocsin.kubernetes.alerts import rule_object
from tocsin.kubernetes.inside import settings_inside
from tocsin.kubernetes.kafka import topic_objects, user_objects
from tocsin.kubernetes.overlay import GRAFANA_FILES, kustomization, networks
from tocsin.kubernetes.rights import users
from tocsin.kubernetes.secrecy import refuse_secrets
from tocsin.kubernetes.site import ClusterSite, SiteConfiguration
from tocsin.settings import Settings, validate
from tocsin.trees import Loaded, configurations, load, refuse_another_name

DASHBOARDS = "/dashboards/dashboards"
"""Where `tocsin dashboards follow` puts them in the pod of Grafana."""
MAX_BYTES = 250_000
"""Of the files in one ConfigMap, as JSON has them: `kubectl apply` keeps what it applied in an annotation, and these take 256 KiB."""

_NOTE = "# Written by `tocsin k8s render` from the settings of the site: edit those, not this file.\n"


def read_configurations(settings: Settings) -> list[SiteConfiguration]:
    """The configurations of a site with the trees that it names; raises a `TocsinError` for one with faults."""
    loaded: dict[int, Loaded] = {}
    for number, one in enumerate(settings.configurations):
        if one.tree is None:
            continue
        found, result = load(one)
        if found is None or result.errors:
            raise SettingsError(f"{one.tree}: the tree has {len(result.errors)} errors: `tocsin config check {one.tree}` tells them")
        refuse_another_name(one, found.tree)
        loaded[number] = found
    named = configurations(settings.configurations, list(loaded.values()))
    return [
        SiteConfiguration(one.name, one.phoebus, settings.configurations[number].tree, tuple(map(Path, _names(loaded.get(number)))))
        for number, one in enumerate(named)
    ]


def _names(loaded: Loaded | None) -> tuple[str, ...]:
    return loaded.stamps.names if loaded is not None else ()


def render(site: ClusterSite) -> dict[str, bytes]:
    """Content by name of the file in the overlay; raises `SettingsError` for settings of which none can be made."""
    refuse_secrets(site.raw)
    inside = settings_inside(site)
    within = validate(inside, "the settings, as they would be in the cluster")
    check_exposure(within.backend.host, within.backend.commands, AuthMode(within.auth.mode))
    _refuse_unreachable_iocs(site)
    trees = {} if site.settings.kubernetes.git_repository else _tree_files(site)
    grafana = _grafana_files(site, within) if site.settings.kubernetes.grafana else {}
    names = {key: f"tree/{path}" for key, (path, _) in trees.items()}
    policies = networks(site)
    overlay = kustomization(site, names)
    found = {"kustomization.yaml": _yaml([_as_text(overlay)]), "site.yaml": _yaml([inside])}
    if policies:
        found["network.yaml"] = _yaml(policies)
    if site.settings.kubernetes.kafka == "strimzi":
        found["kafka.yaml"] = _yaml([*topic_objects(site), *user_objects(users(site))])
    if site.is_guest:
        found |= _at_the_host(site)
    if site.settings.kubernetes.monitoring:
        found["alerts.yaml"] = _yaml([rule_object(site)])
    found |= {f"tree/{path}": content for path, content in trees.values()}
    return found | grafana


def _refuse_unreachable_iocs(site: ClusterSite) -> None:
    """Engines whose pods reach no IOC would start well, and show every alarm as disconnected."""
    chosen, search = site.settings.kubernetes, site.settings.channel_access
    if not site.ours or chosen.epics == "host_network":
        return
    if not search.name_servers and not search.addr_list:
        raise SettingsError(
            "channel_access.name_servers is empty: broadcasts do not leave a pod, so engines would find no PV; give host:port of name "
            "servers, gateways or IOCs, or kubernetes.epics: host_network"
        )
    if not chosen.epics_networks and not chosen.demo_ioc:
        raise SettingsError(
            "kubernetes.epics_networks is empty: network policies would let engines reach no IOC; give the networks of IOCs, name servers "
            "and gateways, as [10.10.0.0/16]"
        )


def _tree_files(site: ClusterSite) -> dict[str, tuple[str, bytes]]:
    """Files of all trees for a ConfigMap: by key, where each is below the mount, and what is in it."""
    found: dict[str, tuple[str, bytes]] = {}
    for one in site.configurations:
        if one.file is None:
            continue
        for file in one.files:
            try:
                below = PurePosixPath(file.resolve().relative_to(one.file.resolve().parent))
            except ValueError:
                raise SettingsError(
                    f"{file} is not below {one.file.parent}: without kubernetes.git_repository the files of a tree go into a ConfigMap, "
                    "and have to be in one directory"
                ) from None
            path = f"{one.name}/{below}"
            found[path.replace("/", "__")] = (path, file.read_bytes())
    size = sum(len(key) + _in_json(content) for key, (_, content) in found.items())
    if size > MAX_BYTES:
        raise SettingsError(
            f"the files of the trees take {size:,} bytes as JSON, and kubectl applies a ConfigMap of at most {MAX_BYTES:,}: "
            "give kubernetes.git_repository"
        )
    return found


def _in_json(content: bytes) -> int:
    """Bytes that a file takes there: kubectl spells out what could be taken for HTML."""
    text = json.dumps(content.decode("utf-8", "replace"), ensure_ascii=False)
    return len(text.encode()) + 5 * sum(text.count(sign) for sign in "<>&")


def _at_the_host(site: ClusterSite) -> dict[str, bytes]:
    """Topics and users of a guest, for the namespace of the Kafka that it uses: an overlay of its own, since kustomize knows one each."""
    namespace = site.settings.kubernetes.kafka_namespace
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": ["kafka.yaml"],
    }
    objects = [*topic_objects(site), *user_objects(users(site), site.settings.kubernetes.namespace)]
    return {"kafka/kustomization.yaml": _yaml([overlay]), "kafka/kafka.yaml": _yaml(objects)}


def _grafana_files(site: ClusterSite, within: Settings) -> dict[str, bytes]:
    """Provisioning; the dashboards are made in the pod."""
    section = within.dashboards
    options = ProvisioningOptions(
        backend_url=section.backend_url or "",
        datasource=section.datasource,
        configs=tuple(one.name for one in site.configurations if one.file is not None),
        dashboards_path=DASHBOARDS,
        token_variable=None if within.auth.open_reading else "TOCSIN_TOKEN",
        alerts=alert_options(section.alerts),
        prometheus=prometheus_options(section),
    )
    files = render_provisioning(options)
    return {f"grafana/{name}.yaml": files[f"{name}/tocsin.yaml"] for name in GRAFANA_FILES}


def _as_text(overlay: dict[str, Any]) -> dict[str, Any]:
    """kustomize wants JSON patches as text in its YAML."""
    patches = [{**one, "patch": _dump([one["patch"]])} for one in overlay["patches"]]
    return {**overlay, "patches": patches}


class _Dumper(yaml.SafeDumper):
    """With texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
_Dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]


def _dump(documents: Iterable[Any]) -> str:
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True, default_flow_style=False)


def _yaml(documents: Iterable[Any]) -> bytes:
    return (_NOTE + _dump(documents)).encode()
