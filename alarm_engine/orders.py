"""Commands and configuration that others wrote, given to the evaluator in the order of the journal."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import WireError
from alarm_engine.evaluator import Cause, Commander, Evaluator
from alarm_engine.evaluator.changes import ConfigWrite
from alarm_engine.evaluator.configuration import configure, known_settings, merged, remove
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.path import canonical
from alarm_engine.model.times import Moment
from alarm_engine.wire.command import decode_command
from alarm_engine.wire.config import decode_config
from alarm_engine.wire.headers import ENGINE
from alarm_engine.wire.keys import RecordType, parse_key
from alarm_engine.wire.topics import Topics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the records: the engine whose own are known by its epoch."""

    topics: Topics
    zone: tzinfo
    """Zone of dates without one."""
    epoch: int


class Orders:
    """Belongs to the loop of one runner."""

    def __init__(self, reader: Reader, evaluator: Evaluator, commander: Commander, clock: Clock) -> None:
        self._reader = reader
        self._evaluator = evaluator
        self._commander = commander
        self._clock = clock
        self._records: deque[StoredRecord] = deque()
        self._outstanding: Counter[str] = Counter()
        """Configuration records of our own that have not come back yet, by path."""
        self.broken = 0
        """Records that could not be understood."""

    @property
    def waiting(self) -> bool:
        """Something is there to be applied."""
        return bool(self._records)

    def offer(self, records: Iterable[StoredRecord]) -> None:
        """What was read, in its order."""
        self._records.extend(records)

    def sent(self, writes: Iterable[ConfigWrite]) -> None:
        """Configuration records that are about to be written by us, and will come back."""
        self._outstanding.update(write.path for write in writes)

    def apply(self, limit: int) -> int | None:
        """Give at most that many records to the evaluator. Returns the position after the last command among them, if there was one."""
        position = None
        for _ in range(min(limit, len(self._records))):
            record = self._records.popleft()
            self._apply(record)
            if record.topic == self._reader.topics.command:
                position = record.offset + 1
        return position

    def _apply(self, record: StoredRecord) -> None:
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
            self.broken += 1
            log.warning("record skipped", topic=record.topic, offset=record.offset, key=record.key, problem=str(problem))
        except Exception:
            self.broken += 1
            log.exception("record skipped by a fault of tocsin, please report it", topic=record.topic, offset=record.offset)

    def _configure(self, path: str, record: StoredRecord, now: Moment) -> None:
        if record.header(ENGINE) == str(self._reader.epoch):
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
