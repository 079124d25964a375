"""Topics in Kafka: made with the right settings, and looked at where they exist."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource, NewTopic  # type: ignore[attr-defined]

from alarm_engine.errors import JournalCorrupt, JournalUnavailable
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_errors import error_of
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.port import Cleanup, TopicSpec

_log = structlog.get_logger()

MAX_MESSAGE_BYTES = 8_388_608
_SHORT_LIVED_S = 600
_PHOEBUS_RETENTION_S = 20
_APPEAR_S = 10.0


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a setting should be, and what else will do."""

    value: str
    accepts: Callable[[str], bool]


def ensure(cluster: Cluster, specs: Sequence[TopicSpec]) -> tuple[str, ...]:
    """Create what is missing; returns what is wrong with existing topics, each with the command that mends it.

    Raises `JournalCorrupt` for a topic with more than one partition: records of different keys would have no order.
    """
    seen = cluster.look(spec.name for spec in specs)
    missing = [spec for spec in specs if spec.name not in seen]
    if missing:
        _create(cluster, missing)
        seen = cluster.look(spec.name for spec in specs)
    split = [spec for spec in specs if seen[spec.name].partitions != 1]
    if split:
        raise JournalCorrupt("; ".join(split_topic(cluster.settings, spec.name, seen[spec.name].partitions) for spec in split))
    return _faults(cluster, [spec for spec in specs if spec not in missing])


