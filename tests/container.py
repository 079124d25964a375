"""The container image without a container engine: the steps of the Dockerfile carried out here, where only this test sees them.

A mount namespace of its own has the Python of this test at /usr/local, as the base image has, and directories of the test where the image
has its own. What is started in the image runs as its user, with its environment and nothing else, in a file system that is read only but
for what would be a volume, without privileges, and where no shell can be started.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
VOLUME = "/var/lib/tocsin"
SETTINGS = "/mnt"
"""A directory that every machine has: none can be made in a tree that is not ours."""
_SETTING = re.compile(r'([A-Za-z_][\w.]*)=("(?:[^"\\]|\\.)*"|\S+)')


@dataclass
class Stage:
    """From one FROM to the next."""

    base: str
    name: str = ""
    steps: list[tuple[str, str]] = field(default_factory=list)
    """Instruction and the rest of its line."""

    def last(self, instruction: str) -> str:
        return next(rest for name, rest in reversed(self.steps) if name == instruction)

    def words(self, instruction: str) -> list[str]:
        """Of an instruction in the form that needs no shell."""
        text = self.last(instruction)
        found: list[str] = json.loads(text[text.index("[") :])
        return found

    @property
    def environment(self) -> dict[str, str]:
        found = {}
        for name, rest in self.steps:
            if name == "ENV":
                found |= {key: value.strip('"') for key, value in _SETTING.findall(rest)}
        return found


def dockerfile(text: str | None = None) -> list[Stage]:
    """The stages of the image, as written."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8") if text is None else text
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ").splitlines()
    stages: list[Stage] = []
    for line in filter(str.strip, lines):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name))
        else:
            stages[-1].steps.append((instruction, rest.strip()))
    return stages


