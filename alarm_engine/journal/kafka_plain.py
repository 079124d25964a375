"""Single records of one among many writers, such as a command or a life sign: confirmed, but in no transaction."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_errors import error_of, translate
from alarm_engine.journal.kafka_settings import PARTITION
from alarm_engine.journal.port import Record

_POLL_S = 0.2


class PlainWriter:
    """Sends from any thread; its own thread hears what the broker says."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._generation = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._reports: list[tuple[Future[None], KafkaError | None, str]] = []

    def start(self) -> None:
        """Connect, so that the first record need not wait for it (0.5 s)."""
        self._ready()

    def send(self, record: Record) -> Future[None]:
        """Done when the broker has it safely, or failed with a `JournalError`."""
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()

        def report(error: KafkaError | None, message: Message) -> None:
            # Nothing is asked of the error here: after a fatal one that fails within a callback.
            self._reports.append((future, error, record.topic))

        producer = self._ready()
        headers: list[tuple[str, str | bytes | None]] | None = [*record.headers] or None
        try:
            producer.produce(record.topic, record.value, record.key.encode(), PARTITION, on_delivery=report, headers=headers)
        except BufferError as problem:
            raise JournalUnavailable("cannot write: too many records wait for Kafka") from problem
        except KafkaException as problem:
            error = error_of(problem)
            self._give_up(producer, error)
            raise translate("write", error, self._cluster.complaints, self._cluster.settings, record.topic) from problem
        return future

    def stop(self) -> None:
        """Deliver what is on its way, then end. Blocks."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _ready(self) -> Producer:
        with self._lock:
            if self._stopping.is_set():
                raise JournalUnavailable("the journal is closed")
            if self._producer is None or self._generation != self._cluster.generation:
                old, self._generation = self._producer, self._cluster.generation
                self._producer = self._cluster.client(Producer, self._cluster.settings.producer())
                if old is not None:
                    old.flush(self._cluster.settings.write_timeout_s)
            if not self._thread.is_alive():
                self._thread.start()
            return self._producer

    def _give_up(self, producer: Producer, error: KafkaError) -> None:
        """After a fatal error the next record gets another producer."""
        if error.fatal():
            with self._lock:
                if self._producer is producer:
                    self._producer = None
            producer.purge()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                producer = self._producer
            if producer is None:
                self._stopping.wait(_POLL_S)
                continue
            producer.poll(_POLL_S)
            self._settle(producer)
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.flush(self._cluster.settings.write_timeout_s)
            self._settle(producer)

    def _settle(self, producer: Producer) -> None:
        reports, self._reports = self._reports, []
        for future, error, topic in reports:
            if error is None:
                future.set_result(None)
                continue
            self._cluster.forget_topics()
            self._give_up(producer, error)
            future.set_exception(translate("write", error, self._cluster.complaints, self._cluster.settings, topic))
