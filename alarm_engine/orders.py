"""Commands and configuration that others wrote, given to the evaluator in the order of the journal.

What a sync from files wrote is held back until its revision closes, and applied then as a whole. One that is not written on for a while is
given up: its writer is gone, and what it had written so far is put back to what is in force, so that clients which know nothing of
revisions, and whoever reads the compacted topic later, see what the engine goes by.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import WireError
from alarm_engine.evaluator import Cause, Commander, Evaluator
from alarm_engine.evaluator.changes import ConfigWrite
from alarm_engine.evaluator.configuration import configure, known_settings, merged, remove
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.event import EventKind
from alarm_engine.model.path import canonical
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic
from alarm_engine.release import Release, Step, Target, cause_of, summary
from alarm_engine.revisions import Closed, Staging, is_note
from alarm_engine.wire.command import decode_command
from alarm_engine.wire.config import decode_config
from alarm_engine.wire.headers import ENGINE
from alarm_engine.wire.keys import RecordType, parse_key
from alarm_engine.wire.revision import RevisionState
from alarm_engine.wire.topics import Topics

log = structlog.get_logger()


PATIENCE_NS = 30 * NANOS_PER_SECOND
"""A revision that is not written on for so long is given up. Its writer goes on within seconds, also after it was started again."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the records: the engine whose own are known by its epoch."""

    topics: Topics
    zone: tzinfo
    """Zone of dates without one."""
    epoch: int
    staging: Staging | None = None
    """What was held back when the configuration was restored."""


