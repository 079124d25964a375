"""`tocsin k8s render`: what it makes of settings, and what it refuses. The committed overlays are what it makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from alarm_engine import strict_yaml
from alarm_engine.errors import SettingsError
from alarm_engine.journal.kafka_topics import rules
from alarm_engine.wire.topics import Topics
from tests.k8s import policy, references, schemas
from tests.k8s.building import MANIFESTS, ROOT, SITES, build
from tests.k8s.pods import matches, pods
from tocsin.cli.main import app
from tocsin.kubernetes.files import difference
from tocsin.kubernetes.kafka import object_names, topic_objects, user_objects
from tocsin.kubernetes.overlay import components
from tocsin.kubernetes.render import read_configurations, render
from tocsin.kubernetes.rights import users
from tocsin.kubernetes.site import ClusterSite
from tocsin.kubernetes.sizes import SIZES
from tocsin.settings import load
from tocsin.settings_kubernetes import KubernetesSection

PAGE = (ROOT / "docs/how-to/run-on-kubernetes.md").read_text("utf-8")
TREE = "config: Plant\nsystems:\n  Vacuum:\n    pvs:\n      'P:GC1': Pressure\n"
AUTH = "auth: {mode: users, users_file: users.yaml}\n"
SEARCH = "channel_access: {name_servers: ['10.3.0.5:5064']}\n"
SETTINGS = f"configurations: [{{tree: tree.yaml, time_zone: UTC}}]\ncell: hall\n{AUTH}{SEARCH}"


def site_of(file: Path, manifests: str = str(MANIFESTS)) -> ClusterSite:
    settings = load(file)
    return ClusterSite(settings, strict_yaml.load(file.read_text("utf-8")), read_configurations(settings), manifests)


@pytest.fixture
def make(tmp_path):
    def make(kubernetes: str = "{}", settings: str = SETTINGS) -> ClusterSite:
        (tmp_path / "tree.yaml").write_text(TREE, "utf-8")
        if kubernetes.startswith("{") and "epics" not in kubernetes:
            kubernetes = f"{{epics_networks: [10.3.0.0/16], {kubernetes[1:]}"
        (tmp_path / "site.yaml").write_text(f"{settings}kubernetes: {kubernetes}\n", "utf-8")
        return site_of(tmp_path / "site.yaml")

    return make


@pytest.fixture
def built(make, tmp_path):
    """Objects that kustomize makes of settings."""

    def built(kubernetes: str = "{}", settings: str = SETTINGS) -> list[dict]:
        made = tmp_path / "made"
        for name, content in render(make(kubernetes, settings)).items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(content)
        text = (made / "kustomization.yaml").read_text("utf-8")
        # kustomize takes no absolute paths.
        up = "/".join([".."] * len(made.parts[1:]))
        (made / "kustomization.yaml").write_text(text.replace(str(MANIFESTS), f"{up}{MANIFESTS}"), "utf-8")
        return build(made)

    return built


@pytest.mark.parametrize("name", SITES)
def test_the_committed_overlay_is_what_the_settings_say(name):
    settings, directory, manifests = SITES[name]
    advice = f"tocsin k8s render -s {settings.relative_to(ROOT)} --out {directory.relative_to(ROOT)} --manifests {manifests}"
    assert difference(render(site_of(settings, manifests)), directory) == [], f"run `{advice}`, and commit what it wrote"


CHOICES = {
    "nothing": "{}",
    "one node": "{single_node: true, demo_ioc: true}",
    "servers of the site": "{kafka: external, kafka_networks: [10.1.0.0/16], "
    "elasticsearch: external, elasticsearch_networks: [10.2.0.0/16]}",
    "keys": "{elasticsearch_access: api_key}",
    "host network": "{epics: host_network, node_networks: [10.4.0.0/16, 10.5.0.0/16]}",
    "a Kafka of the next namespace": "{namespace: tocsin-ring, kafka: external, kafka_namespace: tocsin-linac}",
    "guests, no zones": "{kafka_guests: [tocsin-ring], zones: false, dns_networks: [169.254.20.10/32], alarms: 250000}",
    "git by ssh": "{git_repository: 'ssh://git@git.example.org:2222/a.git'}",
    "closed to readers": "{monitoring: true, grafana_host: g.example.org}",
    "all": "{outside_kafka: true, pipeline_user: true, phoebus_alarm_logger: 'logger:5', monitoring: true, ingress_host: a.example.org, "
    "storage_class: fast, git_repository: 'https://git.example.org/a.git', epics_networks: [10.3.0.0/16], engines: 3}",
    "watched without git": "{monitoring: true, grafana: false}",
}
EXTERNAL = (
    "journal: kafka\nkafka: {servers: 'k1:9095,k2:9095', tls: true, user: tocsin, password_file: p}\n"
    "history: {store: elasticsearch, elasticsearch: {hosts: ['https://e1:9201']}}\n"
)

MORE = {
    "servers of the site": EXTERNAL,
    "a Kafka of the next namespace": "kafka: {prefix: ring-}\n",
}
MORE_AUTH = {"closed to readers": "auth: {open_reading: false, "}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_makes_manifests_that_are_accepted(built, choice):
    manifests = built(CHOICES[choice], SETTINGS.replace("auth: {", MORE_AUTH.get(choice, "auth: {")) + MORE.get(choice, ""))
    assert [fault for version in schemas.VERSIONS for fault in schemas.faults(manifests, version)] == []
    directory = schemas.crds()
    if directory is not None:
        assert list(schemas.custom_faults(manifests, directory)) == []
    found = [fault for fault in policy.unexcepted(policy.faults(manifests)) if choice != "host network" or not _of_host_network(fault)]
    assert [fault for fault in found if "VERSION" not in fault] == []
    secrets = secrets_by_hand() | (external_secrets() if "kafka: external" in CHOICES[choice] else {})
    assert references.faults(references.Objects(manifests, secrets)) == []


def _of_host_network(fault: str) -> bool:
    """What is given up for it, as the page says."""
    return fault.startswith(("network of the node: tocsin-engine", "not restricted: tocsin", "port of the node: tocsin-engine"))


def secrets_by_hand() -> dict[str, frozenset[str]]:
    from tests.contract.test_k8s_manifests import secrets_of_the_page

    return secrets_of_the_page()


def external_secrets() -> dict[str, frozenset[str]]:
    roles = ("engine", "backend", "history", "sync", "restore")
    return {f"tocsin-{role}": references.ANY for role in roles} | {
        "tocsin-cluster-ca-cert": frozenset(["ca.crt"]),
        "tocsin-es-http-certs-public": frozenset(["ca.crt"]),
    }


def test_servers_of_the_site_are_reached_where_the_settings_say(built):
    manifests = built(CHOICES["servers of the site"], SETTINGS + EXTERNAL)
    egress = {one["metadata"]["name"]: one["spec"]["egress"] for one in manifests if one["metadata"]["name"].startswith("tocsin-to-")}
    assert egress["tocsin-to-kafka"] == [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 9095, "protocol": "TCP"}]}]
    assert egress["tocsin-to-elasticsearch"][0]["ports"] == [{"port": 9201, "protocol": "TCP"}]
    (data,) = [yaml.safe_load(one["data"]["site.yaml"]) for one in manifests if one["kind"] == "ConfigMap" and "site.yaml" in one["data"]]
    assert data["kafka"] == {
        "servers": "k1:9095,k2:9095",
        "tls": True,
        "user": "tocsin",
        "password_file": "/etc/tocsin-kafka/user/password",
    }
    assert known_as(manifests) == {role: f"tocsin-{role}" for role in ("engine", "backend", "history", "sync", "restore")}
    assert not [one for one in manifests if one["kind"].startswith("Kafka")]


def known_as(manifests: list[dict]) -> dict[str, str]:
    """By role: the user of Kafka whose name a container has for itself."""
    return {
        one["name"]: variable["value"]
        for pod in pods(manifests)
        for one in pod.containers
        for variable in one.get("env", [])
        if variable["name"] == "TOCSIN_KAFKA__USER"
    }


def test_a_kafka_of_the_site_may_know_us_as_one_user(built):
    assert known_as(built("{kafka: external, kafka_users: one}", SETTINGS + EXTERNAL)) == {}


def peers_of(manifests: list[dict], listener: str) -> list[dict]:
    (kafka,) = [one for one in manifests if one["kind"] == "Kafka"]
    (found,) = [one for one in kafka["spec"]["kafka"]["listeners"] if one["name"] == listener]
    return found["networkPolicyPeers"]


OURS = {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "tocsin"}}}


def test_kafka_lets_engines_in_that_come_from_their_nodes(built):
    """No label of a pod is known of what comes from the network of a node: Strimzi's policy would drop it."""
    manifests = built(CHOICES["host network"])
    assert peers_of(manifests, "tls") == [OURS, {"ipBlock": {"cidr": "10.4.0.0/16"}}, {"ipBlock": {"cidr": "10.5.0.0/16"}}]
    assert peers_of(manifests, "scram") == [OURS]


