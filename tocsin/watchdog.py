"""Ends a process whose engine hangs: a process that is gone is started again by its supervisor, one that hangs is not."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()

EXIT_STATUS = 70
"""EX_SOFTWARE of sysexits.h."""
_LOOKS = 6


class Watchdog:
    """Watches one event loop from a thread of its own.

    It counts its own looks, not seconds: after the whole process was paused (SIGSTOP, a virtual machine moved) loop and watchdog go on
    together, and nothing hangs.
    """

    def __init__(self, limit_s: float, bite: Callable[[], None] | None = None) -> None:
        """`limit_s`: 0, it never bites."""
        self._limit_s = limit_s
        self._bite = bite or _end_process
        self._beats = 0
        self._stopping = threading.Event()

    async def watch(self) -> None:
        """Watch the loop that runs this, until it is cancelled."""
        if not self._limit_s:
            return
        thread = threading.Thread(target=self._look, name="watchdog", daemon=True)
        thread.start()
        try:
            while True:
                self._beats += 1
                await asyncio.sleep(self._limit_s / _LOOKS / 2)
        finally:
            self._stopping.set()

    def _look(self) -> None:
        seen, silent = -1, 0
        while not self._stopping.wait(self._limit_s / _LOOKS):
            beats = self._beats
            silent = silent + 1 if beats == seen else 0
            seen = beats
            if silent >= _LOOKS:
                log.critical("the engine hangs: this process ends, so that another one can serve", after_s=self._limit_s)
                self._bite()
                return


def _end_process() -> None:
    faulthandler.dump_traceback(sys.stderr, all_threads=True)  # where it hangs
    sys.stderr.flush()
    os._exit(EXIT_STATUS)
