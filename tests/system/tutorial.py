"""Carries a tutorial out: its blocks are files to write and commands to execute, as the words after the language say.

```yaml file=tree.yaml      the block is the content of a file
```console                  commands (`$ ...`, `\\` goes on), then what they must print; `...` stands for anything
```console wait             the same again and again, until they print it
```console background       the last command stays, once it has printed it
```console stop             Ctrl-C to the newest command in the background, which must end
```console skip             not executed
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

PATIENCE_S = 40.0
"""How long an answer, a start or an end may take; a loaded machine needs seconds."""
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of the page."""

    line: int
    language: str
    mark: str
    text: str

    @property
    def commands(self) -> str:
        """The shell script."""
        return "\n".join(re.findall(r"^\$ ((?:.*\\\n)*.*)$", self.text, re.MULTILINE))

    @property
    def answer(self) -> str:
        """What must be printed."""
        return re.sub(r"^\$ (?:.*\\\n)*.*\n", "", self.text, flags=re.MULTILINE).strip()


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    return [Block(page.count("\n", 0, found.start()) + 1, found[1], found[2].strip(), found[3]) for found in _BLOCK.finditer(page)]


def is_in(answer: str, output: str) -> bool:
    """True if the output has the answer in it, with `...` for anything, and blanks of any number."""
    pieces = [r"\s+".join(re.escape(word) for word in piece.split()) for piece in answer.split("...")]
    return re.search(".*?".join(pieces), output, re.DOTALL) is not None


@dataclass
class Reader:
    """Somebody who follows a tutorial in a directory."""

    directory: Path
    replaced: Mapping[str, str]
    """Texts of the page that are others here, as ports."""
    environment: dict[str, str]
    running: list[tuple[subprocess.Popen[bytes], Path]] = field(default_factory=list)
    _started: int = 0

    def follow(self, page: str) -> None:
        """Do what the page says; raises `AssertionError` that names its line."""
        for block in blocks(page):
            for old, new in self.replaced.items():
                block = block._replace(text=block.text.replace(old, new))
            name = block.mark.removeprefix("file=")
            if name != block.mark:
                (self.directory / name).write_text(block.text, "utf-8")
            elif block.language == "console":
                self._do(block)

    def _do(self, block: Block) -> None:
        if block.mark == "background":
            self._start(block)
        elif block.mark == "stop":
            self._stop(block)
        elif block.mark in ("", "wait"):
            deadline = time.monotonic() + (PATIENCE_S if block.mark == "wait" else 0)
            while not self._tell(block, last=time.monotonic() > deadline):
                time.sleep(0.02)
        else:
            assert block.mark == "skip", f"line {block.line}: unknown mark {block.mark!r}"

    def _tell(self, block: Block, *, last: bool) -> bool:
        """Execute a block; directory and variables stay for the next one."""
        kept = self.directory / ".shell"
        script = f"set -e\n{block.commands}\nprintf '%s' \"$PWD\" >{kept}.pwd; env -0 >{kept}.env"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.directory, env=self.environment, capture_output=True, timeout=PATIENCE_S, check=False
        )
        output = (done.stdout + done.stderr).decode("utf-8", "replace")
        if done.returncode == 0 and is_in(block.answer, output):
            variables = Path(f"{kept}.env").read_text("utf-8").split("\0")
            self.environment = dict(variable.split("=", 1) for variable in variables if "=" in variable)
            self.directory = Path(Path(f"{kept}.pwd").read_text("utf-8"))
            return True
        told = f"exit status {done.returncode}, printed:\n{output}\nexpected:\n{block.answer}"
        assert not last, f"line {block.line}: {block.commands}\n{told}"
        return False

    def _start(self, block: Block) -> None:
        self._started += 1
        log = self.directory / f".background-{self._started}.log"
        *before, last = block.commands.splitlines()
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", "\n".join(["set -e", *before, f"exec {last}"])],
                cwd=self.directory, env=self.environment, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self.running.append((process, log))
        deadline = time.monotonic() + PATIENCE_S
        while not is_in(block.answer, printed := log.read_text("utf-8", "replace")):
            assert process.poll() is None, f"line {block.line}: {last} ended with {process.returncode}:\n{printed}"
            assert time.monotonic() < deadline, f"line {block.line}: {last} printed:\n{printed}\nexpected:\n{block.answer}"
            time.sleep(0.02)

    def _stop(self, block: Block) -> None:
        process, log = self.running.pop()
        os.killpg(process.pid, signal.SIGINT)
        try:
            status = process.wait(PATIENCE_S)
        finally:
            _end(process)
        assert status == 0, f"line {block.line}: ended with {status}:\n{log.read_text('utf-8', 'replace')}"

    def close(self) -> None:
        """End what still runs."""
        for process, _ in reversed(self.running):
            _end(process)
        self.running = []


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def with_our_programs(environment: Mapping[str, str]) -> dict[str, str]:
    """The same environment, with the programs of the Python that runs us first in the path."""
    return {**environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"}
