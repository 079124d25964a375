"""The past that an engine of ours wrote to `<config>Events`, read backwards: what was lately is there at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from alarm_engine.errors import HistoryError, HistoryUnavailable, JournalError
from alarm_engine.journal.port import Journal, StoredRecord
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import LATEST, Nanos
from alarm_engine.wire.topics import Topics
from backend.history.following import BATCH, Following, events_in
from backend.history.intervals import condition
from backend.history.port import HistoryStore
from backend.history.read_past import Checkpoints, PastOptions, ReadSoFar, Teller, Waiting, is_reached
from backend.live.follower import Follower

ADDED = "added"
"""Reason of the event with which an alarm begins."""
STOOD = "as it stood when the journal began to tell"
_CURRENT_S = 1.0
_TRIES = 5
_SHOWN = frozenset({EventKind.UNSHELVED, EventKind.ENABLED})
"""Before such an event an alarm was suppressed."""

log = structlog.get_logger()


class TopicPast:
    """Belongs to one event loop. The topic counts its offsets by itself, from 0, as in Kafka."""

    def __init__(self, journal: Journal, store: HistoryStore, tree: Follower, options: PastOptions) -> None:
        self._journal = journal
        self._store = store
        self._tree = tree
        self._config = tree.config
        self._topic = Topics(tree.config).events
        self._options = options
        self._opening = asyncio.Lock()
        self._following: Following | None = None
        self._checkpoints = Checkpoints(store, tree.config)
        self._waiting = Waiting(tree.config, options.patience_s)
        self._end = self._front = self._begin = 0
        """Offsets: all was read from `_front` to `_end`; none is looked for before `_begin`."""
        self._truncated = False
        self._lacking = False
        """Of some alarm it is not known how it stood at the begin."""
        self._since: Nanos | None = None
        self._wanted = Nanos(0)
        self._whole = False
        self._oldest: EventId | None = None
        self._latest: EventId | None = None
        """The newest event that was read back; later ones are followed."""
        self._heard = _Heard({}, set())
        self._task: asyncio.Task[None] | None = None

    @property
    def progress(self) -> ReadSoFar:
        """See `Past.progress`."""
        begin = self._since if self._whole and self._truncated else None
        return ReadSoFar(self._end - self._front, self._end - self._begin, self._since, self._whole, begin)

    @property
    def complete_from(self) -> Nanos:
        """See `Past.complete_from`."""
        if not self._truncated:
            return Nanos(0)
        return LATEST if self._since is None or self._lacking else self._since

    @property
    def followed(self) -> int:
        """See `Past.followed`."""
        return self._following.copied if self._following is not None else 0

    async def current(self) -> None:
        """See `Past.current`."""
        following, newest = await self._opened(), self._tree.newest
        if newest is not None and (self._latest is None or newest[1:] > self._latest[1:]):
            await following.until(newest, _CURRENT_S)

    async def reach(self, time: Nanos) -> None:
        """See `Past.reach`."""
        await self._opened()
        if is_reached(self.progress, time):
            return
        self._wanted = min(self._wanted, time) if self._is_reading else time
        if not self._is_reading:
            self._waiting.turn()
            self._task = asyncio.create_task(self._read_back(), name=f"read the past of {self._config}")
        await self._waiting.wait(self, time)

    async def is_truncated(self) -> bool:
        """See `Past.is_truncated`."""
        await self._opened()
        return self._truncated

    async def close(self) -> None:
        """See `Past.close`."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._checkpoints.stop()
        if self._following is not None:
            await self._following.stop()

    @property
    def _is_reading(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _opened(self) -> Following:
        """Note where the topic begins and ends now, and follow what comes after that."""
        async with self._opening:
            if self._following is not None:
                return self._following
            try:
                end, first = await self._journal.end(self._topic), await self._first()
            except JournalError as problem:
                raise HistoryUnavailable(f"the past of {self._config} cannot be read from Kafka: {problem}") from problem
            begin = end if first is None else first.offset
            self._begin = min(end, max(begin, end - self._options.most_records))
            self._truncated = self._begin > 0
            self._end = self._front = end
            self._whole = self._front <= self._begin
            self._following = Following(self._journal, self._store, (self._config, end), self._copied)
            self._following.start()
            return self._following

    async def _first(self) -> StoredRecord | None:
        """The oldest record that the topic still has."""
        reader = self._journal.reader([self._topic])
        try:
            while True:
                fetched = await reader.fetch(max_records=1, timeout_s=1.0)
                if fetched.records or fetched.caught_up:
                    return fetched.records[0] if fetched.records else None
        finally:
            await reader.close()

    # ------------------------------------------------------------------ reading back

    async def _read_back(self) -> None:
        size, teller = self._options.first_chunk, Teller(self._config, self._options.tell)
        try:
            while not is_reached(self.progress, self._wanted):
                low = max(self._begin, self._front - size)
                oldest = await self._read(low, self._front)
                if low <= self._begin:
                    await self._complete(oldest)
                self._front, self._since = low, oldest.time if oldest is not None else self._since
                self._whole = low <= self._begin
                size = min(2 * size, self._options.largest_chunk)
                self._waiting.turn()
                teller.look(self.progress)
        except (JournalError, HistoryError) as problem:
            log.warning("the past cannot be read", config=self._config, problem=str(problem))
            self._waiting.turn(str(problem))
        except Exception as problem:
            log.exception("reading the past ended by a fault of ours", config=self._config)
            self._waiting.turn(f"internal fault: {problem!r}")
            raise

    async def _read(self, low: int, high: int) -> Event | None:
        """Store the events of a range of offsets; returns the oldest one."""
        oldest: Event | None = None
        newest = self._latest
        heard = _Heard({}, set())
        reader = self._journal.reader([self._topic], {self._topic: low})
        try:
            last, caught_up = low - 1, False
            while last < high - 1 and not caught_up:
                fetched = await reader.fetch(max_records=BATCH, timeout_s=1.0)
                caught_up = fetched.caught_up
                last = fetched.records[-1].offset if fetched.records else last
                events = events_in([record for record in fetched.records if record.offset < high], self._config)
                if events:
                    oldest, newest = oldest or events[0], self._latest or events[-1].id
                    await self._store.write(events)
                    heard.take(events)
                await asyncio.sleep(0)
        finally:
            await reader.close()
        self._heard.put_before(heard)
        self._latest = newest
        if oldest is not None:
            self._oldest = oldest.id
        return oldest

    def _copied(self, events: Sequence[Event]) -> None:
        if not self._whole:  # then all alarms that were silent are known
            self._heard.take(events)

    async def _complete(self, oldest: Event | None) -> None:
        """The begin was reached: add how alarms stood before their first event that is left, and make the past quick to ask."""
        first = await self._first()
        if first is None or first.offset > self._begin:
            self._truncated = True  # the topic has forgotten some while it was read
        if self._truncated and self._oldest is not None:
            if self._tree.problem:
                raise HistoryUnavailable(f"the alarm tree is not read to its end: {self._tree.problem}")
            await self._hear_all(self._oldest)
            time = Nanos((oldest.time if oldest is not None else self._since or Nanos(0)) - 1)
            await self._store.write([*silent(self._tree, self._oldest, time), *self._heard.stood(self._config, time)])
        await self._checkpoints.make()

    async def _hear_all(self, first: EventId) -> None:
        """The live tree may be some events further than what was copied: an alarm that has just spoken is neither silent nor heard."""
        for _ in range(_TRIES):
            self._lacking = any(
                one.version is not None and one.version[1:] >= first[1:] and not self._heard.knows(one.path)
                for one in self._tree.alarms.values()
            )
            if not self._lacking:
                return
            await self.current()


def silent(tree: Follower, first: EventId, time: Nanos) -> Iterable[Event]:
    """Alarms that are still as an event has made them that is older than the first one that is left; written as of `time`."""
    for alarm in tree.alarms.values():
        version, snapshot = alarm.version, alarm.snapshot
        if version is not None and snapshot is not None and version[1:] < first[1:]:
            severity = snapshot.alarm.severity
            yield Event(version, time, EventKind.CHANGED, alarm.path, severity, severity, reason=STOOD, snapshot=snapshot)


class _First(NamedTuple):
    """What the first event of an alarm that is left says of how it stood before."""

    time: Nanos
    severity: Severity
    suppressed: bool


@dataclass(slots=True)
class _Heard:
    """Which alarms a stretch of events speaks of, and from when on."""

    firsts: dict[str, _First]
    """Of an alarm that was there before: its first event that says how it is."""
    begun: set[str]
    """Alarms that begin with their first event."""

    def knows(self, path: str) -> bool:
        """It speaks of that alarm."""
        return path in self.firsts or path in self.begun

    def take(self, events: Iterable[Event]) -> None:
        """Further events."""
        for event in events:
            if not self.knows(event.path) and condition(event) is not None:
                if event.kind is EventKind.CONFIGURED and event.reason == ADDED:
                    self.begun.add(event.path)
                else:
                    self.firsts[event.path] = _First(event.time, event.from_severity, event.kind in _SHOWN)

    def put_before(self, earlier: _Heard) -> None:
        """A stretch that lies before all of this."""
        for path in earlier.begun:
            self.firsts.pop(path, None)
        self.begun = (self.begun - earlier.firsts.keys()) | earlier.begun
        self.firsts |= earlier.firsts

    def stood(self, config: str, time: Nanos) -> Iterable[Event]:
        """How they stood before, as events of that time. Their ids are those of no engine."""
        for number, (path, first) in enumerate(sorted(self.firsts.items())):
            severity = Severity.OK if first.suppressed else first.severity
            connected = severity.unacknowledged is not Severity.UNDEFINED
            hidden = Suppression("", "", STOOD, time, None) if first.suppressed else None
            snapshot = Snapshot(Alarm(severity, "", "", time), Sample(severity, "", "", time), connected, time, suppression=hidden)
            yield Event(EventId(config, 0, number), time, EventKind.CHANGED, path, severity, severity, reason=STOOD, snapshot=snapshot)
