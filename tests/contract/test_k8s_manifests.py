"""The overlays as kustomize builds them: accepted by Kubernetes and the operators, safe, and without names that lead nowhere."""

from __future__ import annotations

import base64
import functools
import json
import re
from pathlib import Path, PurePosixPath

import pytest
import yaml
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from alarm_engine.wire.topics import Topics, status_topic
from backend.credentials import Credentials, load_users
from tests.k8s import flows, policy, references, schemas
from tests.k8s.building import MANIFESTS, OVERLAYS, ROOT, overlay
from tests.k8s.pods import Pod, pods, sources
from tocsin.cli.main import app
from tocsin.health import health_app
from tocsin.settings import validate

PAGE = ROOT / "docs/how-to/run-on-kubernetes.md"
NAMESPACES = {"demo": ["tocsin"], "production": ["tocsin-linac", "tocsin-ring"]}
SITES = [(name, namespace) for name, namespaces in NAMESPACES.items() for namespace in namespaces]
_SECRET = re.compile(r"^\| `([\w-]+)` \| (`[^|]+`) \|", re.MULTILINE)

every_overlay = pytest.mark.parametrize("name", OVERLAYS)
every_site = pytest.mark.parametrize(("name", "namespace"), SITES)


def secrets_of_the_page() -> dict[str, frozenset[str]]:
    """What the page says that a site makes by hand: name and keys."""
    text = PAGE.read_text("utf-8").partition("## Secrets")[2].partition("\n## ")[0]
    return {name: frozenset(re.findall(r"`([^`]+)`", keys)) for name, keys in _SECRET.findall(text)}


def settings_of(name: str, namespace: str) -> dict:
    """The settings that pods of a site have."""
    (found,) = [
        one["data"]["site.yaml"]
        for one in overlay(name)
        if one["kind"] == "ConfigMap" and one["metadata"].get("namespace") == namespace and "site.yaml" in one["data"]
    ]
    return yaml.safe_load(found)


def ours(name: str) -> list[tuple[Pod, dict]]:
    """Containers with our image, with their pods."""
    return [(pod, one) for pod in pods(overlay(name)) for one in pod.containers if one["image"].partition(":")[0].endswith("/tocsin")] + [
        (pod, one) for pod in pods(overlay(name)) for one in pod.containers if one["image"].startswith("tocsin:")
    ]


@every_overlay
@pytest.mark.parametrize("version", schemas.VERSIONS)
def test_kubernetes_knows_every_field(name, version):
    assert list(schemas.faults(overlay(name), version)) == []


@pytest.fixture(scope="module")
def crds() -> Path:
    found = schemas.crds()
    if found is None:
        pytest.skip(schemas.HOW_TO_GET)
    return found


@every_overlay
def test_the_operators_know_every_field(name, crds):
    assert list(schemas.custom_faults(overlay(name), crds)) == []


@every_overlay
def test_objects_of_operators_are_in_the_version_that_is_stored(name, crds):
    """So an upgrade of an operator that drops older versions finds nothing of ours in them."""
    stored = schemas.served(crds)
    for one in overlay(name):
        if schemas.group(one) in schemas.CUSTOM:
            assert one["apiVersion"].partition("/")[2] == stored[schemas.group(one), one["kind"]]


@every_overlay
def test_every_pod_is_as_safe_as_it_can_be(name):
    assert policy.unexcepted(policy.faults(overlay(name))) == []


def test_every_exception_is_needed():
    found = {(rule, name) for one in OVERLAYS for rule, name, _ in policy.faults(overlay(one))}
    assert [key for key in policy.EXCEPTIONS if key not in found] == []


@every_overlay
def test_every_name_leads_somewhere(name):
    assert references.faults(references.Objects(overlay(name), secrets_of_the_page())) == []


