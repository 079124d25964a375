"""What of the history in Elasticsearch needs no server: names, settings, documents."""

import fnmatch
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_engine.errors import SettingsError
from alarm_engine.model.times import Nanos, from_datetime, to_datetime
from backend.history.elastic_documents import document, document_id, event_of
from backend.history.elastic_mapping import EVENT_FIELDS, conflicts, mappings
from backend.history.elastic_names import Names, escaped, month, month_span
from backend.history.elastic_options import ElasticOptions
from backend.history.port import MAX_PATTERN
from tests.contract.histories import at, event

CONFIGS = st.text(st.sampled_from("aB-_.0ä 1"), min_size=1, max_size=6) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=200)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ("Accelerator", "_accelerator"),
        ("LHC_cryo-2", "_l_h_c__cryo_-2"),
        ("Größe x", "_gr_0f6__0df_e_020_x"),
        ("a.b", "a.b"),
    ],
)
def test_names_of_configurations(config, name):
    assert escaped(config) == name


@given(CONFIGS, CONFIGS)
def test_no_configuration_sees_the_indices_of_another(one, other):
    names = Names("tocsin")
    places = [names.place(one, at(0)), names.kept(one)]
    for place in places:
        assert fnmatch.fnmatchcase(place.index, names.events(one))
        assert fnmatch.fnmatchcase(place.index, names.events(other)) == (one == other)
        assert not fnmatch.fnmatchcase(names.dead(one).index, names.events(one))
        assert place.index == place.index.lower()
        assert len(place.index.encode()) < 255
        assert not set(place.index) & set(' "*\\<|,>/?#:')
    assert (names.dead(one) == names.dead(other)) == (one == other)
    assert len({place.alias for place in [*places, names.dead(one)]}) == 3


def test_the_month_is_that_of_utc():
    end = from_datetime(to_datetime(Nanos(0)).replace(year=2026, month=12))
    assert (month(Nanos(end - 1)), month(end)) == ("2026.11", "2026.12")
    assert month_span(Nanos(end - 1))[1] == end == month_span(end)[0]
    assert month(month_span(end)[1]) == "2027.01"
    assert Names("t").place("Demo", end).index == "t-events-_demo-2026.12"
    assert Names("t").month_of("Demo", "t-events-_demo-2026.12") == "2026.12"
    assert Names("t").month_of("Demo", "t-events-_demo-kept") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hosts": ()}, "no host is given"),
        ({"hosts": ("elastic:9200",)}, "'elastic:9200' is no address, expected one such as https://"),
        ({"hosts": ("https://elastic",)}, "is no address"),
        ({"hosts": ("https://op:secret@elastic:9200",)}, r"'https://\.\.\.@elastic:9200' holds a user"),
        ({"hosts": ("http://a:1", "http://a:1")}, "a host is given twice"),
        ({"prefix": "Tocsin"}, "prefix 'Tocsin' is not"),
        ({"hosts": ("http://a:port",)}, "'http://a:port' is no address"),
        ({"user": "op"}, "user and password_file go together"),
        ({"user": "op", "password_file": Path("p"), "api_key_file": Path("k")}, "an API key and a user are given"),
        ({"client_key": Path("key.pem")}, "the key of a certificate is given without the certificate"),
        ({"ca_file": Path("ca.pem")}, "ca_file given, and no address begins with https"),
        ({"hosts": ("a",), "prefix": "T"}, "'a' is no address.*; prefix 'T' is not"),
    ],
)
def test_settings_that_cannot_be_used(given, message):
    with pytest.raises(SettingsError, match=message) as problem:
        ElasticOptions(**given)
    assert "secret" not in str(problem.value)


def test_a_document_has_all_fields_and_is_the_event_again():
    one = event(1, 1.123456789, description="Ünder", comment="why", user="op")
    fields = orjson.loads(document(one))
    assert set(fields) == set(EVENT_FIELDS)
    assert event_of(fields) == one
    assert fields["time"] == one.time
    assert fields["text"] == ["/demo/vac/pv1", "ünder", "hihi_alarm", "why"]


@settings(deadline=None)  # the machine may be busy
@given(st.integers(0, 20_000), st.integers(1, MAX_PATTERN))
def test_what_is_searched_for_is_whole_in_one_term(begin, length):
    text = "".join(chr(ord("a") + n % 23) + str(n) for n in range(8_000))
    terms = orjson.loads(document(event(1, 1, description=text)))["text"]
    assert any(text[begin : begin + length] in term for term in terms)
    assert max(len(term.encode()) for term in terms) <= 32_766


def test_long_keys_have_short_ids():
    assert document_id("Demo.1.2") == "Demo.1.2"
    assert len(document_id("ä" * 400)) < 100


def test_conflicts_are_named():
    assert conflicts(mappings(EVENT_FIELDS), EVENT_FIELDS) == []
    wrong = {"dynamic": "true", "properties": {**EVENT_FIELDS, "time": {"type": "date"}}}
    assert conflicts(wrong, EVENT_FIELDS) == ["dynamic is true, expected strict", "field time is date, expected long"]
