"""Sites that are rendered in tests: their settings, and what kustomize makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from alarm_engine import strict_yaml
from tests.k8s.building import MANIFESTS, build
from tocsin.kubernetes.render import read_configurations, render
from tocsin.kubernetes.site import ClusterSite
from tocsin.settings import load

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
