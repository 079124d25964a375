"""Settings: one file, the environment, and every fault at once."""

import pytest

from alarm_engine.errors import SettingsError
from tocsin.journals import kafka_settings
from tocsin.settings import load

GOOD = "configurations:\n  - tree: tree.yaml\n"


def write(tmp_path, text):
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_least_that_works(tmp_path):
    settings = load(write(tmp_path, GOOD))
    assert settings.configurations[0].tree == tmp_path / "tree.yaml"
    assert settings.store == tmp_path / "tocsin.sqlite"
    assert (settings.backend.host, settings.backend.port) == ("127.0.0.1", 8080)


def test_the_environment_overrides_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_BACKEND__PORT", "9000")
    assert load(write(tmp_path, GOOD + "backend: {port: 1}\n")).backend.port == 9000


def test_all_faults_are_told_at_once_with_a_suggestion(tmp_path):
    text = GOOD + "bakend: {port: 1}\nengine: {conection_timeout_s: 3, idle_s: 99}\nchannel_access: {auto_addr_list: perhaps}\n"
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, text))
    message = str(caught.value)
    assert "site.yaml: 4 faults" in message
    assert "bakend: unknown key; did you mean backend?" in message
    assert "engine.conection_timeout_s: unknown key; did you mean connection_timeout_s?" in message
    assert "engine.idle_s: 99" in message
    assert "channel_access.auto_addr_list: 'perhaps'" in message


def test_a_bad_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_BACKEND__PORT", "many")
    with pytest.raises(SettingsError, match="environment variable TOCSIN_BACKEND__PORT"):
        load(write(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 2\n" + GOOD, "version: 2"),
        ("store: a\nstore: b\n" + GOOD, "'store' stands twice"),
        ("- a\n", "expected keys and values"),
        ("a: [", "is not YAML: line 1: "),
        ("a:\n\t- b\n", "is not YAML: line 2: .*a tab cannot indent"),
        ("a: @b\n", "is not YAML: line 1: .*cannot start any token$"),
        ("{}\n", "configurations: is missing"),
        ("configurations: []\n", "configurations: .*must not be empty"),
        ("configurations: [{tree: t, nam: x}]\n", "1 fault\n  configurations.0.nam: unknown key"),
        (GOOD + "store: {path: x}\n", "store: {'path': 'x'}: expected the name of a file"),
        ("configurations: [{time_zone: UTC}]\n", "1 fault\n  configurations.0: give `tree`, .* or `name`"),
        (GOOD + "journal: kafka\n", "1 fault\n  journal is 'kafka' and kafka.servers is missing"),
        (GOOD + "kafka: {servers: 'a:1'}\n", "1 fault\n  kafka.servers is given and journal is 'sqlite'"),
        (GOOD + "journal: kafka\nkafka: {servers: 'a:1', ca_file: ca.pem}\n", "1 fault\n  kafka: ca_file given, and tls is false"),
        (GOOD + "journal: kafka\nkafka: {servers: 'a:1', user: u}\n", "1 fault\n  kafka: user 'u' has no password_file"),
        ("configurations: [{name: A, owner: phoebus}]\n", "1 fault\n  a configuration has owner 'phoebus' and journal is 'sqlite'"),
        ("configurations: [{tree: t, owner: phoebus}]\n", "1 fault\n  configurations.0: owner is 'phoebus', and `tree` is given"),
        ("configurations: [{name: A, owner: Phoebus}]\n", "configurations.0.owner: 'Phoebus': should be 'tocsin' or 'phoebus'"),
        (GOOD + "kafka: {server: a}\n", "kafka.server: unknown key; did you mean servers?"),
        (GOOD + "backend: 8080\n", "backend: 8080: expected keys and values"),
        (GOOD + "backend: {port: eighty}\n", "backend.port: 'eighty': expected a whole number"),
        (GOOD + "backend: {port: 99999}\n", "backend.port: 99999: should be less than or equal to 65535"),
        (GOOD + "backend: {commands: 3.5}\n", "backend.commands: 3.5: expected true or false"),
        (GOOD + "channel_access: {addr_list: 127.0.0.1}\n", "channel_access.addr_list: '127.0.0.1': expected a list"),
        (GOOD + "channel_access: {addr_list: [1]}\n", "channel_access.addr_list.0: 1: expected a text"),
        (GOOD + "history: {store: elastic}\n", "history.store: 'elastic': should be 'sqlite' or 'elasticsearch'"),
        (GOOD + "history: {store: elasticsearch}\n", "1 fault\n  history: .*elasticsearch.hosts is missing: give addresses"),
        (GOOD + "history: {elasticsearch: {hosts: ['http://a:1']}}\n", "history: elasticsearch.hosts is given and store is 'sqlite'"),
        (
            GOOD + "history: {store: elasticsearch, elasticsearch: {hosts: [a, 'http://u:pw@b:1'], prefix: T-, user: u}}\n",
            "1 fault\n  history: elasticsearch: 'a' is no address.*'http://...@b:1' holds a user.*; prefix 'T-'.*; user and password_file",
        ),
        (GOOD + "history: {elasticsearch: {host: a}}\n", "history.elasticsearch.host: unknown key; did you mean hosts?"),
        (GOOD + "history: {elasticsearch: {hosts: a}}\n", "history.elasticsearch.hosts: 'a': expected a list"),
        (GOOD + "log: {level: loud}\n", "log.level: 'loud': should be 'debug', 'info', 'warning' or 'error'"),
        ("configurations: [{tree: t, time_zone: Berlin}]\n", "not a time zone"),
    ],
)
def test_what_cannot_be_used_is_said_plainly(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said) as caught:
        load(write(tmp_path, text))
    assert "site.yaml" in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.yaml")
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load(path)


def test_files_of_kafka_are_relative_to_the_settings_and_properties_may_be_numbers(tmp_path):
    kafka = "journal: kafka\nkafka: {servers: 'a:1', password_file: secret, properties: {fetch.min.bytes: 1, ssl.x: true}}\n"
    settings = load(write(tmp_path, GOOD + kafka))
    assert settings.kafka.password_file == tmp_path / "secret"
    found = kafka_settings(settings, owns="A")
    assert (found.servers, found.owns, found.cell) == ("a:1", "A", "tocsin")
    assert found.properties == {"fetch.min.bytes": "1", "ssl.x": "true"}


def test_files_of_elasticsearch_are_relative_to_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_HISTORY__ELASTICSEARCH__HOSTS", '["https://a:9200", "https://b:9200"]')
    store = "history: {store: elasticsearch, elasticsearch: {api_key_file: key, ca_file: /etc/ca.pem, query_timeout_s: 3}}\n"
    options = load(write(tmp_path, GOOD + store)).history.elasticsearch.options()
    assert options.hosts == ("https://a:9200", "https://b:9200")
    assert options.api_key_file == tmp_path / "key"
    assert str(options.ca_file) == "/etc/ca.pem"
    assert (options.longest_query_s, options.prefix) == (3, "tocsin")
