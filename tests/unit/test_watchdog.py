"""A process whose engine hangs is ended; one that works, or was paused as a whole, is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tocsin.watchdog import EXIT_STATUS, Watchdog

PROGRAM = """
import asyncio, sys, time
from tocsin.watchdog import Watchdog

async def main():
    watching = asyncio.create_task(Watchdog(0.6).watch())
    await asyncio.sleep(0.2)
    print("runs", flush=True)
    if sys.argv[1] == "hang":
        time.sleep(60)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.sleep(0.2)
    watching.cancel()

asyncio.run(main())
"""


@pytest.fixture
def program():
    started = []

    def start(how):
        started.append(subprocess.Popen([sys.executable, "-c", PROGRAM, how], stdin=-1, stdout=-1, stderr=-1, text=True))
        assert started[-1].stdout.readline() == "runs\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_process_that_hangs_is_ended_and_says_where(program):
    process = program("hang")
    assert process.wait(30) == EXIT_STATUS
    said = process.stderr.read()
    assert 'File "<string>", line 10 in main' in said


def test_a_process_that_was_paused_goes_on(program):
    process = program("work")
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(1)  # longer than the limit, which is what it is about
    os.kill(process.pid, signal.SIGCONT)
    process.communicate("\n", 30)
    assert process.returncode == 0


async def test_without_a_limit_nobody_watches():
    bites = []
    await Watchdog(0, lambda: bites.append(1)).watch()
    assert not bites
