"""A journal in which configurations of a Phoebus server have events too: derived while their topics are read.

Whoever reads `<config>Events` of such a configuration, the history writer or a live tree, finds there what follows from its records. A
position in these events is one in the configuration topic. Nothing is written: the topics stay as Phoebus left them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo

import structlog

from alarm_engine.errors import HistoryError, JournalUnavailable, WireError
from alarm_engine.journal.port import Fetched, Journal, JournalReader, Position, Record, StoredRecord, TopicSpec
from alarm_engine.model.event import Event
from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from alarm_engine.wire.event import encode_event
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.topics import Topics
from backend.history.port import MAX_RANGE_DAYS, EventQuery, History
from backend.phoebus.derivation import Derivation
from backend.phoebus.listening import Orders
from backend.phoebus.recollection import recall, recollect

_DAY_NS = 86_400 * NANOS_PER_SECOND

log = structlog.get_logger()


class DerivingJournal:
    """A `Journal` around another one, which it leaves to its owner."""

    def __init__(self, journal: Journal, zones: Mapping[str, tzinfo], history: History | None = None) -> None:
        """`zones`: the configurations of Phoebus servers, with the time zone of their dates.

        `history`: for the writer, which tells how an alarm was before the first record that is read of it, and that begins again if
        nothing is stored. Without it, for a live tree: events are numbered in the order in which they are read, whatever clocks did.
        """
        self._journal = journal
        self._zones = zones
        self._history = history
        self._configs = {Topics(config).events: config for config in zones}
        self._newest: dict[str, EventId] = {}
        """The newest event that was told, by configuration: also the next reader tells only later ones."""

    async def start(self) -> None:
        """See `Journal.start`."""
        await self._journal.start()

    async def close(self) -> None:
        """See `Journal.close`."""
        await self._journal.close()

    async def ensure_topics(self, topics: Sequence[TopicSpec]) -> None:
        """See `Journal.ensure_topics`."""
        await self._journal.ensure_topics(topics)

    async def append(self, records: Sequence[Record], positions: Sequence[Position] = ()) -> None:
        """See `Journal.append`."""
        await self._journal.append(records, [position._replace(topic=self._real(position.topic)) for position in positions])

    async def end(self, topic: str) -> int:
        """See `Journal.end`."""
        return await self._journal.end(self._real(topic))

    async def retracted(self, topic: str, start: int) -> frozenset[str]:
        """See `Journal.retracted`."""
        return await self._journal.retracted(self._real(topic), start)

    async def position(self, group: str, topic: str) -> int | None:
        """See `Journal.position`; None also where nothing is stored: what can still be told is told again. Raises `HistoryError`."""
        config = self._configs.get(topic)
        if config is not None and self._history is not None:
            end = Nanos(time.time_ns() + _DAY_NS)
            page = await self._history.events(EventQuery(config, Nanos(end - MAX_RANGE_DAYS * _DAY_NS), end, limit=1))
            if not page.events:
                return None
        return await self._journal.position(group, self._real(topic))

    def reader(self, topics: Sequence[str], start: Mapping[str, int] | None = None) -> JournalReader:
        """See `Journal.reader`."""
        derived = {topic: self._configs[topic] for topic in topics if topic in self._configs}
        if not derived:
            return self._journal.reader(topics, start)
        starts = dict(start or {})
        derivations = {config: Derivation(config, self._zones[config], starts.get(topic, 0)) for topic, config in derived.items()}
        real = list(dict.fromkeys([*(topic for topic in topics if topic not in derived), *derivations]))
        inner_starts = {topic: offset for topic, offset in starts.items() if topic in real and topic not in derivations}
        orders = Orders(self._journal.reader([Topics(config).command for config in derivations]))
        inner = self._journal.reader(real, inner_starts)
        return _DerivingReader(
            (inner, orders), {topic: starts.get(topic, 0) for topic in topics}, derivations, (self._history, self._newest)
        )

    def _real(self, topic: str) -> str:
        return self._configs.get(topic, topic)


class _DerivingReader:
    """Reads the configuration topic from its beginning, for the settings in it; what was not asked for is not delivered."""

    def __init__(
        self,
        readers: tuple[JournalReader, Orders],
        starts: dict[str, int],
        derivations: Mapping[str, Derivation],
        known: tuple[History | None, dict[str, EventId]],
    ) -> None:
        self._reader, self._orders = readers
        self._starts = starts
        self._derivations = derivations
        self._history, self._newest = known
        self._commands = {Topics(config).command: config for config in derivations}
        self._next: dict[str, int] = {}
        self._waiting: deque[StoredRecord] = deque()
        self._ready: list[StoredRecord] = []
        self._caught_up = False
        self._heard = True
        """What was given until the waiting records were read is among them."""

    @property
    def fault(self) -> str:
        """See `JournalReader.fault`."""
        return self._reader.fault

    async def close(self) -> None:
        """See `JournalReader.close`."""
        await self._orders.close()
        await self._reader.close()

    async def fetch(self, *, max_records: int = 5000, timeout_s: float | None = None) -> Fetched:
        """See `JournalReader.fetch`; may deliver a few more than asked for. A call that fails or is cancelled has lost nothing."""
        while True:
            if not self._waiting:
                fetched = await self._reader.fetch(max_records=max_records, timeout_s=timeout_s)
                self._waiting.extend(fetched.records)
                self._caught_up, self._heard = fetched.caught_up, False
            if not self._heard:
                await self._orders.listen()
                self._waiting.extendleft(reversed(self._orders.take()))
                self._heard = True
            try:
                await self._work()
            except HistoryError as problem:
                raise JournalUnavailable(
                    f"events cannot be derived, since the history does not say what was before: {problem}"
                ) from problem
            if self._ready or self._caught_up or timeout_s is not None:
                ready, self._ready = self._ready, []
                return Fetched(ready, self._caught_up)

    async def _work(self) -> None:
        known = await self._ask()
        while self._waiting:
            record = self._waiting[0]
            config = self._commands.get(record.topic, record.topic)
            derivation = self._derivations.get(config)
            events: list[Event] = []
            if derivation is not None:
                if record.topic == config and record.offset < self._next.get(config, 0):
                    derivation.begin_again()
                    self._starts |= {topic: 0 for topic in (config, Topics(config).events) if topic in self._starts}
                if self._history is not None:
                    await recall(self._history, derivation, record, known)
                events = self._derive(derivation, record)
                self._next[record.topic] = record.offset + 1
            self._waiting.popleft()
            if record.topic in self._starts and record.offset >= self._starts[record.topic]:
                self._ready.append(record)
            self._ready += [self._record(config, record, event) for event in events]
        if self._caught_up:
            for derivation in self._derivations.values():
                derivation.caught_up()

    def _derive(self, derivation: Derivation, record: StoredRecord) -> list[Event]:
        try:
            return derivation.feed(record)
        except WireError as problem:
            if record.topic not in self._starts:  # otherwise whoever gets it says so
                log.warning("record skipped", topic=record.topic, offset=record.offset, key=record.key, problem=str(problem))
            return []

    def _record(self, config: str, cause: StoredRecord, event: Event) -> StoredRecord:
        if self._history is None:
            event = self._in_order(config, event)
        # A command has its offset in another topic: the position after it is that of the configuration topic.
        offset = cause.offset if cause.topic == config else max(0, self._next.get(config, 0) - 1)
        return StoredRecord(Topics(config).events, offset, cause.time, key(RecordType.EVENT, event.path), encode_event(event), ())

    def _in_order(self, config: str, event: Event) -> Event:
        """An event with an id after all before: clients ask for what came after the last one that they have."""
        newest = self._newest.get(config)
        if newest is not None and event.id <= newest:
            moved = EventId(config, newest.epoch, newest.n + 1)
            snapshot = event.snapshot
            if snapshot is not None and snapshot.rise == event.id:
                snapshot = replace(snapshot, rise=moved)
            event = replace(event, id=moved, snapshot=snapshot)
        self._newest[config] = event.id
        return event

    async def _ask(self) -> dict[str, Event]:
        known: dict[str, Event] = {}
        if self._history is not None:
            for config, derivation in self._derivations.items():
                known |= await recollect(self._history, derivation, [record for record in self._waiting if record.topic == config])
        return known
