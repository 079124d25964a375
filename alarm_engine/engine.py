"""The alarm engine as an application object: build, start, stop."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import JournalCorrupt, JournalUnavailable
from alarm_engine.holding import Holding, HoldingPorts, Others, Writer
from alarm_engine.journal.port import Journal, Record
from alarm_engine.model.status import EngineStatus
from alarm_engine.ownership.port import Ownership
from alarm_engine.peers import Peers
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
    """What an engine is joined to; the engine starts and closes source and ownership, and leaves the journal to its owner."""

    journal: Journal
    """For the life signs, and for everything else where there is no `writer`."""
    source: Source
    ownership: Ownership
    clock: Clock
    writer: Writer | None = None
    """Opens the journal as the one writer of a configuration; None: the one above serves all."""


class Engine:
    """Evaluates the configurations of a cell."""

    def __init__(self, settings: EngineSettings, ports: EnginePorts) -> None:
        self._settings = settings
        self._ports = ports
        self._status: asyncio.Task[None] | None = None
        self.peers: Peers | None = None
        """Other engines of the cell, None where there can be none."""
        self._unwritten = ""
        """Why life signs cannot be written, empty while they are."""
        self.holdings: list[Holding] = []
        """One for each configuration of the settings, in their order; empty while the engine is stopped."""

    @property
    def runners(self) -> list[Runner]:
        """What runs the configurations that are ours now."""
        return [holding.runner for holding in self.holdings if holding.runner is not None]

    async def start(self) -> None:
        """Restore every configuration that is ours, then begin to listen; others are waited for, and served when they become ours.

        Raises `SourceError`, and `JournalCorrupt` where all configurations have one journal.
        """
        ports = self._ports
        shared = SharedSource(ports.source)
        shares = [shared.share() for _ in self._settings.configurations]
        ports.source.start(shared.deliver)
        await ports.ownership.start()
        writer = ports.writer or (lambda _: nullcontext(ports.journal))
        others = None
        if ports.writer is not None:
            self.peers = Peers(ports.journal, status_topic(self._settings.cell).name, self._settings.name, ports.clock)
            self.peers.start()
            others = Others(ports.journal, self.peers)
        self.holdings = [
            Holding(settings, HoldingPorts(writer, ports.ownership, share, ports.clock, others))
            for settings, share in zip(self._settings.configurations, shares, strict=True)
        ]
        self._status = asyncio.create_task(self._give_life_signs(), name="life sign")
        await asyncio.gather(*(holding.start() for holding in self.holdings))

    async def stop(self) -> None:
        """Stop, first what another engine waits for; may be called again, and after a start that failed."""
        if self._status is not None:
            self._status.cancel()
            await asyncio.gather(self._status, return_exceptions=True)
            self._status = None
        await asyncio.gather(*(holding.stop() for holding in self.holdings))
        self.holdings = []
        if self.peers is not None:
            await self.peers.stop()
        await self._ports.ownership.close()
        self._ports.source.close()  # takes long with many PVs

    def failure(self) -> BaseException | None:
        """What ended a part of the engine that must not end, None while all is well."""
        failures = [holding.failure() for holding in self.holdings]
        if self._status is not None:
            failures.append(ending(self._status))
        return next((failure for failure in failures if failure is not None), None)

    def statuses(self) -> list[EngineStatus]:
        """Life signs as they would be given now."""
        return [runner.status(self._settings.name) for runner in self.runners]

    def problems(self) -> dict[str, str]:
        """What keeps configurations from being served as they should be, by name; that another engine has one is no problem."""
        statuses = self.statuses()
        unwritten = {status.config: self._unwritten for status in statuses if self._unwritten}
        silent = {status.config: "gives no life sign: clients say stale" for status in statuses if not is_alive(status)}
        return unwritten | silent | {holding.config: holding.trouble for holding in self.holdings if holding.trouble}

    async def _give_life_signs(self) -> None:
        """Each second, but only while every loop is alive: a silent engine is better than one that lies.

        Those who stand by give one too, of another kind: the one who runs compares its connections with theirs.
        """
        topic = status_topic(self._settings.cell)
        there = False
        while True:
            name = self._settings.name
            signs = [(RecordType.STATUS, status) for status in self.statuses()]
            signs += [(RecordType.STANDBY, sign) for one in self.holdings if (sign := one.standing_by(name)) is not None]
            records = [Record(topic.name, key(kind, sign.config), encode_status(sign)) for kind, sign in signs if is_alive(sign)]
            try:
                if not there:
                    await self._ports.journal.ensure_topics([topic])
                    there = True
                if records:
                    await self._ports.journal.append(records)
                self._unwritten = ""
            except JournalCorrupt as problem:
                there = True  # it is written all the same: better one that some may overlook than none
                log.error("topic of the life signs", problem=str(problem))
            except JournalUnavailable as problem:
                if not self._unwritten:
                    log.warning("life sign cannot be written: clients will say stale", problem=str(problem))
                self._unwritten = f"life sign cannot be written: clients say stale: {problem}"
            await asyncio.sleep(_STATUS_PERIOD_S)


def is_alive(status: EngineStatus) -> bool:
    """True if source, timers and evaluator have all ticked lately."""
    return max(status.source_age_ms, status.timer_age_ms, status.evaluator_age_ms) < _ALIVE_WITHIN_MS