def rules(spec: TopicSpec) -> dict[str, _Rule]:
    """The settings of a topic. What a Phoebus server sets is accepted."""
    if spec.cleanup is Cleanup.COMPACT:
        return {
            "cleanup.policy": _Rule("compact", lambda value: value == "compact"),
            "segment.ms": _Rule("60000", _between(10_000, 3_600_000)),
            "segment.bytes": _Rule("16777216", lambda _: True),
            "max.compaction.lag.ms": _Rule("60000", lambda _: True),
            "min.cleanable.dirty.ratio": _Rule("0.01", lambda value: float(value) <= 0.1),
        }
    keep_ms = -1 if spec.retention_s is None else spec.retention_s * 1000
    found = {
        "cleanup.policy": _Rule("delete", lambda value: value == "delete"),
        "retention.ms": _Rule(
            str(keep_ms), _at_least(keep_ms if keep_ms > _SHORT_LIVED_S * 1000 else min(keep_ms, _PHOEBUS_RETENTION_S * 1000))
        ),
        "retention.bytes": _Rule(str(spec.retention_bytes or -1), _at_least(spec.retention_bytes or -1)),
    }
    if spec.retention_s is not None:
        # Only whole segments are deleted.
        segment_ms = min(max(spec.retention_s * 100, 10_000), 86_400_000)
        found["segment.ms"] = _Rule(str(segment_ms), lambda _: True)
    if spec.retention_bytes is not None:
        found["segment.bytes"] = _Rule(str(min(max(spec.retention_bytes // 10, 1_048_576), 1_073_741_824)), lambda _: True)
    return found


def _between(low: int, high: int) -> Callable[[str], bool]:
    return lambda value: low <= int(value) <= high


def _at_least(wanted: int) -> Callable[[str], bool]:
    """-1 is without end."""
    return lambda value: int(value) == -1 or (wanted != -1 and int(value) >= wanted)


def _create(cluster: Cluster, specs: Sequence[TopicSpec]) -> None:
    copies = cluster.settings.replication_factor
    topics = [
        NewTopic(spec.name, num_partitions=1, replication_factor=-1 if copies is None else copies, config=topic_config(spec, copies))
        for spec in specs
    ]
    for name, future in cluster.admin.create_topics(topics, request_timeout=cluster.settings.request_timeout_s).items():
        doing = f"make topic {name!r}"
        try:
            cluster.wait(doing, future, name)
        except JournalUnavailable as problem:
            cause = problem.__cause__
            if isinstance(cause, KafkaException) and error_of(cause).name() == "TOPIC_ALREADY_EXISTS":
                continue
            raise JournalUnavailable(f"{problem}. It can also be made by hand: {_command(cluster, _spec(specs, name))}") from cause
        _log.info("topic made", topic=name)
    _wait_for(cluster, [spec.name for spec in specs])


def _spec(specs: Sequence[TopicSpec], name: str) -> TopicSpec:
    return next(spec for spec in specs if spec.name == name)


def topic_config(spec: TopicSpec, copies: int | None) -> dict[str, str]:
    """The settings with which a topic of `copies` copies is made; None: as many as the broker says."""
    config = {name: rule.value for name, rule in rules(spec).items()}
    config["max.message.bytes"] = str(MAX_MESSAGE_BYTES)
    if copies is not None and copies >= 3:
        # What is acknowledged is then on two disks at least, and one broker may be away.
        config["min.insync.replicas"] = "2"
    return config


def _wait_for(cluster: Cluster, names: Sequence[str]) -> None:
    """A new topic has a leader a moment later."""
    deadline = time.monotonic() + _APPEAR_S
    while True:
        try:
            seen: Mapping[str, object] = cluster.look(names)
        except JournalUnavailable as problem:
            if time.monotonic() > deadline:
                raise
            _log.debug("new topics are not there yet", problem=str(problem))
            seen = {}
        if len(seen) == len(names):
            return
        if time.monotonic() > deadline:
            raise JournalUnavailable(f"new topics have not appeared within {_APPEAR_S:g} s: {sorted(set(names) - set(seen))}")
        time.sleep(0.02)


def _faults(cluster: Cluster, specs: Sequence[TopicSpec]) -> tuple[str, ...]:
    resources = {spec.name: ConfigResource(ConfigResource.Type.TOPIC, spec.name) for spec in specs}
    if not resources:
        return ()
    timeout_s = cluster.settings.request_timeout_s
    answers = cluster.admin.describe_configs(list(resources.values()), request_timeout=timeout_s)
    faults: list[str] = []
    for spec in specs:
        try:
            found = cluster.wait(f"read the settings of topic {spec.name!r}", answers[resources[spec.name]], spec.name)
        except JournalUnavailable as problem:
            _log.warning("settings of a topic are not known", topic=spec.name, problem=str(problem))
            continue
        values = {name: str(entry.value) for name, entry in found.items()}
        wrong = {name: rule.value for name, rule in rules(spec).items() if name in values and not rule.accepts(values[name])}
        if wrong:
            faults.append(_fault(cluster, spec, values, wrong))
            _log.error("topic has wrong settings", topic=spec.name, problem=faults[-1])
    return tuple(faults)


def _fault(cluster: Cluster, spec: TopicSpec, values: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    found = ", ".join(f"{name}={values[name]} (expected {value})" for name, value in wrong.items())
    settings = ",".join(f"{name}={value}" for name, value in wrong.items())
    command = f"kafka-configs.sh --bootstrap-server {cluster.settings.servers} --alter --entity-type topics --entity-name {spec.name}"
    return f"topic {spec.name!r} has {found}; this mends it: {command} --add-config {settings}"


def split_topic(settings: KafkaSettings, topic: str, partitions: int) -> str:
    """What to say of a topic with several partitions."""
    return (
        f"topic {topic!r} has {partitions} partitions and must have 1: what is in the others is read by nobody, and the order of records is"
        f" lost. Save what is in it, delete it, and start the engine, which makes it anew:"
        f" `kafka-topics.sh --bootstrap-server {settings.servers} --delete --topic {topic}`"
    )


def _command(cluster: Cluster, spec: TopicSpec) -> str:
    configs = " ".join(f"--config {name}={value}" for name, value in topic_config(spec, cluster.settings.replication_factor).items())
    return f"kafka-topics.sh --bootstrap-server {cluster.settings.servers} --create --topic {spec.name} --partitions 1 {configs}"
