"""Follows the journal: one reader and one tree for each configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import tzinfo

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import HistoryError, JournalCorrupt, JournalError, JournalUnavailable
from alarm_engine.journal.port import Fetched, Journal, JournalReader, StoredRecord
from alarm_engine.model.event import Event
from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_SECOND, Monotonic
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.runtime import Runtime
from alarm_engine.wire.status import decode_status
from alarm_engine.wire.topics import status_topic
from backend.history.port import History
from backend.live.files import TreeFiles
from backend.live.life import PHOEBUS_STALE_AFTER_S, STALE_AFTER_S, LifeSign
from backend.live.model import Freshness, LiveAlarm, LiveNode
from backend.live.ring import KEPT
from backend.live.standing import Standing
from backend.live.tree import BROKEN, Tree

log = structlog.get_logger()

_BATCH = 1000
_EVENTS_BACK = 4 * KEPT
"""Where journals number all topics in one sequence, other records lie between the events."""
_STATUS_BACK = 600
_RECALL_S = 2.0
_LAG_NS = NANOS_PER_SECOND
"""A burst of records takes a moment to read; for longer than that the tree is not what it should be."""
_STATE = key(RecordType.STATE, "")
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


class Follower:
    """The tree of one configuration, kept up to date from the journal; a `LiveTree`."""

    def __init__(self, journal: Journal, tree: Tree, cell: str, clock: Clock, *, phoebus: bool = False) -> None:
        self.phoebus = phoebus
        """A Phoebus server owns the configuration: its state records are its life signs."""
        self.history: History | None = None
        """Asked once for what the journal does not tell any more."""
        self._journal = journal
        self._tree = tree
        self._clock = clock
        self._status_topic = status_topic(cell).name
        self._status_key = key(RecordType.STATUS, tree.config)
        self._life = LifeSign(PHOEBUS_STALE_AFTER_S if phoebus else STALE_AFTER_S)
        self._caught_up = False
        self._lagging_since: Monotonic | None = None
        self._fetched: Monotonic | None = None
        self._changed = asyncio.Event()
        self._next: dict[str, int] = {}
        """Offset to read next, by topic."""
        self._reader: JournalReader | None = None
        self._task: asyncio.Task[None] | None = None
        self.problem = "not read yet"
        """Why the journal cannot be read, or has not been read to its end; empty while all is well."""

    # ------------------------------------------------------------------ what others see

    @property
    def fault(self) -> str:
        """Why records may be overlooked although the journal is read, with what mends it; empty while nothing is wrong.

        That does not make the tree stale: what an engine of ours writes is not among them.
        """
        return self._reader.fault if self._reader is not None else ""

    @property
    def lagging(self) -> bool:
        """When it was last looked, there was more in the journal than has been read."""
        return self._lagging_since is not None

    @property
    def config(self) -> str:
        """Name of the configuration."""
        return self._tree.config

    @property
    def root(self) -> LiveNode:
        """Top of the tree."""
        return self._tree.root

    @property
    def alarms(self) -> Mapping[str, LiveAlarm]:
        """All alarms by path."""
        return self._tree.alarms

    @property
    def nodes(self) -> Mapping[str, LiveNode]:
        """All components by path, the root included."""
        return self._tree.nodes

    @property
    def ids(self) -> Mapping[str, str]:
        """Lasting identities of components that have one, by path."""
        return self._tree.ids

    @property
    def files(self) -> TreeFiles:
        """What is known of the files that the tree comes from."""
        return self._tree.files

    @property
    def notable(self) -> Mapping[Standing, Mapping[str, LiveAlarm]]:
        """Alarms that are in alarm or suppressed, by what they are and by path: usually few among many."""
        return self._tree.notable

    def runtime(self, path: str) -> Runtime | None:
        """What the engine keeps of an alarm for a restart: a delay that runs, among other things; None: nothing."""
        return self._tree.runtime(path)

    def answer(self, correlation: str) -> Event | None:
        """The event that closed a command, None if there is none yet (or it was long ago)."""
        return self._tree.answers.get(correlation)

    @property
    def broken(self) -> int:
        """Records that could not be understood, since the start."""
        return self._tree.broken

    @property
    def newest(self) -> EventId | None:
        """The newest event that is in memory."""
        return self._tree.ring.newest

    def freshness(self) -> Freshness:
        """How much of this can be trusted now."""
        now = self._clock.now()
        age_s = self._life.age_s(now)
        lagging = self._lagging_since is not None and now.monotonic - self._lagging_since > _LAG_NS
        stale = bool(self.problem) or lagging or self._life.is_stale(now)
        tree, status = self._tree, self._life.status
        foreign = tree.foreign or (status.foreign if status is not None else "")
        return Freshness(tree.as_of, age_s, stale, status, tree.maintenance, tree.notify, foreign)

    def recent(self, after: EventId | None) -> list[Event] | None:
        """Events after that one which are still in memory, oldest first; None if the gap is larger than what is kept.

        After None: all that are in memory.
        """
        as_of = self._tree.as_of
        if after is not None and as_of is not None and after[1:] >= as_of[1:]:
            return []
        return self._tree.ring.after(after)

    def contradicts(self, known: EventId) -> bool:
        """True for an event that somebody has, and that is not in the journal although newer ones are."""
        return self._tree.ring.contradicts(known)

    def is_beyond(self, known: EventId | None) -> bool:
        """True for an event that is newer than all that has been read here."""
        as_of = self._tree.as_of
        return known is not None and (as_of is None or known[1:] > as_of[1:])

    async def wait(self, after: EventId | None, timeout_s: float) -> bool:
        """Wait until there is an event after that one; False on time-out."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._is_after(after):
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _is_after(self, known: EventId | None) -> bool:
        newest = self._tree.ring.newest
        return newest is not None and (known is None or newest[1:] > known[1:])

    # ------------------------------------------------------------------ following

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._run(), name=f"follow {self.config}")

    async def stop(self) -> None:
        """Stop reading; the tree stays as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._reader is not None:
            await self._reader.close()
            self._reader = None
        self.problem = "stopped"

    def failure(self) -> BaseException | None:
        """What ended the reading, which must not end; None while it goes on."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        try:
            while True:
                try:
                    if self._reader is None:
                        self._reader = await self._open()
                    self._take(await self._reader.fetch(max_records=_BATCH, timeout_s=1.0))
                    pause_s = _FIRST_PAUSE_S
                    if self._caught_up and self.history is not None:
                        await self._recall(self.history)
                        self.history = None
                    await asyncio.sleep(0)  # replaying a large tree must not keep requests waiting
                except JournalCorrupt:
                    raise
                except JournalError as problem:
                    self._report(str(problem))
                    if not isinstance(problem, JournalUnavailable):
                        self._reader = None  # closed under us: read on with another one
                    await asyncio.sleep(pause_s)
                    pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
        except JournalCorrupt as problem:
            log.error("journal cannot be read, and trying again will not help", config=self.config, problem=str(problem))
            self.problem = str(problem)
            raise
        except Exception as problem:
            log.exception("reading ended by a fault of ours: everything is stale from now on", config=self.config)
            self.problem = f"internal fault: {problem!r}"
            raise

    async def _open(self) -> JournalReader:
        """A reader from the beginning, but only from the newest events on: each alarm has its last state in its own record.

        After that from where the last reader ended.
        """
        topics, starts = self._tree.topics, self._next
        if topics.events not in starts:
            starts[topics.events] = max(0, await self._journal.end(topics.events) - _EVENTS_BACK)
        if self.phoebus:  # its server has no others: what ours left there is not its own, and nobody needs a right to look
            return self._journal.reader([topics.config, topics.events], starts)
        if self._status_topic not in starts:
            starts[self._status_topic] = max(0, await self._journal.end(self._status_topic) - _STATUS_BACK)
        return self._journal.reader([topics.config, topics.runtime, topics.events, self._status_topic, topics.settings], starts)

    async def _recall(self, history: History) -> None:
        """Ask for the last events of suppressed alarms: only those tell what the PV says behind the suppression."""
        paths = self._tree.unseen()
        if not paths:
            return
        try:
            async with asyncio.timeout(_RECALL_S):
                found = await history.last_before(self.config, paths, self._clock.now().wall)
        except (HistoryError, TimeoutError) as problem:
            log.warning(
                "what shelved alarms say is not known until they change", config=self.config, alarms=len(paths), problem=repr(problem)
            )
            return
        for event in found.values():
            self._tree.recall(event)
        self._tree.settle()

    def _take(self, fetched: Fetched) -> None:
        now = self._clock.now()
        quick = self._fetched is not None and now.monotonic - self._fetched < STALE_AFTER_S * NANOS_PER_SECOND
        live = self._caught_up and quick
        for record in fetched.records:
            self._next[record.topic] = record.offset + 1
            if record.topic == self._status_topic:
                self._take_status(record, live)
            else:
                self._tree.apply(record)
                if self.phoebus and record.key.startswith(_STATE) and record.value is not None:
                    self._life.heard(record.time, live, now)
        if fetched.caught_up or not self.problem:
            self._tree.settle()  # during a replay nobody needs the order yet, and to sort for every batch would take minutes
        self._life.compare(self._tree.ring.newest, now)
        self._fetched, self._caught_up = now.monotonic, fetched.caught_up
        if not fetched.caught_up:
            self._lagging_since = self._lagging_since or now.monotonic
        else:
            self._lagging_since = None
            if self.problem:
                log.info("live tree is up to date", config=self.config, alarms=len(self.alarms), broken=self.broken)
            self.problem = ""
        if fetched.records:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    def _take_status(self, record: StoredRecord, live: bool) -> None:
        if record.key != self._status_key:
            return
        try:
            self._life.take(decode_status(record.value or b""), live, self._clock.now())
        except BROKEN as problem:
            self._tree.broken += 1
            log.warning("record skipped", topic=record.topic, offset=record.offset, key=record.key, problem=str(problem))

    def _report(self, problem: str) -> None:
        if self.problem != problem:
            log.warning("journal cannot be read, trying again: everything is stale", config=self.config, problem=problem)
        self.problem = problem
        self._caught_up = False


