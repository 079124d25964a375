"""Kafka: does it answer, are its topics as they must be, do clocks and copies agree.

Nothing is written here; what we may write is asked for, see `kafka_rights`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka_errors import NO_TOPIC, error_of
from alarm_engine.journal.kafka_topics import MAX_MESSAGE_BYTES, rules, split_topic
from alarm_engine.journal.port import TopicSpec
from alarm_engine.wire.topics import Topics, status_topic
from tocsin.examination.finding import Finding, fault, good, warning
from tocsin.examination.site import Site

_BROKER_STAMPS = "LogAppendTime"
_NEEDED_MESSAGE_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as it is."""

    spec: TopicSpec
    partitions: int
    copies: int
    in_step: int
    """Copies that are up to date; 0: the topic has no leader."""
    config: Mapping[str, str] | None
    """None: we may not read it."""


def reach(site: Site) -> Iterator[Finding]:
    """The cluster answers, and how many brokers it has."""
    cluster, servers = site.cluster, site.settings.kafka.servers
    began = time.monotonic()
    cluster.check()
    took_ms = (time.monotonic() - began) * 1000
    found = cluster.wait("look at the cluster", cluster.admin.describe_cluster(request_timeout=cluster.settings.request_timeout_s))
    brokers = sorted(f"{node.host}:{node.port}" for node in found.nodes or [])
    number = f"{len(brokers)} broker{'s' if len(brokers) != 1 else ''}"
    yield good(f"Kafka at {servers}", f"answers in {took_ms:.0f} ms, {number}: {', '.join(brokers)}")
    wanted = site.settings.kafka.replication_factor
    if wanted is not None and len(brokers) < wanted:
        told = f"{number}, and kafka.replication_factor is {wanted}: no topic can be made, and none has all its copies"
        yield fault("brokers", told, "start the others, or lower kafka.replication_factor")
    if found.controller is None or found.controller.id < 0:
        yield fault("brokers", "the cluster has no controller", "start more of the controllers; topics can not be made or moved meanwhile")


def topic_specs(site: Site) -> list[TopicSpec]:
    """All topics of a site: those of a Phoebus server only as far as we need them."""
    specs: list[TopicSpec] = []
    for one in site.configurations:
        of_it = Topics(one.name).specs(events_keep_days=site.settings.history.journal_days)
        specs += [spec for spec in of_it if not one.phoebus or spec.name in (one.name, Topics(one.name).command)]
    if any(not one.phoebus for one in site.configurations):
        specs.append(status_topic(site.settings.cell))
    return specs


def topics(site: Site) -> Iterator[Finding]:
    """Each topic: there, with one partition, with settings under which no record is lost, all copies in step."""
    specs = topic_specs(site)
    foreign = {one.name for one in site.configurations if one.phoebus}
    facts, hidden = _look(site, specs)
    for name, why in hidden.items():
        yield fault(f"topic {name}", why, "see what rights each command needs: docs/how-to/run-on-kafka.md")
    missing = [spec.name for spec in specs if spec.name not in facts and spec.name not in hidden]
    if missing:
        yield _missing(site, missing, len(specs))
    good_ones = []
    for spec in specs:
        if spec.name not in facts:
            continue
        findings = judge_topic(facts[spec.name], site.settings.kafka.servers, foreign=spec.name in foreign)
        if facts[spec.name].partitions != 1:
            findings = [_split(site, facts[spec.name]), *findings]
        if findings:
            yield from findings
        else:
            good_ones.append(spec.name)
    if good_ones:
        known = all(facts[name].config is not None for name in good_ones)
        told = "one partition, right settings, all copies in step" if known else "one partition, all copies in step"
        yield good(f"{len(good_ones)} topics", f"{told}: {', '.join(good_ones)}")


def _missing(site: Site, missing: Sequence[str], number: int) -> Finding:
    if len(missing) == number:
        ours = any(not one.phoebus for one in site.configurations)
        return warning("topics", "none is there yet", f"the first {'engine' if ours else 'Phoebus server'} makes them when it starts")
    advice = "the engine of the configuration makes it when it starts: restart it, or see its log for a right that is missing"
    return fault("topics", f"not there: {', '.join(missing)}", advice)


def _split(site: Site, facts: TopicFacts) -> Finding:
    said, _, mends = split_topic(site.cluster.settings, facts.spec.name, facts.partitions).partition(". ")
    return fault(f"topic {facts.spec.name}", said, mends)


