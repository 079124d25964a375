"""One configuration evaluated beside the server that owns it: nothing is written, and what both decide is compared.

The tree and the server's states are read from the configuration topic, its PVs are watched, and our evaluator decides as if it were the
server. What operators do there is followed by what the server published of it, never by the commands themselves: a command that the server
refused or never saw must not make a difference.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import JournalError, JournalUnavailable
from alarm_engine.evaluator import Commander, Evaluator
from alarm_engine.evaluator.changes import LeafChange, Removal
from alarm_engine.journal.port import Journal, JournalReader, StoredRecord
from alarm_engine.journal.reading import read_to_end
from alarm_engine.logic.side_by_side import Act, Comparison, Difference, Following, Shown, follow
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.path import ancestors
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Moment
from alarm_engine.orders import Orders, Reader
from alarm_engine.replay import Replayed
from alarm_engine.runner import BATCH, Inputs, RunnerSettings, ending
from alarm_engine.shadowed import Patience, Shadowed
from alarm_engine.sources.port import Subscription
from alarm_engine.wire.keys import RecordType
from alarm_engine.wire.topics import Topics

log = structlog.get_logger()

_TICK_S = 0.1
_RETRY_S = 1.0
_STATE = f"{RecordType.STATE}:"
_CONFIG = f"{RecordType.CONFIG}:"
_ACTS = {Act.ACKNOWLEDGED: CommandKind.ACKNOWLEDGE, Act.UNACKNOWLEDGED: CommandKind.UNACKNOWLEDGE}


@dataclass(frozen=True, slots=True)
class ShadowSettings:
    """What is evaluated beside its server."""

    runner: RunnerSettings
    phoebus: bool
    """Its server is Phoebus's: there are no topics of ours."""
    patience: Patience


class Look(Protocol):
    """Is told of a difference: that it has settled, or that it is over."""

    def __call__(self, config: str, difference: Difference, is_over: bool) -> None:
        """Called once for each."""
        ...