def test_the_page_names_no_secret_that_nobody_asks_for():
    asked = {
        source.get("secretName") or source.get("name")
        for name in OVERLAYS
        for pod in pods(overlay(name))
        if pod.spec
        for kind, source, _ in sources(pod)
        if kind == "Secret"
    }
    text = "".join(path.read_text("utf-8") for path in sorted((MANIFESTS / "components").rglob("*.yaml")))
    assert [secret for secret in secrets_of_the_page() if secret not in asked and secret not in text] == []


@every_site
def test_only_what_has_to_flow_may_flow(name, namespace):
    kafka, elastic = ("kafka", 9093), ("elasticsearch", 9200)
    wanted = {
        *((role, *kafka) for role in ("engine", "backend", "history", "sync", "restore")),
        *((role, *elastic) for role in ("backend", "history", "restore")),
        ("grafana", "backend", 8080),
    }
    if name == "demo":
        wanted |= {("engine", "demo-ioc", 5064), ("engine", "demo-ioc", 5074)}
    else:
        wanted.add(("elasticsearch-keeper", *elastic))
    if namespace == "tocsin-linac":
        wanted |= {("phoebus-alarm-logger", "kafka", 9094), ("phoebus-alarm-logger", *elastic)}
    assert flows.flows(overlay(name), namespace) == wanted


@every_site
def test_only_named_networks_are_reached_from_a_site(name, namespace):
    networks = {"tocsin": set(), "tocsin-linac": {"10.10.0.0/16"}, "tocsin-ring": {"10.20.0.0/16"}}[namespace]
    git = set() if name == "demo" else {("sync", "0.0.0.0/0")}
    names = {pod.labels["app.kubernetes.io/component"] for pod in pods(overlay(name)) if pod.spec and pod.namespace == namespace}
    wanted = {*(("engine", network) for network in networks), *git, ("grafana", "0.0.0.0/0"), *((one, "kube-system") for one in names)}
    assert flows.outside(overlay(name), namespace, "egress") == wanted


@every_site
def test_the_settings_in_the_pods_are_good_and_their_files_are_mounted(name, namespace):
    data = settings_of(name, namespace)
    validate(data, "site.yaml")
    objects = references.Objects(overlay(name), secrets_of_the_page())
    roles = {"engine", "backend", "history", "sync"}
    for pod in objects.pods:
        role = pod.labels.get("app.kubernetes.io/component")
        if pod.namespace != namespace or role not in roles:
            continue
        (container,) = [one for one in pod.containers if one["name"] == role]
        files = [data["kafka"][key] for key in ("ca_file", "certificate_file", "key_file")]
        if role in ("backend", "history"):
            files += [data["history"]["elasticsearch"][key] for key in ("ca_file", "password_file")]
        if role == "backend":
            files.append(data["auth"]["users_file"])
        missing = [file for file in files if not _is_mounted(PurePosixPath(file), container, pod, objects)]
        assert missing == [], pod.owner


def _is_mounted(file, container, pod, objects) -> bool:
    (mount,) = [one for one in container["volumeMounts"] if PurePosixPath(one["mountPath"]) == file.parent] or [None]
    if mount is None:
        return False
    source = pod.volumes[mount["name"]]["secret"]
    if "items" in source:
        return file.name in [item["path"] for item in source["items"]]
    return file.name in (objects.keys("Secret", pod.namespace, source["secretName"]) or ())


def test_the_files_of_the_demo_are_where_its_settings_look():
    (configuration,) = settings_of("demo", "tocsin")["configurations"]
    for pod in pods(overlay("demo")):
        for one in pod.containers:
            (mount,) = [mount for mount in one.get("volumeMounts", []) if mount["name"] == "git"] or [None]
            if mount is not None:
                below = PurePosixPath(configuration["tree"]).relative_to(mount["mountPath"])
                assert str(below) in [item["path"] for item in pod.volumes["git"]["configMap"]["items"]], pod.owner


