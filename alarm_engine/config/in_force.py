"""What the topics of a configuration say about its tree, as whoever syncs files needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

import structlog

from alarm_engine.config import identities
from alarm_engine.errors import WireError
from alarm_engine.journal.port import Journal, StoredRecord
from alarm_engine.journal.reading import read_to_end
from alarm_engine.model.path import canonical
from alarm_engine.model.settings import Settings
from alarm_engine.revisions import Closed, Due, Staging, records_of, with_choice
from alarm_engine.wire.config import decode_config
from alarm_engine.wire.headers import REVISION
from alarm_engine.wire.keys import RecordType, key, parse_key
from alarm_engine.wire.report import FileReport, decode_report
from alarm_engine.wire.revision import Revision, RevisionState, revision_number
from alarm_engine.wire.topics import Topics

log = structlog.get_logger()

_AT_ONCE = 500
"""Records worked in before anybody else gets a turn."""
_STATE = key(RecordType.STATE, "")
_SYNCED = key(RecordType.SYNCED, "")
_REPORT = key(RecordType.REPORT, "")


class InForce:
    """Kept up to date record by record. What an open revision wrote is not in force."""

    def __init__(self, config: str, zone: ZoneInfo) -> None:
        self.topics = Topics(config)
        self.topic: dict[str, Settings] = {}
        """By path, as the engine sees it."""
        self.synced: dict[str, Settings] = {}
        """What the last sync from files wrote."""
        self.ids: dict[str, str] = {}
        """Lasting identities of components, by path."""
        self.report: FileReport | None = None
        """What a sync process said last of the files."""
        self.next: dict[str, int] = {}
        """By topic: offset after the last record that was read."""
        self.number = 0
        """Of the revision that is ours: its records are told from those of others."""
        self.own: dict[str, int] = {}
        """Paths for which our record is the last one, with its offset."""
        self.own_end = 0
        """Offset after our last record, 0 before the first."""
        self.own_marks: set[RevisionState] = set()
        """What was said of our revision."""
        self.changes = 0
        """Counts what came into force, and what was synced."""
        self.others: set[str] = set()
        """Paths for which somebody else wrote a record; whoever has seen to one takes it out."""
        self._own_records = 0
        self._expected: Mapping[str, Settings | None] = {}
        self._expected_synced: Mapping[str, Settings] = {}
        self._staging = Staging(self.topics)
        self._states: set[str] = set()
        self._greatest = 0
        self._zone = zone

    @property
    def revision(self) -> Revision | None:
        """The newest mark."""
        return self._staging.revision

    @property
    def is_settled(self) -> bool:
        """The topics were read to their end once."""
        return self._staging.is_settled

    @property
    def own_records(self) -> int:
        """Records of our revision that came back, notes of deletions included."""
        return self._own_records

    @property
    def next_number(self) -> int:
        """For a revision that begins now."""
        return max(self._greatest, self.revision.number if self.revision is not None else 0) + 1

    @property
    def abandoned(self) -> tuple[int, ...]:
        """Revisions that have begun and not closed."""
        return tuple(sorted(self._staging.open_numbers))

    def abandoned_paths(self) -> list[str]:
        """Paths whose newest record is of a revision that never closed."""
        return [canonical(parse_key(staged.record.key)[1]) for staged in self._staging.staged]

    def begin(self, number: int) -> None:
        """A revision of ours begins."""
        self.number, self._own_records, self.own_end = number, 0, 0
        self.own, self.others, self.own_marks = {}, set(), set()
        self._expected, self._expected_synced = {}, {}

    def expect(self, written: Mapping[str, Settings | None], synced: Mapping[str, Settings] | None = None) -> None:
        """What our records say, so that they need not be read again."""
        self._expected, self._expected_synced = written, synced or {}

    def take(self, record: StoredRecord) -> None:
        """One record, at once; see `taking`."""
        for _ in self.taking(record):
            pass

    def taking(self, record: StoredRecord) -> Iterator[None]:
        """One record, in steps of milliseconds where a large revision comes into force with it.

        A broken one is left aside: the engine reports it, and a good one for that path will be written.
        """
        self.next[record.topic] = record.offset + 1
        try:
            if record.topic == self.topics.settings:
                yield from self._take_setting(record)
            elif record.key.startswith(_STATE):
                if not self._staging.is_settled:
                    (self._states.discard if record.value is None else self._states.add)(record.key.removeprefix(_STATE))
                yield from self._apply(self._staging.take(record))
            else:
                self._note(record)
                yield from self._apply(self._staging.take(record))
        except WireError as problem:
            log.debug("record left aside", topic=record.topic, offset=record.offset, problem=str(problem))

    def settle(self) -> None:
        """Both topics were read to their end; at once, see `settling`."""
        for _ in self.settling():
            pass

    def settling(self) -> Iterator[None]:
        """Both topics were read to their end: work in what is in force, in steps of milliseconds."""
        if not self._staging.is_settled:
            prefix = len(key(RecordType.CONFIG, ""))
            yield from self._apply(self._staging.settle(lambda config_key: config_key[prefix:] in self._states))
            self._states = set()

    def _take_setting(self, record: StoredRecord) -> Iterator[None]:
        if record.key.startswith(_SYNCED):
            path = canonical(parse_key(record.key)[1])
            self.changes += 1
            if record.value is None:
                self.synced.pop(path, None)
            else:
                settings = self._expected_synced.get(path) if self._is_own(record) else None
                settings = settings or decode_config(record.value, self._zone).settings
                if settings is not None:
                    self.synced[path] = settings
        elif record.key.startswith(identities.PREFIX):
            identities.take(self.ids, record)
        elif record.key.startswith(_REPORT):
            self.report = decode_report(record.value) if record.value is not None else None
        else:
            yield from self._apply(self._staging.take(record))
            if self.revision is not None and self.revision.number == self.number:
                self.own_marks.add(self.revision.state)

    def _is_own(self, record: StoredRecord) -> bool:
        return revision_number(record.header(REVISION)) == self.number

    def _note(self, record: StoredRecord) -> None:
        """Whose record it is."""
        number = revision_number(record.header(REVISION))
        self._greatest = max(self._greatest, number or 0)
        kind, raw_path = parse_key(record.key)
        if kind is not RecordType.CONFIG:
            return
        if number is not None and number == self.number:
            self.own[canonical(raw_path)] = record.offset
            self.own_end = record.offset + 1
            self._own_records += 1
        else:
            path = canonical(raw_path)
            self.others.add(path)
            self.own.pop(path, None)

    def _apply(self, taken: list[StoredRecord | Closed]) -> Iterator[None]:
        for number, due in enumerate(records_of(taken), 1):
            if number % _AT_ONCE == 0:
                yield
            try:
                self._work_in(due)
            except WireError as problem:
                log.debug("record left aside", topic=due.record.topic, offset=due.record.offset, problem=str(problem))

    def _work_in(self, due: Due) -> None:
        record = due.record
        kind, raw_path = parse_key(record.key)
        if kind is not RecordType.CONFIG:
            return
        path = canonical(raw_path)
        self.changes += 1
        if record.value is None:
            self.topic.pop(path, None)
            return
        before = self.topic.get(path)
        settings = self._expected.get(path) if self._is_own(record) else None
        settings = settings or decode_config(record.value, self._zone, before).settings
        if settings is not None:
            self.topic[path] = with_choice(settings, before) if due.overtaken else settings


async def in_force(journal: Journal, config: str, zone: ZoneInfo) -> InForce:
    """Read what is in force for a configuration. Raises `JournalError`."""
    found = InForce(config, zone)
    await read_on(journal, found)
    return found


async def read_on(journal: Journal, found: InForce) -> None:
    """Read the topics to their end; the marks once more, since there is no order between them and the records. Raises `JournalError`."""
    topics = found.topics
    for wanted in ([topics.config, topics.settings], [topics.settings], [topics.config]):
        async for record in read_to_end(journal, wanted, {topic: found.next.get(topic, 0) for topic in wanted}):
            found.take(record)
    found.settle()
