"""The steps of the page: what `kubectl apply -l` takes of an overlay at each, and jobs that are made by hand."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping

import pytest
import yaml

from tests.k8s.building import ROOT, Manifest, kubectl, overlay, title
from tests.k8s.pods import pods, sources

PAGE = (ROOT / "docs/how-to/run-on-kubernetes.md").read_text("utf-8")
LABEL = "app.kubernetes.io/component"
OVERLAYS = ("demo", "production")
Choice = Callable[[Mapping[str, str]], bool]


def commands(heading: str) -> list[str]:
    """Lines of the shell in a section; one that goes on is one."""
    text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line.partition("  # ")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def selector(text: str) -> Choice:
    """What kubectl takes a selector of one requirement for."""
    if found := re.fullmatch(r"!(\S+)", text):
        return lambda labels: found[1] not in labels
    if found := re.fullmatch(r"(\S+) in \(([^)]*)\)", text):
        return lambda labels: labels.get(found[1]) in found[2].split(", ")
    if found := re.fullmatch(r"(\S+)!=(\S+)", text):
        return lambda labels: labels.get(found[1]) != found[2]
    key, value = text.split("=")
    return lambda labels: labels.get(key) == value


def steps(heading: str) -> list[Choice]:
    """What each `kubectl apply -k deploy -l SELECTOR` of a section takes."""
    words = [shlex.split(line) for line in commands(heading) if line.startswith("kubectl apply")]
    assert all(line[:5] == ["kubectl", "apply", "-k", "deploy", "-l"] and len(line) == 6 for line in words)
    return [selector(line[5]) for line in words]


def labels(one: Manifest) -> Mapping[str, str]:
    return one["metadata"].get("labels", {})


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_object_is_applied_in_exactly_one_step_of_an_upgrade(name):
    number = {title(one): sum(step(labels(one)) for step in steps("Upgrade")) for one in overlay(name)}
    assert {what for what, times in number.items() if times != 1} == set()


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_pods_refer_to_is_there_before_them(name):
    """Settings have their content in their name: pods of a new version wait for ever for a ConfigMap that comes in a later step."""
    order = {title(one): [step(labels(one)) for step in steps("Upgrade")].index(True) for one in overlay(name)}
    needed = 0
    for pod in pods(overlay(name)):
        for kind, source, _ in sources(pod) if pod.spec else ():
            wanted = f"{kind} {pod.namespace}/{source.get('secretName') or source.get('name')}"
            if wanted in order:
                assert order[wanted] < order[pod.owner]
                needed += 1
    assert needed > 3


def test_readers_come_before_engines_in_the_order_of_the_page_on_upgrades():
    order = [LABEL.join(["", "=" + role]) for role in ("history", "backend", "engine")]
    text = "\n".join(commands("Upgrade"))
    assert [text.index(one) for one in order] == sorted(text.index(one) for one in order)
    assert text.index("(sync") < text.index(f"{LABEL}=engine")
    waited = re.findall(r"rollout status deployment/tocsin-(\w+)", text)
    assert waited == ["history", "backend", "sync", "engine"]


def test_no_engine_runs_while_the_journal_is_made_again():
    (step,) = steps("When the journal is lost")
    engines = {title(one) for one in overlay("production") if one["kind"] == "Deployment" and not step(labels(one))}
    assert engines == {f"Deployment {namespace}/tocsin-engine" for namespace in ("tocsin-linac", "tocsin-ring")}
    text = "\n".join(commands("When the journal is lost"))
    assert text.index("tocsin-engine --replicas=0") < text.index("create job restore") < text.index("tocsin-engine --replicas=2")


def test_the_job_with_more_options_is_what_the_page_makes_of_it():
    """kubectl itself carries out the part that asks no cluster."""
    text = PAGE.partition("\n## When the journal is lost\n")[2].partition("\n## ")[0]
    (operations,) = re.findall(r"kubectl patch --local -f - -o yaml --type=json -p '(.*?)'", text, re.DOTALL)
    (model,) = [
        one for one in overlay("production") if title(one) == "CronJob tocsin-linac/tocsin-restore"
    ]  # fmt: skip
    assert model["spec"]["suspend"] is True, "it never runs by itself"
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "restore"}, "spec": model["spec"]["jobTemplate"]["spec"]}
    words = [kubectl(), "patch", "--local", "-f", "-", "-o", "yaml", "--type=json", "-p", operations]
    done = subprocess.run(words, input=json.dumps(job), capture_output=True, text=True, check=True)
    (container,) = yaml.safe_load(done.stdout)["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["history", "restore", "--settings", "/etc/tocsin/site.yaml", "--over", "--at=2026-11-30T08:15:00Z"]


def test_a_job_that_is_made_again_is_deleted_before():
    """Its name is that of the one that refused: Kubernetes makes no second one."""
    lines = [line for line in commands("When the journal is lost") if re.search(r"(create|delete) job restore\b", line)]
    assert [re.search("create|delete", line)[0] for line in lines] == ["create", "delete", "create"]


def test_the_page_names_objects_that_are_there():
    there = {(one["kind"].lower(), one["metadata"]["name"]) for name in OVERLAYS for one in overlay(name)}
    named = re.findall(r"\b(deployment|cronjob|kafka|service)/([\w-]+)", PAGE)
    assert named
    assert set(named) <= there


def test_the_steps_name_all_roles_and_no_others():
    """A step of the page that names a role which the base has not would do nothing, and nobody would see it."""
    roles = {labels(one)[LABEL] for name in OVERLAYS for one in overlay(name) if LABEL in labels(one)}
    named = {
        word for line in commands("Upgrade") for found in re.findall(r"component(?:=| in \()([\w, -]+)", line) for word in found.split(", ")
    }
    assert named == roles