async def test_the_users_of_the_demo_are_those_of_the_page():
    credentials = Credentials(load_users(MANIFESTS / "overlays/demo/users.yaml"))
    text = PAGE.read_text("utf-8")
    for name in ("operator", "engineer"):
        assert f"`{name}`" in text
        basic = base64.b64encode(f"{name}:tocsin-demo".encode()).decode()
        assert await credentials.check(f"Basic {basic}") == (name, name)
    (grafana,) = [one for one in overlay("demo") if one["kind"] == "Secret" and one["metadata"]["name"] == "tocsin-grafana"]
    assert base64.b64decode(grafana["data"]["admin_password"]).decode() == "tocsin-demo"


@every_site
def test_addresses_in_the_settings_are_services(name, namespace):
    data, manifests = settings_of(name, namespace), overlay(name)
    made = {
        f"{one['metadata']['name']}.{namespace}.svc": one
        for one in manifests
        if one["kind"] == "Service" and one["metadata"].get("namespace") == namespace
    }
    (listener,) = [
        each for one in manifests if one["kind"] == "Kafka" and one["metadata"]["namespace"] == namespace
        for each in one["spec"]["kafka"]["listeners"] if each["name"] == "tls"
    ]  # fmt: skip
    (elastic,) = [one for one in manifests if one["kind"] == "Elasticsearch" and one["metadata"]["namespace"] == namespace]
    # As Strimzi and ECK name their services.
    assert data["kafka"]["servers"] == f"tocsin-kafka-bootstrap.{namespace}.svc:{listener['port']}"
    assert data["history"]["elasticsearch"]["hosts"] == [f"https://{elastic['metadata']['name']}-es-http.{namespace}.svc:9200"]
    assert f"{data['dashboards']['backend_url'].removeprefix('http://').partition(':')[0]}.{namespace}.svc" in made
    for server in data["channel_access"]["name_servers"]:
        host, _, port = server.partition(":")
        if not host[0].isdigit():
            assert int(port) in [each["port"] for each in made[f"{host}.{namespace}.svc"]["spec"]["ports"]]


@every_site
def test_topics_are_those_of_the_settings(name, namespace):
    data = settings_of(name, namespace)
    wanted = {spec.name for one in data["configurations"] for spec in Topics(one["name"]).specs()} | {status_topic(data["cell"]).name}
    found = {one["spec"]["topicName"] for one in overlay(name) if one["kind"] == "KafkaTopic" and one["metadata"]["namespace"] == namespace}
    assert found == wanted


@every_overlay
def test_commands_of_containers_exist(name):
    for pod, container in ours(name):
        # Options are looked at before the help is shown: one that does not exist is an error all the same.
        answer = CliRunner().invoke(app, [*container["args"], "--help"])
        assert answer.exit_code == 0, f"{pod.owner}: {answer.output}"


@functools.cache
def routes(role: str) -> set[str]:
    """Paths that a role answers."""
    if role == "backend":
        return set(json.loads((ROOT / "docs/reference/openapi.json").read_text("utf-8"))["paths"])
    return {route.path for route in health_app(CollectorRegistry(), dict).routes}


