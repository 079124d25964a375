"""A configuration that is held, in company of the test's choice."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from alarm_engine.clock import SystemClock
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.holding import Holding, HoldingPorts
from alarm_engine.ownership.port import Wait
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.sources.shared import SharedSource


def settings(config):
    return RunnerSettings(EvaluatorSettings(config))


class Lendable:
    """An ownership whose leases end when a test says so."""

    in_doubt = False
    doubted_at = 0.0

    def __init__(self) -> None:
        self.given = 0
        self.released = 0
        self.ended = asyncio.Event()

    async def start(self) -> None:
        pass

    async def acquire(self, config, waiting):
        if self.given:
            waiting(Wait("another one has it", False))
            await asyncio.Event().wait()
        self.given += 1
        return self

    async def lost(self) -> str:
        await self.ended.wait()
        return "another one has it"

    async def release(self) -> None:
        self.released += 1

    async def withdraw(self, config) -> None:
        self.withdrawn = True

    async def close(self) -> None:
        pass


def holding(journal, ownership, writer, others=None):
    share = SharedSource(MemorySource()).share()
    return Holding(settings("Plant"), HoldingPorts(writer, ownership, share, SystemClock(), others))


class Peer(NamedTuple):
    """What one of them says of itself, and when that was heard by the clock of the event loop."""

    engine: str
    candidate: bool = True
    pvs_connected: int = 0
    heard: float = 0.0


class Company:
    """Peers of which nobody runs the configuration, and some stand by."""

    sure = True

    def __init__(self, *standing_by) -> None:
        self._standing_by = standing_by

    def running(self, config, since_s=None) -> None:
        return None

    def standing_by(self, config):
        return self._standing_by

    def has_others(self, config):
        return bool(self._standing_by)


class Generous(Lendable):
    """Gives the configuration to whoever asks, until he withdraws."""

    withdrawn = False

    async def acquire(self, config, waiting):
        if self.withdrawn:
            await asyncio.Event().wait()
        self.given += 1
        return self
