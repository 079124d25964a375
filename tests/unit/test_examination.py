"""Checks of a site: what each takes for good, for a warning, for a fault; and that one which hangs or breaks stops no other."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from dataclasses import replace
from email.utils import formatdate

import httpx
import pytest

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka_topics import rules
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from alarm_engine.wire.topics import Topics
from tocsin.cli import doctor
from tocsin.examination import channel_access, engines, history, kafka, machine, settings, web
from tocsin.examination.finding import Finding, Verdict, good
from tocsin.examination.running import Check, examine
from tocsin.examination.site import Role, Site, Wanted
from tocsin.settings import load

NOW = Nanos(1_800_000_000 * NANOS_PER_SECOND)
SERVERS = "kafka1:9092"


def verdicts(findings) -> list[Verdict]:
    return [one.verdict for one in findings]


def one(findings, verdict: Verdict) -> Finding:
    (found,) = [finding for finding in findings if finding.verdict is verdict]
    return found


def site_of(tmp_path, more: str = "", tree: str = "config: Acc\npvs: {A:B: a}\n", **wanted) -> Site:
    (tmp_path / "tree.yaml").write_text(tree)
    file = tmp_path / "site.yaml"
    file.write_text(f"configurations: [{{tree: tree.yaml}}]\n{more}")
    return Site.of(file, load(file), Wanted(**wanted))


# ---------------------------------------------------------------------------------------------------------------- running


def test_checks_are_told_in_their_order_whatever_ends_first():
    first_may_end = threading.Event()

    def slow():
        assert first_may_end.wait(10)
        yield good("slow", "done")

    def quick():
        first_may_end.set()
        yield good("quick", "done")

    examined = list(examine([Check("A", "slow", slow), Check("B", "quick", quick)], 30))
    assert [found.check.subject for found in examined] == ["slow", "quick"]
    assert [verdicts(found.findings) for found in examined] == [[Verdict.GOOD], [Verdict.GOOD]]


def test_a_check_that_hangs_is_told_with_what_it_had_found_and_stops_no_other():
    released = threading.Event()

    def hangs():
        yield good("hangs", "one thing")
        released.wait(60)

    try:
        hung, other = examine([Check("A", "hangs", hangs, "look"), Check("B", "other", lambda: [good("other", "done")])], 0.2)
        assert verdicts(hung.findings) == [Verdict.GOOD, Verdict.FAULT]
        assert (hung.findings[1].text, hung.findings[1].advice) == ("no answer within 0.2 s", "look")
        assert verdicts(other.findings) == [Verdict.GOOD]
    finally:
        released.set()


def test_a_sentence_of_ours_and_a_check_that_breaks_are_faults():
    def sentence():
        raise JournalUnavailable("Kafka is away")

    def breaks():
        raise KeyError("nothing")

    said, broke = examine([Check("A", "kafka", sentence, "start it"), Check("B", "b", breaks)], 30)
    assert (said.findings[0].text, said.findings[0].advice) == ("Kafka is away", "start it")
    assert "the check itself failed: KeyError" in broke.findings[0].text


# ---------------------------------------------------------------------------------------------------------------- settings


def test_good_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_URL", "http://127.0.0.1:1")
    site = site_of(tmp_path)
    assert verdicts(settings.settings_file(site)) == [Verdict.GOOD, Verdict.GOOD]
    assert verdicts(settings.trees(site)) == [Verdict.GOOD]
    assert verdicts(settings.secrets(site)) == [Verdict.GOOD]
    monkeypatch.setenv("TOCSIN_CELL", "other")
    told = one(settings.settings_file(site_of(tmp_path)), Verdict.NOTE).text
    assert "TOCSIN_CELL" in told
    assert "TOCSIN_URL" not in told


def test_a_web_side_that_is_open_to_all_is_a_fault(tmp_path):
    found = one(settings.settings_file(site_of(tmp_path, "backend: {host: 0.0.0.0}\n")), Verdict.FAULT)
    assert "anybody who reaches this machine" in found.text


@pytest.mark.parametrize(
    ("tree", "verdict", "said"),
    [
        ("config: Acc\npvs: {A:B: {delay: long}}\n", Verdict.FAULT, "1 error, what they are about is left out"),
        ("config: Acc\npvs: {A:B: a}\n", Verdict.GOOD, "1 alarm in 1 component"),
        ("config: Acc\n", Verdict.WARNING, "holds no alarm"),
        ("- nothing\n", Verdict.FAULT, "nothing can be made of"),
    ],
)
def test_trees(tmp_path, tree, verdict, said):
    found = one(settings.trees(site_of(tmp_path, tree=tree)), verdict)
    assert said in found.text


def test_a_tree_of_another_name_and_two_of_one_name_are_faults(tmp_path):
    (tmp_path / "tree.yaml").write_text("config: Acc\npvs: {A:B: a}\n")
    file = tmp_path / "site.yaml"
    file.write_text("configurations: [{tree: tree.yaml, name: Other}, {tree: tree.yaml}, {name: Acc}]\n")
    found = [finding.text for finding in settings.trees(Site.of(file, load(file), Wanted())) if finding.verdict is Verdict.FAULT]
    assert any("is named Acc" in text for text in found)
    assert "is there twice" in found


@pytest.mark.parametrize(
    ("mode", "verdict", "said"),
    [
        (0o600, Verdict.GOOD, "1 file with secrets"),
        (0o640, Verdict.GOOD, "1 file"),
        (0o644, Verdict.WARNING, "may read"),
        (0o602, Verdict.FAULT, "may write"),
    ],
)
def test_files_with_secrets(tmp_path, mode, verdict, said):
    users = tmp_path / "users.yaml"
    users.write_text("users: []\n")
    users.chmod(mode)
    site = site_of(tmp_path, "auth: {mode: users, users_file: users.yaml}\n")
    assert said in one(settings.secrets(site), verdict).text


def test_a_secret_that_is_not_there_or_stands_in_the_settings(tmp_path):
    kafka_section = "journal: kafka\nkafka: {servers: 'k:1', user: u, password_file: nowhere}\n"
    assert "cannot be read: No such file" in one(settings.secrets(site_of(tmp_path, kafka_section)), Verdict.FAULT).text
    written = "journal: kafka\nkafka: {servers: 'k:1', user: u, properties: {sasl.password: secret}}\n"
    found = list(settings.secrets(site_of(tmp_path, written)))
    assert "kafka.properties.sasl.password" in found[0].text
    assert all("secret: " not in finding.text or "secret" not in finding.text.split(": ", 1)[1] for finding in found)
    assert "may read" in found[1].text, "then the settings are a secret themselves"


# ---------------------------------------------------------------------------------------------------------------- machine


@pytest.mark.parametrize(
    ("text", "verdict"), [("2.15.1", Verdict.GOOD), ("2.16.0", Verdict.WARNING), ("2.16.1-RC1", Verdict.WARNING), ("2.17.0", Verdict.GOOD)]
)
def test_the_library_that_waits_for_ever_is_warned_of(text, verdict):
    assert machine.librdkafka(text).verdict is verdict


def test_versions_are_told():
    assert [finding.subject for finding in machine.versions()] == ["tocsin", "librdkafka", "EPICS base", "Elasticsearch client"]


def test_a_store_in_no_directory_or_of_another_program(tmp_path):
    assert "no directory" in one(machine.store(site_of(tmp_path, "store: nowhere/t.sqlite\n")), Verdict.FAULT).text
    (tmp_path / "tocsin.sqlite").write_text("this is a letter\n" * 100)
    with pytest.raises(Exception, match="is not a SQLite file"):
        list(machine.store(site_of(tmp_path)))


def test_a_file_that_a_process_has_open_and_that_was_removed_is_found(tmp_path):
    path = tmp_path / "tocsin.sqlite"
    with path.open("w"):
        assert machine.holders_of_removed(path) == []
        path.unlink()
        path.touch()
        assert machine.holders_of_removed(path) == [os.getpid()]


def test_a_store_that_is_not_used_is_not_looked_at(tmp_path):
    more = (
        "journal: kafka\nkafka: {servers: 'k:1'}\nstore: nowhere/t.sqlite\n"
        "history: {store: elasticsearch, elasticsearch: {hosts: ['http://e:9200']}}\n"
    )
    assert verdicts(machine.store(site_of(tmp_path, more))) == [Verdict.NOTE]


def test_a_name_that_stands_for_no_address_is_a_fault(tmp_path):
    more = "journal: kafka\nkafka: {servers: 'localhost:9092,nobody.invalid:9092'}\nchannel_access: {addr_list: ['127.0.0.1:5064']}\n"
    found = list(machine.names(site_of(tmp_path, more)))
    assert one(found, Verdict.FAULT).subject == "name nobody.invalid"
    assert "localhost is " in one(found, Verdict.GOOD).text
    assert "127.0.0.1" in one(found, Verdict.GOOD).text


@pytest.mark.parametrize(("address", "host"), [("a:1", "a"), ("a", "a"), ("[::1]:1", "::1"), ("::1", "::1"), (" b:2 ", "b")])
def test_hosts_of_addresses(address, host):
    assert machine.host_of(address) == host


# ---------------------------------------------------------------------------------------------------------------- topics

SPECS = {spec.name: spec for spec in Topics("Acc").specs()}


def topic(name: str = "AccEvents", copies: int = 3, in_step: int = 3, **changed: str) -> kafka.TopicFacts:
    config = {key: rule.value for key, rule in rules(SPECS[name]).items()}
    config |= {"min.insync.replicas": "2", "max.message.bytes": "8388608", "message.timestamp.type": "CreateTime"}
    return kafka.TopicFacts(SPECS[name], 1, copies, in_step, {**config, **{key.replace("_", "."): value for key, value in changed.items()}})


@pytest.mark.parametrize("name", SPECS)
def test_topics_as_we_make_them_are_good(name):
    assert kafka.judge_topic(topic(name), SERVERS) == []


@pytest.mark.parametrize(
    ("facts", "verdict", "said", "mends"),
    [
        (topic(retention_ms="60000"), Verdict.FAULT, "retention.ms=60000, expected 2592000000", "--add-config retention.ms=2592000000"),
        (topic("Acc", cleanup_policy="delete"), Verdict.FAULT, "cleanup.policy=delete, expected compact", "cleanup.policy=compact"),
        (topic(in_step=0), Verdict.FAULT, "no leader", "start the brokers"),
        (topic(in_step=2), Verdict.WARNING, "2 of 3 copies are in step", "is a broker down"),
        (topic(in_step=2, min_insync_replicas="3"), Verdict.FAULT, "nothing can be written", "start the other brokers"),
        (topic(copies=1, in_step=1, min_insync_replicas="2"), Verdict.FAULT, "nothing can be written", "min.insync.replicas=1"),
        (topic(min_insync_replicas="3"), Verdict.WARNING, "with one broker away nothing can be written", "min.insync.replicas=2"),
        (topic(min_insync_replicas="1"), Verdict.WARNING, "may be on one disk only", "min.insync.replicas=2"),
        (topic(message_timestamp_type="LogAppendTime"), Verdict.WARNING, "clock of the broker", "CreateTime"),
        (topic(max_message_bytes="1000"), Verdict.WARNING, "max.message.bytes=1000", "max.message.bytes=8388608"),
        (replace(topic(), config=None), Verdict.WARNING, "can not be read", "DescribeConfigs"),
    ],
)
def test_topics_that_are_not_right(facts, verdict, said, mends):
    found = [finding for finding in kafka.judge_topic(facts, SERVERS) if said in finding.text]
    assert verdicts(found) == [verdict]
    assert mends in found[0].advice


def test_an_unclean_election_is_warned_of():
    facts = topic()
    facts = replace(facts, config={**facts.config, "unclean.leader.election.enable": "true"})
    assert "what only others had is lost" in one(kafka.judge_topic(facts, SERVERS), Verdict.WARNING).text


def test_a_phoebus_server_may_set_its_topics_as_it_likes():
    assert kafka.judge_topic(topic("Acc", cleanup_policy="delete"), SERVERS, foreign=True) == []


# ---------------------------------------------------------------------------------------------------------------- engines


def sign(**changed: object) -> EngineStatus:
    return replace(EngineStatus("host:1", "Acc", 1, NOW, 10, 10, 0, 0, 0, 0, 0, "Acc.1.1"), **changed)


def heard(*running: EngineStatus, standing_by: tuple[EngineStatus, ...] = (), **changed: object) -> engines.Heard:
    found = engines.Heard({status.engine: status for status in running}, {status.engine: status for status in standing_by})
    for name, value in changed.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("what", "verdict", "said"),
    [
        (heard(sign()), Verdict.WARNING, "none stands by"),
        (heard(sign(), standing_by=(sign(engine="host:2"),)), Verdict.GOOD, "ready to take over: host:2"),
        (heard(sign(pvs_connected=9)), Verdict.WARNING, "1 of 10 PVs are not connected"),
        (heard(sign(pvs_connected=2)), Verdict.FAULT, "8 of 10 PVs are not connected"),
        (heard(sign(lag_ms=5000, backlog=7)), Verdict.WARNING, "7 inputs wait, the oldest since 5.0 s"),
        (heard(sign(dropped=3)), Verdict.WARNING, "3 inputs were merged"),
        (heard(sign(foreign="another server writes")), Verdict.FAULT, "another server writes"),
        (heard(sign(), sign(engine="host:2")), Verdict.WARNING, "host:1 and host:2 both gave life signs"),
        (heard(), Verdict.WARNING, "none has run yet"),
        (heard(knows_events=True), Verdict.FAULT, "alarms are NOT evaluated"),
        (heard(last=sign(time=Nanos(NOW - 60 * NANOS_PER_SECOND))), Verdict.FAULT, "no life sign for 60 s, the last was of host:1"),
    ],
)
def test_life_signs(what, verdict, said):
    found = [finding for finding in engines.judge("Acc", what, kafka=True, now=NOW) if said in finding.text]
    assert verdicts(found) == [verdict]


def test_one_process_needs_no_standby():
    assert verdicts(engines.judge("Acc", heard(sign()), kafka=False, now=NOW)) == [Verdict.GOOD]


@pytest.mark.parametrize(
    ("late_s", "verdict", "said"),
    [
        ([0.3, 0.1], Verdict.GOOD, "agrees"),
        ([4.0, 3.5], Verdict.WARNING, "is 3.5 s behind"),
        ([-3.5, -3.0], Verdict.WARNING, "is 3.0 s ahead of"),
        ([20.0], Verdict.FAULT, "refused as too old"),
    ],
)
def test_the_clock_of_the_engine(late_s, verdict, said):
    assert said in one(engines.clocks(late_s, 15), verdict).text
    assert list(engines.clocks([], 15)) == []


# ---------------------------------------------------------------------------------------------------------------- web side


def answer(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


@pytest.mark.parametrize(
    ("said", "verdict", "text"),
    [
        (answer({"ready": True, "missing": {}}), Verdict.GOOD, "is ready"),
        (answer({"ready": False, "missing": {"history": "is away"}}, 503), Verdict.FAULT, "is not ready: history: is away"),
        (answer(["hello"]), Verdict.FAULT, "something else than tocsin"),
        (httpx.Response(200, text="<html>"), Verdict.FAULT, "something else than tocsin"),
    ],
)
def test_what_the_web_side_says(said, verdict, text):
    found = web.readiness("web side", said, 0.1)
    assert found.verdict is verdict
    assert text in found.text


@pytest.mark.parametrize(("ahead_s", "verdict"), [(0, Verdict.GOOD), (10, Verdict.WARNING), (-10, Verdict.WARNING)])
def test_the_clock_of_the_web_side(ahead_s, verdict):
    said = httpx.Response(200, headers={"date": formatdate(time.time() + ahead_s, usegmt=True)})
    assert verdicts(web._clock(said)) == [verdict]


def test_a_port_that_is_left_to_chance_or_where_nobody_listens(tmp_path):
    assert verdicts(web.web_side(site_of(tmp_path, "backend: {port: 0}\n"))) == [Verdict.NOTE]
    assert site_of(tmp_path, "backend: {host: '::', port: 81}\n").web_address == "http://[::1]:81"


# ---------------------------------------------------------------------------------------------------------------- history


@pytest.mark.parametrize(
    ("records", "oldest_s", "verdict", "said"),
    [
        (None, None, Verdict.WARNING, "nobody has written one yet"),
        (0, None, Verdict.GOOD, "up to date"),
        (3, 2.0, Verdict.GOOD, "up to date"),
        (3, 100.0, Verdict.WARNING, "3 records wait to be written, the first since 100 s"),
        (3, 400.0, Verdict.FAULT, "3 records wait"),
    ],
)
def test_a_history_that_is_behind(records, oldest_s, verdict, said):
    found = history.judge_lag("Acc", records, oldest_s, 300)
    assert found.verdict is verdict
    assert said in found.text


@pytest.mark.parametrize(
    ("versions", "verdict"),
    [({"8.19.1"}, Verdict.GOOD), ({"9.0.0"}, Verdict.GOOD), ({"7.10.2"}, Verdict.FAULT), ({"8.18.0", "8.19.0"}, Verdict.WARNING)],
)
def test_versions_of_elasticsearch(versions, verdict):
    assert history.judge_server(versions).verdict is verdict


def test_room_and_clock_of_a_node_of_elasticsearch():
    full = {"name": "es1", "timestamp": 10_000, "fs": {"total": {"total_in_bytes": 100, "available_in_bytes": 5}}}
    found = list(history.judge_node(full, now_s=20.0))
    assert verdicts(found) == [Verdict.WARNING, Verdict.WARNING]
    assert "10.0 s behind" in found[1].text
    roomy = {"name": "es1", "timestamp": 20_000, "fs": {"total": {"total_in_bytes": 100, "available_in_bytes": 50}}}
    assert verdicts(history.judge_node(roomy, now_s=20.0)) == [Verdict.GOOD]


# ---------------------------------------------------------------------------------------------------------------- IOCs


def seen(**values: list[float]) -> channel_access.Seen:
    """By PV: how long ago each value was stamped; all arrive now."""
    found = channel_access.Seen(frozenset(values), servers={pv: "ioc:5064" for pv, ages in values.items() if ages})
    found.readings = {pv: [(Nanos(round(NOW - age * NANOS_PER_SECOND)), NOW) for age in ages] for pv, ages in values.items() if ages}
    return found


def test_pvs_that_came():
    found = list(channel_access.judge(seen(A=[100], B=[5, 0.1]), NOW, named=False))
    assert "2 of 2 of a sample of the trees have come, from ioc:5064 (2)" in found[0].text
    assert verdicts(found) == [Verdict.GOOD, Verdict.GOOD]


@pytest.mark.parametrize(("named", "verdict"), [(True, Verdict.FAULT), (False, Verdict.WARNING)])
def test_a_pv_that_did_not_come(named, verdict):
    found = list(channel_access.judge(seen(A=[1], B=[1], C=[]), NOW, named=named))
    assert "1 of 3" in one(found, verdict).text
    assert one(found, verdict).text.endswith("did not come: C")


def test_most_of_a_sample_that_did_not_come_and_what_is_connected_without_a_value():
    what = seen(A=[1], B=[], C=[])
    what.servers["B"] = "ioc:5064"
    found = one(channel_access.judge(what, NOW, named=False), Verdict.FAULT)
    assert "B, C; connected, without a value: B" in found.text


def test_a_name_that_is_no_pv():
    what = channel_access.Seen(frozenset({"pva://A"}), failures={"pva://A": "is not a protocol"})
    assert "PV pva://A" in one(channel_access.judge(what, NOW, named=True), Verdict.FAULT).subject


@pytest.mark.parametrize(
    ("ages", "verdict", "said"),
    [
        ([5], Verdict.NOTE, "not told"),
        ([5, 0.2], Verdict.GOOD, "agrees"),
        ([5, 30.0], Verdict.WARNING, "is 30.0 s behind"),
        ([-30.0], Verdict.WARNING, "is ahead"),
    ],
)
def test_the_clock_of_an_ioc(ages, verdict, said):
    found = [finding for finding in channel_access.judge(seen(A=ages), NOW, named=True) if finding.subject == "clock of IOC ioc:5064"]
    assert verdicts(found) == [verdict]
    assert said in found[0].text


def test_nowhere_to_search_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.delenv("EPICS_CA_NAME_SERVERS", raising=False)
    site = site_of(tmp_path, "channel_access: {addr_list: [], auto_addr_list: false}\n")
    assert "nowhere to search" in one(channel_access.addresses(site), Verdict.FAULT).text


def test_a_name_server_where_nobody_listens_and_one_of_no_port(tmp_path):
    site = site_of(tmp_path, "channel_access: {name_servers: ['127.0.0.1:1', '127.0.0.1:x']}\n")
    found = [finding.text for finding in channel_access.addresses(site) if finding.verdict is Verdict.FAULT]
    assert found == ["takes no connection: Connection refused", "'x' is no port"]


def test_roles():
    assert Role.RUN.does(Role.ENGINE)
    assert not Role.BACKEND.does(Role.ENGINE, Role.SYNC)


def test_settings_that_cannot_be_read_are_named_once(tmp_path):
    file = tmp_path / "nope.yaml"
    site, (first, *_) = doctor._prepare(file, Wanted(Role.RUN, (), "", 5))
    (found,) = first.look()
    assert site is None
    assert (found.subject, found.text.count(str(file)), found.text) == (str(file), 0, "cannot be read: No such file or directory")
    assert found.advice == f"mend it; `tocsin settings check {file}` tells whether it can be used then"


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({Verdict.GOOD: 20, Verdict.WARNING: 2}, "22 things looked at: no faults, 2 warnings"),
        ({Verdict.FAULT: 1}, "1 thing looked at: 1 fault, no warnings"),
        ({Verdict.GOOD: 3}, "3 things looked at: all is well"),
    ],
)
def test_the_last_line_counts_faults_and_warnings(counts, said):
    assert doctor._summary(Counter(counts)).plain == said
