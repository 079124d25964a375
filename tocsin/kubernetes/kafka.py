"""Topics and users as Strimzi's objects (API v1). Pure."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from alarm_engine.journal.kafka_topics import topic_config
from alarm_engine.journal.port import TopicSpec
from alarm_engine.wire.topics import Topics, status_topic
from tocsin.kubernetes.rights import KafkaUser
from tocsin.kubernetes.site import ClusterSite

API = "kafka.strimzi.io/v1"
CLUSTER = {"strimzi.io/cluster": "tocsin"}
PORT = 9093
BOOTSTRAP = "tocsin-kafka-bootstrap"


def topics(site: ClusterSite) -> list[TopicSpec]:
    """All topics of a site; those of a Phoebus server are the ones that it knows."""
    found: list[TopicSpec] = []
    for config in site.ours:
        found += Topics(config).specs(site.settings.history.journal_days)
    for config in site.foreign:
        known = Topics(config)
        found += [spec for spec in known.specs() if spec.name in (known.config, known.command, known.talk)]
    if site.ours:
        found.append(status_topic(site.settings.cell))
    return found


def topic_objects(site: ClusterSite) -> list[dict[str, Any]]:
    """A KafkaTopic for each topic."""
    specs = topics(site)
    names = object_names(spec.name for spec in specs)
    return [
        {
            "apiVersion": API,
            "kind": "KafkaTopic",
            "metadata": {"name": names[spec.name], "labels": CLUSTER},
            "spec": {
                "topicName": spec.name,
                "partitions": 1,
                "replicas": site.copies,
                "config": topic_config(spec, site.copies),
            },
        }
        for spec in specs
    ]


def user_objects(users: Iterable[KafkaUser], guest: str = "") -> list[dict[str, Any]]:
    """A KafkaUser for each user. Strimzi makes a Secret of the same name for it.

    `guest`: the namespace of a site that uses the Kafka of another one, where users of both are side by side: it begins their names.
    """
    return [
        {
            "apiVersion": API,
            "kind": "KafkaUser",
            "metadata": {"name": f"{guest}-{user.name.removeprefix('tocsin-')}" if guest else user.name, "labels": CLUSTER},
            "spec": {
                "authentication": {"type": "scram-sha-512"} if user.password else {"type": "tls", "validityDays": 90, "renewalDays": 30},
                "authorization": {"type": "simple", "acls": _acls(user)},
            },
        }
        for user in users
    ]


def _acls(user: KafkaUser) -> list[dict[str, Any]]:
    return [
        {
            "resource": {"type": right.resource.value, "name": right.name, "patternType": "prefix" if right.begins else "literal"},
            "operations": list(right.operations),
        }
        for right in user.rights
    ]


def object_names(topics: Iterable[str]) -> dict[str, str]:
    """Names of objects for topics, no two alike: small letters, digits, dots and dashes. Kafka knows big letters, Kubernetes does not."""
    plain = {topic: re.sub(r"[^a-z0-9.-]", "-", topic.lower()).strip("-.") for topic in topics}
    often = Counter(plain.values())
    return {topic: name if often[name] == 1 and name else f"{name}-{_digest(topic)}".lstrip("-") for topic, name in plain.items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
