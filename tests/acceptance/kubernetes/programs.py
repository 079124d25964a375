"""Programs of a control plane of Kubernetes: built by Go from their modules, once for a machine.

python -m tests.acceptance.kubernetes.programs     # builds them; `make cluster` does it by itself
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

MODULE = Path(__file__).parent / "programs"
VERSION = "1.37.2"
"""Of Kubernetes, as `programs/go.mod` names it."""
PROGRAMS = {
    "etcd": "./etcd",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "controllers": "./controllers",
}
HOW = "no control plane of Kubernetes: `make cluster` builds one with Go 1.26, once for a machine (ten minutes)"


class MissingPrograms(RuntimeError):
    """They are not on this machine; the message says how to get them."""


def programs() -> Path:
    """The directory with all of them; raises `MissingPrograms`."""
    directory = _cache()
    if not all((directory / name).exists() for name in PROGRAMS):
        raise MissingPrograms(HOW)
    return directory


def build() -> None:
    """Build what is not there yet; raises `MissingPrograms`."""
    if shutil.which("go") is None:
        raise MissingPrograms("Go is not here: install Go 1.26 or newer")
    target = _cache()
    target.mkdir(parents=True, exist_ok=True)
    major, minor, _ = VERSION.split(".")
    named = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
    flags = " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in named.items())])
    for name, package in PROGRAMS.items():
        if (target / name).exists():
            continue
        print(f"building {name} of Kubernetes {VERSION}", flush=True)
        with tempfile.TemporaryDirectory(dir=target) as scratch:
            made = Path(scratch) / name
            command = ["go", "build", "-trimpath", "-ldflags", flags, "-o", str(made), package]
            done = subprocess.run(command, cwd=MODULE, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise MissingPrograms(f"Go could not build {name}:\n{done.stderr[-2000:]}")
            made.rename(target / name)


def _cache() -> Path:
    """Another one for other versions."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made_of = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "etcd/main.go", "controllers/main.go"))
    return cache / "tocsin-tests" / f"kubernetes-{hashlib.sha256(made_of).hexdigest()[:12]}"


if __name__ == "__main__":
    try:
        build()
    except MissingPrograms as problem:
        raise SystemExit(str(problem)) from None