def test_a_site_of_another_namespace_uses_our_kafka(built):
    label = {"kubernetes.io/metadata.name": "tocsin-ring"}
    manifests = built(CHOICES["guests, no zones"])
    for listener in ("tls", "scram"):
        assert peers_of(manifests, listener) == [OURS, {"namespaceSelector": {"matchLabels": label}, **OURS}]
    (kafka,) = [one for one in manifests if one["kind"] == "Kafka"]
    assert "rack" not in kafka["spec"]["kafka"]
    guest = built(CHOICES["a Kafka of the next namespace"], SETTINGS + MORE["a Kafka of the next namespace"])
    (policy_of_guest,) = [one for one in guest if one["metadata"]["name"] == "tocsin-to-kafka"]
    (rule,) = policy_of_guest["spec"]["egress"]
    assert rule["ports"] == [{"port": 9093, "protocol": "TCP"}]
    assert rule["to"][0]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "tocsin-linac"}}
    assert matches(rule["to"][0]["podSelector"], pods([kafka])[0].labels)
    (data,) = [yaml.safe_load(one["data"]["site.yaml"]) for one in guest if one["kind"] == "ConfigMap" and "site.yaml" in one["data"]]
    assert data["kafka"]["servers"] == "tocsin-kafka-bootstrap.tocsin-linac.svc:9093"
    assert data["kafka"]["certificate_file"] == "/etc/tocsin-kafka/user/user.crt"


