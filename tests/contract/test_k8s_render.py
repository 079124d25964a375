"""`tocsin k8s render`: what it makes of settings, and what it refuses. The committed overlays are what it makes."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from alarm_engine.errors import SettingsError
from alarm_engine.journal.kafka_topics import rules
from alarm_engine.wire.topics import Topics
from tests.k8s.building import MANIFESTS, ROOT, SITES
from tests.k8s.rendering import AUTH, SEARCH, SETTINGS, TREE, make, site_of
from tocsin.cli.main import app
from tocsin.kubernetes.files import difference
from tocsin.kubernetes.kafka import object_names, topic_objects, user_objects
from tocsin.kubernetes.overlay import components
from tocsin.kubernetes.render import read_configurations, render
from tocsin.kubernetes.rights import users
from tocsin.settings_kubernetes import KubernetesSection

__all__ = ["make"]  # a fixture

PAGE = (ROOT / "docs/how-to/run-on-kubernetes.md").read_text("utf-8")


@pytest.mark.parametrize("name", SITES)
def test_the_committed_overlay_is_what_the_settings_say(name):
    settings, directory, manifests = SITES[name]
    advice = f"tocsin k8s render -s {settings.relative_to(ROOT)} --out {directory.relative_to(ROOT)} --manifests {manifests}"
    assert difference(render(site_of(settings, manifests)), directory) == [], f"run `{advice}`, and commit what it wrote"


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


@pytest.mark.parametrize(("comment", "is_taken"), [("a" * 240_000, True), ("a" * 255_000, False), ("<" * 50_000, False)])
def test_a_tree_that_kubectl_could_not_apply_as_a_config_map_is_refused(make, comment, is_taken):
    """kubectl writes what it applied into an annotation, as JSON that spells out the signs of HTML; all annotations take 256 KiB."""
    site = make()
    site.configurations[0].file.write_text(f"{TREE}# {comment}\n", "utf-8")
    if is_taken:
        assert render(site)
    else:
        with pytest.raises(SettingsError, match=r"give kubernetes\.git_repository"):
            render(site)


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
