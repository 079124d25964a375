"""Changes to records to the journal, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import tzinfo
from functools import partial

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from alarm_engine.errors import JournalUnavailable
from alarm_engine.evaluator.changes import Changes, ConfigWrite, LeafChange, Removal
from alarm_engine.journal.port import Journal, Position, Record
from alarm_engine.logic.talk import LATE_S, missed
from alarm_engine.wire.config import encode_config, encode_delete_note
from alarm_engine.wire.event import encode_event
from alarm_engine.wire.headers import STATE, headers
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.revision import encode_revision
from alarm_engine.wire.runtime import encode_root, encode_runtime
from alarm_engine.wire.state import encode_extras, encode_leaf_state, encode_node_state
from alarm_engine.wire.talk import encode_talk
from alarm_engine.wire.topics import Topics

log = structlog.get_logger()

Permission = Callable[[], Awaitable[None]]
"""Waits until this engine may publish. Raises `JournalUnavailable` if that cannot be known now, or what ends it."""


async def always() -> None:
    """Leave to publish where nobody else could have it."""


class Publisher:
    """Publishes for one configuration."""

    def __init__(self, journal: Journal, topics: Topics, zone: tzinfo, epoch: int, permitted: Permission = always) -> None:
        self._journal = journal
        self._permitted = permitted
        self._topics = topics
        self._zone = zone
        self._epoch = str(epoch)
        self._ours = headers(engine=self._epoch)

    async def publish(self, changes: Changes, positions: Sequence[Position] = ()) -> None:
        """Write everything or nothing; waits while the journal cannot be used, since nothing that was decided may be lost.

        Before each attempt leave is asked for: while the journal was away another engine may have been elected.
        The same records are written again then, under the same event ids. The journal looks whether they are there already; should it not
        be able to tell, whoever reads them twice reads them once.
        """
        records, talks = self.records(changes), changes.talks
        said: set[str] = set()
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(JournalUnavailable),
            wait=wait_exponential(multiplier=0.05, max=2),
            before_sleep=partial(_report, said),
        )
        async for attempt in retrying:
            state = attempt.retry_state
            waited_s = time.monotonic() - state.start_time
            if talks and waited_s > LATE_S and changes.talks != [talk := missed("/" + self._topics.config_name, talks, waited_s)]:
                changes.talks = [talk]
                records = self.records(changes)
            with attempt:
                await self._permitted()
                await self._journal.append(records, positions)
            if state.attempt_number > 1 and state.outcome is not None and not state.outcome.failed:
                log.info("journal is written again", config=self._topics.config, attempts=state.attempt_number)

    def records(self, changes: Changes) -> list[Record]:
        """The records of a change set: alarms and their events in order, then components from the bottom up, then the rest."""
        topics, modes = self._topics, changes.modes
        records: list[Record] = []
        for step in changes.steps:
            if isinstance(step, LeafChange):
                extras = ((STATE, encode_extras(step.extras)),)
                state = encode_leaf_state(step.alarm, step.current, modes)
                records.append(Record(topics.config, key(RecordType.STATE, step.path), state, extras))
                event = step.event
            elif isinstance(step, Removal):
                records.append(Record(topics.config, key(RecordType.STATE, step.path), None))
                event = step.event
            else:
                event = step
            if event is not None:
                records.append(Record(topics.events, key(RecordType.EVENT, event.path), encode_event(event)))
        for node in changes.nodes:
            records.append(Record(topics.config, key(RecordType.STATE, node.path), encode_node_state(node.severity, modes), self._ours))
        for path, runtime in changes.runtimes.items():
            value = encode_runtime(runtime) if runtime is not None else None
            records.append(Record(topics.runtime, key(RecordType.RUNTIME, path), value))
        if changes.root is not None:
            root = "/" + topics.config_name
            records.append(Record(topics.runtime, key(RecordType.RUNTIME, root), encode_root(changes.root)))
        for write in changes.configs:
            records += self._config(write)
        if changes.discarded is not None:
            records.append(Record(topics.settings, key(RecordType.REVISION, "/" + topics.config_name), encode_revision(changes.discarded)))
        for talk in changes.talks:
            records.append(Record(topics.talk, key(RecordType.TALK, talk.path), encode_talk(talk.severity, talk.text, talk.standout)))
        return records

    def _config(self, write: ConfigWrite) -> list[Record]:
        topic, config_key, ours = self._topics.config, key(RecordType.CONFIG, write.path), headers(engine=self._epoch)
        if write.settings is None:
            note = Record(topic, config_key, encode_delete_note(write.user, write.host), ours)
            return [note, Record(topic, config_key, None, ours)]
        return [Record(topic, config_key, encode_config(write.settings, write.user, write.host, self._zone), ours)]


def _report(said: set[str], state: RetryCallState) -> None:
    """Once for each way in which it is said: the first is not always the one that names the cause."""
    problem = str(state.outcome.exception()) if state.outcome is not None else ""
    if problem not in said:
        log.error("journal cannot be written: changes wait, clients will say stale", problem=problem)
    said.add(problem)