def cannot_be_built() -> str:
    """Why not here; empty if it can."""
    if os.geteuid() != 0:
        return "an image is built and run by root: its user and its read-only tree need setpriv and mounts"
    missing = [name for name in ("unshare", "setpriv", "mount") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not here: apt-get install util-linux"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return f"no mounts can be made here: {tried.stderr.strip()}" if tried.returncode else ""


class Image:
    """A directory with what the image has of ours."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stages = dockerfile()
        self.settings = directory / "mnt"
        """What is in it is at `SETTINGS` in the image, as a mounted file or a ConfigMap would be."""
        for name in ("opt", "src", "var", "mnt"):
            (directory / name).mkdir()

    @property
    def final(self) -> Stage:
        return self.stages[-1]

    def build(self) -> None:
        """All steps of all stages, in their order; `AssertionError` with what was said where one fails.

        What the first RUN made is kept outside of the repository, as an engine keeps its layers, while lock files and steps are the same.
        """
        first, later = self._steps()
        layer = _cache() / f"image-{hashlib.sha256(_told(first).encode()).hexdigest()[:16]}"
        with (_cache() / "image.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if layer.is_dir():
                subprocess.run(["cp", "-a", f"{layer}/.", str(self.directory / "opt")], check=True)
            else:
                self._carry_out(first)
                for old in _cache().glob("image-*"):
                    shutil.rmtree(old)
                made = [str(self.directory / "opt" / name) for name in ("build", "tocsin")]
                layer.mkdir()
                subprocess.run(["cp", "-a", *made, str(layer)], check=True)
        self._carry_out(later)

    def _steps(self) -> tuple[list[str], list[str]]:
        """As lines of a shell: up to the first RUN, and the rest."""
        lines: list[str] = []
        runs: list[int] = []
        for stage in self.stages:
            lines.append("cd /")
            lines += [f'export {name}="{value}"' for name, value in stage.environment.items() if name != "PIP_NO_CACHE_DIR"]
            for instruction, rest in stage.steps:
                lines.append(self._step(instruction, rest))
                runs += [len(lines)] if instruction == "RUN" else []
        again = [line for line in lines[: runs[0]] if line.startswith(("cd", "mkdir", "export"))]
        return lines[: runs[0]], again + lines[runs[0] :]

    def _carry_out(self, lines: Sequence[str]) -> None:
        done = subprocess.run(
            ["unshare", "--mount", "bash", "-ec", "\n".join([self._mounts(), *lines])],
            cwd=ROOT,
            env={**self._own_environment(), **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def start(
        self, *words: str, output: Path, entrypoint: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """A process in the image, with its entry point unless another one is given, and more variables than the image has."""
        command = [*(self.final.words("ENTRYPOINT") if entrypoint is None else entrypoint), *words]
        variables = {**self._own_environment(), **(environment or {})}
        user, _, group = self.final.last("USER").partition(":")
        shells = {os.path.realpath(shell) for shell in ("/bin/sh", "/bin/bash", "/bin/dash") if os.path.exists(shell)}
        script = [
            self._mounts(),
            "mount -o remount,bind,ro /opt; mount -o remount,bind,ro /usr/local; mount -o remount,bind,ro /usr/src",
            f"mount --bind {self.settings} {SETTINGS}; mount -o remount,bind,ro {SETTINGS}",
            "mount -o remount,bind,ro /var/lib; mount -t tmpfs -o mode=0755,uid=10001,gid=10001 volume " + VOLUME,
            "mount -o remount,bind,ro /",
            f"cd {self.final.last('WORKDIR')}",
            *(f"mount --bind /dev/null {shell}" for shell in sorted(shells)),
            f"exec setpriv --reuid {user} --regid {group} --clear-groups --no-new-privs --bounding-set -all --inh-caps -all "
            + shlex.join(["env", "-i", *(f"{name}={value}" for name, value in variables.items()), *command]),
        ]
        with output.open("wb") as said:
            return subprocess.Popen(["unshare", "--mount", "bash", "-ec", "\n".join(script)], stdout=said, stderr=subprocess.STDOUT)

    def run(self, *words: str, output: Path, entrypoint: Sequence[str] | None = None) -> tuple[int, str]:
        """The same to its end: exit code, and what it said."""
        code = self.start(*words, output=output, entrypoint=entrypoint).wait(60)
        return code, output.read_text(encoding="utf-8")

    def _own_environment(self) -> dict[str, str]:
        path = "/usr/local/bin:/usr/local/sbin:/usr/bin:/bin:/usr/sbin:/sbin"
        final = {name: value.replace("$PATH", path) for name, value in self.final.environment.items()}
        # The last one only tells the Python of this test, which may have been moved, where its library is.
        return {"PATH": path, "HOME": "/", **final, "LD_LIBRARY_PATH": "/usr/local/lib"}

    def _mounts(self) -> str:
        opt = self.directory / "opt"
        lines = [f"mount --bind {shlex.quote(sys.base_prefix)} /usr/local"] if sys.base_prefix not in ("/usr", "/usr/local") else []
        for known in Path("/opt").iterdir():
            if known.is_dir() and known.name not in ("tocsin", "build"):
                lines.append(f"mkdir -p {opt / known.name}; mount --bind {known} {opt / known.name}")
        lines.append(f"mount --rbind {opt} /opt")
        lines.append(f"mount --bind {self.directory / 'src'} /usr/src")
        lines.append(f"mount --bind {self.directory / 'var'} /var/lib")
        return "\n".join(lines)

    @staticmethod
    def _step(instruction: str, rest: str) -> str:
        if instruction == "RUN":
            return rest
        if instruction == "WORKDIR":
            return f"mkdir -p {rest}; cd {rest}"
        if instruction == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            copied = " ".join(str(ROOT / source) for source in sources)
            return f"cp -rT {copied} {target}" if len(sources) == 1 else f"cp -r {copied} {target}"
        return ":"  # what is copied from a stage lies where it was built; the rest is for whoever starts the image


def _cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin-tests"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _told(lines: Sequence[str]) -> str:
    """What a layer depends on; the same in every checkout."""
    locks = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("requirements*.lock"))]
    return "\n".join([sys.version, *locks, *lines]).replace(f"{ROOT}/", "")