def test_a_guest_brings_its_topics_and_users_to_the_kafka_of_its_host(make, built, tmp_path):
    host = user_objects(users(make("{kafka_guests: [tocsin-ring]}")))
    built(CHOICES["a Kafka of the next namespace"], SETTINGS + MORE["a Kafka of the next namespace"])
    brought = build(tmp_path / "made/kafka")
    assert {one["metadata"]["namespace"] for one in brought} == {"tocsin-linac"}
    names = {one["metadata"]["name"] for one in brought if one["kind"] == "KafkaUser"}
    assert names == {f"tocsin-ring-{role}" for role in ("engine", "backend", "history", "sync", "restore")}
    assert not names & {one["metadata"]["name"] for one in host}
    directory = schemas.crds()
    if directory is not None:
        assert list(schemas.custom_faults(brought, directory)) == []
    acls = [acl["resource"] for one in brought if one["kind"] == "KafkaUser" for acl in one["spec"]["authorization"]["acls"]]
    assert {one["name"].partition("-")[0] for one in acls if one["type"] != "topic"} == {"ring"}, "no group of the host's"
    there = {one["spec"]["topicName"] for one in brought if one["kind"] == "KafkaTopic"}
    assert {one["name"] for one in acls if one["type"] == "topic"} <= there


def git_sync(manifests: list[dict]) -> list[dict]:
    return [one for pod in pods(manifests) for one in pod.containers if one["name"] == "git-sync"]


