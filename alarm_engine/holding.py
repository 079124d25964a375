"""One configuration of an engine: followed until it is ours, run while it is, given up, and followed again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog

from alarm_engine.candidacy import WARM, Candidacy
from alarm_engine.clock import Clock
from alarm_engine.errors import JournalCorrupt, JournalError, JournalFenced, JournalUnavailable
from alarm_engine.garbage import set_aside, take_back, tidy_up
from alarm_engine.intake import Intake
from alarm_engine.journal.port import Journal
from alarm_engine.leave import Leave, MakesRoom
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND
from alarm_engine.ownership.port import Lease, Ownership, Wait
from alarm_engine.peers import FRESH_NS, Peers
from alarm_engine.replay import Replayed
from alarm_engine.runner import Inputs, Runner, RunnerSettings, ending
from alarm_engine.sources.shared import Share
from alarm_engine.standby import Standby
from alarm_engine.standstill import Standstill

log = structlog.get_logger()

Writer = Callable[[str], AbstractAsyncContextManager[Journal]]
"""The journal as the one writer of a configuration has it, for as long as the context lasts."""

_PAUSE_S = 1.0
_LONG_PAUSE_S = 5.0
"""Where somebody has to act."""
_LOOK_S = 0.1
_PATIENCE_S = 1.0
"""Getting warm is worth a word if it takes longer."""
_BLIND = 0.8
"""Share of a successor's connections below which a leader makes room for it."""
_BLIND_LOOKS = 3
"""Seconds for which that has to be so: after an IOC went, one engine may notice earlier than the other."""
_LOOK_AT_PEERS_S = 1.0
_TRIES = 3
"""An engine that was given the configuration and cannot run it so often makes room for one that may be able to."""
_STAY_NS = 60 * NANOS_PER_SECOND
"""If it had to come back, and sees no more than before, it does not make room again within this time."""


@dataclass(frozen=True, slots=True)
class Others:
    """Other engines that may run the configuration, and the journal in which they are followed."""

    journal: Journal
    peers: Peers


@dataclass(frozen=True, slots=True)
class HoldingPorts:
    """What a configuration is joined to."""

    writer: Writer
    ownership: Ownership
    share: Share
    clock: Clock
    others: Others | None = None
    """None: there can be none, for one file is the journal of all configurations."""


