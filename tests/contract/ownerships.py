"""Engines that take part in an election, in this process and in others."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.ownership.kafka import KafkaOwnership

SESSION_S = KafkaSettings("").session_s
QUICK_S = SESSION_S - 2
"""Less than it takes the group to miss a member: who was told gets what he waits for within that time."""


@asynccontextmanager
async def taking_part(settings, *configs):
    ownership = KafkaOwnership(settings, configs)
    await ownership.start()
    try:
        yield ownership
    finally:
        await ownership.close()


@asynccontextmanager
async def writing(settings, config):
    """The journal as the one writer of a configuration: it leaves the mark."""
    journal = KafkaJournal(replace(settings, owns=config))
    await journal.start()
    try:
        yield journal
    finally:
        await journal.close()


async def lease_of(ownership, config, heard=None, within_s=30):
    async with asyncio.timeout(within_s):
        return await ownership.acquire(config, lambda wait: None if heard is None else heard.append(wait.why))


def is_lost(lease):
    return lease._ended.is_set()


class Holder:
    """See `ownership_holder`."""

    def __init__(self, settings, config, name):
        command = [sys.executable, "-m", "tests.contract.ownership_holder", settings.servers, settings.cell, config, name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parents[2]
        )

    async def says(self, word):
        """Waits for a line that begins so; lines of the log may lie between."""
        while True:
            line = await asyncio.to_thread(self.process.stdout.readline)
            assert line, f"it ended without {word!r}"
            if line.startswith(word):
                return line.strip()

    def hang(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def end(self):
        self.process.kill()
        self.process.communicate()


@contextmanager
def holder(settings, config, name="engine-p"):
    made = Holder(settings, config, name)
    try:
        yield made
    finally:
        made.end()