@pytest.mark.parametrize(
    ("repository", "port", "arguments"),
    [
        ("https://git.example.org/a.git", 443, ["--username=git", "--password-file=/etc/git-secret/token"]),
        ("https://git.example.org:8443/a.git", 8443, ["--username=git", "--password-file=/etc/git-secret/token"]),
        (
            "git@git.example.org:a.git",
            22,
            SSH := ["--ssh-key-file=/etc/git-secret/ssh", "--ssh-known-hosts-file=/etc/git-secret/known_hosts"],
        ),
        ("ssh://git@git.example.org:2222/a.git", 2222, SSH),
    ],
)
def test_git_is_reached_as_its_address_says(built, repository, port, arguments):
    manifests = built(f"{{git_repository: '{repository}', git_networks: [10.9.0.0/16]}}")
    (rules,) = [one["spec"]["egress"] for one in manifests if one["metadata"]["name"] == "tocsin-to-git"]
    assert rules == [{"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}], "ports": [{"port": port, "protocol": "TCP"}]}]
    found = git_sync(manifests)
    assert len(found) == 2
    for one in found:
        assert one["args"][:4] == [f"--repo={repository}", "--ref=main", *arguments]
        assert len({text.partition("=")[0] for text in one["args"]}) == len(one["args"]), "an option is there twice"
        # ssh serves no user whom its image does not know.
        assert one["securityContext"].get("runAsUser") == (65533 if arguments is SSH else None)


def test_figures_that_are_not_for_everybody_are_asked_for_with_a_token(built):
    def asking(settings: str) -> dict:
        (monitor,) = [
            one
            for one in built("{monitoring: true}", settings)
            if one["metadata"]["name"] == "tocsin-backend" and one["kind"] == "ServiceMonitor"
        ]
        return monitor["spec"]["endpoints"][0].get("authorization")

    assert asking(SETTINGS) is None
    assert asking(SETTINGS.replace("auth: {", "auth: {open_reading: false, ")) == {
        "type": "Bearer",
        "credentials": {"name": "tocsin-monitoring", "key": "token"},
    }


@pytest.mark.parametrize(
    ("kubernetes", "more", "told"),
    [
        ("{}", "", 4),
        ("{monitoring: true}", "", 2),
        ("{monitoring: true}", ", service: true", 4),
    ],
)
def test_grafana_leaves_engine_and_history_to_prometheus_where_that_has_rules(make, kubernetes, more, told):
    alerts = f"dashboards: {{alerts: {{mail: [a@example.org]{more}}}}}\n"
    files = render(make(kubernetes, SETTINGS + alerts))
    assert len(yaml.safe_load(files["grafana/alerting.yaml"])["groups"][0]["rules"]) == told


def resources(manifests: list[dict]) -> dict[str, dict]:
    return {one["name"]: one["resources"] for pod in pods(manifests) for one in pod.containers}


def mib(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([MG])i", text).groups()
    return int(number) * (1024 if unit == "G" else 1)


def test_pods_ask_for_what_the_page_on_sizing_measured(built):
    page = (ROOT / "docs/explanations/sizing.md").read_text("utf-8")
    columns = [
        int(text.replace(",", ""))
        for text in re.findall(r"([\d,]+) alarms \|", page.partition("## What follows")[2].partition("\n\n|")[2].partition("\n")[0])
    ]
    assert columns == [size.alarms for size in SIZES]
    rows = dict(re.findall(r"^\| ([^|]+?) \| (.*) \|$", page, re.MULTILINE))
    for index, alarms in enumerate(columns):
        found = resources(built(f"{{alarms: {alarms}}}"))
        for role in ("engine", "backend"):
            (row,) = [text for name, text in rows.items() if name.startswith(role) and name.endswith("memory")]
            amount, unit = row.split(" | ")[index].split()
            assert mib(found[role]["requests"]["memory"]) == int(amount) * (1024 if unit == "GB" else 1), (role, alarms)
            assert mib(found[role]["limits"]["memory"]) == 4 * mib(found[role]["requests"]["memory"])
        wanted = float(rows["engine: processors"].split(" | ")[index].split(",")[0])
        assert found["engine"]["requests"]["cpu"] == ("500m" if wanted == 0.5 else f"{wanted:g}")
    large = resources(built("{alarms: 250000}"))
    assert large["engine"]["requests"]["memory"] == "2560Mi"


def test_topics_are_made_as_an_engine_would_make_them(make):
    site = make()
    found = {one["spec"]["topicName"]: one["spec"] for one in topic_objects(site)}
    specs = {spec.name: spec for spec in Topics("Plant").specs()}
    assert found.keys() == specs.keys() | {"hallStatus"}
    for name, spec in specs.items():
        assert all(rule.accepts(found[name]["config"][key]) for key, rule in rules(spec).items()), name
        assert (found[name]["partitions"], found[name]["replicas"]) == (1, 3)


def test_names_of_topics_that_differ_by_big_letters_only_stay_apart():
    names = object_names(["Ring", "ring", "RF_main", "Linac"])
    assert names["Linac"] == "linac"
    assert names["RF_main"] == "rf-main"
    assert len({*names.values()}) == 4
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name) for name in names.values())


def test_a_configuration_of_a_phoebus_server_has_its_topics_and_no_engine(make):
    settings = f"configurations: [{{name: Old, time_zone: UTC, owner: phoebus}}, {{tree: tree.yaml, time_zone: UTC}}]\n{AUTH}"
    site = make("{}", settings + "journal: kafka\nkafka: {servers: 'k:9092'}\n")
    assert {one["spec"]["topicName"] for one in topic_objects(site)} >= {"Old", "OldCommand", "OldTalk"}
    assert "OldEvents" not in {one["spec"]["topicName"] for one in topic_objects(site)}
    rights = {user.name: {right.name: right.operations for right in user.rights} for user in users(site)}
    assert "Old" not in rights["tocsin-engine"]
    assert rights["tocsin-backend"]["OldCommand"] == ("Read", "Write")
    assert rights["tocsin-history"]["Old"] == ("Read",)


def test_a_client_outside_may_do_what_a_client_of_phoebus_does(make):
    (user,) = [one for one in user_objects(users(make("{outside_kafka: true}"))) if one["metadata"]["name"] == "cs-studio"]
    acls = {acl["resource"]["name"]: (acl["resource"]["patternType"], acl["operations"]) for acl in user["spec"]["authorization"]["acls"]}
    assert acls == {
        "Plant": ("literal", ["Read", "Write"]),
        "PlantCommand": ("literal", ["Read", "Write"]),
        "PlantTalk": ("literal", ["Read"]),
        "Alarm-": ("prefix", ["Read"]),
    }


@pytest.mark.parametrize(
    ("kubernetes", "settings", "said"),
    [
        ("{namespace: Tocsin}", SETTINGS, "kubernetes.namespace: 'Tocsin'"),
        ("{epics_networks: [10.0.0.1/8]}", SETTINGS, "'10.0.0.1/8' is no network"),
        ("{kafka: external}", SETTINGS, "kafka.servers is missing"),
        ("{elasticsearch: external}", SETTINGS, "history.elasticsearch.hosts is missing"),
        ("{kafka: external, outside_kafka: true}", SETTINGS, "outside_kafka is true and kafka is 'external'"),
        ("{single_node: true, elasticsearch: external}", SETTINGS, "it makes small ones of both"),
        ("{single_node: true, elasticsearch_access: api_key}", SETTINGS, "it uses the user that Elasticsearch makes itself"),
        ("{image: tocsin}", SETTINGS, "kubernetes.image: 'tocsin'"),
        ("{epics: policies}", SETTINGS, "kubernetes.epics_networks is empty: network policies would let engines reach no IOC"),
        ("{}", SETTINGS.replace(SEARCH, ""), "channel_access.name_servers is empty: broadcasts do not leave a pod"),
        ("{epics: host_network}", SETTINGS, "node_networks is missing: engines come from the addresses of their nodes"),
        ("{epics: host_network, node_networks: [10.4.0.0/16], demo_ioc: true}", SETTINGS, "lets only pods in"),
        ("{pipeline_user: true}", SETTINGS, "a pipeline outside of the cluster would not reach Kafka"),
        ("{kafka_namespace: other}", SETTINGS, "our own Kafka is in our own namespace"),
        (
            "{kafka: external, kafka_namespace: other}",
            SETTINGS,
            "groups of both sites would have the same names; give one of this site, as hall-",
        ),
        ("{kafka: external, kafka_namespace: other, kafka_networks: [10.1.0.0/16]}", SETTINGS, "either in this cluster or elsewhere"),
        ("{kafka: external, kafka_guests: [other]}", SETTINGS, "who may reach a Kafka of your own is said there"),
        ("{grafana: false, grafana_host: g.example.org}", SETTINGS, "there is no Grafana of ours"),
        ("{engine: 3}", SETTINGS, "unknown key; did you mean engines?"),
        ("{}", "configurations: [{tree: tree.yaml}]\n", "anybody who reaches this machine could acknowledge"),
        ("{git_repository: 'https://g/a.git'}", f"configurations: [{{tree: ../x/tree.yaml}}]\n{AUTH}", "a name below the settings file"),
    ],
)
def test_what_cannot_be_is_refused(make, tmp_path, kubernetes, settings, said):
    (tmp_path.parent / "x").mkdir(exist_ok=True)
    (tmp_path.parent / "x" / "tree.yaml").write_text(TREE, "utf-8")
    with pytest.raises(SettingsError) as caught:
        render(make(kubernetes, settings))
    assert said in str(caught.value)


SECRETS = {
    "kafka.properties.sasl.password": "journal: kafka\nkafka: {servers: 'k:9093', user: u, properties: {sasl.password: hunter2}}",
    "kafka.properties.ssl.key.password": "journal: kafka\nkafka: {servers: 'k:9093', properties: {ssl.key.password: hunter2}}",
    "kafka.properties.ssl.key.pem": "journal: kafka\nkafka: {servers: 'k:9093', properties: {ssl.key.pem: hunter2}}",
    "kafka.properties.sasl.oauthbearer.client.secret": "journal: kafka\n"
    "kafka: {servers: 'k', properties: {sasl.oauthbearer.client.secret: hunter2}}",
    "dashboards.alerts.webhook": "dashboards: {alerts: {webhook: 'https://pager.example.org/alert?routing_key=a&api_key=hunter2'}}",
    "dashboards.archiver_url": "dashboards: {archiver_url: 'https://hunter2@archiver.example.org/{pv}'}",
}


@pytest.mark.parametrize("key", SECRETS)
def test_a_secret_never_comes_into_a_config_map(make, key):
    with pytest.raises(SettingsError) as caught:
        render(make("{}", f"{SETTINGS}{SECRETS[key]}\n"))
    assert str(caught.value).startswith(f"{key}: ")
    assert "would be in a ConfigMap" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("repository", "is_good"),
    [
        ("https://git.example.org/a.git", True),
        ("https://git.example.org:8443/a.git?service=x", True),
        ("https://oauth2:hunter2@git.example.org/a.git", False),
        ("https://hunter2@git.example.org/a.git", False),
        ("ssh://git@git.example.org:2222/a.git", True),
        ("git@git.example.org:alarms/a.git", True),
        ("ssh://git:hunter2@git.example.org/a.git", False),
    ],
)
def test_who_reads_the_repository_is_said_in_a_secret(make, repository, is_good):
    site = make(f"{{git_repository: '{repository}'}}")
    if is_good:
        assert render(site)
        return
    with pytest.raises(SettingsError, match=r"^kubernetes\.git_repository: .*put it into the secret tocsin-git as `token`") as caught:
        render(site)
    assert "hunter2" not in str(caught.value)