def judge_topic(facts: TopicFacts, servers: str, *, foreign: bool = False) -> list[Finding]:
    """What is wrong with a topic, beside the number of its partitions. `foreign`: a Phoebus server made it, as it likes them."""
    name, found = facts.spec.name, []
    subject = f"topic {name}"
    if facts.in_step == 0:
        found.append(fault(subject, "has no leader: nothing can be read or written", "start the brokers that have it"))
    elif facts.in_step < facts.copies:
        told = f"{facts.in_step} of {facts.copies} copies are in step"
        found.append(warning(subject, told, "is a broker down, or late? One that is lost now may take records along"))
    if facts.config is None:
        told = "its settings can not be read: nobody notices if they lose records"
        found.append(warning(subject, told, _acl(servers, name, "DescribeConfigs")))
        return found
    config = facts.config
    wrong = {key: rule.value for key, rule in rules(facts.spec).items() if not foreign and key in config and not rule.accepts(config[key])}
    if wrong:
        told = ", ".join(f"{key}={config[key]}, expected {value}" for key, value in wrong.items())
        found.append(fault(subject, told, _alter(servers, name, ",".join(f"{key}={value}" for key, value in wrong.items()))))
    return found + _judge_copies(facts, config, servers) + _judge_messages(name, config, servers)


def _judge_copies(facts: TopicFacts, config: Mapping[str, str], servers: str) -> list[Finding]:
    name, least = facts.spec.name, int(config.get("min.insync.replicas", "1"))
    subject = f"topic {name}"
    if least > facts.in_step > 0:
        told = f"min.insync.replicas={least}, and {facts.in_step} of {facts.copies} copies are in step: nothing can be written"
        mends = _alter(servers, name, f"min.insync.replicas={max(1, facts.copies - 1)}")
        return [fault(subject, told, "start the other brokers" if least <= facts.copies else mends)]
    if least == facts.copies > 1:
        told = f"min.insync.replicas={least} is the number of copies: with one broker away nothing can be written"
        return [warning(subject, told, _alter(servers, name, f"min.insync.replicas={least - 1}"))]
    if facts.copies >= 3 and least < 2:
        told = f"min.insync.replicas={least} with {facts.copies} copies: what is acknowledged may be on one disk only"
        return [warning(subject, told, _alter(servers, name, "min.insync.replicas=2"))]
    return []


def _judge_messages(name: str, config: Mapping[str, str], servers: str) -> list[Finding]:
    subject, found = f"topic {name}", []
    if config.get("message.timestamp.type") == _BROKER_STAMPS:
        told = "message.timestamp.type=LogAppendTime: the age of commands is then told by the clock of the broker, not of who gave them"
        found.append(warning(subject, told, _alter(servers, name, "message.timestamp.type=CreateTime")))
    largest = int(config.get("max.message.bytes", str(MAX_MESSAGE_BYTES)))
    if largest < _NEEDED_MESSAGE_BYTES:
        told = f"max.message.bytes={largest}: an alarm with long guidance, or a command on many alarms, may not be taken"
        found.append(warning(subject, told, _alter(servers, name, f"max.message.bytes={MAX_MESSAGE_BYTES}")))
    if config.get("unclean.leader.election.enable") == "true":
        told = "unclean.leader.election.enable=true: a broker that was late may become the leader, and what only others had is lost"
        found.append(warning(subject, told, _alter(servers, name, "unclean.leader.election.enable=false")))
    return found


def _look(site: Site, specs: Sequence[TopicSpec]) -> tuple[dict[str, TopicFacts], dict[str, str]]:
    """The topics that are there, and by name why one cannot be looked at."""
    cluster, timeout_s = site.cluster, site.cluster.settings.request_timeout_s
    described = cluster.admin.describe_topics(TopicCollection([spec.name for spec in specs]), request_timeout=timeout_s)
    resources = {spec.name: ConfigResource(ConfigResource.Type.TOPIC, spec.name) for spec in specs}
    configs = cluster.admin.describe_configs(list(resources.values()), request_timeout=timeout_s)
    found: dict[str, TopicFacts] = {}
    hidden: dict[str, str] = {}
    for spec in specs:
        try:
            partitions = cluster.wait(f"look at topic {spec.name!r}", described[spec.name], spec.name).partitions
        except JournalUnavailable as problem:
            if name_of(problem) not in NO_TOPIC:
                hidden[spec.name] = str(problem)
            if cluster.complaints.silent:
                raise
            continue
        first = partitions[0]
        in_step = len(first.isr) if first.leader is not None and first.leader.id >= 0 else 0
        config = _config(site, spec.name, configs[resources[spec.name]])
        found[spec.name] = TopicFacts(spec, len(partitions), len(first.replicas), in_step, config)
    return found, hidden


def _config(site: Site, topic: str, answer: Future[Any]) -> dict[str, str] | None:
    try:
        entries = site.cluster.wait(f"read the settings of topic {topic!r}", answer, topic)
    except JournalUnavailable as problem:
        if name_of(problem) != "TOPIC_AUTHORIZATION_FAILED":
            raise
        return None
    return {key: str(entry.value) for key, entry in entries.items()}


def name_of(problem: JournalUnavailable) -> str:
    """Name of the client's error behind one of ours, empty if there is none."""
    cause = problem.__cause__
    return error_of(cause).name() if isinstance(cause, KafkaException) else ""


def _alter(servers: str, topic: str, config: str) -> str:
    return f"kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name {topic} --add-config {config}"


def _acl(servers: str, topic: str, operation: str) -> str:
    return f"give the right: kafka-acls.sh --bootstrap-server {servers} --add --operation {operation} --topic {topic} ..."
