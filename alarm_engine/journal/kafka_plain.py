"""Single records of one among many writers, such as a command or a life sign: confirmed, but in no transaction."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from alarm_engine.errors import JournalError, JournalUnavailable
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_errors import error_of, translate
from alarm_engine.journal.kafka_settings import PARTITION
from alarm_engine.journal.port import Record

_POLL_S = 0.2


class PlainWriter:
    """Sends from any thread; its own thread hears what the broker says."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._lock = threading.RLock()
        self._producer: Producer | None = None
        self._retired: list[Producer] = []
        """Producers that get no more records, while they still have some on their way."""
        self._generation = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._reports: deque[tuple[Future[None], KafkaError | None, Producer, str]] = deque()
        self._fatal: tuple[Producer, KafkaError] | None = None
        """What ended a producer: of the records that it still had, it says only that it was emptied."""
        self._waiting: dict[Future[None], float] = {}
        """When each was sent, oldest first."""

    def start(self) -> None:
        """Connect, so that the first record need not wait for it (0.5 s)."""
        with self._lock:
            self._ready()
        self._thread.start()

    def send(self, record: Record) -> Future[None]:
        """Done when the broker has it safely, or failed with a `JournalError`."""
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()
        headers: list[tuple[str, str | bytes | None]] | None = [*record.headers] or None
        with self._lock:
            producer = self._ready()

            def report(error: KafkaError | None, message: Message) -> None:
                # Nothing is asked of the error here: after a fatal one that fails within a callback.
                self._reports.append((future, error, producer, record.topic))

            try:
                producer.produce(record.topic, record.value, record.key.encode(), PARTITION, on_delivery=report, headers=headers)
            except BufferError as problem:
                raise JournalUnavailable("cannot write: too many records wait for Kafka") from problem
            except KafkaException as problem:
                raise self._failure(producer, error_of(problem), record.topic) from problem
            self._waiting[future] = time.monotonic()
        return future

    @property
    def waiting_s(self) -> float:
        """For how long Kafka has not confirmed the oldest record that is on its way."""
        with self._lock:
            return time.monotonic() - next(iter(self._waiting.values()), time.monotonic())

    def stop(self) -> None:
        """Deliver what is on its way, then end. Blocks."""
        self._stopping.set()
        self._thread.join()

    def _ready(self) -> Producer:
        if self._stopping.is_set():
            raise JournalUnavailable("the journal is closed")
        if self._producer is None or self._generation != self._cluster.generation:
            self._retire()
            self._generation = self._cluster.generation
            self._producer = self._cluster.client(Producer, self._cluster.settings.producer())
        return self._producer

    def _retire(self) -> None:
        if self._producer is not None:
            self._retired.append(self._producer)
            self._producer = None

    def _failure(self, producer: Producer, error: KafkaError, topic: str) -> JournalError:
        """What to tell; after a fatal error the next record gets another producer."""
        self._cluster.forget_topics()
        if error.fatal():
            with self._lock:
                self._fatal = self._fatal if self._fatal is not None and self._fatal[0] is producer else (producer, error)
                if self._producer is producer:
                    self._retire()
            producer.purge()
        if error.name() == "CLUSTER_AUTHORIZATION_FAILED" and topic:
            error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)  # who may write to a topic is let in by the cluster, too
        return translate("write", error, self._cluster.complaints, self._cluster.settings, topic)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                producer, retired = self._producer, list(self._retired)
            if producer is None:
                self._stopping.wait(_POLL_S)
            else:
                self._poll(producer, _POLL_S if not retired else 0.01)
            for old in retired:
                self._poll(old, 0)
            self._settle()
            with self._lock:
                self._retired = [old for old in self._retired if len(old)]
        self._end()

    def _poll(self, producer: Producer, timeout_s: float) -> None:
        try:
            producer.poll(timeout_s)
        except KafkaException as problem:
            self._failure(producer, error_of(problem), "")

    def _end(self) -> None:
        with self._lock:
            self._retire()
            producers, self._retired = self._retired, []
        deadline = time.monotonic() + self._cluster.settings.write_timeout_s
        for producer in producers:
            while len(producer) and time.monotonic() < deadline and not self._cluster.given_up:
                producer.flush(_POLL_S)
            producer.purge()
            producer.flush(_POLL_S)
        self._settle()
        for future in self._waiting:
            future.set_exception(JournalUnavailable("cannot write: the journal was closed before Kafka has confirmed the record"))

    def _settle(self) -> None:
        while self._reports:
            future, error, producer, topic = self._reports.popleft()
            with self._lock:
                self._waiting.pop(future, None)
            fatal = self._fatal
            if error is not None and fatal is not None and fatal[0] is producer and error.name() == "_PURGE_QUEUE":
                error = fatal[1]
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(self._failure(producer, error, topic))
