"""A process of a site: started, signalled and ended by its id, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class Process:
    """One of ours; ended by its id, started again."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is not waited for."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self._environment},
            )

    @property
    def pid(self) -> int:
        """Its id."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """It was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll() if self._process is not None else None

    def signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.running:
            os.kill(self.pid, number)

    def wait(self, timeout_s: float = 30) -> int:
        """Until it has ended; returns its status."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def end(self) -> None:
        """Kill it."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()

    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
