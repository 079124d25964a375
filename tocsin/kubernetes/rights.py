"""Who may do what in Kafka: for each role exactly what its code does, by full names. Pure.

The test with a real broker runs all roles under these, and takes single ones away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alarm_engine.wire.topics import Topics, status_topic
from tocsin.kubernetes.site import ClusterSite


class Resource(StrEnum):
    """What a right is about, by Strimzi's names."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTION = "transactionalId"


READ, WRITE, DESCRIBE, CONFIGS = "Read", "Write", "Describe", "DescribeConfigs"


@dataclass(frozen=True, slots=True)
class Right:
    """Operations on one thing, by its full name, unless `begins`. Read and Write include Describe."""

    resource: Resource
    name: str
    operations: tuple[str, ...]
    begins: bool = False
    """On all whose names begin so."""


@dataclass(frozen=True, slots=True)
class KafkaUser:
    """Somebody with rights."""

    name: str
    password: bool
    """Comes with a password (SCRAM), not with a certificate."""
    rights: tuple[Right, ...]


def users(site: ClusterSite) -> list[KafkaUser]:
    """Everybody that a site needs, by name."""
    settings = site.settings
    found = [
        KafkaUser("tocsin-backend", False, tuple(_backend(site))),
        KafkaUser("tocsin-engine", False, tuple(_engine(site))),
        KafkaUser("tocsin-history", False, tuple(_history(site))),
        KafkaUser("tocsin-sync", False, tuple(_sync(site))),
    ]
    if settings.kubernetes.restore and site.ours:
        found.append(KafkaUser("tocsin-restore", False, tuple(_restore(site))))
    if settings.kubernetes.pipeline_user:
        found.append(KafkaUser("tocsin-pipeline", True, tuple(_pipeline(site))))
    if settings.kubernetes.outside_kafka:
        found.append(KafkaUser("cs-studio", True, tuple(_cs_studio(site))))
    if settings.kubernetes.phoebus_alarm_logger:
        found.append(KafkaUser("phoebus-alarm-logger", True, tuple(_alarm_logger(site))))
    return sorted(found, key=lambda user: user.name)


def _topics(names: Sequence[str], *operations: str) -> Iterator[Right]:
    yield from (Right(Resource.TOPIC, name, operations) for name in names)


def _groups(site: ClusterSite, names: Sequence[str], *operations: str) -> Iterator[Right]:
    yield from (Right(Resource.GROUP, site.settings.kafka.prefix + name, operations) for name in names)


def _reader(site: ClusterSite) -> Iterator[Right]:
    """Every reader of topics names this group, and never joins it."""
    yield from _groups(site, ["reader"], DESCRIBE)


def _engine(site: ClusterSite) -> Iterator[Right]:
    prefix = site.settings.kafka.prefix
    for config in site.ours:
        topics = Topics(config)
        yield from _topics([topics.config, topics.settings, topics.runtime, topics.events], READ, WRITE, CONFIGS)
        yield from _topics([topics.command], READ, CONFIGS)
        yield from _topics([topics.talk], WRITE, CONFIGS)
        yield from _groups(site, [f"owner-{config}"], READ)
        yield Right(Resource.TRANSACTION, f"{prefix}{config}", (WRITE,))
    yield from _topics([status_topic(site.settings.cell).name], READ, WRITE, CONFIGS)
    yield from _groups(site, [f"cell-{site.settings.cell}", "engine"], READ)
    yield from _reader(site)


def _history(site: ClusterSite) -> Iterator[Right]:
    for config in site.ours:
        yield from _topics([Topics(config).events], READ)
    for config in site.foreign:
        yield from _topics([config, Topics(config).command], READ)
    yield from _groups(site, ["history", "history-writers"], READ)
    yield from _reader(site)


def _backend(site: ClusterSite) -> Iterator[Right]:
    for config in site.ours:
        topics = Topics(config)
        yield from _topics([topics.config, topics.settings, topics.runtime, topics.events], READ)
        yield from _topics([topics.command], WRITE)
    for config in site.foreign:
        yield from _topics([config], READ)
        yield from _topics([Topics(config).command], READ, WRITE)
    if site.ours:
        yield from _topics([status_topic(site.settings.cell).name], READ)
    yield from _reader(site)


def _sync(site: ClusterSite) -> Iterator[Right]:
    prefix = site.settings.kafka.prefix
    for config in site.ours:
        topics = Topics(config)
        yield from _topics([topics.config, topics.settings], READ, WRITE, CONFIGS)
        yield from _topics([topics.runtime, topics.events, topics.command, topics.talk], DESCRIBE, CONFIGS)
        yield from _groups(site, [f"owner-{topics.settings}"], READ)
        yield Right(Resource.TRANSACTION, f"{prefix}{topics.settings}", (WRITE,))
    yield from _reader(site)


def _restore(site: ClusterSite) -> Iterator[Right]:
    """`tocsin history restore` writes states as the one writer of a configuration, and no event."""
    prefix = site.settings.kafka.prefix
    for config in site.ours:
        topics = Topics(config)
        yield from _topics([topics.config, topics.runtime], READ, WRITE, CONFIGS)
        yield from _topics([topics.settings], READ, CONFIGS)
        yield from _topics([topics.events, topics.command, topics.talk], DESCRIBE, CONFIGS)
        yield from _groups(site, [f"owner-{config}"], READ)
        yield Right(Resource.TRANSACTION, f"{prefix}{config}", (WRITE,))
    yield from _reader(site)


def _pipeline(site: ClusterSite) -> Iterator[Right]:
    """`tocsin config diff` reads what is in force."""
    for config in site.ours:
        topics = Topics(config)
        yield from _topics([topics.config, topics.settings], READ)
    yield from _reader(site)


def _cs_studio(site: ClusterSite) -> Iterator[Right]:
    """Clients of Phoebus read states, edit configurations, give commands; each makes up a group `Alarm-UUID`."""
    for config in [*site.ours, *site.foreign]:
        topics = Topics(config)
        yield from _topics([topics.config, topics.command], READ, WRITE)
        yield from _topics([topics.talk], READ)
    yield Right(Resource.GROUP, "Alarm-", (READ,), begins=True)


def _alarm_logger(site: ClusterSite) -> Iterator[Right]:
    """Kafka Streams, in a group for each topic."""
    for config in [*site.ours, *site.foreign]:
        yield from _topics([config, Topics(config).command], READ)
        for kind in ("messages", "cmd"):
            yield Right(Resource.GROUP, f"streams-{config}-alarm-{kind}", (READ,))