class Orders:
    """Belongs to the loop of one runner."""

    def __init__(self, reader: Reader, evaluator: Evaluator, commander: Commander, clock: Clock) -> None:
        self._reader = reader
        self._evaluator = evaluator
        self._commander = commander
        self._clock = clock
        self._records: deque[StoredRecord] = deque()
        self._staging = reader.staging or Staging(reader.topics)
        self._staging.settle()
        self._steps: Iterator[Step] | None = None
        self._due: deque[StoredRecord | Closed] = deque()
        self._touched: Monotonic = clock.now().monotonic
        """When something of an open revision was last read."""
        self._undoing: deque[str] = deque()
        """Paths that are to be put back."""
        self._outstanding: Counter[str] = Counter()
        """Configuration records of our own that have not come back yet, by path."""
        self.broken = 0
        """Records that could not be understood."""

    @property
    def waiting(self) -> bool:
        """Something is there to be applied."""
        return bool(self._records or self._due or self._undoing) or self._steps is not None

    def offer(self, records: Iterable[StoredRecord]) -> None:
        """What was read, in its order."""
        self._records.extend(records)

    def sent(self, writes: Iterable[ConfigWrite]) -> None:
        """Configuration records that are about to be written by us, and will come back."""
        self._outstanding.update(write.path for write in writes)

    def apply(self, limit: int) -> int | None:
        """Give at most that many records to the evaluator. Returns the position after the last command among them, if there was one."""
        position = None
        for _ in range(limit):
            if self._steps is not None:
                self._step(self._steps)
            elif self._due:
                self._apply(self._due.popleft())
            elif self._records:
                record = self._records.popleft()
                self._take(record)
                if record.topic == self._reader.topics.command:
                    position = record.offset + 1
            else:
                self._undo()
                if not self._undoing:
                    break
        return position

    # ------------------------------------------------------------------ revisions

    def _take(self, record: StoredRecord) -> None:
        """A record as it comes: what of it, or of those before it, is in force now."""
        try:
            taken = self._staging.take(record)
        except WireError as problem:
            self._skip(record, problem)
            return
        self._due.extend(taken)
        if not taken:  # of a revision, or another sign that its writer is alive
            self._touched = self._clock.now().monotonic
            self._undoing.clear()
        if record.topic == self._reader.topics.command and self._due:
            self._apply(self._due.popleft())

    def _step(self, steps: Iterator[Step]) -> None:
        step = next(steps, None)
        if step is None:
            self._steps = None
            return
        try:
            step(self._clock.now())
        except WireError as problem:
            self.broken += 1
            log.warning("part of a revision skipped", config=self._reader.topics.config, problem=str(problem))
        except Exception:
            self.broken += 1
            log.exception("part of a revision skipped by a fault of tocsin, please report it", config=self._reader.topics.config)

    def _undo(self) -> None:
        """Put back what an open revision has written, one path at a time, once nobody writes it on."""
        staging = self._staging
        if self._undoing:
            path = self._undoing.popleft()
            self._evaluator.emitter.rewrite(path, known_settings(self._evaluator, path), Cause())
            if not self._undoing:
                self._given_up()
        elif staging.has_staged and not staging.is_closing and self._clock.now().monotonic - self._touched > PATIENCE_NS:
            self._undoing.extend(canonical(parse_key(one.record.key)[1]) for one in staging.staged if not one.overtaken)
            number = staging.revision.number if staging.revision is not None else 0
            log.warning("revision given up: it was never closed", config=self._reader.topics.config, revision=number)
            if not self._undoing:
                self._given_up()

    def _given_up(self) -> None:
        staging = self._staging
        staging.drop()
        if staging.revision is not None:
            mark = replace(staging.revision, state=RevisionState.DISCARDED, time=self._clock.now().wall)
            self._evaluator.emitter.changes.discarded = mark
            root = self._evaluator.tree.root.path
            cause = cause_of(mark).because(f"revision {mark.number} given up: it was never closed")
            self._evaluator.emitter.event(EventKind.CONFIGURED, root, self._clock.now(), cause)

    # ------------------------------------------------------------------ single records

    def _apply(self, record: StoredRecord | Closed) -> None:
        if isinstance(record, Closed):
            target = Target(self._evaluator, self._reader.zone, lambda path: self._outstanding[path] > 0)
            self._steps = Release(record, target).steps()
            log.info("revision in force", config=self._reader.topics.config, what=summary(record.revision))
            return
        try:
            kind, raw_path = parse_key(record.key)
            path = canonical(raw_path)
            if kind is RecordType.COMMAND or record.topic == self._reader.topics.command:
                command = decode_command(record, path)
                if command is not None:
                    self._commander.execute(command, self._clock.now())
            elif kind is RecordType.CONFIG:
                self._configure(path, record, self._clock.now())
        except WireError as problem:
            self._skip(record, problem)
        except Exception:
            self.broken += 1
            log.exception("record skipped by a fault of tocsin, please report it", topic=record.topic, offset=record.offset)

    def _skip(self, record: StoredRecord, problem: WireError) -> None:
        self.broken += 1
        log.warning("record skipped", topic=record.topic, offset=record.offset, key=record.key, problem=str(problem))

    def _configure(self, path: str, record: StoredRecord, now: Moment) -> None:
        if record.header(ENGINE) == str(self._reader.epoch):
            if is_note(record.value):
                return
            self._outstanding[path] -= 1
            if self._outstanding[path] <= 0:
                del self._outstanding[path]
            return
        evaluator = self._evaluator
        if record.value is None:
            remove(evaluator, path, Cause(), now)
            return
        decoded = decode_config(record.value, self._reader.zone, known_settings(evaluator, path))
        for problem in decoded.problems:
            log.warning("configuration record", topic=record.topic, offset=record.offset, path=path, problem=problem)
        if decoded.settings is None:
            return
        settings, cause = decoded.settings, Cause(decoded.user, decoded.host)
        overtaken = self._outstanding[path] > 0
        if overtaken:
            # Ours lies behind this one and was written without knowing it: its other fields are good, `enabled` is the operator's.
            settings = merged(evaluator, path, settings)
        refusal = configure(evaluator, path, settings, cause, now)
        if refusal:
            raise WireError(refusal)
        leaf = evaluator.tree.leaves.get(path)
        if overtaken and leaf is not None:
            evaluator.emitter.config(leaf, cause)
