"""One configuration being run: restored from the journal, fed by sources, clients and clocks, published."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import NamedTuple

import structlog

from alarm_engine.clock import Clock
from alarm_engine.coverage import covering
from alarm_engine.errors import JournalUnavailable, WireError
from alarm_engine.evaluator import Commander, Evaluator, EvaluatorSettings
from alarm_engine.foreign import ForeignWatch
from alarm_engine.garbage import nothing_collected
from alarm_engine.intake import Intake
from alarm_engine.journal.port import Journal, JournalReader, Position
from alarm_engine.logic.foreign import ForeignWriter
from alarm_engine.model.path import canonical
from alarm_engine.model.state import EventId
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_MS, NANOS_PER_SECOND, Monotonic, iso
from alarm_engine.orders import Orders, Reader
from alarm_engine.publisher import Permission, Publisher, always
from alarm_engine.replay import Replayed, replay, settle
from alarm_engine.sources.port import Subscription
from alarm_engine.sources.shared import Share
from alarm_engine.wire.keys import RecordType, parse_key
from alarm_engine.wire.topics import Topics

log = structlog.get_logger()

BATCH = 2000
"""Inputs, timers, and records of others, evaluated and published in one transaction at most: a mass event must not hold up the loop."""
_AT_ONCE = 250
"""Inputs evaluated before anybody else gets a turn: the group and the watchdog must not take a busy engine for one that hangs."""
_IDLE_TICK_S = 0.5
_RETRY_S = 0.5
_GROUP = "engine"
_CALM_NS = 2 * NANOS_PER_SECOND
_FUTURE_NS = 60 * NANOS_PER_SECOND


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """What is run."""

    evaluator: EvaluatorSettings
    zone: tzinfo = UTC
    """Zone of dates without one (`enabled` until)."""
    monitor_values: bool = False
    """Ask sources for every change of the value, as Phoebus does, instead of alarm changes only."""
    intake_bound: int = 200_000
    events_keep_days: int = 30
    foreign_writer: ForeignWriter = ForeignWriter.REASSERT
    """What is done while somebody else writes states of the configuration."""


class Inputs(NamedTuple):
    """Where a runner asks for process variables, and where it finds what they say."""

    source: Share
    intake: Intake


class Runner:
    """Runs one configuration."""

    def __init__(self, settings: RunnerSettings, journal: Journal, inputs: Inputs, clock: Clock, permitted: Permission = always) -> None:
        """`permitted`: waits for leave to publish."""
        self._settings = settings
        self._permitted = permitted
        self._journal = journal
        self._source, self.intake = inputs
        self._clock = clock
        self.topics = Topics(settings.evaluator.config)
        self._wakeup = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._reader: JournalReader | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._last_event: EventId | None = None
        self._evaluated: Monotonic = clock.now().monotonic
        self._look_for_missing: asyncio.TimerHandle | None = None
        self._blind_since: Monotonic | None = None
        """Since when commands and configuration cannot be read."""
        self.epoch = 0
        self._broken_before = 0
        """Records that could not be understood when the configuration was restored."""
        self._orders: Orders | None = None
        self.foreign = ForeignWatch(settings.foreign_writer, self.topics)

    def _wake(self) -> None:
        """From any thread: there is something to do."""
        try:
            self._loop.call_soon_threadsafe(self._wakeup.set)
        except RuntimeError:
            log.debug("input after the end", config=self.topics.config)

    async def start(self, known: Replayed | None = None) -> None:
        """Restore, take over, publish that, subscribe; then run. `known`: what was read of the journal already."""
        config, clock = self._settings.evaluator.config, self._clock
        await self._journal.ensure_topics(self.topics.specs(self._settings.events_keep_days))
        # What our predecessor wrote to its end is decided, also what was not read while we stood by.
        replayed = await replay(self._journal, self.topics, self._settings.zone, known, covering(self.intake, self.topics))
        await settle(self._journal, self.topics, replayed, self._settings.zone)
        self._broken_before = replayed.broken
        now = clock.now()
        last = replayed.last_event
        before = max(last.id.epoch if last else 0, replayed.newest_epoch)
        self.epoch = max(before + 1, now.wall // NANOS_PER_SECOND)
        self.evaluator = Evaluator(self._settings.evaluator, self.epoch, last.time if last else now.wall)
        self.commander = Commander(self.evaluator)
        for correlation, answer in replayed.answers():
            self.commander.remember(correlation, answer)
        retracting = asyncio.create_task(self._journal.retracted(self.topics.config, replayed.next_state))
        positioning = asyncio.create_task(self._journal.position(_GROUP, self.topics.command))
        try:
            with nothing_collected():
                for _ in replayed.restoring(self.evaluator, now):
                    await asyncio.sleep(0)
            retracted, position = await retracting, await positioning
        finally:
            retracting.cancel()
            positioning.cancel()
            await asyncio.gather(retracting, positioning, return_exceptions=True)
        # Else an alarm that is added later would wait in vain: a subscription that stands says nothing again.
        gone = set(self._source.watched).difference(self.evaluator.tree.watchers)
        self._source.unsubscribe(gone)
        self.intake.forget(gone)
        self.evaluator.begin(now, replayed.last_sign)
        for text in retracted:
            self._show_again(text)
        reader = Reader(self.topics, self._settings.zone, self.epoch, replayed.staging)
        self._orders = Orders(reader, self.evaluator, self.commander, clock)
        self._publisher = Publisher(self._journal, self.topics, self._settings.zone, self.epoch, self._permitted)
        begun: list[Position] = []
        if position is None:
            position = await self._journal.end(self.topics.command)
            # Kept at once: else whoever comes after us before the first command would begin at the end too, and overlook that one.
            begun = [Position(_GROUP, self.topics.command, position)]
        starts = {topic: replayed.next.get(topic, 0) for topic in (self.topics.config, self.topics.settings)}
        starts[self.topics.command] = position
        self._reader = self._journal.reader([*starts], starts)
        if last is not None and last.time > now.wall + _FUTURE_NS:
            log.error(
                "the newest event lies in the future: was the clock of this machine wrong? New events keep that time until it has come",
                config=config,
                newest=iso(last.time),
            )
        self.evaluator.presume(self.intake.heard)
        self.evaluator.servers.restore(self.intake.begin(self._wake, now.monotonic))
        log.info("configuration restored", config=config, alarms=len(self.evaluator.tree.leaves), epoch=self.epoch, broken=replayed.broken)
        await self._round(begun)
        self._tasks = [
            asyncio.create_task(self._follow(), name=f"follow {config}"),
            asyncio.create_task(self._run(), name=f"evaluate {config}"),
        ]
        self._look_for_missing = self._loop.call_later(self._settings.evaluator.connection_timeout_s, self._report_missing)

    def _show_again(self, retracted: str) -> None:
        """A state that our predecessor took back by dying: stock clients, which wait for no decision, show it."""
        try:
            kind, path = parse_key(retracted)
        except WireError:
            return
        if kind is RecordType.STATE:
            self.evaluator.publish_again(canonical(path))

    async def stop(self) -> None:
        """Decide nothing more. A round that is being written when this is called may still be written: whole, or not at all."""
        if self._look_for_missing is not None:
            self._look_for_missing.cancel()
        if self._reader is not None:
            await self._reader.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def _report_missing(self) -> None:
        """Once after the start: names that nothing answers to, as a wrong one in the tree."""
        missing = sorted(leaf.pv for leaf in self.evaluator.tree.leaves.values() if not leaf.connected)
        if missing:
            log.warning("PVs not found", config=self.topics.config, number=len(missing), first=missing[:5])

    async def wait(self) -> None:
        """Until a task of this runner ends that must not; raises what ended it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            failure = ending(task)
            if failure is not None:
                raise failure

    @property
    def broken(self) -> int:
        """Records that could not be understood."""
        return self._broken_before + (self._orders.broken if self._orders is not None else 0)

    @property
    def fault(self) -> str:
        """Why commands or configuration may be overlooked, with what mends it; empty while nothing is wrong."""
        return (self._reader.fault if self._reader is not None else "") or self.foreign.text

    def status(self, engine: str) -> EngineStatus:
        """The life sign of this configuration as it is now."""
        now = self._clock.now()
        source = self._source.status()
        leaves = self.evaluator.tree.leaves.values()
        ticked = self._evaluated if self._blind_since is None else min(self._evaluated, self._blind_since)
        age_ms = (now.monotonic - ticked) // NANOS_PER_MS
        return EngineStatus(
            engine=engine,
            config=self._settings.evaluator.config,
            epoch=self.epoch,
            time=now.wall,
            pvs_total=len(leaves),
            pvs_connected=sum(leaf.connected for leaf in leaves),
            source_age_ms=round(source.age_s * 1000),
            timer_age_ms=age_ms,
            evaluator_age_ms=age_ms,
            backlog=self.intake.backlog,
            dropped=self.intake.dropped,
            last_event=str(self._last_event) if self._last_event else "",
            lag_ms=(now.monotonic - (self.intake.oldest or now.monotonic)) // NANOS_PER_MS,
            foreign=self.foreign.text,
        )

    # ------------------------------------------------------------------ loops

    async def _follow(self) -> None:
        """Configuration and commands, in the order of the journal."""
        assert self._reader is not None
        assert self._orders is not None
        said: set[str] = set()
        failed = self._clock.now().monotonic
        while True:
            try:
                fetched = await self._reader.fetch()
            except JournalUnavailable as problem:
                failed = self._clock.now().monotonic
                self._blind_since = self._blind_since or failed
                if str(problem) not in said:
                    log.warning("journal cannot be read, trying again", config=self.topics.config, problem=str(problem))
                said.add(str(problem))
                await asyncio.sleep(_RETRY_S)
                continue
            self._blind_since = None
            # While a cluster elects leaders of partitions every other attempt may be answered.
            if said and self._clock.now().monotonic - failed > _CALM_NS:
                log.info("journal is read again", config=self.topics.config)
                said.clear()
            if fetched.records:
                self.foreign.look(fetched.records, self.epoch, self._clock.now())
                self._orders.offer(fetched.records)
                self._wakeup.set()

    async def _run(self) -> None:
        while True:
            await self._idle()
            if self.foreign.holds(self._clock.now()):
                self._evaluated = self._clock.now().monotonic
                await asyncio.sleep(_IDLE_TICK_S)
                continue
            await self._round()

    async def _idle(self) -> None:
        """Wait for something to do: inputs, records, or a timer."""
        if self.intake.has_more or (self._orders is not None and self._orders.waiting):
            await asyncio.sleep(0)  # a round that publishes nothing waits for nothing: others of this loop are to have their turn
            return
        wait_s = _IDLE_TICK_S
        deadline = self.evaluator.deadline()
        if deadline is not None:
            wait_s = min(wait_s, max(0.0, (deadline - self._clock.now().monotonic) / NANOS_PER_SECOND))
        try:
            async with asyncio.timeout(wait_s):
                await self._wakeup.wait()
        except TimeoutError:
            pass
        self._wakeup.clear()

    async def _round(self, positions: Sequence[Position] = ()) -> None:
        """Evaluate what is there, and publish it in one transaction, with these positions unless there are newer ones."""
        now = self._clock.now()
        assert self._orders is not None
        at_once = min(_AT_ONCE, BATCH)
        for _ in range(0, BATCH // 2, at_once):  # one costs more than an input: an alarm that is added, its state and its event
            position = self._orders.apply(at_once)
            if position is not None:
                positions = [Position(_GROUP, self.topics.command, position)]
            if not self._orders.waiting:
                break
            await asyncio.sleep(0)
        inputs = self.intake.take(BATCH)
        for begin in range(0, len(inputs), _AT_ONCE):
            self.evaluator.feed(inputs[begin : begin + _AT_ONCE], now)
            await asyncio.sleep(0)
        self.evaluator.tick(now, BATCH)
        self.foreign.act(self.evaluator, now)
        changes = self.evaluator.take(now)
        if positions or not changes.is_empty:
            self._orders.sent(changes.configs)
            await self._publisher.publish(changes, positions)
            events = changes.events
            if events:
                self._last_event = events[-1].id
        self.intake.covered()
        if changes.unsubscribe:
            self._source.unsubscribe(changes.unsubscribe)
            self.intake.forget(changes.unsubscribe)
        if changes.subscribe:
            values = self._settings.monitor_values
            self._source.subscribe(Subscription(pv, values) for pv in sorted(changes.subscribe))
        self._evaluated = self._clock.now().monotonic


def ending(task: asyncio.Task[None]) -> BaseException | None:
    """What ended a task that must not end, None while it runs. One that was cancelled by nobody who stops it has ended as well."""
    if not task.done():
        return None
    return (None if task.cancelled() else task.exception()) or RuntimeError(f"{task.get_name()} ended")
