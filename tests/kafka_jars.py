"""Apache Kafka's published jars for tests: fetched once by Maven, kept outside of the repository."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

DATA = Path(__file__).parent / "data" / "kafka"
FETCH_S = 300.0


class Missing(RuntimeError):
    """What the tests need is not on this machine; the message says how to get it."""


def check_tools() -> None:
    """Raise `Missing` unless Java and, where the jars are not here yet, Maven can be run."""
    if shutil.which("java") is None:
        raise Missing("a Kafka broker needs Java 17 or newer: apt-get install default-jre-headless maven")
    if not _complete(_directory()) and shutil.which("mvn") is None:
        raise Missing("Apache Kafka's jars are fetched by Maven, which is not here: apt-get install maven")


@functools.cache
def jars() -> Path:
    """Folder with the jars, fetched if they are not there yet; raises `Missing`."""
    check_tools()
    directory = _directory()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f"{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _complete(directory):
            _fetch(directory)
    return directory


def _directory() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = hashlib.sha256((DATA / "pom.xml").read_bytes()).hexdigest()[:12]
    return cache / "tocsin-tests" / f"kafka-{version}"


def _complete(directory: Path) -> bool:
    return directory.is_dir()


def _fetch(directory: Path) -> None:
    """Into a folder beside it, which gets its name when everything is there: a fetch that was broken off leaves nothing half."""
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        library = Path(scratch) / "lib"
        pom = shutil.copy(DATA / "pom.xml", scratch)
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={library}", "-DincludeScope=runtime"]
        done = subprocess.run(
            ["mvn", "-q", "-B", "-f", pom, *goal], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_S, check=False
        )
        if done.returncode != 0 or not library.is_dir():
            raise Missing(f"Maven could not fetch Apache Kafka's jars:\n{(done.stdout + done.stderr)[-2000:]}")
        library.rename(directory)
