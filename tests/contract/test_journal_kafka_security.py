"""A Kafka that asks who we are, refuses us, or has changed its secrets."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from alarm_engine.errors import JournalUnavailable, SettingsError
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSecurity, KafkaSettings
from alarm_engine.journal.port import Cleanup, Position, Record, TopicSpec
from tests.contract.journals import read_all, until
from tests.kafka_certificates import make_certificate, make_certificates

pytestmark = pytest.mark.timeout(120)


def write_secret(settings, text):
    Path(settings.security.password_file).write_text(text)


@pytest.fixture
def as_mara(secured, tmp_path):
    (tmp_path / "password").write_text("right\n")
    security = KafkaSecurity(user="mara", password_file=tmp_path / "password")
    return KafkaSettings(secured.listener("SASL"), name="tests", security=security, request_timeout_s=3.0, write_timeout_s=5.0)


def ours(topic):
    prefixed = ResourcePatternType.PREFIXED
    return (
        (ResourceType.TOPIC, topic, prefixed),
        (ResourceType.GROUP, "tocsin-", prefixed),
        (ResourceType.TRANSACTIONAL_ID, "tocsin-", prefixed),
    )


async def use(journal, topic):
    """Everything that a journal does."""
    await journal.ensure_topics([TopicSpec(topic, Cleanup.COMPACT), TopicSpec(f"{topic}Events", Cleanup.DELETE)])
    await journal.append([Record(topic, "k", b"v"), Record(f"{topic}Events", "k", b"v")], [Position("engine", topic, 3)])
    await journal.append([Record(topic, "single", b"v")])
    assert [record.key for record in await read_all(journal, topic)] == ["k", "single"]
    assert await journal.position("engine", topic) == 3


@pytest.mark.parametrize("access", ["SASL SCRAM-SHA-256", "SASL SCRAM-SHA-512", "SASLTLS SCRAM-SHA-256", "SASLTLS SCRAM-SHA-512"])
async def test_users_with_passwords(opened, secured, certificates, as_mara, topic, access):
    listener, mechanism = access.split()
    secured.allow("User:mara", *ours(topic))
    security = replace(as_mara.security, mechanism=mechanism, tls=listener == "SASLTLS")
    if security.tls:
        security = replace(security, ca_file=certificates / "ca.pem")
    await use(await opened(replace(as_mara, servers=secured.listener(listener), security=security, owns=topic)), topic)


async def test_a_client_certificate(opened, secured, certificates, topic):
    secured.allow("User:CN=client", *ours(topic))
    files = KafkaSecurity(True, certificates / "ca.pem", certificates / "client.pem", certificates / "client.key")
    await use(await opened(KafkaSettings(secured.listener("TLS"), security=files)), topic)


async def test_a_broker_whose_certificate_is_not_trusted(secured, tmp_path):
    strangers = make_certificates(tmp_path / "strangers")
    security = KafkaSecurity(tls=True, ca_file=strangers / "ca.pem")
    with pytest.raises(JournalUnavailable, match=r"does not let .* in.*certificate verify failed"):
        await KafkaJournal(KafkaSettings(secured.listener("SASLTLS"), security=security, request_timeout_s=2.0)).start()


async def test_a_wrong_password(as_mara):
    write_secret(as_mara, "not5o")
    with pytest.raises(JournalUnavailable, match=r"does not let User:mara with SCRAM-SHA-512 in.*Check user, password") as caught:
        await KafkaJournal(as_mara).start()
    assert "not5o" not in str(caught.value)


async def test_a_password_file_that_is_not_there(as_mara, tmp_path):
    security = replace(as_mara.security, password_file=tmp_path / "nowhere")
    with pytest.raises(SettingsError, match=f"{tmp_path}/nowhere cannot be read"):
        await KafkaJournal(replace(as_mara, security=security)).start()


async def test_no_right_on_a_topic(opened, secured, as_mara, topic):
    secured.allow("User:mara", *ours(f"{topic}A"))
    plain = replace(as_mara, servers=secured.servers, security=KafkaSecurity())
    await opened(plain, TopicSpec(f"{topic}B", Cleanup.DELETE))
    journal = await opened(as_mara, TopicSpec(f"{topic}A", Cleanup.DELETE))
    both = [Record(f"{topic}A", "k", b""), Record(f"{topic}B", "k", b"")]
    command = f"kafka-acls.sh --bootstrap-server {as_mara.servers} --add --allow-principal User:mara --operation All --topic {topic}B"
    for question in (
        lambda: journal.append(both),
        lambda: journal.append(both[1:]),
        lambda: journal.end(f"{topic}B"),
        lambda: journal.reader([f"{topic}A", f"{topic}B"]).fetch(),
        lambda: journal.ensure_topics([TopicSpec(f"{topic}B", Cleanup.DELETE)]),
    ):
        with pytest.raises(JournalUnavailable, match=f"no right to do that on topic {topic}B") as caught:
            await question()
        assert command in str(caught.value)
    secured.allow("User:mara", (ResourceType.TOPIC, f"{topic}C", ResourcePatternType.LITERAL), operation=AclOperation.READ)
    with pytest.raises(JournalUnavailable, match=f"{topic}C.*by hand: kafka-topics.sh .* --create --topic {topic}C"):
        await journal.ensure_topics([TopicSpec(f"{topic}C", Cleanup.DELETE)])
    await journal.append(both[:1])
    assert len(await read_all(journal, f"{topic}A")) == 1


async def test_a_right_that_is_taken_away_stops_nobody_else(opened, secured, as_mara, topic):
    secured.allow("User:mara", *ours(topic))
    journal = await opened(as_mara, TopicSpec(f"{topic}A", Cleanup.DELETE), TopicSpec(f"{topic}B", Cleanup.DELETE))
    stays, loses = journal.reader([f"{topic}A"]), journal.reader([f"{topic}B"])
    await stays.fetch()
    await loses.fetch()
    admin = AdminClient({"bootstrap.servers": secured.servers})
    deny = AclBinding(
        ResourceType.TOPIC, f"{topic}B", ResourcePatternType.LITERAL, "User:mara", "*", AclOperation.ALL, AclPermissionType.DENY
    )
    admin.create_acls([deny])[deny].result(20)
    with pytest.raises(JournalUnavailable, match=f"no right to do that on topic {topic}B"):
        await asyncio.wait_for(loses.fetch(), 30)
    with pytest.raises(JournalUnavailable, match=f"no right to do that on topic {topic}B"):
        await journal.append([Record(f"{topic}A", "k", b""), Record(f"{topic}B", "k", b"")])
    await journal.append([Record(f"{topic}A", "k", b"")])
    assert [record.key for record in (await asyncio.wait_for(stays.fetch(), 30)).records] == ["k"]


@pytest.mark.parametrize("missing", [ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID])
async def test_no_right_on_what_is_ours(opened, secured, as_mara, topic, missing):
    prefix = f"{topic}-"
    rights = [(kind, prefix if kind is not ResourceType.TOPIC else name, how) for kind, name, how in ours(topic) if kind is not missing]
    secured.allow("User:mara", *rights)
    journal = await opened(replace(as_mara, prefix=prefix), TopicSpec(topic, Cleanup.DELETE))
    named = f"no right to .*{prefix} --resource-pattern-type prefixed"
    questions = [lambda: journal.append([Record(topic, "k", b"")], [Position("engine", topic, 1)])]
    if missing is ResourceType.GROUP:
        questions += 2 * [lambda: journal.append([], [Position("engine", topic, 1)]), lambda: journal.position("engine", topic)]
    for question in questions:
        with pytest.raises(JournalUnavailable, match=named):
            await question()
    await journal.append([Record(topic, "single", b"")])


async def test_a_changed_password_is_picked_up(opened, secured, as_mara, topic):
    secured.allow("User:tom", *ours(topic))
    write_secret(as_mara, "other")
    settings = replace(as_mara, security=replace(as_mara.security, user="tom"))
    journal = await opened(settings, TopicSpec(topic, Cleanup.DELETE))
    reader = journal.reader([topic])
    await journal.append([Record(topic, "a", b"")])
    assert len((await reader.fetch()).records) == 1
    admin = AdminClient({"bootstrap.servers": secured.servers})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        change = UserScramCredentialUpsertion("tom", ScramCredentialInfo(mechanism, 4096), b"newer")
        admin.alter_user_scram_credentials([change])["tom"].result(20)
    write_secret(as_mara, "newer")
    await until(lambda: journal._cluster.generation == 1)
    await journal.append([Record(topic, "b", b"")])
    await journal.append([Record(topic, "c", b""), Record(topic, "d", b"")])
    seen = []
    while len(seen) < 3:
        seen += [record.key for record in (await asyncio.wait_for(reader.fetch(), 30)).records]
    assert seen == ["b", "c", "d"]
    assert [record.key for record in await read_all(journal, topic)] == ["a", "b", "c", "d"]


async def test_a_renewed_certificate_is_picked_up_and_a_broken_one_is_not(opened, secured, certificates, topic):
    secured.allow("User:CN=client", *ours(topic))
    files = KafkaSecurity(True, certificates / "ca.pem", certificates / "client.pem", certificates / "client.key")
    journal = await opened(KafkaSettings(secured.listener("TLS"), security=files, owns=topic), TopicSpec(topic, Cleanup.DELETE))
    reader = journal.reader([topic])
    await reader.fetch()
    make_certificate(certificates, "client")
    await until(lambda: journal._cluster.generation >= 1)
    await journal.append([Record(topic, "renewed", b"")])
    assert [record.key for record in (await asyncio.wait_for(reader.fetch(), 30)).records] == ["renewed"]
    kept = (certificates / "client.pem").read_text()
    (certificates / "client.pem").write_text("no certificate")
    await journal.append([Record(topic, "broken", b"")])
    assert [record.key for record in (await asyncio.wait_for(reader.fetch(), 30)).records] == ["broken"]
    (certificates / "client.pem").write_text(kept)


def test_secrets_do_not_show(as_mara):
    assert "right" not in repr(as_mara)
