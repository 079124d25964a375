"""The overlays on a real API server with its controllers: what is taken, what pods become of it, and the commands of the pages."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from tests.acceptance.kubernetes.operators import give_secrets_of_the_site
from tests.contract.test_k8s_steps import commands
from tests.k8s.building import MANIFESTS, build

pytestmark = pytest.mark.timeout(900)

NAMESPACES = {"demo": ["tocsin"], "production": ["tocsin-linac", "tocsin-ring"], "gateway": ["tocsin-gateway"]}
LINAC = "tocsin-linac"
ROLES = [f"{LINAC}/{role}" for role in ("history", "backend", "sync", "engine")]
"""In the order in which they are upgraded."""
PATIENCE_S = 300.0


def deployments(plane, namespace: str) -> dict[str, dict]:
    found = json.loads(plane.kubectl("-n", namespace, "get", "deployments", "-o", "json").out)["items"]
    return {one["metadata"]["name"]: one for one in found}


def apply(plane, directory: Path) -> None:
    """The API server warns of nothing: not of what it does not know, not of pods that it would refuse."""
    answer = plane.kubectl("apply", "-k", str(directory), "--validate=strict")
    assert (answer.code, answer.err) == (0, "")


def roll_out(plane, namespace: str) -> None:
    for name in deployments(plane, namespace):
        answer = plane.kubectl("-n", namespace, "rollout", "status", f"deployment/{name}", f"--timeout={PATIENCE_S:.0f}s")
        assert answer.code == 0, answer.err + plane.kubectl("-n", namespace, "get", "events").out


def until(condition, what: str):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def sites(plane, nodes):
    """All overlays applied, with what operators and sites bring."""
    for name, namespaces in NAMESPACES.items():
        apply(plane, MANIFESTS / "overlays" / name)
        for namespace in namespaces:
            give_secrets_of_the_site(plane, namespace, build(MANIFESTS / "overlays" / name))
    return {namespace: name for name, found in NAMESPACES.items() for namespace in found}


@pytest.mark.parametrize("name", NAMESPACES)
def test_what_was_applied_is_what_is_there(plane, sites, name):
    """Nothing was dropped, and nothing is spelt otherwise than the API server spells it."""
    answer = plane.kubectl("diff", "-k", str(MANIFESTS / "overlays" / name))
    assert (answer.code, answer.out) == (0, ""), answer.err


@pytest.mark.parametrize("namespace", [one for found in NAMESPACES.values() for one in found])
def test_every_pod_is_admitted_and_has_all_that_it_needs(plane, nodes, sites, namespace):
    """PodSecurity, priority classes and accounts let each of them in; what it refers to is there by the names that operators give."""
    roll_out(plane, namespace)
    assert {pod: missing for pod, missing in nodes.lacking.items() if pod.startswith(f"{namespace}/")} == {}
    refused = plane.kubectl("-n", namespace, "get", "events", "--field-selector=reason=FailedCreate", "-o", "jsonpath={..message}")
    assert refused.out == ""


def test_a_pod_with_rights_of_its_node_is_refused_where_sites_are(plane, sites):
    """Else the test above would say nothing."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "intruder", "namespace": LINAC},
        "spec": {"serviceAccountName": "tocsin-engine", "hostNetwork": True, "containers": [{"name": "one", "image": "one"}]},
    }
    answer = plane.kubectl("apply", "-f", "-", said=json.dumps(pod))
    assert answer.code != 0
    assert 'violates PodSecurity "restricted' in answer.err


@pytest.mark.parametrize("namespace", ["tocsin", LINAC, "tocsin-ring", "tocsin-gateway"])
def test_budgets_count_the_pods_of_their_role(plane, sites, namespace):
    roll_out(plane, namespace)

    def counted():
        found = json.loads(plane.kubectl("-n", namespace, "get", "pdb", "-o", "json").out)["items"]
        numbers = {one["metadata"]["name"]: one.get("status", {}) for one in found}
        return numbers if all(one.get("currentHealthy") == one.get("expectedPods", 0) > 0 for one in numbers.values()) else None

    numbers = until(counted, f"budgets of {namespace}")
    wanted = {name: one["spec"]["replicas"] for name, one in deployments(plane, namespace).items()}
    assert {name: one["expectedPods"] for name, one in numbers.items()} == {name: wanted[name] for name in numbers}
    assert all(one["disruptionsAllowed"] == 1 for one in numbers.values())


@pytest.fixture
def deploy(tmp_path):
    """What `tocsin k8s render` would have written for the site: its overlay, whose image and settings the test changes."""
    root = tmp_path / "k8s"
    shutil.copytree(MANIFESTS, root)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/kustomization.yaml").write_text("resources: [../k8s/overlays/production/linac/site]\n", "utf-8")
    site = root / "overlays/production/linac/site"

    def change(tag: str) -> None:
        file = site / "kustomization.yaml"
        file.write_text(file.read_text("utf-8").replace("newTag: 0.1.0", f"newTag: {tag}"), "utf-8")
        with (site / "site.yaml").open("a", encoding="utf-8") as settings:
            settings.write(f"# for {tag}\n")

    return tmp_path, change


def test_an_upgrade_by_the_page_replaces_one_role_after_the_other_without_a_gap(plane, nodes, sites, deploy):
    roll_out(plane, LINAC)
    directory, change = deploy
    change("0.2.0")
    nodes.watch()
    answer = plane.shell("\n".join(commands("Upgrade")), directory)
    assert answer.code == 0, answer.err
    assert "Warning" not in answer.err
    assert [role for role in dict.fromkeys(nodes.ready) if role in ROLES] == ROLES
    assert [nodes.fewest[f"{LINAC}/{role}"] for role in ("history", "backend", "engine")] == [2, 2, 2]
    assert nodes.lacking == {}
    images = {c["image"] for one in deployments(plane, LINAC).values() for c in one["spec"]["template"]["spec"]["containers"]}
    assert [image for image in images if "/tocsin:" in image] == ["registry.example.org/tocsin:0.2.0"]
    assert plane.kubectl("diff", "-k", str(directory / "deploy")).out == ""
