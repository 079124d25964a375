"""The alarm engine as an application object: build, start, stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.port import Journal, Record
from alarm_engine.model.status import EngineStatus
from alarm_engine.ownership.port import Ownership
from alarm_engine.runner import Runner, RunnerSettings, ending
from alarm_engine.sources.port import Source
from alarm_engine.sources.shared import SharedSource
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.status import encode_status
from alarm_engine.wire.topics import status_topic

log = structlog.get_logger()

_STATUS_PERIOD_S = 1.0
_ALIVE_WITHIN_MS = 2000


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What an engine serves."""

    name: str
    """Host and process, for those who look for it."""
    cell: str
    configurations: tuple[RunnerSettings, ...]


@dataclass(frozen=True, slots=True)
class EnginePorts:
    """What an engine is joined to; the engine starts and closes the source, and leaves the journal to its owner."""

    journal: Journal
    source: Source
    ownership: Ownership
    clock: Clock


class Engine:
    """Evaluates the configurations of a cell."""

    def __init__(self, settings: EngineSettings, ports: EnginePorts) -> None:
        self._settings = settings
        self._ports = ports
        self._status: asyncio.Task[None] | None = None
        self.runners: list[Runner] = []

    async def start(self) -> None:
        """Restore every configuration, then begin to listen. Raises `JournalError`, `SourceError`."""
        journal, source = self._ports.journal, self._ports.source
        await journal.ensure_topics([status_topic(self._settings.cell)])
        shared = SharedSource(source)
        shares = [shared.share() for _ in self._settings.configurations]
        source.start(shared.deliver)
        for settings, share in zip(self._settings.configurations, shares, strict=True):
            await self._ports.ownership.acquire(settings.evaluator.config)
            runner = Runner(settings, journal, share, self._ports.clock)
            share.sink = runner.intake.offer
            self.runners.append(runner)
            await runner.start()
        self._status = asyncio.create_task(self._give_life_signs(), name="life sign")

    async def stop(self) -> None:
        """Stop in reverse order; may be called again, and after a start that failed."""
        if self._status is not None:
            self._status.cancel()
            await asyncio.gather(self._status, return_exceptions=True)
            self._status = None
        self._ports.source.close()
        for runner in reversed(self.runners):
            await runner.stop()
        for settings in reversed(self._settings.configurations[: len(self.runners)]):
            await self._ports.ownership.release(settings.evaluator.config)
        self.runners = []

    def failure(self) -> BaseException | None:
        """What ended a part of the engine that must not end, None while all is well."""
        failures = [runner.failure() for runner in self.runners]
        if self._status is not None:
            failures.append(ending(self._status))
        return next((failure for failure in failures if failure is not None), None)

    def statuses(self) -> list[EngineStatus]:
        """Life signs as they would be given now."""
        return [runner.status(self._settings.name) for runner in self.runners]

    async def _give_life_signs(self) -> None:
        """Each second, but only while every loop is alive: a silent engine is better than one that lies."""
        topic = status_topic(self._settings.cell).name
        failing = False
        while True:
            alive = [status for status in self.statuses() if is_alive(status)]
            records = [Record(topic, key(RecordType.STATUS, status.config), encode_status(status)) for status in alive]
            try:
                if records:
                    await self._ports.journal.append(records)
                failing = False
            except JournalUnavailable as problem:
                if not failing:
                    log.warning("life sign cannot be written: clients will say stale", problem=str(problem))
                failing = True
            await asyncio.sleep(_STATUS_PERIOD_S)


def is_alive(status: EngineStatus) -> bool:
    """True if source, timers and evaluator have all ticked lately."""
    return max(status.source_age_ms, status.timer_age_ms, status.evaluator_age_ms) < _ALIVE_WITHIN_MS
