"""A configuration that another engine runs, followed so closely that taking it over is reading the rest.

The journal is read as it grows, the same process variables are watched, and what they say is kept until the journal shows that the engine
that runs has taken it.
"""

from __future__ import annotations

import asyncio

import structlog

from alarm_engine.clock import Clock
from alarm_engine.coverage import covering
from alarm_engine.errors import JournalError, JournalUnavailable
from alarm_engine.journal.port import Journal, JournalReader, StoredRecord
from alarm_engine.model.path import split
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_MS, NANOS_PER_SECOND, Monotonic
from alarm_engine.replay import Replayed, starts_of
from alarm_engine.runner import Inputs, RunnerSettings
from alarm_engine.sources.port import Subscription
from alarm_engine.wire.keys import RecordType
from alarm_engine.wire.topics import Topics

log = structlog.get_logger()

_AT_ONCE = 1000
_RETRY_S = 0.5
_EMPTY = 3
"""Answers without records, one after the other, after which nothing more can be read for now."""
_RARELY_NS = NANOS_PER_SECOND
"""While records come without an end, subscriptions are brought up to date this often."""
_DECIDED_NS = 10 * NANOS_PER_SECOND
"""An engine that runs and writes has decided by then what came to it."""
_STATE = f"{RecordType.STATE}:"
_CONFIG = f"{RecordType.CONFIG}:"
_REVISION = f"{RecordType.REVISION}:"


class Standby:
    """Belongs to the event loop of the engine."""

    def __init__(self, settings: RunnerSettings, journal: Journal, inputs: Inputs, clock: Clock) -> None:
        """`journal`: to be read only."""
        self._settings = settings
        self._journal = journal
        self._source, self._intake = inputs
        self._clock = clock
        self._topics = Topics(settings.evaluator.config)
        self._cover = covering(self._intake, self._topics)
        self._task: asyncio.Task[None] | None = None
        self._pvs: list[str] = []
        """One for each alarm."""
        self._watched = set(inputs.source.watched)
        self._changed = True
        """Other process variables may be wanted than are watched."""
        self._ticked = self._looked = self._settled = clock.now().monotonic
        self.replayed = Replayed()
        """What the journal says so far."""
        self.caught_up = False
        """All was read that can be, and its process variables are watched. What a dead engine left undecided hides what is behind it
        until another one takes over."""
        self.problem = ""
        """Why the journal cannot be read, in words; empty while it can."""

    @property
    def pvs(self) -> int:
        """Alarms of the configuration."""
        return len(self._pvs)

    @property
    def broken(self) -> int:
        """Records that could not be understood."""
        return self.replayed.broken

    @property
    def connected(self) -> int:
        """Alarms whose PV has said something."""
        return self._intake.connected(self._pvs)

    def start(self) -> None:
        """Begin to follow."""
        self._intake.behind(True)
        self._task = asyncio.create_task(self._follow(), name=f"stand by for {self._topics.config}")

    async def stop(self) -> Replayed:
        """Follow no more; what was read so far. The process variables stay watched. May be called again."""
        task, self._task = self._task, None  # nothing refers in a circle to what was read: it is large, and freed at once when it is used
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return self.replayed

    def status(self, engine: str) -> EngineStatus:
        """What others are told of this engine."""
        now = self._clock.now()
        age_ms = (now.monotonic - self._ticked) // NANOS_PER_MS
        return EngineStatus(
            engine=engine,
            config=self._topics.config,
            epoch=0,
            time=now.wall,
            pvs_total=self.pvs,
            pvs_connected=self.connected,
            source_age_ms=round(self._source.status().age_s * 1000),
            timer_age_ms=age_ms,
            evaluator_age_ms=age_ms,
            backlog=self._intake.backlog,
            dropped=self._intake.dropped,
            last_event="",
        )

    async def _follow(self) -> None:
        """Ends only when it is cancelled."""
        while True:
            reader: JournalReader | None = None
            try:
                starts = await starts_of(self._journal, self._topics, self.replayed)
                topics = [self._topics.config, self._topics.settings, self._topics.runtime, self._topics.events]
                reader = self._journal.reader(topics, starts)
                await self._read(reader)
            except JournalError as problem:
                self._complain(str(problem), unavailable=isinstance(problem, JournalUnavailable))
            except Exception as problem:
                log.exception("standing by has failed by a fault of tocsin, please report it", config=self._topics.config)
                self._complain(str(problem) or repr(problem), unavailable=False)
            finally:
                if reader is not None:
                    await reader.close()
            await asyncio.sleep(_RETRY_S)

    def _complain(self, problem: str, *, unavailable: bool) -> None:
        if problem != self.problem:
            tell = log.warning if unavailable else log.error
            tell("journal cannot be followed, trying again", config=self._topics.config, problem=problem)
        self.problem = problem

    async def _read(self, reader: JournalReader) -> None:
        empty = 0
        while True:
            fetched = await reader.fetch(max_records=_AT_ONCE, timeout_s=_RETRY_S)
            self.problem = ""
            news = [self._take(record) for record in fetched.records]
            self._changed = self._changed or any(news)
            now = self._clock.now().monotonic
            empty = 0 if fetched.records else empty + 1
            at_end = fetched.caught_up or empty >= _EMPTY
            is_whole = fetched.caught_up
            if self._changed and (is_whole or (at_end and not self.caught_up) or now - self._looked > _RARELY_NS):
                if at_end:
                    for _ in self.replayed.settling(self._topics, self._settings.zone):
                        await asyncio.sleep(0)
                self._watch(is_whole)
                self._changed, self._looked = not is_whole, now
            if at_end and now - self._settled > _DECIDED_NS and any(r.key.startswith(_STATE) for r in fetched.records):
                self._intake.settle(Monotonic(now - _DECIDED_NS))
                self._settled = now
            if at_end and not self.caught_up:
                self._intake.behind(False)
                self.caught_up = True
            self._ticked = now
            await asyncio.sleep(0)

    def _take(self, record: StoredRecord) -> bool:
        """One record; True if it may have changed which process variables are to be watched."""
        replayed, topics = self.replayed, self._topics
        if record.offset < replayed.next.get(record.topic, 0):
            self.replayed = Replayed()
            self.caught_up = False
            self._intake.behind(True)
            raise JournalUnavailable(f"topic {record.topic} was made anew")
        closing = replayed.is_closing
        replayed.apply(record, topics, self._settings.zone)
        self._cover(record, replayed)
        if record.topic == topics.settings:
            return record.key.startswith(_REVISION)
        closed = closing and not replayed.is_closing
        if record.topic != topics.config:
            return False
        return closed or record.key.startswith(_CONFIG)

    def _watch(self, is_whole: bool) -> None:
        """Bring the subscriptions to what the tree has. Until it is whole nothing is given up: what is not read yet may still be there."""
        settings = self.replayed.settings
        self._pvs = [split(path)[-1] for path, one in settings.items() if isinstance(one, AlarmSettings)]
        wanted = set(self._pvs)
        gone = self._watched - wanted if is_whole else set()
        if gone:
            self._source.unsubscribe(gone)
            self._intake.forget(gone)
        self._source.subscribe(Subscription(pv, self._settings.monitor_values) for pv in sorted(wanted - self._watched))
        self._watched = (self._watched | wanted) - gone
