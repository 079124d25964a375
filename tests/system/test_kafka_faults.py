"""Mistakes and mishaps of a site on a real Kafka broker: each ends in a sentence, or is said where people look."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys
import time

import httpx
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, ResourcePatternType, ResourceType
from typer.testing import CliRunner

from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import ClusterOptions, KafkaCluster, random_topic
from tests.kafka_jars import Missing
from tocsin.cli.main import app

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

_PATIENCE_S = 30


class Plant:
    """Files of a site without any IOC, and commands on them."""

    def __init__(self, directory, servers, config):
        self.directory, self.config = directory, config
        self.settings = {
            "configurations": [{"tree": "tree.yaml", "name": config}],
            "cell": config,
            "journal": "kafka",
            "kafka": {"servers": servers},
            "channel_access": {"addr_list": ["127.0.0.1"], "auto_addr_list": False},
            "backend": {"port": 0},
            "health": {"port": 0},
            "log": {"form": "json"},
        }
        self.tree(config)

    def tree(self, config):
        (self.directory / "tree.yaml").write_text(f"config: {config}\nsystems:\n  Vacuum:\n    pvs:\n      {config}:GC1: Gauge\n")

    def command(self, *words):
        """Its exit status, and what it said."""
        ended = subprocess.run(self._words(words), capture_output=True, text=True, timeout=60, check=False)
        assert "Traceback" not in ended.stdout + ended.stderr, ended.stderr
        return ended.returncode, ended.stdout + ended.stderr

    def start(self, *words):
        with self.output(words[0]).open("w") as output:
            return subprocess.Popen(self._words(words), stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "COLUMNS": "400"})

    def output(self, role):
        return self.directory / f"{role}.log"

    def until_said(self, role, pattern):
        return until(lambda: re.search(pattern, self.output(role).read_text()), lambda: self.output(role).read_text())

    def _words(self, words):
        return [sys.executable, "-m", "tocsin", *words, *self.file()]

    def file(self):
        (self.directory / "site.yaml").write_text(json.dumps(self.settings))
        return ["-s", str(self.directory / "site.yaml")]


def until(condition, more=str):
    deadline = time.monotonic() + _PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, more()
        time.sleep(0.05)
    return found


def end(process):
    process.terminate()
    process.wait(30)


@pytest.fixture
def plant(tmp_path):
    return Plant(tmp_path, servers_or_skip(), random_topic("Plant"))


def split(plant, *topics):
    """Topics with two partitions; returns what deletes them."""
    admin = AdminClient({"bootstrap.servers": plant.settings["kafka"]["servers"]})
    for made in admin.create_topics([NewTopic(topic, 2, 1) for topic in topics]).values():
        made.result(20)

    def delete():
        for deleted in admin.delete_topics(list(topics)).values():
            deleted.result(20)

    return delete


def test_a_topic_with_two_partitions_is_refused_with_a_sentence(plant):
    split(plant, plant.config)
    for command in ("sync", "diff", "export"):
        status, said = plant.command("config", command)
        assert status == 2, said
        assert f"topic '{plant.config}' has 2 partitions and must have 1" in said


@pytest.mark.parametrize("role", ["run", "engine", "backend", "history"])
def test_topics_of_no_use_are_said_and_harm_no_other_configuration(plant, role):
    split_up = (plant.config, f"{plant.config}Events")
    delete = split(plant, *split_up)
    plant.settings["configurations"].append({"name": f"{plant.config}Good"})
    process = plant.start(role)
    try:
        health = plant.until_said(role, r"(http://[\d.:]+)")[1]
        said = {topic: f"topic '{topic}' has 2 partitions and must have 1" for topic in split_up}
        expected = said[split_up[0]] if role != "history" else said[split_up[1]]
        plant.until_said(role, rf'{expected}[^\n]*"level": "error"')

        def missing():
            return httpx.get(f"{health}/readyz").json()["missing"]

        def told():
            return [name for name, why in missing().items() if expected in why]

        name = until(told, lambda: json.dumps(missing()))[0]
        assert f"{plant.config}Good" not in name
        figures = httpx.get(f"{health}/metrics").text
        if role in ("run", "engine"):
            assert f'tocsin_engine_trouble{{config="{plant.config}"}} 1.0' in figures
            assert f'tocsin_engine_serving{{config="{plant.config}Good"}} 1.0' in figures
        if role in ("run", "backend"):
            assert f'tocsin_journal_faulty{{config="{plant.config}"}} 1.0' in figures
        if role == "history":
            assert "tocsin_history_healthy 0.0" in figures
        delete()
        until(lambda: not [why for why in missing().values() if "partitions" in why], lambda: json.dumps(missing()))
        if role in ("run", "engine"):  # which make the topics anew
            until(lambda: f'tocsin_engine_serving{{config="{plant.config}"}} 1.0' in httpx.get(f"{health}/metrics").text)
            until(lambda: httpx.get(f"{health}/readyz").status_code == 200, lambda: json.dumps(missing()))
        if role == "run":
            plant.until_said(role, rf'"config": "{plant.config}", "alarms": 1')
    finally:
        end(process)


def test_partitions_that_are_added_while_the_engine_runs_are_said(plant):
    process = plant.start("engine")
    try:
        health = plant.until_said("engine", r"(http://\S+/readyz)")[1]
        until(lambda: httpx.get(health).status_code == 200)
        topic = f"{plant.config}Command"
        admin = AdminClient({"bootstrap.servers": plant.settings["kafka"]["servers"]})
        admin.create_partitions([NewPartitions(topic, 3)])[topic].result(20)
        answer = until(lambda: (a := httpx.get(health)).status_code == 503 and a)
        command = f"kafka-topics.sh --bootstrap-server {plant.settings['kafka']['servers']} --delete --topic {topic}"
        assert command in answer.json()["missing"][f"engine of {plant.config}"]
        assert command in plant.until_said("engine", rf'topic \'{topic}\' has 3 partitions[^\n]*"level": "error"').string
    finally:
        end(process)


def test_records_that_nobody_can_read_are_counted_and_named(plant):
    process = plant.start("engine")
    try:
        health = plant.until_said("engine", r"(http://[\d.:]+)")[1]
        until(lambda: httpx.get(f"{health}/readyz").status_code == 200)
        producer = Producer({"bootstrap.servers": plant.settings["kafka"]["servers"]})
        for key, value in ((b"command:/Plant/\xff", b"{}"), (b"command:/Plant", b"{")):
            producer.produce(f"{plant.config}Command", value, key, 0)
        producer.flush(20)
        skipped = f'tocsin_engine_records_skipped_total{{config="{plant.config}"}} 2.0'
        until(lambda: skipped in httpx.get(f"{health}/metrics").text, lambda: plant.output("engine").read_text())
        lines = [json.loads(line) for line in plant.output("engine").read_text().splitlines() if "record skipped" in line]
        assert [(line["topic"], line["offset"]) for line in lines] == [(f"{plant.config}Command", offset) for offset in (0, 1)]
    finally:
        end(process)


def test_a_tree_of_another_name_is_not_brought_into_force(plant):
    """The engine would serve the name of the settings, and find nothing there: no alarm, and all quiet."""
    plant.tree("Other")
    for command in ("sync", "diff", "export"):
        status, said = plant.command("config", command)
        assert status == 2, said
        assert f"is named Other (`config`), and the settings expect {plant.config}" in said


def test_an_engine_without_any_alarm_says_so(plant):
    process = plant.start("engine")
    try:
        plant.until_said("engine", r"no alarm.*`tocsin config sync`")
    finally:
        end(process)


def test_a_user_without_a_name_can_bring_files_into_force(plant, monkeypatch):
    """Containers run under any number."""

    def nobody(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    result = CliRunner().invoke(app, ["config", "sync", *plant.file()], catch_exceptions=False)
    assert result.exit_code == 0
    assert "2 added" in result.output


def test_an_engine_that_has_lost_the_broker_is_not_ready(tmp_path):
    try:
        broker = KafkaCluster(ClusterOptions())
    except Missing as problem:
        pytest.skip(str(problem))
    with broker:
        plant = Plant(tmp_path, broker.servers, random_topic("Plant"))
        plant.settings["kafka"]["write_timeout_s"] = 60
        assert plant.command("config", "sync")[0] == 0
        process = plant.start("engine")
        try:
            health = plant.until_said("engine", r"(http://\S+/readyz)")[1]
            plant.until_said("engine", "configuration restored")
            until(lambda: httpx.get(health).status_code == 200)
            broker.brokers[0].pause()
            answer = until(lambda: (a := httpx.get(health)).status_code == 503 and a)
            assert plant.config in json.dumps(answer.json()["missing"])
            broker.brokers[0].resume()
            until(lambda: httpx.get(health).status_code == 200)
            broker.brokers[0].pause()
            until(lambda: httpx.get(health).status_code == 503)
            process.terminate()
            assert process.wait(20) == 0  # not after the minute that a write may take
        finally:
            broker.brokers[0].resume()
            end(process)


def test_an_engine_without_the_rights_it_needs_is_not_ready_and_says_which(tmp_path):
    try:
        broker = KafkaCluster(ClusterOptions(users={"mara": "right"}))
    except Missing as problem:
        pytest.skip(str(problem))
    with broker:
        plant = Plant(tmp_path, broker.listener("SASL"), random_topic("Plant"))
        (tmp_path / "password").write_text("right")
        plant.settings["kafka"] |= {"user": "mara", "password_file": str(tmp_path / "password")}
        process = plant.start("engine")
        try:
            health = plant.until_said("engine", r"(http://[\d.:]+)")[1]
            for missing, kind, name in (
                (f"to do that on topic {plant.config}", ResourceType.TOPIC, plant.config),  # it reads before it stands for election
                ("to keep positions or to be elected", ResourceType.GROUP, "tocsin-"),
                ("to write transactions", ResourceType.TRANSACTIONAL_ID, "tocsin-"),
            ):
                said = f"User:mara has no right {missing}"
                until(lambda said=said: said in httpx.get(f"{health}/readyz").text, lambda: httpx.get(f"{health}/readyz").text)
                assert f'tocsin_engine_trouble{{config="{plant.config}"}} 1.0' in httpx.get(f"{health}/metrics").text
                broker.allow("User:mara", (kind, name, ResourcePatternType.PREFIXED))
            until(lambda: httpx.get(f"{health}/readyz").status_code == 200, lambda: httpx.get(f"{health}/readyz").text)
        finally:
            end(process)