class Live:
    """The live trees of a cell, as an application object. Belongs to one event loop, and leaves the journal to its owner."""

    def __init__(
        self,
        journal: Journal,
        configs: Mapping[str, tzinfo],
        cell: str,
        clock: Clock,
        history: History | None = None,
        *,
        phoebus: Collection[str] = (),
    ) -> None:  # fmt: skip
        """`configs`: names of configurations with the time zone of their dates; `phoebus`: those that a Phoebus server owns; the journal
        has to tell their events (`DerivingJournal`). `history`: tells of suppressed alarms what events that
        the journal has no more said about their PVs; without it that is known only from their next change on.
        """
        self.followers = {name: Follower(journal, Tree(name, zone), cell, clock, phoebus=name in phoebus) for name, zone in configs.items()}
        for follower in self.followers.values():
            follower.history = history
        self.trees: Mapping[str, Follower] = self.followers
        """By name of the configuration."""

    async def start(self) -> None:
        """Begin to follow; returns at once, `problems` says what is not up to date yet."""
        for follower in self.followers.values():
            follower.start()

    async def stop(self) -> None:
        """Stop following; may be called again."""
        for follower in self.followers.values():
            await follower.stop()

    def problems(self) -> dict[str, str]:
        """Why the tree of a configuration is not up to date with the journal, or may lack something, by name."""
        return {name: problem for name, follower in self.followers.items() if (problem := follower.problem or follower.fault)}

    def failure(self) -> BaseException | None:
        """What ended the following of a configuration, which must not end; None while all is well."""
        return next((failure for follower in self.followers.values() if (failure := follower.failure())), None)
