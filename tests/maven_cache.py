"""What tests fetch by Maven: once, kept outside of the repository, under a name that follows from its `pom.xml`."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FETCH_S = 300.0


class Missing(RuntimeError):
    """What the tests need is not on this machine; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something that Maven can fetch."""

    name: str
    """As messages call it."""
    folder: str
    """Begin of the name of its folder in the cache."""
    pom: Path
    goals: Sequence[str]
    """Arguments of Maven; `@TO@` stands for the folder that it shall fill."""

    def check_tools(self) -> None:
        """Raise `Missing` unless Java and, where it is not here yet, Maven can be run."""
        if shutil.which("java") is None:
            raise Missing(f"{self.name} needs Java 17 or newer: apt-get install default-jre-headless maven")
        if not self._directory().is_dir() and shutil.which("mvn") is None:
            raise Missing(f"{self.name} is fetched by Maven, which is not here: apt-get install maven")

    def fetched(self) -> Path:
        """The folder, filled if it is not there yet; several processes may ask at once. Raises `Missing`."""
        self.check_tools()
        directory = self._directory()
        directory.parent.mkdir(parents=True, exist_ok=True)
        with (directory.parent / f"{directory.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not directory.is_dir():
                self._fetch(directory)
        return directory

    def _directory(self) -> Path:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        version = hashlib.sha256(self.pom.read_bytes()).hexdigest()[:12]
        return cache / "tocsin-tests" / f"{self.folder}-{version}"

    def _fetch(self, directory: Path) -> None:
        """Into a folder beside it, which gets its name when everything is there: a fetch that was broken off leaves nothing half."""
        with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
            target = Path(scratch) / "fetched"
            goals = [goal.replace("@TO@", str(target)) for goal in self.goals]
            command = ["mvn", "-q", "-B", "-f", shutil.copy(self.pom, scratch), *goals]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_S, check=False)
            if done.returncode != 0 or not target.is_dir():
                raise Missing(f"Maven could not fetch {self.name}:\n{(done.stdout + done.stderr)[-2000:]}")
            target.rename(directory)
