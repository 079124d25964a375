"""Errors of the Kafka client as errors of the journal: one table, sentences that say what to do."""

from __future__ import annotations

import contextlib
import logging
import re
import threading

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from alarm_engine.errors import JournalDenied, JournalError, JournalUnavailable
from alarm_engine.journal.kafka_settings import KafkaSettings

_log = structlog.get_logger()

FENCED = frozenset({"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH", "TRANSACTION_COORDINATOR_FENCED"})
"""The broker takes no more from this producer: another took over, or its transaction was open for too long."""
UNREACHABLE = frozenset({"_TRANSPORT", "_ALL_BROKERS_DOWN", "_TIMED_OUT", "_TIMED_OUT_QUEUE", "_MSG_TIMED_OUT", "_RESOLVE", "_WAIT_COORD"})
NO_TOPIC = frozenset({"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION", "_INCONSISTENT", "UNKNOWN_TOPIC_ID"})
REFUSED = frozenset({"_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "_SSL"})

_PASSING_DETAIL = re.compile(r" \(after (?:[^()]|\(s\))*\)")
"""How long an attempt took, and how often it was made: else each would be told as another complaint."""
_PERMANENT = {
    "MSG_SIZE_TOO_LARGE": "a record is larger than the broker takes: raise it with `kafka-configs.sh --bootstrap-server {servers}"
    " --alter --entity-type topics --entity-name {topic} --add-config max.message.bytes=<bytes>`",
    "RECORD_LIST_TOO_LARGE": "a batch of records is larger than the broker takes: raise `max.message.bytes` of topic {topic}",
    "INVALID_RECORD": "the broker does not take a record: a record of a compacted topic needs a key",
}
_ACL = "`kafka-acls.sh --bootstrap-server {servers} --add --allow-principal {principal} --operation All"
_PASSING = {
    "TOPIC_AUTHORIZATION_FAILED": "{principal} has no right to do that on topic {topic}; an administrator can give it with "
    + _ACL
    + " --topic {topic}`",
    "GROUP_AUTHORIZATION_FAILED": "{principal} has no right to keep positions or to be elected; an administrator can give it with "
    + _ACL
    + " --group {prefix} --resource-pattern-type prefixed`",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "{principal} has no right to write transactions; an administrator can give it with "
    + _ACL
    + " --transactional-id {prefix} --resource-pattern-type prefixed`",
    "CLUSTER_AUTHORIZATION_FAILED": "{principal} has no right to do that in this cluster; an administrator can give it with "
    + _ACL
    + " --cluster`",
    "INVALID_TIMESTAMP": "the clocks of this machine and of the broker differ by more than the broker takes"
    " (message.timestamp.before.max.ms, message.timestamp.after.max.ms): set them",
    "NOT_ENOUGH_REPLICAS": "too few copies of topic {topic} are in step (min.insync.replicas): are brokers down?",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": "too few copies of topic {topic} are in step (min.insync.replicas): are brokers down?",
    "KAFKA_STORAGE_ERROR": "the broker cannot write to its disk: is it full or broken? Its log says more",
    "INVALID_SESSION_TIMEOUT": "the brokers take no session of {session_s:g} s: give kafka.session_s a value between their"
    " group.min.session.timeout.ms and group.max.session.timeout.ms, or change those",
    "INVALID_REPLICATION_FACTOR": "there are fewer brokers than copies asked for (replication factor)",
}


class Complaints:
    """The last thing that the client library complained about: a failed request says only that there was no answer."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._last = ""
        self._refused = False

    def hear(self, error: KafkaError) -> None:
        """Callback of the clients, on any thread."""
        name, text = error.name(), _PASSING_DETAIL.sub("", error.str())
        with self._lock:
            # That we are not let in says more than that nobody is there, which follows from it.
            refused = name in REFUSED
            if name == "_ALL_BROKERS_DOWN" and self._last:
                return  # follows from what was said of each
            if refused or not self._refused:
                self._last = text
                self._refused = refused

    @property
    def silent(self) -> bool:
        """Something was complained about since the last answer: the cluster is not there at all."""
        with self._lock:
            return bool(self._last)

    def forget(self) -> None:
        """There was an answer."""
        with self._lock:
            self._last = ""
            self._refused = False

    def unreachable(self) -> str:
        """Why there is no answer, as far as it is known."""
        with self._lock:
            last, refused = self._last, self._refused
        settings = self._settings
        said = f": {last}" if last else ""
        if refused:
            security = settings.security
            files = ", ".join(str(file) for file in security.files)
            how = f" with {security.mechanism}" if security.user else ""
            who = f"{security.principal}{how}"
            return f"Kafka at {settings.servers} does not let {who} in{said}. Check user, password and certificates ({files})"
        return f"Kafka at {settings.servers} does not answer{said}"


class ToLog(logging.Handler):
    """What the client library logs, as lines of ours for those who look for it."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        _log.debug("kafka client", text=record.getMessage())


def library_logger() -> logging.Logger:
    """A logger for one client; without it the library writes to stderr past our log."""
    logger = logging.Logger("librdkafka")
    logger.addHandler(ToLog())
    return logger


def listen(client: Producer | Consumer) -> None:
    """Let a client say what it has to complain about, which it does only when it is asked."""
    with contextlib.suppress(KafkaException):  # a fatal error is known already to whoever asks here
        client.poll(0)


def reason(consumer: Consumer, problem: KafkaException) -> KafkaException:
    """Why a request of a consumer has failed; it says only that there was no answer where a right on its group is missing.

    That it tells only once.
    """
    message = None
    with contextlib.suppress(KafkaException):
        message = consumer.poll(0)
    said = message.error() if message is not None else None
    return KafkaException(said) if said is not None and said.name() in _PASSING else problem


def error_of(problem: KafkaException) -> KafkaError:
    """The error within."""
    error = problem.args[0]
    assert isinstance(error, KafkaError)
    return error


def translate(doing: str, error: KafkaError, complaints: Complaints, settings: KafkaSettings, topic: str = "") -> JournalError:
    """The error of the journal; `doing` completes 'cannot ...'."""
    name = error.name()
    if name in UNREACHABLE or name in REFUSED:
        if name in REFUSED:
            complaints.hear(error)
        return JournalUnavailable(f"cannot {doing}: {complaints.unreachable()}")
    values = {
        "servers": settings.servers,
        "topic": topic or "<topic>",
        "principal": settings.security.principal,
        "prefix": settings.prefix,
        "session_s": settings.session_s,
    }
    if name in _PERMANENT:
        return JournalError(f"cannot {doing}: {_PERMANENT[name].format(**values)}")
    if name in _PASSING:
        kind = JournalDenied if name.endswith("AUTHORIZATION_FAILED") else JournalUnavailable
        return kind(f"cannot {doing}: {_PASSING[name].format(**values)}")
    if name in NO_TOPIC:
        return JournalUnavailable(f"cannot {doing}: topic {topic!r} is not there (any more)")
    return JournalUnavailable(f"cannot {doing}: {error.str()} ({name})")
