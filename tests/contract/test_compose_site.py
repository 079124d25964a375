"""What compose.yaml says of the parts of a site: every file, port, command and setting it names is there, and fits the others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
import yaml

from alarm_engine.config.load import load_tree
from backend.security import check_exposure
from tests.container import dockerfile
from tocsin.access import make_security
from tocsin.cli.main import app
from tocsin.demo.machine import Group, signals
from tocsin.settings import load

ROOT = Path(__file__).parents[2]
_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}")
OURS = ("sync", "engine-1", "engine-2", "history", "backend", "demo-ioc", "demo-ioc-remote")
MADE_BY_HAND = {"./grafana/provisioning", "./grafana/dashboards", "./secrets/grafana-admin-password"}
"""Of the service `grafana`; docs/how-to/run-grafana-in-a-container.md says how."""


def filled(text: str) -> str:
    """With the values that variables have where nothing is set."""
    return _VARIABLE.sub(lambda found: found[2] or "", text)


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture
def settings(monkeypatch):
    for name, value in yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["sync"]["environment"].items():
        monkeypatch.setenv(name, value)
    return load(ROOT / "examples/compose/site.yaml")


def mounts(service):
    """Source, target and mode of each mount."""
    for one in service.get("volumes", []):
        source, target, *mode = filled(one).split(":")
        yield source, target, mode[0] if mode else "rw"


def test_every_file_and_volume_is_there(compose):
    named = set()
    for name, service in compose["services"].items():
        for source, _, mode in mounts(service):
            if source.startswith("."):
                assert mode == "ro", f"{name}: {source}"
                assert (ROOT / source).exists() or source in MADE_BY_HAND, f"{name}: {source}"
            else:
                named.add(source)
    assert named == set(compose["volumes"])
    for secret in compose["secrets"].values():
        assert filled(secret["file"]) in MADE_BY_HAND
    page = (ROOT / "docs/how-to/run-grafana-in-a-container.md").read_text()
    assert all(one.removeprefix("./") in page for one in MADE_BY_HAND)


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_ours_in_the_image_that_is_built(compose, name):
    service = compose["services"][name]
    assert service["build"] == "."
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["image"].endswith(f":{re.search(r'version=.([0-9.]+)', dockerfile()[-1].last('LABEL'))[1]}")
    words = [str(word) for word in service["command"]]
    command = typer.main.get_command(app)
    inside = {target: source for source, target, _ in mounts(service)}
    for number, word in enumerate(words):
        if word.startswith("/etc/tocsin/"):
            words[number] = str(ROOT / inside["/etc/tocsin"] / word.removeprefix("/etc/tocsin/"))
            assert Path(words[number]).is_file()
    while words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert command.name != "tocsin"
    made = command.make_context(name, words)  # raises for what it does not know
    assert made.params.get("settings", Path(__file__)).is_file()
    assert ("settings" in made.params) == (not name.startswith("demo-ioc"))


def test_the_settings_are_good_and_what_they_name_is_a_service(compose, settings):
    security = make_security(settings)
    check_exposure(settings.backend.host, settings.backend.commands, security.settings.mode)
    services = compose["services"]
    host, _, port = settings.kafka.servers.partition(":")
    listeners = dict(one.split("://:") for one in services[host]["environment"]["KAFKA_LISTENERS"].split(","))
    assert listeners["PLAINTEXT"] == port
    assert services[host]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{host}:{port}"
    assert settings.kafka.session_s * 1000 >= services[host]["environment"]["KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS"]
    (address,) = settings.history.elasticsearch.hosts
    assert re.fullmatch(r"http://(\S+):9200", address)[1] in services
    for address in settings.channel_access.name_servers:
        host, _, port = address.partition(":")
        words = services[host]["command"]
        assert words[words.index("--port") + 1] == port
    assert re.fullmatch(r"http://(\S+):(\d+)", settings.dashboards.backend_url).groups() == ("backend", str(settings.backend.port))
    assert "backend" in settings.backend.allowed_hosts
    assert all(filled(one).endswith(f":{settings.backend.port}") for one in services["backend"]["ports"])
    # What the health check of the image asks, for each role.
    assert settings.backend.port == settings.health.port == 8080
    out = Path(str(settings.dashboards.out))
    assert [target for source, target, mode in mounts(services["sync"]) if source == "grafana-files"] == [str(out.parent)]
    assert services["grafana-demo"]["environment"]["GF_PATHS_PROVISIONING"] == str(out / "provisioning")
    assert ("grafana-files", str(out.parent), "ro") in list(mounts(services["grafana-demo"]))


def test_the_demo_watches_what_its_iocs_serve(compose, settings):
    (config,) = settings.configurations
    tree = str(config.tree)
    source = next(source for source, target, _ in mounts(compose["services"]["sync"]) if tree.startswith(target + "/"))
    result = load_tree(ROOT / source / Path(tree).name)
    assert not result.errors
    assert result.tree.name == config.name
    commands = [one["command"] for name, one in compose["services"].items() if name.startswith("demo-ioc")]
    groups = {words[words.index("--group") + 1] for words in commands}
    served = {signal.pv for group in groups for signal in signals(Group(group))}
    watched = {path.rpartition("/")[2] for path in result.tree.alarms}
    assert watched <= served


def test_the_demo_is_one_command_and_open_to_this_host_only(compose):
    started = {name: one for name, one in compose["services"].items() if "demo" in one.get("profiles", [])}
    assert set(OURS) | {"kafka", "elasticsearch", "grafana-demo"} == set(started)
    assert all("profiles" in one for one in compose["services"].values()), "what has none is started beside every other"
    for name, one in started.items():
        assert "secrets" not in one, f"{name}: would need a file that nobody has made"
        assert all(filled(port).startswith("127.0.0.1:") for port in one.get("ports", [])), name
        assert set(one.get("depends_on", [])) <= set(started)
    ports = [filled(port).rsplit(":", 1)[0] for one in started.values() for port in one.get("ports", [])]
    assert len(ports) == len(set(ports))


def test_the_servers_are_of_the_versions_that_tests_have(compose):
    for name, group in (("kafka", "kafka_2.13"), ("elasticsearch", "elasticsearch")):
        pom = (ROOT / f"tests/data/{name}/pom.xml").read_text()
        version = re.search(rf"<artifactId>{re.escape(group)}</artifactId>\s*<version>([\d.]+)</version>", pom)[1]
        assert compose["services"][name]["image"].endswith(f":{version}")
