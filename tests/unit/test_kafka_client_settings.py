"""Arguments of the clients straight from Kafka: what cannot be used is named, and nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tocsin import AsyncKafkaClient, KafkaClient
from tocsin.client import BadClientSettings
from tocsin.client.kafka_options import of_settings
from tocsin.client.kafka_site import site_of_arguments, site_of_file
from tocsin.client.private_folder import PrivateFolder, sweep
from tocsin.settings import validate

SITE = """
configurations: [{name: Ring}, {name: Linac, owner: phoebus, time_zone: Europe/Berlin}]
cell: main
journal: kafka
kafka: {servers: "kafka1:9092", tls: true, ca_file: ca.pem, user: script, password_file: password}
"""


@pytest.mark.parametrize("kind", [KafkaClient, AsyncKafkaClient])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"servers": "k:9092"}, "config: say which configuration is meant"),
        ({"config": "Site"}, "servers: say where Kafka is"),
        ({"servers": "k:9092", "config": "Site", "tlss": True}, "tlss: unknown key; did you mean tls"),
        ({"servers": "k:9092", "config": "Site", "ca_file": "ca.pem"}, "ca_file given, and tls is false"),
        ({"servers": "k:9092", "config": "Site", "kafka_user": "mara"}, "user 'mara' has no password_file"),
        ({"servers": "k:9092", "config": "Site", "mechanism": "NONE"}, "mechanism: 'NONE': should be 'SCRAM-SHA-512'"),
        ({"servers": "k:9092", "config": "Site", "time_zone": "Mars/Base"}, "time_zone: 'Mars/Base' is not a time zone"),
        ({"settings_file": "nowhere.yaml"}, "nowhere.yaml: cannot be read"),
        ({"settings_file": "site.yaml", "servers": "k:9092", "tls": True}, "tls, servers: the settings file says that already"),
        ({"servers": "k:9092", "config": "Site", "folder": "/no/such/folder"}, "no private folder can be made in /no/such/folder"),
    ],
)
def test_what_cannot_be_used_is_named(kind, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(BadClientSettings) as told:
        kind(**arguments)
    assert said in str(told.value)
    assert not list(tmp_path.iterdir())


def test_a_site_of_a_file_is_read_as_the_other_parts_read_it(tmp_path):
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    site = site_of_file(file, ())
    assert [(one.name, one.phoebus, str(one.zone)) for one in site.configurations] == [
        ("Ring", False, "UTC"),
        ("Linac", True, "Europe/Berlin"),
    ]
    assert (site.cell, site.kafka.servers, site.kafka.security.ca_file) == ("main", "kafka1:9092", tmp_path / "ca.pem")
    assert site.kafka.groupless
    assert site.kafka.owns is None
    assert [one.name for one in site_of_file(file, ("Linac",)).configurations] == ["Linac"]
    with pytest.raises(BadClientSettings, match="there is no configuration 'Booster' in the settings, only Ring, Linac"):
        site_of_file(file, ("Booster",))
    file.write_text("configurations: [{name: Ring}]\n")
    with pytest.raises(BadClientSettings, match="the settings have the journal in a file"):
        site_of_file(file, ())


def test_arguments_count_before_the_environment(monkeypatch):
    monkeypatch.setenv("TOCSIN_KAFKA__SERVERS", "elsewhere:9092")
    site = site_of_arguments(["Site", "Site", "Ring"], "UTC", "main", False, {"servers": "here:9092", "properties": {"log_level": 5}})
    assert site.kafka.servers == "here:9092"
    assert [one.name for one in site.configurations] == ["Site", "Ring"]
    assert site.kafka.properties["log_level"] == "5"


def test_a_command_is_patient_and_tells_how_far_it_is(capsys):
    settings = validate({"configurations": [{"name": "Ring"}], "journal": "kafka", "kafka": {"servers": "k:9092"}}, "test")
    backend, user, options = of_settings(settings, None, None)
    try:
        assert user is None
        assert options["patience_s"] > 600
        options["tell"]("half of it")
        assert capsys.readouterr().err == "half of it\n"
    finally:
        backend.close()


def test_names_are_light_to_import():
    heavy = ["httpx", "fastapi", "pydantic", "confluent_kafka", "epics", "grafanalib", "backend", "structlog", "asyncio"]
    text = f"import sys\nfrom tocsin import KafkaClient, AsyncKafkaClient\nprint([name for name in {heavy[:-1]!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_a_folder_of_a_process_that_is_gone_is_removed_and_others_stay(tmp_path):
    text = f"from tocsin.client.private_folder import PrivateFolder\nimport os\nprint(PrivateFolder({str(tmp_path)!r}).path)\nos._exit(9)"
    told = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    left = Path(told.stdout.strip())
    (left / "past1.sqlite").write_text("x")
    mine = PrivateFolder(tmp_path)
    new = tmp_path / "tocsin-client-new"  # made just now by another one, which has not locked it yet
    new.mkdir()
    link = tmp_path / "tocsin-client-link"
    link.symlink_to(mine.path)
    sweep(tmp_path)
    assert not left.exists()
    assert {one.name for one in tmp_path.iterdir()} == {mine.path.name, new.name, link.name}
    mine.close()
    mine.close()
    assert not mine.path.exists()


def test_a_folder_whose_name_is_too_long_for_a_socket_is_refused(tmp_path):
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    with pytest.raises(BadClientSettings, match="is too long for a socket"):
        PrivateFolder(deep)
    assert not list(deep.iterdir())


def test_what_goes_wrong_is_logged_as_libraries_do_and_not_among_the_output():
    text = """
import structlog
from tocsin.client import private_backend
log = structlog.get_logger()
private_backend._log_as_libraries_do()
log.info("read")
log.warning("journal is away", config="Site", problem="100 % of it")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("fault")
"""
    told = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert told.stdout == ""
    first, second, *rest = told.stderr.splitlines()
    assert (first, second) == ("tocsin: journal is away (config: Site, problem: 100 % of it)", "tocsin: fault")
    assert rest[-1] == "ZeroDivisionError: division by zero"
