"""What we may do in Kafka, found out without writing a record.

The broker says of a topic what its user may do there. A group is asked for a position that it need not have. For a transaction, and for
the session of a group, there is no such question: one is begun under a name of our own that nobody else uses, and left with nothing in it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation, NewTopic  # type: ignore[attr-defined]

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka_errors import error_of, listen, translate
from alarm_engine.journal.kafka_positions import read_position
from alarm_engine.journal.kafka_topics import topic_config
from alarm_engine.wire.topics import Topics, status_topic
from tocsin.examination.finding import Finding, fault, good, note
from tocsin.examination.kafka import name_of, topic_specs
from tocsin.examination.site import Role, Site
from tocsin.kubernetes.rights import Resource, Right, users
from tocsin.kubernetes.site import ClusterSite, SiteConfiguration

_OPERATIONS = {"Read": "READ", "Write": "WRITE", "Describe": "DESCRIBE", "DescribeConfigs": "DESCRIBE_CONFIGS"}
_PAGE = "see what rights each command needs: docs/how-to/run-on-kafka.md"
_NO_TOPIC_RIGHT = "TOPIC_AUTHORIZATION_FAILED"
_EXISTS = "TOPIC_ALREADY_EXISTS"
_JOINING = 0.6
"""Of the patience: a new group waits for company before it elects, 3 s by default."""


def needed(site: Site) -> list[Right]:
    """The rights of the role, each once, with all its operations."""
    configurations = [SiteConfiguration(one.name, one.phoebus) for one in site.configurations]
    everybody = users(ClusterSite(site.settings, {}, configurations, ""))
    wanted = {f"tocsin-{role}" for role in Role if site.wanted.role.does(role)}
    merged: dict[tuple[Resource, str], set[str]] = {}
    for right in (right for user in everybody if user.name in wanted for right in user.rights):
        merged.setdefault((right.resource, right.name), set()).update(right.operations)
    return [Right(resource, name, tuple(sorted(operations))) for (resource, name), operations in merged.items()]


def topics(site: Site) -> Iterator[Finding]:
    """What the broker says that we may do with each topic; of a topic that is to be made, whether we could."""
    role, settings = site.wanted.role, site.cluster.settings
    wanted = {right.name: right.operations for right in needed(site) if right.resource is Resource.TOPIC}
    allowed, missing = _allowed(site, wanted)
    lacking = False
    for name, operations in wanted.items():
        if name not in allowed:
            continue
        lacks = [one for one in operations if AclOperation[_OPERATIONS[one]] not in allowed[name]]
        if lacks:
            lacking = True
            told = f"{settings.security.principal} may not {' and not '.join(lacks)}"
            yield fault(f"rights on topic {name}", told, _acl(site, lacks, f"--topic {name}"))
    if allowed and not lacking:
        yield good("rights on topics", f"{settings.security.principal} may do what {_said(role)} needs on {len(allowed)} topics")
    if missing and role.does(Role.ENGINE):
        yield from _making(site, missing)


def _allowed(site: Site, names: Iterable[str]) -> tuple[dict[str, frozenset[AclOperation]], list[str]]:
    """Operations by topic, of those that we may see, and topics that are not there."""
    cluster = site.cluster
    answers = cluster.admin.describe_topics(
        TopicCollection(list(names)), include_authorized_operations=True, request_timeout=cluster.settings.request_timeout_s
    )
    found: dict[str, frozenset[AclOperation]] = {}
    missing = []
    for name, answer in answers.items():
        try:
            found[name] = frozenset(cluster.wait(f"look at topic {name!r}", answer, name).authorized_operations or ())
        except JournalUnavailable as problem:
            if name_of(problem) == _NO_TOPIC_RIGHT:
                found[name] = frozenset()
            elif cluster.complaints.silent:
                raise
            else:
                missing.append(name)
    return found, missing


def _making(site: Site, missing: list[str]) -> Iterator[Finding]:
    """Whether topics could be made: the broker looks at the request, and does nothing."""
    cluster, copies = site.cluster, site.settings.kafka.replication_factor
    wanted = [spec for spec in topic_specs(site) if spec.name in missing and spec.name not in _foreign_topics(site)]
    if not wanted:
        return
    requests = [NewTopic(spec.name, 1, -1 if copies is None else copies, config=topic_config(spec, copies)) for spec in wanted]
    answers = cluster.admin.create_topics(requests, validate_only=True, request_timeout=cluster.settings.request_timeout_s)
    refused: dict[str, list[str]] = {}
    for name, answer in answers.items():
        try:
            cluster.wait("make them", answer, name)
        except JournalUnavailable as problem:
            if name_of(problem) == _NO_TOPIC_RIGHT:
                yield fault(f"topic {name}", "is not there, and we may not make it", _acl(site, ["Create"], f"--topic {name}"))
                refused.setdefault("", [])
            elif name_of(problem) != _EXISTS:
                refused.setdefault(str(problem), []).append(name)
    for why, names in refused.items():
        if names:
            told = f"{', '.join(names)}: not there, and we {why}"
            yield fault("topics to be made", told, "mend that, and restart the engine: it makes them when it starts")
    if not refused:
        yield good("topics to be made", f"the engine may make the {len(wanted)} that are not there yet")


def _foreign_topics(site: Site) -> set[str]:
    """A Phoebus server makes its own."""
    return {spec.name for one in site.configurations if one.phoebus for spec in Topics(one.name).specs()}


def groups(site: Site) -> Iterator[Finding]:
    """Whether we may ask each consumer group for its position. That we may also keep one there is not tried: it would be written."""
    wanted = {right.name: right.operations for right in needed(site) if right.resource is Resource.GROUP}
    topic = topic_specs(site)[0].name
    lacking = False
    for name, operations in wanted.items():
        try:
            read_position(site.cluster, name, topic, decided=False)
        except JournalUnavailable as problem:
            if name_of(problem) != "GROUP_AUTHORIZATION_FAILED":
                # A cluster that has kept no position yet begins to when it is asked for one: that takes some seconds.
                yield note("rights on groups", f"could not be asked for: {problem}")
                return
            lacking = True
            told = f"{site.cluster.settings.security.principal} may not use it: {', '.join(operations)} missing"
            yield fault(f"rights on group {name}", told, _acl(site, operations, f"--group {name}"))
    if not lacking:
        told = f"{site.cluster.settings.security.principal} may ask {len(wanted)} groups"
        yield good("rights on groups", f"{told}; whether it may keep positions in them was not tried, for that would write")


def transaction(site: Site) -> Iterator[Finding]:
    """Whether we may write transactions: one producer under a name of our own, which begins none."""
    name = site.cluster.settings.group(f"doctor-{secrets.token_hex(4)}")
    properties = site.cluster.settings.producer() | {"transactional.id": name, "log_level": 0}
    producer = site.cluster.client(Producer, properties)
    try:
        producer.init_transactions(site.cluster.settings.write_timeout_s)
    except KafkaException as problem:
        listen(producer)
        yield _own_name_refused(site, error_of(problem), "transactions", "--transactional-id")
    else:
        yield good("transactions", f"we may begin one ({name} was begun, with nothing in it)")
    finally:
        producer.purge()


def session(site: Site) -> Iterator[Finding]:
    """Whether brokers take the session that engines ask for: a group of our own is joined, and left."""
    settings, session_s = site.cluster.settings, site.settings.kafka.session_s
    topic = status_topic(site.settings.cell).name
    if topic not in site.cluster.look([topic]):
        yield note("session of engines", f"could not be tried: topic {topic} is not there yet")
        return
    name = settings.group(f"doctor-{secrets.token_hex(4)}")
    milliseconds = round(session_s * 1000)
    properties: Mapping[str, object] = settings.client() | {
        "group.id": name,
        "session.timeout.ms": milliseconds,
        "heartbeat.interval.ms": milliseconds // 3,
        "max.poll.interval.ms": max(milliseconds, 10_000),
        "enable.auto.commit": False,
    }
    consumer = site.cluster.client(Consumer, properties)
    joined: list[object] = []
    try:
        consumer.subscribe([topic], on_assign=lambda _, partitions: joined.append(partitions))
        deadline = time.monotonic() + _JOINING * site.wanted.patience_s
        error = None
        while not joined and error is None and time.monotonic() < deadline:
            message = consumer.poll(0.1)
            error = message.error() if message is not None else None
        yield _session(site, error, bool(joined))
    finally:
        consumer.close()


def _session(site: Site, error: KafkaError | None, joined: bool) -> Finding:
    asked = f"kafka.session_s {site.settings.kafka.session_s:g}"
    if error is not None and error.name() == "GROUP_AUTHORIZATION_FAILED":
        return _own_name_refused(site, error, "session of engines", "--group")
    if error is not None and error.name() == "INVALID_SESSION_TIMEOUT":
        told, _, advice = str(translate("elect", error, site.cluster.complaints, site.cluster.settings)).partition(": give ")
        return fault("session of engines", f"{asked}: {told}", f"give {advice}")
    if joined:
        return good("session of engines", f"brokers take {asked}")
    why = error.str() if error is not None else "the group did not come to rest in time"
    return note("session of engines", f"could not be tried: {why}")


def _own_name_refused(site: Site, error: KafkaError, subject: str, option: str) -> Finding:
    """In a cluster of Kubernetes each role has rights on its full names alone, so that a name of our own tells nothing."""
    problem = translate("begin one", error, site.cluster.complaints, site.cluster.settings)
    if "AUTHORIZATION" not in error.name():
        return fault(subject, str(problem), "see the line on Kafka itself")
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return note(subject, "could not be tried: our rights are on the names of the site alone, and one of our own was refused")
    prefix = site.cluster.settings.prefix
    operation = "Read" if option == "--group" else "Write"
    told = f"{site.cluster.settings.security.principal} has no right to names that begin with {prefix!r}"
    return fault(subject, told, _acl(site, [operation], f"{option} {prefix} --resource-pattern-type prefixed"))


def _acl(site: Site, operations: Iterable[str], on: str) -> str:
    settings = site.cluster.settings
    principal = settings.security.principal
    wanted = " ".join(f"--operation {one}" for one in operations)
    return f"kafka-acls.sh --bootstrap-server {settings.servers} --add --allow-principal {principal} {wanted} {on}"


def _said(role: Role) -> str:
    return "each part of tocsin" if role is Role.RUN else "config sync" if role is Role.SYNC else str(role)
