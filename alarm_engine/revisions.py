"""Which `config:` records are in force: those of a revision all at once, when it closes, or never.

A sync from files marks its records with the number of its revision (header `tocsin-revision`) and writes what becomes of that into the
`revision:` record on `<config>Settings`: begun, closed. Whoever reads the two topics passes every record through `Staging` and applies what
comes out of it. Between two topics there is no order: a record may come before its revision is heard of, a mark before the last record.

What compaction has left is read by one rule. Of all marks only the newest may still be there, so it says what is open: a revision that has
begun and not closed, and those before it that never did (`abandoned`). Everything else was closed long ago. The writer of the next revision
writes each key again that an abandoned one has touched, so once it is closed no record of an abandoned one is the newest of its key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import NamedTuple

import orjson

from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.path import name
from alarm_engine.model.settings import AlarmSettings, Settings
from alarm_engine.wire.headers import ENGINE, REVISION
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.revision import Revision, RevisionState, decode_revision, revision_number
from alarm_engine.wire.topics import Topics

_CONFIG = key(RecordType.CONFIG, "")


def moves(gone: Iterable[str], new: Iterable[str]) -> dict[str, str]:
    """The new path of each alarm that moved, by its old one: its PV leaves exactly one path and comes to exactly one other."""
    left, came = _by_pv(gone), _by_pv(new)
    return {olds[0]: news[0] for pv, olds in left.items() if len(olds) == 1 and len(news := came.get(pv, [])) == 1}


def _by_pv(paths: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(name(path), []).append(path)
    return found


class Staged(NamedTuple):
    """A record that is held back."""

    record: StoredRecord
    number: int
    """Of its revision."""
    overtaken: bool = False
    """An engine wrote a record of that key after it: an operator has chosen meanwhile, and `enabled` is his."""
    anew: bool = False
    """The same revision deletes what stands there first: an alarm becomes a component, or the other way round."""


class Closed(NamedTuple):
    """A revision comes into force."""

    revision: Revision
    staged: tuple[Staged, ...]
    """The newest of each key, in the order of the journal."""


class Staging:
    """What is held back of the records of one configuration. Until `settle` it is not known what is in force, and more is held back."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._mark_key = key(RecordType.REVISION, f"/{topics.config_name}")
        self._held: dict[str, list[StoredRecord]] | None = {}
        self._staged: dict[str, Staged] = {}
        self._closing: list[Revision] = []
        self._greatest = 0
        """Revision of a record that was held."""
        self._config_next = 0
        self.revision: Revision | None = None
        """The newest mark."""

    @property
    def staged(self) -> Collection[Staged]:
        """What is held back now, in the order of the journal."""
        return self._staged.values()

    @property
    def has_staged(self) -> bool:
        """Something is held back that waits for its revision to close."""
        return bool(self._staged)

    @property
    def is_closing(self) -> bool:
        """A revision has closed, and records of it are still to be read."""
        return bool(self._closing)

    @property
    def is_settled(self) -> bool:
        """`settle` was called."""
        return self._held is None

    @property
    def open_numbers(self) -> frozenset[int]:
        """Revisions that have begun and not closed."""
        mark = self.revision
        if mark is None or mark.state is RevisionState.CLOSED:
            return frozenset()
        return frozenset((mark.number, *mark.abandoned))

    def drop(self) -> None:
        """What is held back will never be in force: its revision was given up, and the topic says again what is."""
        self._staged.clear()

    def take(self, record: StoredRecord) -> list[StoredRecord | Closed]:
        """A record of any topic; returns what is to be applied now, in order. Raises `WireError` for a mark that cannot be read."""
        if record.topic == self._topics.settings:
            return self._mark(record) if record.key == self._mark_key else []
        if record.topic != self._topics.config:
            return [record]
        if self._held is None and not self._closing:
            self._config_next = record.offset + 1
            return self._config(record) if record.key.startswith(_CONFIG) else [record]
        found = self._close(record.offset)
        self._config_next = record.offset + 1
        found += self._config(record) if record.key.startswith(_CONFIG) else [record]
        return found + self._close(self._config_next)

    def settle(self, existed: Callable[[str], bool] = lambda key: False) -> list[StoredRecord | Closed]:
        """Both topics were read to their end: what no open revision wrote is in force. Returns that, in order; nothing if called again.

        `existed`: an alarm with this key has been in force. Its record of an open revision counts where compaction has left none before it:
        newer settings are better than no alarm.
        """
        held, self._held = self._held, None
        mark, found = self.revision, list[StoredRecord]()
        waiting = set(self.open_numbers)
        if mark is not None and mark.state is RevisionState.CLOSED and mark.config_end > self._config_next:
            waiting.add(mark.number)
            self._closing.append(mark)
        if mark is None or not (waiting or self._greatest > mark.number):
            # The usual case, of maybe 100,000 records. Without any mark: their topic was made anew, and all is in force.
            found = [record for records in (held or {}).values() for record in records]
            return [*sorted(found, key=_offset)]
        for config_key, records in (held or {}).items():
            good = [r for r in records if not self._is_waiting(revision_number(r.header(REVISION)), waiting)]
            found += good
            for record in records:
                self._stage(record, waiting)
            left = self._staged.get(config_key)
            if left is not None and not good and left.record.value is not None and existed(config_key):
                found.append(left.record)
        self._staged = dict(sorted(self._staged.items(), key=lambda item: item[1].record.offset))
        return [*sorted(found, key=_offset)]

    def _is_waiting(self, number: int | None, waiting: set[int]) -> bool:
        """A record of this revision is not in force, by the marks that are known."""
        return number is not None and self.revision is not None and (number in waiting or number > self.revision.number)

    def _mark(self, record: StoredRecord) -> list[StoredRecord | Closed]:
        if record.value is None:
            return []
        self.revision = mark = decode_revision(record.value)
        if self._held is not None:
            return []
        if mark.state is RevisionState.CLOSED:
            self._closing.append(mark)
            return self._close(self._config_next)
        if mark.state is RevisionState.DISCARDED:
            self._staged = {one: staged for one, staged in self._staged.items() if not staged.overtaken}
        return []

    def _config(self, record: StoredRecord) -> list[StoredRecord | Closed]:
        number = revision_number(record.header(REVISION))
        if self._held is not None:
            held = self._held.get(record.key)
            if number is None and held is None:
                return [record]
            self._greatest = max(self._greatest, number or 0)
            if held is None:
                self._held[record.key] = [record]
            else:
                held.append(record)
            return []
        return [] if self._stage(record, self._waiting()) else [record]

    def _waiting(self) -> set[int]:
        return {*self.open_numbers, *(mark.number for mark in self._closing)}

    def _stage(self, record: StoredRecord, waiting: set[int]) -> bool:
        """Hold a record back, or note that it comes after one that is; True if it is held back."""
        number = revision_number(record.header(REVISION))
        if number is not None and (self.revision is None or self._is_waiting(number, waiting)):
            former = self._staged.pop(record.key, None)
            deleted = former is not None and former.number == number and (former.anew or former.record.value is None)
            self._staged[record.key] = Staged(record, number, anew=deleted and record.value is not None)
            return True
        before = self._staged.get(record.key)
        if before is not None and record.header(ENGINE) is not None:
            self._staged[record.key] = before._replace(overtaken=True)
        elif before is not None and not is_note(record.value):
            del self._staged[record.key]  # the edit of a client, after ours: the last word counts
        return False

    def _close(self, offset: int) -> list[StoredRecord | Closed]:
        """Revisions of which all was read, below that offset."""
        found: list[StoredRecord | Closed] = []
        while self._closing and self._closing[0].config_end <= offset:
            mark = self._closing.pop(0)
            ready = {one: staged for one, staged in self._staged.items() if staged.number <= mark.number}
            self._staged = {one: staged for one, staged in self._staged.items() if one not in ready}
            found.append(Closed(mark, tuple(ready.values())))
        return found


_offset = attrgetter("offset")


class Due(NamedTuple):
    """A record that is to be applied."""

    record: StoredRecord
    overtaken: bool = False
    """See `Staged.overtaken`: use `with_choice`."""


def records_of(taken: Iterable[StoredRecord | Closed]) -> Iterator[Due]:
    """What came out of `Staging` as single records, for those who need not know what belongs together."""
    for one in taken:
        if not isinstance(one, Closed):
            yield Due(one)
            continue
        for staged in one.staged:
            if staged.anew:
                yield Due(staged.record._replace(value=None))
            yield Due(staged.record, staged.overtaken)


def with_choice(settings: Settings, before: Settings | None) -> Settings:
    """Settings as files want them, with what an operator has chosen meanwhile."""
    if isinstance(settings, AlarmSettings) and isinstance(before, AlarmSettings):
        return replace(settings, enabled=before.enabled, enabled_at=before.enabled_at)
    return settings


def is_note(value: bytes | None) -> bool:
    """Says who is about to delete; only the tombstone that follows deletes."""
    if value is None or b'"delete"' not in value:
        return False
    try:
        data = orjson.loads(value)
    except ValueError:
        return False
    return isinstance(data, dict) and "delete" in data
