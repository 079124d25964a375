"""`tocsin` as its users start it, in a process that a test can hang: `python -m tests.chaos.process [--without WHAT]... ROLE ...`.

SIGUSR1 blocks the event loop of the engine, and nothing else, for `TOCSIN_TEST_HANG_S` seconds; SIGUSR2 keeps the interpreter's lock for as
long, so that no thread of Python runs. `--without fencing` and `--without inputs` take a protection away, to show that the checker notices.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from typing import Any

from tocsin.engine_thread import EngineThread

HANG_S = float(os.environ.get("TOCSIN_TEST_HANG_S", "12"))


class Hangs:
    """What the signals do."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        serve = EngineThread._serve

        async def noticed(thread: EngineThread, *arguments: Any) -> None:
            self._loop = asyncio.get_running_loop()
            await serve(thread, *arguments)

        EngineThread._serve = noticed  # type: ignore[method-assign]
        signal.signal(signal.SIGUSR1, lambda *_: self._block_the_loop())
        signal.signal(signal.SIGUSR2, lambda *_: _keep_the_lock())

    def _block_the_loop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(time.sleep, HANG_S)


def _keep_the_lock() -> None:
    # Functions of a PyDLL are called with the lock of the interpreter held.
    ctypes.PyDLL(None).usleep(ctypes.c_uint(round(HANG_S * 1e6)))


def _without_fencing() -> None:
    """Each process writes under a transactional id of its own, and does not learn that another one has taken over."""
    from alarm_engine.journal import kafka_transactions as module
    from alarm_engine.ownership.kafka_lease import KafkaLease

    made = module.Transactions.__init__

    def alone(self: Any, cluster: Any) -> None:
        made(self, cluster)
        self._id = f"{self._id}-{os.getpid()}"

    module.Transactions.__init__ = alone  # type: ignore[method-assign]
    module.Transactions._check_owner = lambda self: None  # type: ignore[method-assign]
    KafkaLease.end = lambda self, why: None  # type: ignore[method-assign]


def _without_inputs() -> None:
    """Whoever takes over knows only what each PV says now, and nothing of what it said meanwhile."""
    from alarm_engine import intake as module

    begun = module.Intake.begin

    def forgetful(self: Any, *arguments: Any) -> Any:
        self._uncovered = module.Uncovered()
        return begun(self, *arguments)

    module.Intake.begin = forgetful  # type: ignore[method-assign]


PROTECTIONS = {"fencing": _without_fencing, "inputs": _without_inputs}


def main() -> None:
    from tocsin.cli.main import main as run

    while len(sys.argv) > 1 and sys.argv[1] == "--without":
        PROTECTIONS[sys.argv[2]]()
        del sys.argv[1:3]
    Hangs()
    run()


if __name__ == "__main__":
    main()
