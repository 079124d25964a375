"""A program in a real pseudo-terminal, and what stands on its screen."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import asynccontextmanager

import pexpect
import pyte
import pytest

_PATIENCE = 1500
LEFT_ALTERNATE_SCREEN = "\x1b[?1049l"
CURSOR_SHOWN = "\x1b[?25h"
MOUSE_OFF = "\x1b[?1000l"


class Terminal:
    """A terminal of so many columns and lines, in which `tocsin ARGUMENTS` runs."""

    def __init__(self, arguments: list[str], columns: int = 120, lines: int = 30, **environment: str) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self.screen)
        self.output = ""
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = pexpect.spawn(
            "env",
            # Where tests run in the background Ctrl-C may be ignored, and whoever is started would ignore it too.
            ["--default-signal=INT", sys.executable, "-m", "tocsin", *arguments],
            dimensions=(lines, columns),
            env={**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
            encoding="utf-8",
            timeout=0,
        )

    def read(self) -> None:
        """Take what the program has written."""
        try:
            while True:
                text = self.process.read_nonblocking(65536, timeout=0)
                self.output += text
                # pyte knows no private sequences with these marks, and would print their ends.
                self._stream.feed(re.sub(r"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$[a-z]", "", text))
        except (pexpect.TIMEOUT, pexpect.EOF):
            pass

    def text(self) -> str:
        """The screen."""
        self.read()
        return "\n".join(line.rstrip() for line in self.screen.display)

    async def shows(self, pattern: str) -> re.Match[str]:
        """Wait until the screen matches."""
        for _ in range(_PATIENCE):
            if found := re.search(pattern, self.text()):
                return found
            await asyncio.sleep(0.02)
        return pytest.fail(f"the screen never showed {pattern}:\n{self.text()}")

    async def lacks(self, pattern: str) -> None:
        """Wait until the screen does not match."""
        for _ in range(_PATIENCE):
            if not re.search(pattern, self.text()):
                return
            await asyncio.sleep(0.02)
        pytest.fail(f"the screen went on showing {pattern}:\n{self.text()}")

    def type(self, keys: str) -> None:
        self.process.send(keys)

    def resize(self, columns: int, lines: int) -> None:
        self.read()
        self.screen.resize(lines, columns)
        self.process.setwinsize(lines, columns)

    async def ended(self) -> int:
        """Wait until the program has ended; its exit code, or that of the signal."""
        for _ in range(_PATIENCE):
            self.read()
            if not self.process.isalive():
                self.read()
                return self.process.exitstatus if self.process.exitstatus is not None else -self.process.signalstatus
            await asyncio.sleep(0.02)
        return pytest.fail(f"it did not end:\n{self.text()}")

    def restored(self) -> bool:
        """What the program did to the terminal is undone: screen, cursor, mouse."""
        return all(mark in self.output for mark in (LEFT_ALTERNATE_SCREEN, CURSOR_SHOWN, MOUSE_OFF))


@asynccontextmanager
async def terminal(*arguments: str, columns: int = 120, lines: int = 30, **environment: str):
    """The terminal; whatever runs in it is ended."""
    found = Terminal(list(arguments), columns, lines, **environment)
    try:
        yield found
    finally:
        if found.process.isalive():
            found.process.kill(signal.SIGKILL)
            await asyncio.to_thread(found.process.wait)
        found.process.close()