class Shadow:
    """Belongs to one event loop. Nothing is ever written: of the journal only `reader` is used."""

    def __init__(self, settings: ShadowSettings, journal: Journal, inputs: Inputs, clock: Clock, tell: Look) -> None:
        self._settings = settings
        self._journal = journal
        self._source, self._intake = inputs
        self._clock = clock
        self._tell = tell
        self._wakeup = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reader: JournalReader | None = None
        self._server = Shadowed(settings.patience, clock.now())
        self._touched: set[str] = set()
        """Where something may have changed since the last comparison."""
        self._why: dict[str, str] = {}
        """What we decided last, by path."""
        self._was_silent = False
        self.evaluator: Evaluator | None = None
        """None until the configuration has been read."""
        self.config = settings.runner.evaluator.config
        self.comparison = Comparison(settings.patience.settles_s)
        self.problem = "is starting"
        """Why nothing is compared, in words; empty while it is."""

    def start(self) -> None:
        """Begin; a journal that is away is waited for."""
        self._task = asyncio.create_task(self._serve(), name=f"shadow {self.config}")

    async def stop(self) -> None:
        """Compare no more; may be called again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def failure(self) -> BaseException | None:
        """What ended it, None while all is well."""
        return ending(self._task) if self._task is not None else None

    @property
    def alarms(self) -> int:
        """In the tree."""
        return len(self.evaluator.tree.leaves) if self.evaluator is not None else 0

    @property
    def compared(self) -> int:
        """States of the server that were compared since the start."""
        return self._server.published

    @property
    def connected(self) -> int:
        """Alarms whose PV is there."""
        return sum(leaf.connected for leaf in self.evaluator.tree.leaves.values()) if self.evaluator is not None else 0

    # ------------------------------------------------------------------ reading

    async def _serve(self) -> None:
        """Ends only when it is cancelled. After the journal was away all is read anew: records may be gone that were not read."""
        while True:
            try:
                await self._restore()
                await self._follow()
            except JournalError as problem:
                if str(problem) != self.problem:
                    tell = log.warning if isinstance(problem, JournalUnavailable) else log.error
                    tell("nothing is compared", config=self.config, problem=str(problem))
                self.problem = str(problem)
            finally:
                self._intake.rest()
                if self._reader is not None:
                    await self._reader.close()
                    self._reader = None
            await asyncio.sleep(_RETRY_S)

    async def _restore(self) -> None:
        """The tree, with the states that the server gives its alarms now: what is the same from here on is no merit of ours."""
        topics, zone = Topics(self.config), self._settings.runner.zone
        names = [topics.config] if self._settings.phoebus else [topics.config, topics.settings, topics.runtime]
        replayed = Replayed()
        async for record in read_to_end(self._journal, names):
            replayed.apply(record, topics, zone)
        replayed.settle(topics, zone)
        now = self._clock.now()
        evaluator = Evaluator(self._settings.runner.evaluator, 0, now.wall)
        for _ in replayed.restoring(evaluator, now):
            await asyncio.sleep(0)
        evaluator.begin(now)
        evaluator.presume(self._intake.heard)
        evaluator.servers.restore(self._intake.begin(partial(_wake, asyncio.get_running_loop(), self._wakeup), now.monotonic))
        self.evaluator, self._commander = evaluator, Commander(evaluator)
        self._orders = Orders(Reader(topics, zone, 0, replayed.staging), evaluator, self._commander, self._clock)
        gone = set(self._source.watched).difference(evaluator.tree.watchers)
        self._source.unsubscribe(gone)
        self._intake.forget(gone)
        self._server.begin(replayed, now)
        self._was_silent = False
        self._touched = {*self._server.paths, *evaluator.tree.leaves, *evaluator.tree.nodes, *self.comparison.paths}
        followed = [topics.config] if self._settings.phoebus else [topics.config, topics.settings]
        self._reader = self._journal.reader(followed, {name: replayed.next.get(name, 0) for name in followed})
        self.comparison.begin_anew(now)
        self.problem = ""
        log.info("evaluating beside its server", config=self.config, alarms=self.alarms, broken=replayed.broken)

    async def _follow(self) -> None:
        """Until the journal is away."""
        assert self._reader is not None
        reading = asyncio.create_task(self._read(self._reader), name=f"read beside the server of {self.config}")
        try:
            while not reading.done():
                self._round()
                await asyncio.sleep(0)
                try:
                    async with asyncio.timeout(_TICK_S):
                        await self._wakeup.wait()
                except TimeoutError:
                    pass
                self._wakeup.clear()
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, reader: JournalReader) -> None:
        while True:
            fetched = await reader.fetch(max_records=BATCH)
            for record in fetched.records:
                self._take(record)
            self._wakeup.set()

    def _take(self, record: StoredRecord) -> None:
        if record.key.startswith(_STATE):
            path = self._server.take(record, self._latching, self._clock.now())
            if path is not None:
                self._touched.add(path)
        elif record.key.startswith(_CONFIG) or record.topic != self.config:
            self._orders.offer([record])

    def _latching(self, path: str) -> bool | None:
        leaf = self.evaluator.tree.leaves.get(path) if self.evaluator is not None else None
        return leaf.settings.latching if leaf is not None else None

    # ------------------------------------------------------------------ deciding and comparing

    def _round(self) -> None:
        now, evaluator = self._clock.now(), self.evaluator
        assert evaluator is not None
        while self._orders.waiting:
            self._orders.apply(BATCH)
        self._switch(now)
        inputs = self._intake.take(BATCH)
        while inputs:
            evaluator.feed(inputs, now)
            self._intake.covered()
            inputs = self._intake.take(BATCH)
        evaluator.tick(now)
        self._act(evaluator, now)
        changes = evaluator.take(now)
        for step in changes.steps:
            if isinstance(step, LeafChange | Removal):
                self._touched.add(step.path)
                self._why[step.path] = step.event.reason if step.event is not None else ""
        self._touched.update(node.path for node in changes.nodes)
        if changes.unsubscribe:
            self._source.unsubscribe(changes.unsubscribe)
            self._intake.forget(changes.unsubscribe)
        if changes.subscribe:
            values = self._settings.runner.monitor_values
            self._source.subscribe(Subscription(pv, values) for pv in sorted(changes.subscribe))
        self._compare(evaluator, now)

    def _switch(self, now: Moment) -> None:
        """Bring maintenance and notification to what every state of the server says."""
        assert self.evaluator is not None
        modes, switches, root = self._server.modes, self.evaluator.switches, self.evaluator.tree.root.path
        if modes is None:
            return
        if modes.maintenance != switches.maintenance:
            kind = CommandKind.MAINTENANCE if modes.maintenance else CommandKind.NORMAL
            self._commander.execute(Command(root, kind, "", ""), now)
        if modes.notify != switches.notify:
            kind = CommandKind.ENABLE_NOTIFY if modes.notify else CommandKind.DISABLE_NOTIFY
            self._commander.execute(Command(root, kind, "", ""), now)

    def _act(self, evaluator: Evaluator, now: Moment) -> None:
        for path, act, theirs in self._server.acts(now):
            leaf = evaluator.tree.leaves.get(path)
            following = Following.NEVER if leaf is None else follow(act, Shown.of(leaf.logic.alarm[:2], leaf.logic.current[:2]), theirs)
            if following is Following.NOW:
                self._commander.execute(Command(path, _ACTS[act], "", ""), now)
            if following is not Following.LATER:
                self._server.done(path)

    def _compare(self, evaluator: Evaluator, now: Moment) -> None:
        if self._is_silent(now):
            return
        comparison, leaves = self.comparison, evaluator.tree.leaves
        paths = {*self._touched, *comparison.paths}
        components = paths.intersection(evaluator.tree.nodes)
        self._look(evaluator, paths - components, frozenset(), now)
        explained = {above for path in comparison.paths if path in leaves for above in ancestors(path)} if components else set()
        self._look(evaluator, components, explained, now)
        self._touched.clear()
        for found in comparison.settle(now):
            self._tell(self.config, found, False)

    def _is_silent(self, now: Moment) -> bool:
        """Its server says nothing any more: then it is no difference that its states stay as they are."""
        is_silent = self._server.is_silent(now)
        if is_silent and not self._was_silent:
            self.problem = f"the server of {self.config} has written no state for {self._settings.patience.silent_s:.0f} s: is it running?"
            log.warning("nothing is compared", config=self.config, problem=self.problem)
        elif self._was_silent and not is_silent:
            self.problem = ""
            self.comparison.begin_anew(now)
            log.info("its server writes again", config=self.config)
        self._was_silent = is_silent
        return is_silent

    def _look(self, evaluator: Evaluator, paths: Collection[str], explained: Collection[str], now: Moment) -> None:
        """Compare at these paths. Of a component below which alarms differ, one of `explained`, nothing is said: it follows from them."""
        for path in paths:
            theirs = self._server.shows(path)
            ours = theirs if path in explained else self._ours(evaluator, path, theirs)
            over = self.comparison.look(Difference(path, ours, theirs, now.wall, self._why.get(path, "")), now)
            if over is not None:
                self._tell(self.config, over, True)

    @staticmethod
    def _ours(evaluator: Evaluator, path: str, theirs: Shown | None) -> Shown | None:
        """What we decide at a path, None if nothing stands there. A server need not write what was never in alarm."""
        leaf, node = evaluator.tree.leaves.get(path), evaluator.tree.nodes.get(path)
        if leaf is not None:
            ours = Shown.of(leaf.logic.alarm[:2], leaf.logic.current[:2])
            return None if theirs is None and ours.severity == ours.current_severity == Severity.OK else ours
        return Shown(node.tally.highest()) if node is not None and theirs is not None else None


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """From any thread."""
    with contextlib.suppress(RuntimeError):  # input after the end
        loop.call_soon_threadsafe(event.set)
