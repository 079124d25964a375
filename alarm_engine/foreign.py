"""Somebody else who writes states of a configuration that is ours: recognised, told of, and answered as the settings say."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from alarm_engine.errors import JournalUnavailable, WireError
from alarm_engine.evaluator import Cause, Evaluator
from alarm_engine.journal.port import StoredRecord
from alarm_engine.logic.foreign import QUIET_S, Foreign, ForeignWriter
from alarm_engine.model.event import EventKind
from alarm_engine.model.path import canonical
from alarm_engine.model.times import Moment, iso
from alarm_engine.wire.headers import ENGINE, STATE
from alarm_engine.wire.keys import RecordType, parse_key
from alarm_engine.wire.topics import Topics

log = structlog.get_logger()

_STATE = f"{RecordType.STATE}:"
_ANSWERS = {ForeignWriter.REASSERT: "our states are written over its own", ForeignWriter.YIELD: "we write nothing until it is quiet"}
BEGUN = "foreign writer"
ENDED = "foreign writer is quiet"
"""Reasons of the events about it."""


def foreign_path(record: StoredRecord, topics: Topics, epoch: int) -> str | None:
    """Path of the state that somebody else wrote, None for any other record.

    Ours have a header: those of alarms what the snapshot has beyond the record, those of components the epoch of the engine. One of an
    older epoch is our predecessor; of a newer one, an engine that was not kept from writing beside us. Tombstones say nothing.
    """
    if record.topic != topics.config or record.value is None or not record.key.startswith(_STATE):
        return None
    if record.header(STATE) is not None:
        return None
    engine = record.header(ENGINE)
    if engine is not None and engine.isdecimal() and int(engine) <= epoch:
        return None
    try:
        return canonical(parse_key(record.key)[1])
    except WireError:
        return None


class ForeignWatch:
    """Belongs to the loop of one runner."""

    def __init__(self, policy: ForeignWriter, topics: Topics) -> None:
        self._foreign = Foreign(policy)
        self._topics = topics

    @property
    def number(self) -> int:
        """Foreign records since the start."""
        return self._foreign.number

    @property
    def text(self) -> str:
        """That somebody else writes, and what is done about it; empty while nobody does."""
        foreign = self._foreign
        if foreign.since is None:
            return ""
        return (
            f"another server writes states of {self._topics.config} too, the first was {foreign.first} at {iso(foreign.since.wall)}: "
            f"stop it; {_ANSWERS[foreign.policy]}"
        )

    def look(self, records: Iterable[StoredRecord], epoch: int, now: Moment) -> bool:
        """Look through what was read, of which others have a use too. True if there is something to do."""
        found = [path for record in records if (path := foreign_path(record, self._topics, epoch)) is not None]
        for path in found:
            self._foreign.seen(path, now)
        return bool(found)

    def act(self, evaluator: Evaluator, now: Moment) -> None:
        """Say that it began or ended, and write our states again."""
        since, first = self._foreign.since, self._foreign.first
        decision = self._foreign.decide(now.monotonic)
        root = evaluator.tree.root.path
        if decision.begun:
            log.error("foreign writer", config=self._topics.config, what=self.text)
            evaluator.emitter.event(EventKind.FOREIGN, root, now, Cause(reason=BEGUN, comment=self.text))
        for path in decision.again:
            if path in evaluator.tree.leaves or path in evaluator.tree.nodes:
                evaluator.publish_again(path)
        if decision.ended and since is not None:
            text = f"nobody else has written a state for {QUIET_S} s; the first was {first} at {iso(since.wall)}"
            log.warning("foreign writer is quiet", config=self._topics.config, what=text)
            evaluator.emitter.event(EventKind.FOREIGN, root, now, Cause(reason=ENDED, comment=text))

    def holds(self, now: Moment) -> bool:
        """True while nothing is to be written. Raises `JournalUnavailable` when that is over: what the other one wrote is to be read."""
        if not self._foreign.is_yielding:
            return False
        if self._foreign.is_quiet(now.monotonic):
            raise JournalUnavailable(f"another server has written states of {self._topics.config}, and is quiet now: they are read first")
        return True
