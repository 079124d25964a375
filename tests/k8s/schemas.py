"""Manifests against the schemas of Kubernetes and of the operators; what a schema does not know is a fault."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.k8s.building import Manifest, title

VERSIONS = ("1.36", "1.37")
"""Minor versions of Kubernetes that manifests are for."""
CUSTOM = ("kafka.strimzi.io", "elasticsearch.k8s.elastic.co")
"""Groups whose schemas are published by their operators, in the releases of Strimzi and ECK."""
WITHOUT = ("monitoring.coreos.com",)
"""Groups that are looked at by `references` only."""
HOW_TO_GET = (
    "TOCSIN_CRDS does not name a directory with the custom resource definitions of Strimzi (strimzi-crds of its release 1.2.0) "
    "and ECK (crds.yaml of its release 3.5.0): fetch them there, and set it"
)


def group(manifest: Manifest) -> str:
    """The API group; empty for the core one."""
    return str(manifest.get("apiVersion", "")).rpartition("/")[0]


def faults(manifests: Iterable[Manifest], version: str) -> Iterator[str]:
    """What Kubernetes of a minor version would not accept, or would not know; operators' objects are left out."""
    for manifest in manifests:
        if group(manifest) in (*CUSTOM, *WITHOUT):
            continue
        validator = _builtin(version, str(manifest.get("kind")), str(manifest.get("apiVersion")))
        if validator is None:
            yield f"{title(manifest)}: Kubernetes {version} has no kind {manifest.get('kind')} in {manifest.get('apiVersion')}"
            continue
        yield from _told(validator, manifest)


def custom_faults(manifests: Iterable[Manifest], directory: Path) -> Iterator[str]:
    """What the operators' schemas in a directory refuse or do not know."""
    known = _custom(directory)
    for manifest in manifests:
        if group(manifest) not in CUSTOM:
            continue
        validator = known.get((str(manifest["apiVersion"]), str(manifest["kind"])))
        if validator is None:
            yield f"{title(manifest)}: the operators serve no {manifest['kind']} in {manifest['apiVersion']}"
            continue
        yield from _told(validator, manifest)


def crds() -> Path | None:
    """Where the operators' schemas are; None: nobody said."""
    named = os.environ.get("TOCSIN_CRDS")
    return Path(named) if named and Path(named).is_dir() else None


def served(directory: Path) -> dict[tuple[str, str], str]:
    """Storage version by group and kind, of all definitions in a directory."""
    found = {}
    for spec in _definitions(directory):
        stored = next(version["name"] for version in spec["versions"] if version["storage"])
        found[(spec["group"], spec["names"]["kind"])] = stored
    return found


def _told(validator: Draft202012Validator, manifest: Manifest) -> Iterator[str]:
    for error in sorted(validator.iter_errors(manifest), key=lambda one: list(map(str, one.path))):
        yield f"{title(manifest)}: {'.'.join(map(str, error.path)) or 'as a whole'}: {error.message[:300]}"


@functools.cache
def _builtin(version: str, kind: str, api: str) -> Draft202012Validator | None:
    # As kubernetes-validate names its files: apps/v1 is apps-v1, policy/v1 policy-v1, networking.k8s.io/v1 networking-v1.
    short = re.sub(r"^([^./]*)(?:[.][^/]*)?/", r"\1-", api)
    file = _schemas(version) / f"{kind.lower()}-{short}.json"
    if not file.is_file():
        return None
    return Draft202012Validator(json.loads(file.read_text("utf-8")), registry=_registry(version) @ Registry())


def _schemas(version: str) -> Any:
    return files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"


@functools.cache
def _registry(version: str) -> Resource[Any]:
    return Resource.from_contents(json.loads((_schemas(version) / "_definitions.json").read_text("utf-8")))


@functools.cache
def _custom(directory: Path) -> dict[tuple[str, str], Draft202012Validator]:
    found = {}
    for spec in _definitions(directory):
        for version in spec["versions"]:
            if version["served"]:
                key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                found[key] = Draft202012Validator(_strict(version["schema"]["openAPIV3Schema"], top=True))
    return found


def _definitions(directory: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(directory.glob("*.yaml")):
        for document in yaml.load_all(file.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if document and document.get("kind") == "CustomResourceDefinition":
                yield document["spec"]


def _strict(schema: dict[str, Any], *, top: bool = False) -> dict[str, Any]:
    """The schema as JSON Schema, where nothing else is allowed than what it names."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    found = {
        key: value for key, value in schema.items() if key in ("type", "enum", "required", "minItems", "minimum", "maximum", "pattern")
    }
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            found[key] = [{"required": one["required"]} for one in schema[key] if "required" in one] or [{}]
    properties = schema.get("properties")
    if properties is not None:
        found["properties"] = {name: _strict(one) for name, one in properties.items()}
    if isinstance(schema.get("additionalProperties"), dict):
        found["additionalProperties"] = _strict(schema["additionalProperties"])
    elif properties is not None and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found["additionalProperties"] = False
    if "items" in schema:
        found["items"] = _strict(schema["items"])
    if top:
        found["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    if schema.get("nullable") and "type" in found:
        found["type"] = [found["type"], "null"]
    return found
