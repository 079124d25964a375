"""YAML examples of the documentation are good settings, trees and files of users."""

import re
from pathlib import Path
from typing import Any

import argon2
import pytest
import yaml

from alarm_engine.config.load import load_tree
from backend.credentials import UsersFile
from tocsin.settings import Settings, load, validate

ROOT = Path(__file__).parents[2]


def blocks(name: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", (ROOT / name).read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_two_files_of_the_readme_work_as_they_stand(tmp_path):
    tree, site = blocks("README.md")
    (tmp_path / "tree.yaml").write_text(tree, "utf-8")
    (tmp_path / "site.yaml").write_text(site, "utf-8")
    loaded = load_tree(tmp_path / "tree.yaml")
    assert [str(fault) for fault in loaded.faults] == []
    assert loaded.tree is not None
    assert set(loaded.tree.alarms) == {"/Site/Cooling/SITE:Flow", "/Site/Cooling/SITE:Temp"}
    settings = load(tmp_path / "site.yaml")
    assert settings.configurations[0].tree == tmp_path / "tree.yaml"
    assert settings.channel_access.addr_list == ("127.0.0.1",)


@pytest.mark.parametrize(
    "name",
    ["docs/how-to/run-as-a-service.md", "docs/how-to/protect-it.md", "docs/how-to/connect-grafana.md", "docs/how-to/run-on-kafka.md"],
)
def test_examples_of_settings_are_settings(name):
    found = [data for text in blocks(name) if set(data := yaml.safe_load(text)) <= set(Settings.model_fields)]
    assert found
    for data in found:
        validate({"configurations": [{"tree": "tree.yaml"}]} | data, name)


def test_the_example_of_a_file_of_users_is_one():
    [text] = [text for text in blocks("docs/how-to/protect-it.md") if text.startswith("users:")]
    data: dict[str, Any] = yaml.safe_load(text)
    data["users"][0]["password"] = argon2.PasswordHasher(1, 8, 1).hash("shortened in the example")
    data["tokens"][0]["sha256"] = data["tokens"][0]["sha256"].rstrip(".").ljust(64, "0")
    UsersFile.model_validate(data)