@every_overlay
def test_probes_ask_what_is_answered(name):
    for pod, container in ours(name):
        role = pod.labels["app.kubernetes.io/component"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = container.get(probe, {}).get("httpGet", {}).get("path")
            assert path is None or path in routes(role), f"{pod.owner}: {probe} asks {path}"


@every_site
def test_the_port_of_the_settings_is_the_port_of_the_container(name, namespace):
    data = settings_of(name, namespace)
    for pod, container in ours(name):
        role = pod.labels["app.kubernetes.io/component"]
        if pod.namespace == namespace and role in ("engine", "history", "sync", "backend"):
            wanted = data["backend" if role == "backend" else "health"]["port"]
            assert [port["containerPort"] for port in container["ports"]] == [wanted]


def test_pods_run_as_the_user_of_the_image():
    image = (ROOT / "Dockerfile").read_text("utf-8")
    (user,) = re.findall(r"^USER (\d+)", image, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["\S*/tocsin"\]', image, re.MULTILINE), "arguments of containers are those of `tocsin`"
    others = {pod.owner: pod.spec["securityContext"]["runAsUser"] for name in OVERLAYS for pod, _ in ours(name)}
    assert {owner for owner, number in others.items() if number != int(user)} == {
        f"Deployment {namespace}/tocsin-grafana" for _, namespace in SITES
    }


def test_git_sync_calls_the_sync_beside_it():
    for pod in pods(overlay("production")):
        for one in pod.containers:
            if one["name"] == "git-sync" and pod.labels["app.kubernetes.io/component"] == "sync":
                (hook,) = [text.partition("=")[2] for text in one["args"] if text.startswith("--webhook-url=")]
                assert hook == f"http://127.0.0.1:{pod.ports['http']}/sync"


@pytest.mark.parametrize("namespace", NAMESPACES["production"])
def test_pages_are_answered_under_the_name_of_the_ingress(namespace):
    hosts = [
        rule["host"]
        for one in overlay("production")
        if one["kind"] == "Ingress" and (one["metadata"]["namespace"], one["metadata"]["name"]) == (namespace, "tocsin")
        for rule in one["spec"]["rules"]
    ]
    assert hosts
    assert set(hosts) <= set(settings_of("production", namespace)["backend"]["allowed_hosts"])


def test_whoever_uses_a_key_of_elasticsearch_makes_it():
    """A key can do no more than its maker: one that the keeper makes for the history could write nothing."""
    (secret,) = [
        one
        for one in overlay("production")
        if one["metadata"]["name"] == "tocsin-elasticsearch-roles" and one["metadata"]["namespace"] == "tocsin-ring"
    ]
    roles = yaml.safe_load(base64.b64decode(secret["data"]["roles.yml"]))
    assert {name for name, role in roles.items() if "manage_own_api_key" in role["cluster"]} == {"tocsin_history", "tocsin_backend"}
    assert not [name for name, role in roles.items() if {"all", "manage", "manage_security", "manage_api_key"} & {*role["cluster"]}]
    kinds = {name: {one for part in role["indices"] for one in part["privileges"]} for name, role in roles.items()}
    assert kinds["tocsin_backend"] == {"read", "view_index_metadata"}
    assert {"read", "write"} <= kinds["tocsin_history"]
    assert not {"read", "write", "manage", "all"} & kinds["tocsin_keeper"]
    text = PAGE.read_text("utf-8")
    assert re.search(r"curl -u tocsin-history [^\n]*\\\n[^\n]*", text)
    assert "POST https://ELASTICSEARCH:9200/_security/api_key" in text


@pytest.mark.parametrize("namespace", NAMESPACES["production"])
def test_the_ingress_is_believed_about_who_asks(namespace):
    """Otherwise all people behind it have one address, and one who guesses passwords keeps all of them out."""
    ingresses = [one for one in overlay("production") if one["kind"] == "Ingress" and one["metadata"]["namespace"] == namespace]
    assert ingresses
    assert settings_of("production", namespace)["auth"]["proxy_addresses"]


def rules() -> list[dict]:
    return [
        rule for one in overlay("production") if one["kind"] == "PrometheusRule" and one["metadata"]["namespace"] == "tocsin-linac"
        for group in one["spec"]["groups"] for rule in group["rules"]
    ]  # fmt: skip


def test_alert_rules_ask_for_figures_that_exist_and_have_a_runbook():
    known = set(re.findall(r"^\| `(tocsin_\w+)`", (ROOT / "docs/reference/metrics.md").read_text("utf-8"), re.MULTILINE))
    headings = re.findall(r"^#+ (\w+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(rules()) > 15
    for rule in rules():
        assert set(re.findall(r"tocsin_\w+", rule["expr"])) <= known, rule["alert"]
        assert rule["annotations"]["runbook"] == f"docs/how-to/run-on-kubernetes.md#{rule['alert'].lower()}"
        assert rule["alert"] in headings
