"""Packages of npm that tests hold against what we make: fetched once, kept outside of the repository."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def npm_packages(*packages: str) -> Path:
    """Folder with the packages (`NAME@VERSION`) and what they need; skips the test where they cannot be had."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here: apt-get install npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin-tests"
    folder = cache / ("-".join(packages).replace("/", "-"))
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                target = Path(scratch) / "fetched"
                target.mkdir()
                (target / "package.json").write_text("{}")
                command = ["npm", "install", "--no-audit", "--no-fund", "--silent", *packages]
                done = subprocess.run(
                    command, cwd=target, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
                )
                if done.returncode:
                    pytest.skip(f"npm could not fetch {', '.join(packages)}: {done.stderr[-500:]}")
                target.rename(folder)
    return folder