def test_a_tree_with_errors_is_refused(make, tmp_path):
    site = make()
    (tmp_path / "tree.yaml").write_text(TREE + "      'P:GC2': {delay: soon}\n", "utf-8")
    with pytest.raises(SettingsError, match="the tree has 1 error"):
        read_configurations(site.settings)


def test_the_command_writes_compares_and_leaves_others_alone(make, tmp_path):
    make()
    out = tmp_path / "deploy"
    arguments = ["k8s", "render", "-s", str(tmp_path / "site.yaml"), "--out", str(out), "--manifests", "../k8s"]
    assert CliRunner().invoke(app, [*arguments, "--check"]).exit_code == 1
    assert not out.exists()
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert CliRunner().invoke(app, [*arguments, "--check"]).output == ""
    (out / "stale.yaml").write_text("x", "utf-8")
    assert "stale.yaml: is not what" in CliRunner().invoke(app, [*arguments, "--check"]).output
    assert "stale.yaml" in CliRunner().invoke(app, arguments).output
    assert not (out / "stale.yaml").exists()
    (out / "kustomization.yaml").write_text("resources: [mine.yaml]\n", "utf-8")
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, SettingsError)
    assert (out / "kustomization.yaml").read_text("utf-8") == "resources: [mine.yaml]\n"