class Holding:
    """Belongs to the event loop of the engine."""

    def __init__(self, settings: RunnerSettings, ports: HoldingPorts) -> None:
        self._settings = settings
        self._ports = ports
        self._intake = Intake(settings.intake_bound)
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.config = settings.evaluator.config
        self._candidacy = Candidacy(self.config, ports.clock)
        self._standstill = Standstill()
        self.runner: Runner | None = None
        """What runs it, None while it is not ours."""
        self.standby: Standby | None = None
        """What follows it meanwhile."""
        self._warm = False
        self._could_see = False
        """Since it is ours we had our PVs, as far as anybody had them."""
        self._failures = 0
        """How often it could not be run since it was."""
        self._known: Replayed | None = None
        """What was read of it while it was not ours; kept no longer than until it runs, for it is large."""
        self.waiting = Wait("is starting", True)
        """Why it is not run; without words while it is."""
        self._said: set[str] = set()
        """What was logged since it ran, or since another engine had it: a cluster that is away is complained about in turns."""

    @property
    def trouble(self) -> str:
        """What somebody should look at, in words; empty while it is run as it should be, or another engine has it."""
        if self.runner is not None:
            return self.runner.fault
        if self.standby is not None and self.standby.problem:
            return self.standby.problem
        return self.waiting.why if self.waiting.trouble else ""

    @property
    def is_warm(self) -> bool:
        """It is followed closely enough to be taken over at once."""
        return self._warm and self.standby is not None and not self.standby.problem

    def standing_by(self, engine: str) -> EngineStatus | None:
        """What others are told while another one runs it."""
        return None if self.standby is None else replace(self.standby.status(engine), candidate=self._warm)

    async def start(self) -> None:
        """Returns when it runs, or when it is known why not yet. Raises what can never be mended by waiting."""
        self._ports.share.sink = self._intake.offer
        self._task = asyncio.create_task(self._serve(), name=f"hold {self.config}")
        settled = asyncio.create_task(self._settled.wait())
        try:
            await asyncio.wait((self._task, settled), return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Give it up; may be called again. The process variables stay watched until the source is closed: that would take its time here."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def failure(self) -> BaseException | None:
        """What ended it, None while all is well."""
        return ending(self._task) if self._task is not None else None

    async def _serve(self) -> None:
        others, ownership = self._ports.others, self._ports.ownership
        while True:
            lease = await self._get()
            pause_s = _PAUSE_S
            try:
                why = await self._hold(lease)
                log.warning("configuration given up", config=self.config, why=why)
                self.waiting, self._candidacy.has_gaps = Wait(why, False), True
            except JournalFenced as problem:
                self._candidacy.has_gaps = True
                log.error("configuration lost", config=self.config, why=str(problem))
                self.waiting = Wait(str(problem), False)
            except JournalUnavailable as problem:
                self._failures += 1
                self._wait_for(Wait(str(problem), True))
            except JournalError as problem:
                if self._ports.others is None and isinstance(problem, JournalCorrupt):
                    raise
                # What ends this configuration is no reason to end the others: tried again until somebody has mended it.
                self._failures += 1
                self._wait_for(Wait(str(problem), True))
                pause_s = _LONG_PAUSE_S
            finally:
                await lease.release()
            if self._failures >= _TRIES and others is not None and others.peers.standing_by(self.config):
                # It may be our own rights or our own network: while we go on trying nobody else would be asked.
                self._candidacy.make_room()
                self._failures = 0
            if others is not None and self._candidacy.leaves_it(others.peers):
                await ownership.withdraw(self.config)  # else it could be given back at once, and nobody would have it
            tidy_up()  # nothing refers to its tree any more
            await asyncio.sleep(pause_s)

    # ------------------------------------------------------------------ not ours

    async def _get(self) -> Lease:
        """Wait until it is ours, and follow it meanwhile."""
        others, ownership = self._ports.others, self._ports.ownership
        if others is None:
            return await ownership.acquire(self.config, self._wait_for)
        standby = Standby(self._settings, others.journal, Inputs(self._ports.share, self._intake), self._ports.clock)
        standby.start()
        self.standby = standby
        try:
            await self._get_warm(standby, others.peers)
            self._warm = True
            lease = await ownership.acquire(self.config, self._wait_for)
        finally:
            self.standby, self._warm = None, False
            await standby.stop()
        self._known = standby.replayed
        return lease

    async def _get_warm(self, standby: Standby, peers: Peers) -> None:
        """Take part in the election only when we would be of use; at once where nobody else runs it."""
        begun = self._ports.clock.now().monotonic
        self._candidacy.begin()
        while (wait := self._candidacy.obstacle(standby, peers, since_ns := self._ports.clock.now().monotonic - begun)) is not None:
            if wait.trouble or since_ns > _PATIENCE_S * NANOS_PER_SECOND:
                self._wait_for(wait)
            await asyncio.sleep(_LOOK_S)
            if standby.problem or not standby.caught_up or self._candidacy.is_away:
                begun = self._ports.clock.now().monotonic

    def _wait_for(self, wait: Wait) -> None:
        if wait.why not in self._said and wait != self.waiting:
            tell = log.error if wait.trouble else log.info
            tell("configuration is not served by this engine yet", config=self.config, why=wait.why)
        if wait.trouble:
            self._said.add(wait.why)
        else:
            self._said.clear()
        self.waiting = wait
        self._settled.set()

    # ------------------------------------------------------------------ ours

    async def _hold(self, lease: Lease) -> str:
        """Run the configuration until it is lost, or better left to another; returns why."""
        lost = asyncio.create_task(lease.lost())
        running = asyncio.create_task(self._run(lease))
        blind = asyncio.create_task(self._half_blind())
        self._standstill.start()
        try:
            await asyncio.wait((lost, running, blind), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
            if blind.done():
                raise MakesRoom(await blind)
            return await lost
        except MakesRoom as problem:
            self._candidacy.make_room()
            return str(problem)
        finally:
            self._standstill.stop()
            for task in (lost, running, blind):
                task.cancel()
            await _all_ended(lost, running, blind)

    async def _run(self, lease: Lease) -> None:
        async with self._ports.writer(self.config) as journal, AsyncExitStack() as kept:
            permitted = partial(self._may_publish, lease, Leave(lease, journal, self.config))
            runner = Runner(self._settings, journal, Inputs(self._ports.share, self._intake), self._ports.clock, permitted)
            try:
                await runner.start(self._known)
                self._known = None
                kept.callback(take_back)
                set_aside()  # the tree stays: looking through it for garbage takes a second with 100,000 alarms
                if not runner.evaluator.tree.leaves:
                    log.warning(
                        "the configuration has no alarm: is its name right? `tocsin config sync` brings the files of a tree into force",
                        config=self.config,
                    )
                self.runner, self.waiting = runner, Wait("", False)
                self._failures, self._candidacy.has_gaps = 0, False
                self._said.clear()
                self._settled.set()
                await runner.wait()
            finally:
                self.runner = self._known = None
                try:
                    # Also when it ends by itself, as one that was fenced, and its lease is lost while it does.
                    await _all_ended(asyncio.create_task(runner.stop()))
                finally:
                    self._intake.rest()  # else what comes from now on would be kept for nobody

    async def _may_publish(self, lease: Lease, leave: Leave) -> None:
        """Waits for leave to publish.

        Raises `MakesRoom` where this engine was blind meanwhile, or stood still, and another one stood by all the time that has clearly
        more PVs, or got what they said when they said it: that one has kept the truth, which is of no use any more once we have published
        what came later.
        """
        others = self._ports.others
        if not await leave.answered() or others is None or not self._may_make_room:
            return
        known = self._intake.known
        heard = known - self._intake.interrupted
        still_since = self._standstill.began(lease.doubted_at) if others.peers.has_others(self.config) else None
        if heard >= _BLIND * known and still_since is None:
            return
        for _ in range(round(FRESH_NS / NANOS_PER_SECOND / _LOOK_S)):
            for peer in others.peers.standing_by(self.config, lease.doubted_at):
                if heard < _BLIND * peer.pvs_connected:
                    why = f"this engine heard {heard} of {known} PVs all the time while Kafka was away"
                    raise MakesRoom(f"{why}, {peer.engine} has {peer.pvs_connected} and takes over")
            for peer in others.peers.standing_by(self.config, still_since) if still_since is not None else ():
                if peer.pvs_connected >= WARM * known:
                    raise MakesRoom(f"this engine stood still while Kafka was away, {peer.engine} did not and takes over")
            await asyncio.sleep(_LOOK_S)

    @property
    def _may_make_room(self) -> bool:
        return self._could_see or not self._candidacy.made_room_within(_STAY_NS)

    async def _half_blind(self) -> str:
        """Waits until an engine that stands by has clearly more connections than we; returns that in words. It may last for ever."""
        looks, self._could_see = 0, False
        while True:
            await asyncio.sleep(_LOOK_AT_PEERS_S)
            others, runner = self._ports.others, self.runner
            if others is None or runner is None:
                continue
            ours = runner.status("")
            best = max(others.peers.standing_by(self.config), key=lambda peer: peer.pvs_connected, default=ours)
            is_blind = ours.pvs_connected < _BLIND * best.pvs_connected
            self._could_see = self._could_see or (not is_blind and ours.pvs_connected >= _BLIND * ours.pvs_total)
            looks = looks + 1 if is_blind and self._may_make_room else 0
            if looks >= _BLIND_LOOKS:
                return f"this engine has {ours.pvs_connected} PVs connected, {best.engine} has {best.pvs_connected} and takes over"


async def _all_ended(*tasks: asyncio.Task[Any]) -> None:
    """Waits also when it is cancelled meanwhile, and only then passes that on: a lease is not to be released before."""
    cancelled: asyncio.CancelledError | None = None
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled
