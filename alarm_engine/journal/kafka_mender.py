"""Transactions that were decided and cannot be read: found, and brought to their end.

A broker that is killed between the decision and the mark that says so in the topic may forget to write the mark when it starts again: seen
with a single broker, Kafka 4.4, about every second time that it was killed within a few milliseconds after the answer, and once in one of
three topics of a transaction when one of three brokers hung. The coordinator takes the transaction for complete, so neither its time limit
nor a new `init_transactions` ends it, and whoever reads what is committed gets no further for ever. The next transaction of the same
producer id in that topic, whatever it writes, ends it as well: as it is ended itself. So the writer of a configuration commits a record
that nobody minds into such a topic; or it takes it back, if that became of the transaction in another topic.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

import structlog

from alarm_engine.errors import JournalError, JournalFenced, JournalUnavailable
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_decided import was_taken_back
from alarm_engine.journal.port import Cleanup, Record, TopicSpec

_log = structlog.get_logger()

PATIENCE_S = 0.5
"""A transaction takes milliseconds; one that is still there after this time is looked after."""
_SHORT_LIVED_S = 600


class Mender:
    """Looks after the topics of a configuration, on behalf of its one writer."""

    def __init__(self, cluster: Cluster, end: Callable[[Record, bool], None]) -> None:
        """`end` blocks until the record is written in a transaction, which is then taken back if it is told so."""
        self._cluster = cluster
        self._end = end
        self._topics: tuple[str, ...] = ()
        self._all: frozenset[str] = frozenset()
        self._before: dict[str, int] = {}
        self._tried: dict[str, int] = {}

    def cover(self, specs: Sequence[TopicSpec]) -> None:
        """Look after these topics too; not after those that soon forget by themselves."""
        lasting = {s.name for s in specs if s.cleanup is Cleanup.COMPACT or s.retention_s is None or s.retention_s > _SHORT_LIVED_S}
        self._topics = tuple(sorted(lasting | set(self._topics)))
        self._all |= {spec.name for spec in specs}

    def settle(self) -> None:
        """Before the topics are read: wait for open transactions, and end those that nobody ends. Blocks for a second or so."""
        if not self._cluster.await_decided(self._topics, PATIENCE_S):
            self._mend(self._cluster.undecided(self._topics))

    def tick(self) -> None:
        """Now and then: a transaction that was there last time is looked after."""
        try:
            found = self._cluster.undecided(self._topics)
            old = {topic: offset for topic, offset in found.items() if self._before.get(topic) == offset}
            self._before = found
            if old:
                self._mend(old)
        except JournalFenced:
            self._topics = ()
        except JournalError as problem:
            _log.debug("open transactions could not be looked after", problem=str(problem))
        except Exception as problem:  # noqa: BLE001 - whoever calls it each second has other things to look after
            _log.warning("open transactions could not be looked after", problem=repr(problem))

    def _mend(self, found: dict[str, int]) -> None:
        """Raises, when all were tried, `JournalUnavailable` for the last one in which nothing could be written: it is tried again."""
        failed: JournalUnavailable | None = None
        decided = sorted(self._all - self._cluster.undecided(self._all).keys())
        for topic, offset in found.items():
            if self._tried.get(topic) == offset:
                continue
            # No two are the same: one that had no answer would be looked for instead of written, in a topic that nobody can read.
            different = (("tocsin-mended", secrets.token_hex(8).encode()),)
            try:
                taken_back = was_taken_back(self._cluster, topic, offset, decided)
                self._end(Record(topic, f"state:/{self._cluster.settings.owns}/(transaction ended)", None, different), taken_back)
            except JournalUnavailable as problem:
                failed = problem
                continue
            self._tried[topic] = offset
            time.sleep(0.05)  # until the marks of that one are written
            still = not self._cluster.await_decided([topic], PATIENCE_S) and self._cluster.undecided([topic]).get(topic) == offset
            if still:
                _log.error(
                    "the transaction of another writer keeps readers waiting: it ends by its time limit, or never if a broker was killed",
                    topic=topic,
                    offset=offset,
                    then=self._command(topic, offset),
                )
            else:
                as_what = "taken back" if taken_back else "committed"
                _log.warning("ended a transaction that was left open", topic=topic, offset=offset, as_what=as_what)
        if failed is not None:
            raise failed

    def _command(self, topic: str, offset: int) -> str:
        server = f"--bootstrap-server {self._cluster.settings.servers}"
        return f"kafka-transactions.sh {server} abort --topic {topic} --partition 0 --start-offset {offset}"
