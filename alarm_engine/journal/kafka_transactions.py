"""One transactional producer: what is written is written wholly or not at all, and by nobody who was fenced."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from alarm_engine.errors import JournalError, JournalFenced, JournalUnavailable
from alarm_engine.journal.kafka_calls import OVERDUE_S, Caller, Overdue
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_doubt import Doubt
from alarm_engine.journal.kafka_errors import FENCED, error_of, listen, translate
from alarm_engine.journal.kafka_ownership import Owner, find_owner, owner_group
from alarm_engine.journal.kafka_positions import REFRESH_S, KeptPositions
from alarm_engine.journal.kafka_settings import PARTITION
from alarm_engine.journal.port import Position, Record, TopicSpec
from alarm_engine.model.times import NANOS_PER_MS

_log = structlog.get_logger()

_PURGED = frozenset({"_PURGE_QUEUE", "_PURGE_INFLIGHT"})
_ABORT_S = 2.0
"""An abort that takes longer is left to the next producer, which ends what this one began."""
_READABLE_S = 1.0
_UNDECIDED_S = 15.0
_CLOCK_SET_BACK_MS = 1000


class Transactions:
    """Belongs to one thread. A producer that cannot go on is thrown away, and the next write makes another."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._settings = cluster.settings
        self._id = cluster.settings.group(cluster.settings.owns or secrets.token_hex(8))
        self._owner = Owner.this(cluster.settings)
        self._producer: Producer | None = None
        self._generation = 0
        self._predecessor: Owner | None = None
        self._marked_at: float | None = None
        self._undecided_since: float | None = None
        self._stamp_ms = 0
        """Of the last transaction: all its records have the same, and no other has it, so that they are known in each topic."""
        self._fenced: JournalFenced | None = None
        self._doubt = Doubt(cluster)
        self._groups: dict[str, Any] = {}
        self._kept = KeptPositions()
        self._calls = self._caller()

    def take_over(self) -> None:
        """Fence whoever wrote before, and leave our mark. What it had not committed is gone when this returns."""
        self._owner, self._fenced, self._marked_at = Owner.this(self._settings), None, None
        self._drop()
        try:
            self._connect()
            self._predecessor = find_owner(self._cluster, decided=False)
            if self._settings.owns in self._cluster.look([self._settings.owns or ""]):
                self.write([], [], time.monotonic() + self._settings.write_timeout_s)
            self._cluster.require_open("take over")
        except BaseException:
            self._drop()  # nobody may wait for it any more
            raise
        _log.info("writer of the configuration", config=self._settings.owns, before=str(self._predecessor or "nobody known"))

    def cover(self, specs: Iterable[TopicSpec]) -> None:
        """How the topics forget that are written to; from any thread."""
        self._doubt.cover(specs)

    def keep(self, position: Position) -> None:
        """A position that was found: it is refreshed as those that are written."""
        self._kept.found(position)

    def in_doubt(self, batch: Sequence[Record]) -> bool:
        """It was written, and it is not known whether it is there: it must be written alone."""
        return self._doubt.concerns(batch)

    def write(self, batches: Sequence[Sequence[Record]], positions: Sequence[Position], deadline: float) -> None:
        """Everything or nothing, and once: a batch that was written before and had no answer is looked for, and comes alone.

        Raises `JournalFenced`, or another `JournalError`; `deadline` by the monotonic clock.
        """
        in_doubt = any(map(self.in_doubt, batches))
        # The producer that had no answer may wait for a broker that is no more; a new one ends whatever it began.
        producer = self._ready(anew=in_doubt)
        if in_doubt and self._is_there(batches[0], deadline):
            self._written(positions)
            return
        topics = {record.topic for batch in batches for record in batch}
        self._doubt.begin(topics)
        refused: list[tuple[KafkaError, str]] = []
        try:
            self._transaction(producer, batches, self._kept.beside(positions), deadline, refused)
        except KafkaException as problem:
            self._cluster.forget_topics()
            raise self._recover(producer, batches, problem, refused) from problem
        self._doubt.over(batches, self._await_readable(topics, deadline))
        self._written(positions)

    def _ready(self, *, anew: bool = False) -> Producer:
        """A producer that may write; raises `JournalFenced`, or another `JournalError`."""
        if self._fenced is not None:
            raise self._fenced
        if self._producer is None or self._generation != self._cluster.generation or anew:
            self._drop()
            self._check_owner()
            self._connect()
        assert self._producer is not None
        return self._producer

    def take_back(self, records: Sequence[Record], deadline: float) -> None:
        """Write records and undo that; what an earlier transaction of ours has left open in their topics is undone with them.

        Raises as `write` does.
        """
        producer = self._ready()
        refused: list[tuple[KafkaError, str]] = []
        try:
            self._begin(producer, [records], deadline, refused)
            # An abort throws away what was not sent yet.
            self._insist(lambda limit_s: _flushed(producer, limit_s), deadline, refused)
            if refused:
                raise KafkaException(refused[0][0])
            self._insist(producer.abort_transaction, deadline, refused)
        except KafkaException as problem:
            self._cluster.forget_topics()
            raise self._recover(producer, [], problem, refused) from problem

    def _is_there(self, batch: Sequence[Record], deadline: float) -> bool:
        """What was in doubt has come to be. The producer that wrote it has ended it, or the one after it has.

        One record stands for all. Before that is said the others are waited for too, for what is hidden can yet be undone; only not for
        those in topics that soon forget, which may stay hidden until something else is written to them: see `kafka_mender`.
        """
        ends = self._await_readable({self._doubt.topic(batch)}, deadline)
        there = self._doubt.is_committed(batch)
        if there:
            ends = self._await_readable(self._doubt.lasting(batch), deadline)
        self._doubt.over([batch], ends)
        return there

    def _written(self, positions: Sequence[Position]) -> None:
        self._kept.written(positions)
        self._marked_at = time.monotonic() if self._marks() else self._marked_at

    def _await_readable(self, topics: set[str], deadline: float) -> dict[str, int]:
        """Where the topics end.

        What is acknowledged can be read, whatever happens to the broker: see `kafka_mender` on marks that are never written.
        What cannot be read may yet be undone, so it is not acknowledged, and whoever asked writes it again.
        """
        patience_s = min(_READABLE_S, max(0.0, deadline - time.monotonic()))
        ends = self._cluster.decided_ends(topics, patience_s) if topics else {}
        if ends is None:
            names = ", ".join(sorted(topics))
            raise JournalUnavailable(f"cannot write: the records are there, but an open transaction hides them from readers ({names})")
        return ends

    def close(self) -> None:
        """End the producer."""
        self._drop()

    def _caller(self) -> Caller:
        cluster = self._cluster  # not `self`, which would keep itself alive by this, and its producer
        return Caller(f"kafka-calls {self._id}", lambda: cluster.given_up)

    def _connect(self) -> None:
        self._cluster.require_open("begin to write")
        timeout_s = self._settings.write_timeout_s
        self._generation = self._cluster.generation
        properties = self._settings.producer() | {
            "transactional.id": self._id,
            # A dead writer's open transaction keeps readers waiting until its successor, or at last the broker, ends it.
            "transaction.timeout.ms": round(timeout_s * 1000),
            "delivery.report.only.error": True,
        }
        producer = self._cluster.client(Producer, properties)
        self._calls = self._caller()
        try:
            self._insist(producer.init_transactions, time.monotonic() + timeout_s)
        except Overdue as problem:
            raise self._left_behind("begin to write") from problem
        except KafkaException as problem:
            self._calls.end()
            listen(producer)
            raise self._translated("begin to write", error_of(problem)) from problem
        self._producer = producer

    def _transaction(
        self,
        producer: Producer,
        batches: Sequence[Sequence[Record]],
        positions: Sequence[Position],
        deadline: float,
        refused: list[tuple[KafkaError, str]],
    ) -> None:
        self._begin(producer, batches, deadline, refused)
        for group, offsets in self._offsets(positions).items():
            self._insist(partial(producer.send_offsets_to_transaction, offsets, self._group(group)), deadline, refused)
        self._doubt.commits(batches)
        self._insist(producer.commit_transaction, deadline, refused)

    def _begin(
        self, producer: Producer, batches: Sequence[Sequence[Record]], deadline: float, refused: list[tuple[KafkaError, str]]
    ) -> None:
        def report(error: KafkaError | None, message: Message) -> None:
            # Nothing is asked of the error here: after a fatal one that fails within a callback.
            if error is not None:
                refused.append((error, message.topic() or ""))

        self._insist(lambda _: producer.begin_transaction(), deadline, refused)
        stamp_ms = self._stamp_ms = _next_stamp(self._stamp_ms)
        for record in (record for batch in batches for record in batch):
            headers: list[tuple[str, str | bytes | None]] | None = [*record.headers] or None
            while True:
                try:
                    producer.produce(
                        record.topic, record.value, record.key.encode(), PARTITION, on_delivery=report, timestamp=stamp_ms, headers=headers
                    )
                    break
                except BufferError:
                    producer.poll(0.05)
                    self._calls.check_time(deadline)

    def _offsets(self, positions: Sequence[Position]) -> dict[str, list[TopicPartition]]:
        found: dict[str, list[TopicPartition]] = {}
        last = {(position.group, position.topic): position.offset for position in positions}
        for (group, topic), offset in last.items():
            found.setdefault(self._settings.group(group), []).append(TopicPartition(topic, PARTITION, offset))
        if self._marks():
            mark = TopicPartition(self._settings.owns or "", PARTITION, 0, self._owner.encode())
            found[owner_group(self._settings)] = [mark]
        return found

    def _marks(self) -> bool:
        """The next transaction carries our mark: the first one that can, and now and then one after it."""
        if self._settings.owns is None or not self._cluster.knows(self._settings.owns):
            return False
        return self._marked_at is None or self._marked_at < time.monotonic() - REFRESH_S

    def _group(self, group: str) -> Any:
        """What the library wants to know of a group: without members, it is only the name."""
        if group not in self._groups:
            consumer = self._cluster.client(Consumer, self._settings.client() | {"group.id": group})
            self._groups[group] = consumer.consumer_group_metadata()
            consumer.close()
        return self._groups[group]

    def _recover(
        self, producer: Producer, batches: Sequence[Sequence[Record]], problem: KafkaException, refused: Sequence[tuple[KafkaError, str]]
    ) -> JournalError:
        """Undo the transaction, or give the producer up; returns what to tell the caller."""
        error = error_of(problem)
        if self._cluster.given_up:
            self._drop()  # whoever writes next ends what this one began
            return JournalUnavailable("cannot write: the journal was closed before Kafka has confirmed the records")
        if isinstance(problem, Overdue):
            return self._left_behind("write")
        if error.fatal():
            return self._lost(error)
        cause, topic = error, ""
        try:
            self._calls.make(partial(producer.abort_transaction, _ABORT_S), _ABORT_S, _ABORT_S + OVERDUE_S)
            self._doubt.over(batches)
        except KafkaException as abort_problem:
            abort = error_of(abort_problem)
            if abort.fatal():
                return self._lost(abort)
            _log.warning("transaction could not be undone, a new producer does it", problem=abort.str())
            self._drop()
        for reason, where in refused:
            if reason.name() not in _PURGED:
                cause, topic = reason, where
                break
        return self._translated("write", cause, topic)

    def _left_behind(self, doing: str) -> JournalError:
        """The producer is in a call that has not returned; the next one ends what it began, and it writes no more then."""
        self._drop()
        _log.warning("a call of the Kafka client has not returned: a new producer goes on", id=self._id)
        why = f"Kafka at {self._settings.servers} has not answered in time, and its client hangs"
        return JournalUnavailable(f"cannot {doing}: {why}: it is left behind, and the next try has a new one")

    def _lost(self, error: KafkaError) -> JournalError:
        """The producer is of no use any more: fenced by another writer, or by the broker since its transaction took too long."""
        self._drop()
        if error.name() not in FENCED:
            return self._translated("write", error)
        try:
            self._check_owner()
        except JournalError as problem:
            return problem
        return JournalUnavailable("cannot write: the transaction was open for too long, and the broker has undone it")

    def _check_owner(self) -> None:
        """Raise `JournalFenced` if another has taken over since."""
        if self._settings.owns is None:
            return
        owner = self._find_owner()
        before = self._predecessor.id if self._predecessor is not None else ""
        if owner is not None and owner.id not in (self._owner.id, before):
            self._fenced = JournalFenced(f"{owner} has taken over the configuration {self._settings.owns!r}: this one writes no more")
            raise self._fenced

    def _find_owner(self) -> Owner | None:
        """As it stands; but a mark that is being written may be that of a successor, so it is waited for."""
        try:
            owner = find_owner(self._cluster)
        except JournalUnavailable:
            self._undecided_since = self._undecided_since or time.monotonic()
            if time.monotonic() - self._undecided_since < _UNDECIDED_S:
                raise
            # It will never be: see `kafka_mender`. Whoever is the other one learns from the broker that we write.
            owner = find_owner(self._cluster, decided=False)
        self._undecided_since = None
        return owner

    def _translated(self, doing: str, error: KafkaError, topic: str = "") -> JournalError:
        return translate(doing, error, self._cluster.complaints, self._settings, topic)

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        self._calls.end()
        if producer is not None and not self._calls.is_lost:
            # Nothing of it is to be sent any more. The library ends it when the last reference goes: its `close` would wait for an abort.
            producer.purge()

    def _insist(self, step: Callable[[float], object], deadline: float, refused: Sequence[object] = ()) -> None:
        self._calls.insist(step, deadline, refused)


def _flushed(producer: Producer, limit_s: float) -> None:
    if producer.flush(limit_s):
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "not all records were sent", retriable=True))


def _next_stamp(last_ms: int) -> int:
    """The time now, but later than the last one; where the clock was set back by more than a moment it is followed."""
    now_ms = time.time_ns() // NANOS_PER_MS
    return now_ms if now_ms > last_ms or now_ms < last_ms - _CLOCK_SET_BACK_MS else last_ms + 1
