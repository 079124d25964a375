"""Bringing a tree from files into the journal, by difference, as one revision.

A revision is written in transactions of at most 500 records. Nothing of it is in force before the mark that closes it (see `revisions`), so
a writer that dies in between has changed nothing. One writer at a time: whoever opens `Writer` shuts out who had it before. While it
writes, others edit: it reads on to its own records, and where another's lies between it makes its plan again and writes what that changes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from alarm_engine.config import identities
from alarm_engine.config.in_force import InForce, in_force
from alarm_engine.config.plan import SyncPlan, plan
from alarm_engine.config.tree import ConfigTree
from alarm_engine.errors import JournalCorrupt, JournalUnavailable
from alarm_engine.journal.port import Fetched, Journal, JournalReader, Record
from alarm_engine.model.path import split
from alarm_engine.model.settings import Settings
from alarm_engine.model.times import Nanos
from alarm_engine.wire.config import encode_config, encode_delete_note
from alarm_engine.wire.headers import headers
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.report import FileReport, encode_report
from alarm_engine.wire.revision import Commit, Revision, RevisionState, encode_revision
from alarm_engine.wire.topics import Topics

__all__ = ["Author", "InForce", "SyncPlan", "Synchroniser", "in_force", "plan", "sync"]

log = structlog.get_logger()

AT_ONCE = 500
"""Records in one transaction at most, so that readers never wait long for it."""
_PATIENCE_S = 30.0
"""Longest wait for a record of ours to come back."""
_READ_AT_ONCE = 1000
_GLANCE_S = 0.01
_ROUNDS = 20
"""So often may others write faster than we make our plan again."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who syncs."""

    user: str
    host: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the files say, and what else a revision is made of."""

    tree: ConfigTree
    author: Author
    commit: Commit = field(default_factory=Commit)
    left_out: tuple[str, ...] = ()
    """See `plan`."""
    keep: bool = False
    """See `plan`."""


class Writer(Protocol):
    """Opens the journal as the one writer of revisions of a configuration; whoever had it before writes no more."""

    def __call__(self) -> AbstractAsyncContextManager[Journal]:
        """For as long as the context lasts; `append` raises `JournalFenced` once another has it."""
        ...


async def sync(journal: Journal, tree: ConfigTree, author: Author, left_out: Sequence[str] = ()) -> SyncPlan:
    """Bring the topics of a tree to what the files say; returns what was written. Raises `JournalError`.

    The journal has to be that of the one writer, see `Writer`. `Synchroniser` does the same again and again.
    """
    synchroniser = Synchroniser(tree.name, ZoneInfo(tree.time_zone), journal)
    try:
        return await synchroniser.bring(Wanted(tree, author, left_out=tuple(left_out)), lambda: nullcontext(journal))
    finally:
        await synchroniser.close()


class Synchroniser:
    """Follows the topics of one configuration, and writes revisions."""

    def __init__(self, config: str, zone: ZoneInfo, journal: Journal) -> None:
        """`journal` is read only."""
        self._topics = Topics(config)
        self._zone = zone
        self._journal = journal
        self._reader: JournalReader | None = None
        self.in_force = InForce(config, zone)
        """What the topics say, as far as it was read."""

    @property
    def is_ready(self) -> bool:
        """What is in force was read."""
        return self.in_force.is_settled

    async def start(self) -> None:
        """Make the topics, and read them to their end. Raises `JournalError`; may be called again."""
        await self._journal.ensure_topics(self._topics.specs())
        await self.catch_up()
        await self.catch_up()  # there is no order between the topics: a mark may belong to records that came before it
        for _ in self.in_force.settling():
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Read no more; may be called again."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    async def follow(self, timeout_s: float) -> Fetched:
        """Read what is new, or wait for it."""
        if self._reader is None:
            both = [self._topics.config, self._topics.settings]
            self._reader = self._journal.reader(both, {topic: self.in_force.next.get(topic, 0) for topic in both})
        fetched = await self._reader.fetch(max_records=_READ_AT_ONCE, timeout_s=timeout_s)
        if self._reader.fault:
            raise JournalCorrupt(self._reader.fault)
        for record in fetched.records:
            for _ in self.in_force.taking(record):
                await asyncio.sleep(0)
        return fetched

    async def catch_up(self) -> None:
        """Read all that is there now."""
        ends = {topic: await self._journal.end(topic) for topic in (self._topics.config, self._topics.settings)}
        fetched, deadline = None, time.monotonic() + _PATIENCE_S
        while fetched is None or fetched.records or not fetched.caught_up:
            fetched = await self.follow(_GLANCE_S)
            if all(self.in_force.next.get(topic, 0) >= end for topic, end in ends.items()):
                return
            if fetched.records:
                deadline = time.monotonic() + _PATIENCE_S
            elif time.monotonic() > deadline:
                raise JournalUnavailable(f"{self._topics.config}: cannot be read to its end; an open transaction may hide what is there")

    def plan(self, wanted: Wanted) -> SyncPlan:
        """What would be written now."""
        found = self.in_force
        return plan(wanted.tree, found.topic, found.synced, wanted.left_out, keep=wanted.keep, ids=found.ids)

    async def bring(self, wanted: Wanted, writer: Writer) -> SyncPlan:
        """One revision, if there is a difference; returns what it was, as it was planned first. Raises `JournalError`."""
        if not self.is_ready:
            await self.start()
        difference = await asyncio.to_thread(self.plan, wanted)
        if difference.is_empty and not self.in_force.abandoned:
            return difference
        async with writer() as journal:
            # Whoever wrote before us writes no more, so what is read from here on is all.
            await self.catch_up()
            done: SyncPlan | None = None
            for _ in range(_ROUNDS):
                first = await self._revision(wanted, journal)
                done = done or first
                if first is None or RevisionState.DISCARDED not in self.in_force.own_marks:
                    return done or SyncPlan()
                log.warning("an engine gave the revision up, which took too long: looking again", config=wanted.tree.name)
        raise JournalUnavailable("the revision was given up again and again by the engine: it took too long to be written")

    async def report(self, report: FileReport) -> None:
        """Say what there is to say of the files, unless it was said already. Raises `JournalError`."""
        if not report.says_the_same(self.in_force.report):
            record = Record(self._topics.settings, key(RecordType.REPORT, f"/{self._topics.config_name}"), encode_report(report))
            await self._journal.append([record])
            self.in_force.report = report

    async def _revision(self, wanted: Wanted, journal: Journal) -> SyncPlan | None:
        """Write one revision from begin to mark; None if nothing is to be written."""
        found, author = self.in_force, wanted.author
        first = await asyncio.to_thread(self.plan, wanted)
        abandoned, cover = found.abandoned, found.abandoned_paths()
        if first.is_empty and not abandoned:
            return None
        number = found.next_number
        begun = Revision(number, RevisionState.BEGUN, _now(), wanted.commit, author.user, author.host, abandoned=abandoned)
        found.begin(number)
        writing = _Writing(self._topics, self._zone, wanted, number)
        begin: list[list[Record]] = [[self._mark(begun)]]
        written: dict[str, Settings | None] = {}
        current = first
        for _ in range(_ROUNDS):
            news = _news(_target(current, cover, found.topic), written, found)
            found.others.clear()
            written |= news
            found.expect(written)
            for batch in _batches(chain(begin, writing.records(news, set(current.removed)))):
                await journal.append(batch)
            begin = []
            await self._read_own(writing.count, RevisionState.BEGUN)
            if not found.others:
                break
            current = await asyncio.to_thread(self.plan, wanted)
        found.expect(written, current.synced)
        await journal.append([self._mark(_closed(begun, first, len(written), found.own_end))])
        await self._read_own(writing.count, RevisionState.CLOSED)
        if RevisionState.DISCARDED not in found.own_marks:
            # Only now: what the files said before is needed if this revision never closes. Whoever dies here has brought all of it into
            # force, and the next one finds that this is not noted yet.
            for batch in _batches(writing.synced(current)):
                await journal.append(batch)
            await self.catch_up()
        return first

    def _mark(self, revision: Revision) -> Record:
        return Record(self._topics.settings, key(RecordType.REVISION, f"/{self._topics.config_name}"), encode_revision(revision))

    async def _read_own(self, count: int, state: RevisionState) -> None:
        """Until what we wrote has come back: what others wrote before it is known then."""
        deadline = time.monotonic() + _PATIENCE_S
        while self.in_force.own_records < count or state not in self.in_force.own_marks:
            if time.monotonic() > deadline:
                raise JournalUnavailable(f"{self._topics.config}: what was written cannot be read back")
            before = self.in_force.own_records
            await self.follow(0.5)
            if self.in_force.own_records > before:
                deadline = time.monotonic() + _PATIENCE_S


class _Writing:
    """The records of a revision, as Phoebus clients write them."""

    def __init__(self, topics: Topics, zone: ZoneInfo, wanted: Wanted, number: int) -> None:
        self._topics = topics
        self._zone = zone
        self._user, self._host = wanted.author.user, wanted.author.host
        self._headers = headers(revision=str(number))
        self.count = 0
        """`config:` records that were made so far."""

    def records(self, news: Mapping[str, Settings | None], removed: Collection[str]) -> Iterator[list[Record]]:
        """Deletions first, children before parents, then parents before children. What belongs together is one list.

        `removed`: paths that are deleted although they get a new value: an alarm becomes a component, or the other way round.
        """
        topic = self._topics.config
        by_depth = sorted(news, key=lambda path: len(split(path)))
        for path in reversed(by_depth):
            if news[path] is None or path in removed:
                self.count += 2
                config_key = key(RecordType.CONFIG, path)
                note = Record(topic, config_key, encode_delete_note(self._user, self._host), self._headers)
                yield [note, Record(topic, config_key, None, self._headers)]
        for path in by_depth:
            settings = news[path]
            if settings is not None:
                self.count += 1
                value = encode_config(settings, self._user, self._host, self._zone)
                yield [Record(topic, key(RecordType.CONFIG, path), value, self._headers)]

    def synced(self, difference: SyncPlan) -> Iterator[list[Record]]:
        """What the files say from now on."""
        topic = self._topics.settings
        for record in identities.records(self._topics.config_name, difference.ids):
            yield [record]
        for path in [*difference.removed, *difference.forgotten]:
            if path not in difference.synced:
                yield [Record(topic, key(RecordType.SYNCED, path), None, self._headers)]
        for path, settings in difference.synced.items():
            value = encode_config(settings, self._user, self._host, self._zone)
            yield [Record(topic, key(RecordType.SYNCED, path), value, self._headers)]


def _target(difference: SyncPlan, cover: Iterable[str], topic: dict[str, Settings]) -> dict[str, Settings | None]:
    """The value that each path is to have, None for those to be deleted. `cover`: what an abandoned revision wrote there is undone."""
    target: dict[str, Settings | None] = {path: topic.get(path) for path in cover}
    target |= dict.fromkeys(difference.removed)
    return target | difference.write


def _news(target: dict[str, Settings | None], written: dict[str, Settings | None], found: InForce) -> dict[str, Settings | None]:
    """What is yet to be written: what differs from what we wrote, or was overtaken; and what we wrote and is not wanted any more."""
    wanted = {path: found.topic.get(path) for path in written if path in found.own} | target
    return {path: value for path, value in wanted.items() if path not in found.own or written[path] != value}


def _batches(groups: Iterable[Sequence[Record]]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    for group in groups:
        if len(batch) + len(group) > AT_ONCE:
            yield batch
            batch = []
        batch.extend(group)
    if batch:
        yield batch


def _closed(begun: Revision, first: SyncPlan, records: int, config_end: int) -> Revision:
    moved = len(first.moved)
    return Revision(
        number=begun.number,
        state=RevisionState.CLOSED,
        time=_now(),
        commit=begun.commit,
        user=begun.user,
        host=begun.host,
        config_end=config_end,
        records=records,
        added=len(first.added) - moved,
        edited=len(first.edited),
        removed=len(first.removed) - moved,
        moved=moved,
    )


def _now() -> Nanos:
    return Nanos(time.time_ns())
