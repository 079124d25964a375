"""A member of the consumer group of a cell, or of another electorate: one thread that takes part while the event loop is alive.

The group elects: each configuration is the one partition of its topic, and whoever is assigned it may publish. Nothing is consumed here:
what is assigned is paused at once. Of each partition that is held a mark is committed now and then (see `kafka_holders`): it tells others
who has it, and us that the group has not given us up. Two facts of the client library shape this module: callbacks run within `poll`, on
this thread; and they must give partitions back themselves (`incremental_unassign`), which tells the group that another may begin.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from alarm_engine.errors import SettingsError
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_errors import translate
from alarm_engine.journal.kafka_ownership import Owner, now
from alarm_engine.journal.kafka_settings import PARTITION
from alarm_engine.ownership.kafka_electorate import Electorate
from alarm_engine.ownership.kafka_holders import MARK_S, Mark, marking

_log = structlog.get_logger()

HANG_S = 2.0
"""An event loop that has not ticked for this time hangs: it is not polled for any more."""
RELEASE_S = 3.0
"""Longest wait for leases to be released before the group is told that another may begin. The fence of the journal holds in any case."""
_POLL_S = 0.1
JOIN_S = 0.8
"""So long a member that leaves may take to finish joining: before, the group is told nothing, and the next election waits for a session."""
HEARTBEAT_MS = 200
"""With the answer to the next one a member learns that another one has left, or is gone."""
_LOOK_AT_FILES_S = 5.0
_PAUSE_S = 1.0
_RIGHTS = frozenset({"GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED"})


class Listener(Protocol):
    """Whoever is told what the group says. Every method is called on the thread of the member, and must return at once."""

    def assigned(self, topics: frozenset[str]) -> None:
        """The group is at rest, and these are ours from now on, in addition to those that we have."""
        ...

    def revoked(self, topics: frozenset[str]) -> threading.Event:
        """Another is to have these; the event that is returned is set when nothing is published for them any more."""
        ...

    def lost(self, topics: frozenset[str], hung: bool) -> None:
        """These are not ours any more: since the event loop hung, or since the group has not heard of us (or we of it) for a session."""
        ...

    def confirmed(self, number: int) -> None:
        """The group has taken the marks that were asked for with this number, or a lower one: what is held was ours a moment ago."""
        ...

    def troubled(self, problem: str) -> None:
        """Why we cannot take part, in words; empty when we do again."""
        ...

    def ended(self) -> None:
        """The group was left."""
        ...


class Member:
    """Joins with the first topics, leaves with `stop`."""

    def __init__(self, cluster: Cluster, me: Owner, who: Electorate, listener: Listener) -> None:
        self._cluster = cluster
        self._me = me
        self._who = who
        self._group = group = who.group
        self._session_s = cluster.settings.session_s
        self._listener = listener
        self._consumer: Consumer | None = None
        self._generation = 0
        self._subscribed: frozenset[str] = frozenset()
        self._held: set[str] = set()
        self._id: str | None = None
        self._joining = False  # the group has been asked to take us, and has not answered
        self._hung = self._silent = False
        self._since: dict[str, Owner] = {}
        self._asked = self._answered = self._beat = 0
        self._on_its_way: int | None = None
        self._marked_at = 0.0
        self._looked_at_files = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"kafka-member {group}", daemon=True)
        self.wanted: frozenset[str] = frozenset()
        """The topics to take part for; it may change. They must be there: the library would look for new ones only now and then."""
        self.ticked = time.monotonic()
        """When the event loop was last alive."""

    def start(self) -> None:
        """Make the client, then take part. Needs no broker; blocks for milliseconds. Raises `SettingsError`."""
        self._connect()
        self.ticked = time.monotonic()
        self._thread.start()

    def ask(self) -> int:
        """Write the marks now; `Listener.confirmed` is called with this number or a higher one when the group has taken them."""
        self._asked += 1
        return self._asked

    def stop(self) -> None:
        """Leave the group; `Listener.ended` is called when that is done."""
        self._stopping.set()

    def _connect(self) -> None:
        session_ms = round(self._session_s * 1000)
        properties = self._cluster.settings.client() | {
            "group.id": self._group,
            "group.protocol": "classic",
            "partition.assignment.strategy": "cooperative-sticky",
            # After this time without a heartbeat the group gives away what a member had,
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": min(session_ms // 10, HEARTBEAT_MS),
            # The thread of the library that gives them sleeps for up to a second; these figures, which nobody takes, rouse it.
            "statistics.interval.ms": HEARTBEAT_MS,
            # and after this time without a poll a member leaves by itself; the library wants it no shorter than the session.
            "max.poll.interval.ms": session_ms,
            # A broker that hangs is left before the session is over.
            "socket.timeout.ms": max(1000, session_ms * 2 // 3),
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "latest",
            # A topic that was made anew is found by this.
            "topic.metadata.refresh.interval.ms": 10_000,
            "on_commit": self._committed,
        }
        self._generation = self._cluster.generation
        self._consumer = self._cluster.client(Consumer, properties)
        self._subscribed, self._joining = frozenset(), False
        self._on_its_way = None

    def _loop(self) -> None:
        try:
            while not self._stopping.is_set():
                if self._loop_is_alive():
                    self._turn()
                else:
                    self._stopping.wait(_POLL_S)
        finally:
            self._finish_joining()
            self._leave()
            self._listener.ended()

    def _loop_is_alive(self) -> bool:
        """A process that hangs must not keep what it has: the group is polled only for one that does not."""
        alive = time.monotonic() - self.ticked < HANG_S
        if not alive and not self._silent:
            told = f"the {self._who.kind} hangs: it loses its configurations soon"
            _log.error(told, group=self._group, after_s=HANG_S + self._session_s)
        self._silent = not alive
        return alive

    def _turn(self) -> None:
        try:
            self._renew()
            consumer = self._consumer
            assert consumer is not None
            if self.wanted != self._subscribed:
                self._subscribed = self.wanted
                self._joining = bool(self._subscribed)
                if self._subscribed:
                    consumer.subscribe(sorted(self._subscribed), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
                else:
                    consumer.unsubscribe()
            self._mark(consumer)
            message = consumer.poll(_POLL_S)
            error = message.error() if message is not None else None
            if error is not None:
                self._complain(error, (message.topic() if message is not None else "") or "")
        except Exception as problem:  # noqa: BLE001 - an engine that takes part no more for a fault of ours would wait for ever
            _log.warning("the election goes on with a new client", group=self._group, problem=str(problem))
            self._listener.troubled(f"cannot take part in group {self._group!r}: {problem}")
            self._generation = -1
            self._stopping.wait(_PAUSE_S)

    def _mark(self, consumer: Consumer) -> None:
        """Say who has what. One at a time: while Kafka is away the library keeps what it could not send."""
        age_s = time.monotonic() - self._marked_at
        due = age_s > MARK_S or (self._asked > self._answered and age_s > _POLL_S)
        if not self._held or not due or self._on_its_way is not None:
            return
        self._marked_at = time.monotonic()
        self._on_its_way = self._asked
        self._beat += 1
        marks = [marking(topic, Mark(self._since[topic], self._beat)) for topic in sorted(self._held)]
        consumer.commit(offsets=marks, asynchronous=True)

    def _complain(self, error: KafkaError, topic: str) -> None:
        if error.name() == "_MAX_POLL_EXCEEDED":
            self._hung = True
            return
        doing = f"take part in group {self._group!r}"
        self._listener.troubled(str(translate(doing, error, self._cluster.complaints, self._cluster.settings, topic)))
        if error.fatal():
            self._leave()
            self._generation = -1

    def _renew(self) -> None:
        """A new client if the old one is of no use, or knows old certificates or passwords.

        Those serve a connection as long as it lasts; so what is held is not given up for new ones, but only taken anew once it was lost.
        """
        if time.monotonic() - self._looked_at_files > _LOOK_AT_FILES_S:
            self._looked_at_files = time.monotonic()
            self._cluster.renew()
        if self._generation == self._cluster.generation or (self._held and self._generation >= 0):
            return
        self._leave()
        try:
            self._connect()
        except SettingsError:
            self._generation = -1
            raise

    def _finish_joining(self) -> None:
        deadline = time.monotonic() + JOIN_S
        with contextlib.suppress(Exception):  # it would leave all the same
            while self._joining and self._consumer is not None and not self._cluster.complaints.silent and time.monotonic() < deadline:
                self._consumer.poll(_POLL_S / 2)

    def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            if not self._held and self._subscribed and not self._cluster.complaints.silent:
                # A member that has nothing is closed by librdkafka 2.15 without a word to the group, which would wait for it at the next
                # election until its session is over.
                with contextlib.suppress(KafkaException):
                    consumer.unsubscribe()
            consumer.close()
        except Exception as problem:  # noqa: BLE001 - the group finds out by itself, only later
            _log.warning("the group could not be left", group=self._group, problem=str(problem))
        self._held.clear()

    # ------------------------------------------------------------------ callbacks, within poll or close

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        consumer.incremental_assign([TopicPartition(p.topic, p.partition, OFFSET_END) for p in partitions])
        if partitions:
            consumer.pause(list(partitions))
        member = consumer.memberid()
        if member != self._id:
            _log.info(f"joined the {self._who.all}", group=self._group, member=member)
        self._id = member
        self._since |= {topic: replace(self._me, since=now()) for topic in _topics(partitions)}
        topics = _topics(partitions)
        if topics:
            _log.info("configurations assigned", group=self._group, configs=sorted(topics))
        self._held |= topics
        self._hung = self._joining = False
        self._marked_at, self._on_its_way = 0.0, None
        self._listener.troubled("")
        self._listener.assigned(topics)

    def _revoked(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        topics = _topics(partitions)
        if topics:
            begun = time.monotonic()
            in_time = self._listener.revoked(topics).wait(RELEASE_S)
            took_s = round(time.monotonic() - begun, 3)
            _log.info("configurations revoked", group=self._group, configs=sorted(topics), released=in_time, took_s=took_s)
            if self._on_its_way is None or time.monotonic() - self._marked_at < _PAUSE_S:  # else nobody hears it, and `close` would wait
                consumer.commit(offsets=[marking(topic, None) for topic in sorted(topics)], asynchronous=True)
        self._held -= topics
        consumer.incremental_unassign(list(partitions))

    def _lost(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        topics = _topics(partitions)
        _log.warning("configurations lost", group=self._group, configs=sorted(topics), hung=self._hung)
        self._listener.lost(topics, self._hung)
        self._hung, self._on_its_way = False, None
        self._held -= topics
        consumer.incremental_unassign(list(partitions))

    def _committed(self, error: KafkaError | None, _: Sequence[TopicPartition]) -> None:
        number, self._on_its_way = self._on_its_way, None
        if error is not None:
            if error.name() in _RIGHTS:
                self._complain(error, "")
            return
        if number is not None:
            self._answered = number
            self._listener.confirmed(number)


def _topics(partitions: Sequence[TopicPartition]) -> frozenset[str]:
    """Whoever is assigned the one partition has the topic: others that were added to it give nobody a right."""
    return frozenset(partition.topic for partition in partitions if partition.partition == PARTITION)
