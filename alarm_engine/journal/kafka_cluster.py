"""Questions to a Kafka cluster: which topics there are, where they end, which positions are kept."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from confluent_kafka import IsolationLevel, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from alarm_engine.errors import JournalDenied, JournalError, JournalUnavailable, SettingsError
from alarm_engine.journal.kafka_errors import NO_TOPIC, Complaints, error_of, library_logger, translate
from alarm_engine.journal.kafka_settings import PARTITION, KafkaSettings
from alarm_engine.model.times import NANOS_PER_MS, Nanos

_log = structlog.get_logger()
T = TypeVar("T")

_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_STALE = frozenset({"_NOENT", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH", "NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE"})
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_NONE = -1
_SETTLE_S = 1.0
_TURN_S = 0.1


@dataclass(frozen=True, slots=True)
class Seen:
    """A topic as it was at one look."""

    id: str
    """Differs when a topic was deleted and made anew."""
    partitions: int
    begin: int
    """Offset of the oldest record, or of the next if there is none."""
    end: int
    """Offset that the next record gets. A transaction that is being committed may lie before it: its records can be read a moment later,
    and a reader that did not wait for them would call itself caught up without what was already acknowledged.
    """


class Cluster:
    """Blocking requests, from any thread. Raises `JournalUnavailable` with a sentence that says why."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self.complaints = Complaints(settings)
        self.generation = 0
        """Grows when files of the settings have changed: clients are then made anew."""
        self._lock = threading.Lock()
        self._admin: AdminClient | None = None
        self._stamps: tuple[int, ...] = ()
        self._known: dict[str, int] = {}
        self._given_up = threading.Event()

    @property
    def given_up(self) -> bool:
        """Nobody needs answers any more."""
        return self._given_up.is_set()

    def give_up(self) -> None:
        """End every wait for Kafka, on whatever thread it is, and begin none."""
        self._given_up.set()

    def require_open(self, doing: str) -> None:
        """Raise `JournalUnavailable` once it was given up; `doing` completes 'cannot ...'."""
        if self.given_up:
            raise JournalUnavailable(f"cannot {doing}: the journal was closed before Kafka has answered")

    @property
    def admin(self) -> AdminClient:
        """The client for requests; raises `SettingsError` for settings that cannot be used."""
        with self._lock:
            if self._admin is None:
                self._stamps = self._file_stamps()
                self._admin = self.client(AdminClient, dict(self.settings.client()))
            return self._admin

    def client(self, kind: type[T], properties: Mapping[str, Any]) -> T:
        """A client of the library; raises `SettingsError` for properties that cannot be used."""
        try:
            return kind({**properties, "error_cb": self.complaints.hear}, logger=library_logger())  # type: ignore[call-arg]
        except KafkaException as problem:
            raise SettingsError(f"Kafka: {error_of(problem).str()}") from problem
        except (TypeError, ValueError) as problem:
            raise SettingsError(f"Kafka: {problem}") from problem

    def check(self) -> None:
        """Raise unless the cluster answers."""
        # Not what it consists of: when a broker that has just started knows of no broker yet, librdkafka 2.15 ends the process over it.
        name = self.settings.owns or "tocsin"
        answers = self.admin.describe_topics(TopicCollection([name]), request_timeout=self.settings.request_timeout_s)
        with contextlib.suppress(JournalDenied):  # that is an answer, too
            self._unless_missing("reach Kafka", answers[name], name)
        self.complaints.forget()

    def look(self, topics: Iterable[str]) -> dict[str, Seen]:
        """The topics that are there, as they are now."""
        names = sorted(set(topics))
        if not names:
            return {}
        deadline = time.monotonic() + _SETTLE_S
        while True:
            try:
                return self._look(names)
            except JournalUnavailable as problem:
                if _name(problem) not in _STALE or time.monotonic() > deadline:
                    raise
            # A leader that was just elected, as of a new topic, does not know it yet.
            time.sleep(0.02)

    def _look(self, names: list[str]) -> dict[str, Seen]:
        admin, timeout_s = self.admin, self.settings.request_timeout_s
        facts = admin.describe_topics(TopicCollection(names), request_timeout=timeout_s)
        there = {name: fact for name in names if (fact := self._unless_missing(f"look at topic {name!r}", facts[name], name)) is not None}
        first = self._list(sorted(there), _EARLIEST, IsolationLevel.READ_UNCOMMITTED)
        last = self._list(sorted(there), _LATEST, IsolationLevel.READ_UNCOMMITTED)
        begins, ends = self._offsets(first), self._offsets(last)
        seen = {
            name: Seen(str(fact.topic_id), len(fact.partitions), begins[name], ends[name])
            for name, fact in there.items()
            if name in begins and name in ends
        }
        with self._lock:
            self._known = {name: n for name, n in self._known.items() if name not in names} | {n: s.partitions for n, s in seen.items()}
        return seen

    def undecided(self, topics: Iterable[str]) -> dict[str, int]:
        """Topics with a transaction that is neither committed nor undone, with the offset at which it begins: readers get no further."""
        decided, ends = self._decided_and_ends(sorted(set(topics)))
        return {name: decided[name] for name, end in ends.items() if name in decided and decided[name] < end}

    def await_decided(self, topics: Iterable[str], patience_s: float) -> bool:
        """Wait until all that is in the topics now can be read; False if it cannot after that time."""
        return self.decided_ends(topics, patience_s) is not None

    def decided_ends(self, topics: Iterable[str], patience_s: float) -> dict[str, int] | None:
        """Where the topics end, once all that is in them now can be read; None if it cannot after that time."""
        until = time.monotonic() + patience_s
        names = sorted(set(topics))
        decided, ends = self._decided_and_ends(names)
        while any(decided.get(name, end) < end for name, end in ends.items()):
            if time.monotonic() > until:
                return None
            time.sleep(0.001)
            decided, _ = self._decided_and_ends(names)
        return ends

    def ends(self, topics: Iterable[str]) -> dict[str, int]:
        """Where the topics end, with what is not decided."""
        return self._decided_and_ends(sorted(set(topics)))[1]

    def offsets_at(self, topics: Iterable[str], time: Nanos) -> dict[str, int]:
        """Where the first record of each topic lies that is of that time or later; only topics that have one."""
        spec: OffsetSpec = OffsetSpec.for_timestamp(time // NANOS_PER_MS)
        found = self._offsets(self._list(sorted(set(topics)), spec, IsolationLevel.READ_UNCOMMITTED), or_none=True)
        return {topic: offset for topic, offset in found.items() if offset != _NONE}

    def _decided_and_ends(self, topics: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
        fresh = False
        while True:
            decided = self._list(topics, _LATEST, IsolationLevel.READ_COMMITTED)
            ends = self._list(topics, _LATEST, IsolationLevel.READ_UNCOMMITTED)
            try:
                return self._offsets(decided), self._offsets(ends)
            except JournalUnavailable as problem:
                if fresh or _name(problem) not in _STALE:
                    raise
            # The library does not find out by itself that a leader has changed.
            self.look(topics)
            fresh = True

    def _list(self, topics: Sequence[str], spec: OffsetSpec, level: IsolationLevel) -> Mapping[TopicPartition, Future[Any]]:
        partitions = [TopicPartition(topic, PARTITION) for topic in topics]
        if not partitions:
            return {}
        timeout_s = self.settings.request_timeout_s
        answers: Mapping[TopicPartition, Future[Any]] = self.admin.list_offsets(
            dict.fromkeys(partitions, spec), isolation_level=level, request_timeout=timeout_s
        )
        return answers

    def _offsets(self, request: Mapping[TopicPartition, Future[Any]], *, or_none: bool = False) -> dict[str, int]:
        """Offset per topic; one that has just been deleted is left out. `or_none`: there may be none."""
        found = {}
        for tp, future in request.items():
            answer = self._unless_missing(f"find the end of topic {tp.topic!r}", future, tp.topic)
            if answer is None:
                continue
            if answer.offset < 0 and not (
                or_none and answer.offset == _NONE
            ):  # the library's answer without an error when the broker dies meanwhile (librdkafka 2.16)
                raise JournalUnavailable(f"cannot find the end of topic {tp.topic!r}: {self.complaints.unreachable()}")
            found[tp.topic] = answer.offset
        return found

    def require(self, topics: Iterable[str]) -> None:
        """Raise `JournalUnavailable` that names a topic which is not there. What was seen once is taken for granted."""
        with self._lock:
            unknown = [topic for topic in topics if topic not in self._known]
        if unknown:
            seen = self.look(unknown)
            for topic in unknown:
                if topic not in seen:
                    message = f"topic {topic!r} is not there (yet): the engine of that configuration makes it when it starts"
                    raise JournalUnavailable(message)

    def knows(self, topic: str) -> bool:
        """The topic was there when it was last looked at."""
        with self._lock:
            return topic in self._known

    def forget_topics(self) -> None:
        """Writing has failed: look again which topics are there."""
        with self._lock:
            self._known.clear()

    def wait(self, doing: str, future: Future[T], topic: str = "") -> T:
        """The answer to a request."""
        deadline = time.monotonic() + self.settings.request_timeout_s + 1
        while True:
            self.require_open(doing)
            try:
                answer = future.result(_TURN_S)
            except KafkaException as problem:
                raise self.translated(doing, problem, topic) from problem
            except TimeoutError as problem:
                if time.monotonic() > deadline:
                    self.admin.poll(0)
                    raise JournalUnavailable(f"cannot {doing}: {self.complaints.unreachable()}") from problem
            else:
                self.complaints.forget()
                return answer

    def translated(self, doing: str, problem: KafkaException, topic: str = "") -> JournalError:
        """The error of the journal for one of the client."""
        self.admin.poll(0)  # complaints are heard only then
        return translate(doing, error_of(problem), self.complaints, self.settings, topic)

    def renew(self) -> None:
        """Make clients anew if certificates or passwords have changed on disk."""
        with self._lock:
            stamps = self._file_stamps()
            if stamps == self._stamps or self._admin is None:
                return
        try:
            admin = self.client(AdminClient, dict(self.settings.client()))
        except SettingsError as problem:
            _log.warning("changed files cannot be used, the old ones stay", problem=str(problem))
            return
        with self._lock:
            self._admin, self._stamps = admin, stamps
            self.generation += 1
        _log.info("certificates or passwords have changed: connecting anew", files=[str(f) for f in self.settings.security.files])

    def _file_stamps(self) -> tuple[int, ...]:
        return tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in self.settings.security.files)

    def _unless_missing(self, doing: str, future: Future[Any], topic: str) -> Any:
        try:
            return self.wait(doing, future, topic)
        except JournalUnavailable as problem:
            if _name(problem) in NO_TOPIC:
                return None
            raise


def _name(problem: JournalUnavailable) -> str:
    """Name of the client's error behind one of ours."""
    cause = problem.__cause__
    return error_of(cause).name() if isinstance(cause, KafkaException) else ""