def test_every_component_is_chosen_by_a_key_that_the_page_tells_of(make):
    table = re.findall(r"^\| `([\w: ]+)` \| `([\w-]+)` \|", PAGE.partition("## What can be chosen")[2].partition("\n## ")[0], re.MULTILINE)
    there = {path.name for path in (MANIFESTS / "components").iterdir()}
    assert {component for _, component in table} | {"epics-gateway"} == there
    for key, component in table:
        name, _, value = key.partition(": ")
        assert name in KubernetesSection.model_fields
        value = value or {"ingress_host": "a.example.org", "grafana_host": "a.example.org", "phoebus_alarm_logger": "'logger:5'"}.get(
            name, "true"
        )
        value += ", node_networks: [10.4.0.0/16]" * (value == "host_network")
        assert component in components(make(f"{{{name}: {value}}}")), key


def test_the_example_of_the_page_can_be_rendered(make):
    (example,) = re.findall(r"```yaml\n(configurations:.*?)```", PAGE, re.DOTALL)
    site = make("{}", SETTINGS)
    assert site.ours == ["Plant"]
    text = example.replace("tree/tree.yaml", "tree.yaml")
    settings, _, kubernetes = text.partition("kubernetes:\n")
    assert render(make("\n" + kubernetes, settings))["kustomization.yaml"]
