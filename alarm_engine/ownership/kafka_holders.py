"""Who has a configuration, as Kafka tells it: marks that the engines of a cell, or other electors, leave in their group.

A member writes a mark for each configuration that it was assigned, as a position of the group with itself as metadata, anew every two
seconds; the group takes it only from a member that it has not given up. So the mark says who it is, and a mark that goes on says that it
lives. It is read as any position: the library's own request for the members of a group ends the process when the connection to the
coordinator breaks under it (librdkafka 2.16, `Assertion eonce->refcnt > 0`), and its older one fails while any broker is away.

Blocking requests, on any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Consumer, TopicPartition

from alarm_engine.errors import JournalError, SettingsError
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_ownership import Owner, find_owner
from alarm_engine.journal.kafka_positions import position_of
from alarm_engine.journal.kafka_settings import PARTITION
from alarm_engine.journal.kafka_topics import ensure
from alarm_engine.journal.port import Cleanup, TopicSpec
from alarm_engine.ownership.kafka_electorate import Electorate, cell_group

MARK_S = 2.0
"""A member repeats its marks after this time."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A configuration is held."""

    owner: Owner
    beat: int
    """Grows with each repetition."""


@dataclass(frozen=True, slots=True)
class View:
    """What there is to tell to those who wait."""

    ready: frozenset[str] = frozenset()
    """Configurations whose topics are there."""
    held_by_others: Mapping[str, str] = field(default_factory=dict)
    """A sentence about each configuration that another member has, or had when it was last heard."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """A sentence about each configuration that cannot be had now."""


class Holders:
    """Asks for the member `me` of an electorate."""

    def __init__(self, cluster: Cluster, me: Owner, who: Electorate) -> None:
        self._cluster = cluster
        self._me = me
        self._who = who
        self._lock = threading.Lock()
        self._readers: dict[str, Consumer] = {}
        self._generation = 0
        self._beats: dict[str, tuple[Mark, float]] = {}

    def look(self, configs: Iterable[str], ready: frozenset[str]) -> View:
        """How things stand for these configurations; `ready` are those whose topics were there before.

        A topic of engines that is missing is made, with the settings that the journal gives it: the group can assign only what is there,
        and the journal makes its topics only after it was assigned, so that on a new site nobody else would begin. The other topics of
        the configuration stay the affair of the journal. Where we may not make it, the sentence says the command.
        """
        problems: dict[str, str] = {}
        held: dict[str, str] = {}
        found = set(ready)
        for config in sorted(configs):
            try:
                topic, doing = self._who.topics[config], f"see which {self._who.one} has configuration {config!r}"
                mark = self._mark(self._who.group, topic, doing)
                if mark is not None and mark.owner.id != self._me.id:
                    held[config] = f"configuration {config!r} is held by {mark.owner}; this {self._who.kind} waits"
                if self._who.writes:
                    self._make_topic(topic)
                else:
                    self._cluster.require([topic])
                found.add(config)
            except (JournalError, SettingsError) as problem:
                problems[config] = str(problem)
                if self._cluster.complaints.silent:
                    problems |= dict.fromkeys(configs, str(problem))
                    break
        return View(frozenset(found), held, problems)

    def obstacle(self, config: str) -> str:
        """Why we must not begin although the group has given us a configuration; empty if we may, as always where nobody becomes a writer.

        Engines of two cells on one configuration, a mistake in the settings, elect on their own, and would fence each other in turns. So
        the one that finds there the mark of a writer of another cell, while the engine to which that cell gave it lives, leaves it alone.
        This is also what is best for an engine that was fenced. A writer of no cell tells nothing about whether it lives: whoever was
        elected goes on. Raises `JournalUnavailable`.
        """
        if not self._who.writes:
            return ""
        writer = find_owner(self._cluster, config, decided=False)
        if writer is None or writer.cell in ("", self._me.cell):
            return ""
        doing = f"see which engine of cell {writer.cell!r} has configuration {config!r}"
        mark = self._mark(cell_group(self._cluster.settings, writer.cell), config, doing)
        if mark is None:
            return ""
        now = time.monotonic()
        known, since = self._beats.get(config, (None, now))
        if known != mark:
            since = now
        self._beats[config] = mark, since
        if now - since > self._cluster.settings.session_s + MARK_S:
            return ""  # not repeated for a session, and the time for one mark more, by our own clock: that engine is gone
        return (
            f"configuration {config!r} is held by {mark.owner}, an engine of cell {writer.cell!r}; this engine of cell {self._me.cell!r}"
            " waits. A configuration belongs to one cell only"
        )

    def close(self) -> None:
        """End the clients."""
        with self._lock:
            self._drop()

    def _make_topic(self, topic: str) -> None:
        seen = self._cluster.look([topic]).get(topic)
        if seen is None or seen.partitions != 1:
            ensure(self._cluster, [TopicSpec(topic, Cleanup.COMPACT)])

    def _mark(self, group: str, topic: str, doing: str) -> Mark | None:
        """Who of a group has a configuration, None if nobody does or it was given back."""
        with self._lock:
            reader = self._reader(group)
            try:
                found = position_of(self._cluster, reader, topic, doing)
            except JournalError:
                self._drop()
                raise
        owner = Owner.decode(found.metadata) if found is not None and found.metadata else None
        return Mark(owner, found.offset) if found is not None and owner is not None else None

    def _reader(self, group: str) -> Consumer:
        """A client that reads the positions of a group, and is no member of it."""
        if self._generation != self._cluster.generation:
            self._drop()
            self._generation = self._cluster.generation
        if group not in self._readers:
            properties = self._cluster.settings.client() | {"group.id": group, "isolation.level": "read_uncommitted"}
            self._readers[group] = self._cluster.client(Consumer, properties | {"enable.auto.commit": False})
        return self._readers[group]

    def _drop(self) -> None:
        readers, self._readers = self._readers, {}
        for reader in readers.values():
            reader.close()


def marking(topic: str, mark: Mark | None) -> TopicPartition:
    """A mark as it is written; None: it is given back."""
    if mark is None:
        return TopicPartition(topic, PARTITION, 0, "")
    return TopicPartition(topic, PARTITION, mark.beat, mark.owner.encode())
