"""Programs that are not ours, and what a Phoebus server owns, on a real Kafka with the rights of their manifests only."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import AsyncExitStack

import pytest
from confluent_kafka import Consumer, Producer

from tests.conformance.kafka_site import PlainClient
from tests.system.k8s_rights import OTHERS, PASSWORD, denied, elastic, give_rights, granted, made_for, make_topics, secured, site, unused

__all__ = ["elastic", "secured", "site"]  # fixtures

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


class Client:
    """A program that is not ours: a reader of a group, and a writer, as Java's clients are by default."""

    def __init__(self, secured, user, group):
        self._writes = user == "cs-studio"
        self._known = {
            "bootstrap.servers": secured.listener("SASL"),
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": PASSWORD,
            "log_level": 0,
        }
        self._group = group

    def read(self, *wanted):
        """Until all these are found, each a topic and a key; the group remembers how far it has read."""
        topics = {topic for topic, _ in wanted}
        consumer = Consumer({**self._known, "group.id": self._group, "auto.offset.reset": "earliest", "enable.auto.commit": False})
        consumer.subscribe(list(topics))
        found = set()
        for _ in range(600):
            message = consumer.poll(0.1)
            if message is not None:
                assert message.error() is None, message.error()
                found.add((message.topic(), message.key().decode()))
            if found >= set(wanted):
                break
        consumer.commit(asynchronous=False)
        consumer.close()
        assert found >= set(wanted)

    def write(self, topic, key, value):
        """None, or why it was refused. Idempotent, as Java's clients are, needs no more than the right to write anything at all."""
        told = []
        producer = Producer({**self._known, "enable.idempotence": self._writes})
        producer.produce(topic, value, key, on_delivery=lambda error, _: told.append(error))
        assert producer.flush(20) == 0
        return told[0]


async def test_programs_outside_have_what_they_need_and_nothing_else(secured, site, monkeypatch):
    objects = made_for(site, outside_kafka=True, pipeline_user=True, phoebus_alarm_logger="logger:5")
    give_rights(secured, objects)
    make_topics(secured, objects)
    config, command, talk = site.config, f"{site.config}Command", f"{site.config}Talk"
    monkeypatch.setenv("TOCSIN_KAFKA__USER", "tocsin-sync")
    assert await site.config_command("sync") == 0, site.output("sync")
    leaf = f"config:{site.path('GC1')}"

    studio = Client(secured, "cs-studio", f"Alarm-{uuid.uuid4()}")
    assert studio.write(command, f"command:{site.path('GC1')}", b'{"user": "mara", "host": "office", "command": "acknowledge"}') is None
    assert studio.write(config, leaf, b'{"user": "mara", "host": "office", "description": "Gauge"}') is None
    assert studio.write(talk, f"talk:{site.path('GC1')}", b"{}").name() == "TOPIC_AUTHORIZATION_FAILED"
    plain = PlainClient(secured.servers)
    plain.write(talk, f"talk:{site.path('GC1')}", b'{"severity": "MAJOR", "standout": false, "talk": "Gauge"}')
    plain.close()
    order = f"command:{site.path('GC1')}"
    studio.read((config, leaf), (command, order), (talk, f"talk:{site.path('GC1')}"))

    for kind, topic, key in (("messages", config, leaf), ("cmd", command, order)):
        logger = Client(secured, "phoebus-alarm-logger", f"streams-{config}-alarm-{kind}")
        logger.read((topic, key))
        assert logger.write(topic, leaf, b"{}").name() == "TOPIC_AUTHORIZATION_FAILED"

    monkeypatch.setenv("TOCSIN_KAFKA__USER", "tocsin-pipeline")
    assert await site.config_command("diff") == 0, site.output("diff")
    assert "edited or deleted by another client" in site.output("diff"), "the pipeline sees what is in force, not only what the files say"
    assert Client(secured, "tocsin-pipeline", "any").write(config, leaf, b"{}").name() == "TOPIC_AUTHORIZATION_FAILED"

    assert {right for right in unused(secured, objects) if right[0] in OTHERS} == set()
    assert {request for user, request in denied(secured, site) if user in OTHERS} == {"Produce"}


async def test_what_a_phoebus_server_owns_is_shown_kept_and_acknowledged(secured, site, monkeypatch):
    """The names of the configuration are those that the engines of a Phoebus server would have; ours have no right to them."""
    text = (site.directory / "site.yaml").read_text("utf-8").replace("tree: tree.yaml, ", "owner: phoebus, ", 1)
    (site.directory / "site.yaml").write_text(text, "utf-8")
    objects = made_for(site)
    give_rights(secured, objects)
    make_topics(secured, objects)
    assert {user for user, *_ in granted(objects)} & {"tocsin-restore"} == set()
    plain = PlainClient(secured.servers)
    path = site.path("GC1")
    plain.write(site.config, f"config:{path}", json.dumps({"user": "mara", "host": "office", "description": "Gauge"}).encode())
    now = time.time()
    state = {
        "severity": "MAJOR", "latch": True, "message": "HIHI", "value": "12", "time": {"seconds": int(now), "nano": 0},
        "current_severity": "MAJOR", "current_message": "HIHI",
    }  # fmt: skip
    plain.write(site.config, f"state:{path}", json.dumps(state).encode())
    async with AsyncExitStack() as stack:
        monkeypatch.setenv("TOCSIN_KAFKA__USER", "tocsin-history")
        await stack.enter_async_context(site.running("history"))
        monkeypatch.setenv("TOCSIN_KAFKA__USER", "tocsin-backend")
        await stack.enter_async_context(site.serving("backend"))
        await site.until_severity("GC1", "MAJOR")

        async def kept():
            return await site.events("alarm")

        await site.until(kept, "the history", lambda: site.output("history"))
        answer = await site.command("acknowledge", path, reason="seen")
        assert answer.json()["outcome"] == "not_confirmed", answer.text  # no server is there to carry it out
        plain.follow([f"{site.config}Command"])
        (command,) = plain.read(5)
        assert json.loads(command.value())["command"] == "acknowledge"
    plain.close()
    assert denied(secured, site) == set()
    assert {
        right for right in unused(secured, objects) if site.config in right[2] and right[0] in ("tocsin-backend", "tocsin-history")
    } == set()
