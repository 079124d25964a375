"""The types of the Python client say what the interface says, both ways: each object and each field of openapi.json, and nothing more."""

from __future__ import annotations

import dataclasses
import json
import pickle
import types
import typing
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alarm_engine.model.severity import Severity as OurSeverity
from tocsin import client
from tocsin.client import errors
from tocsin.client import types as t
from tocsin.client.answers import read, renamed
from tocsin.client.ordering import in_order

ROOT = Path(__file__).parents[2]
OPENAPI = json.loads((ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = OPENAPI["components"]["schemas"]
TRUST = {"as_of", "age_s", "stale"}

OBJECTS: dict[str, type] = {
    "AcknowledgementForm": t.Acknowledgement,
    "AcknowledgementRow": t.Acknowledged,
    "ActionForm": t.Action,
    "AlarmRow": t.Alarm,
    "AlarmState": t.AlarmState,
    "backend__api__figures_forms__CountsForm": t.Counts,
    "backend__api__forms__CountsForm": t.AlarmCounts,
    "BucketForm": t.Bucket,
    "ChangeForm": t.DifferentAlarm,
    "CommandAnswer": t.CommandResult,
    "ConfigurationForm": t.Configuration,
    "CountForm": t.Period,
    "DifferenceAnswer": t.Difference,
    "DriftForm": t.Drift,
    "EventRow": t.Event,
    "Fault": errors.Fault,
    "FigureForm": t.Figure,
    "FiguresForm": t.Figures,
    "FilesForm": t.TreeFiles,
    "FirstAlarmForm": t.FirstAlarm,
    "FloodForm": t.Flood,
    "FrequentForm": t.Frequent,
    "IntervalForm": t.Interval,
    "IntervalsAnswer": t.Intervals,
    "LevelForm": t.Level,
    "LineForm": t.Line,
    "MomentForm": t.Moment,
    "MostFrequentForm": t.MostFrequent,
    "NodeForm": t.Node,
    "PastAlarmPage": t.PastAlarms,
    "PastTreeAnswer": t.PastTree,
    "Readiness": t.Readiness,
    "RepeatedForm": t.Repeated,
    "ResultForm": t.Effect,
    "RevisionForm": t.Revision,
    "SampleForm": t.Sample,
    "SettingsForm": t.AlarmSettings,
    "SpanForm": t.Span,
    "SummaryAnswer": t.Summary,
    "SuppressionForm": t.Suppression,
    "SystemForm": t.System,
    "TargetForm": t.Target,
    "TextForm": t.Text,
    "ThenForm": t.Then,
    "TopForm": t.Top,
    "TreeAnswer": t.Tree,
    "TrialForm": t.Trial,
    "TunedSettingsForm": t.TunedSettings,
    "WaitingForm": t.Waiting,
    "WhatIfForm": t.WhatIf,
}
"""Objects of the interface that are one type here."""

WRAPPED = {
    "AcknowledgementPage": "pages of an iterator",
    "AlarmAnswer": "its alarm and what it says of itself are one object",
    "AlarmDetail": "as AlarmAnswer",
    "AlarmPage": "pages of one list",
    "ConfigurationList": "a tuple",
    "EventPageForm": "pages of an iterator",
    "FilesAnswer": "a tuple",
    "ProblemDocument": "an exception",
}
"""Objects that a user never sees as they are, and why."""

ASKED = {"CommandBody", "CommandName", "CountBy", "Format", "Severity", "StateFilter"}
"""What is sent, not answered."""

WORDS: dict[str, type[StrEnum]] = {
    "ChangeKind": t.Differs,
    "EventKind": t.EventKind,
    "Origin": t.Origin,
    "Outcome": t.Outcome,
    "Standing": t.State,
    "Verdict": t.Verdict,
}

NAMES = {"from": "from_severity", "to": "to_severity"}
"""Fields of an event that are called otherwise here."""

TOLD = {t.Beat, t.Change, t.EngineStatus, t.Fresh, t.Snapshot, t.Stale, t.Live, t.AlarmDetail, t.AlarmList}
"""Types of the stream, which openapi.json does not describe, and those that are put together; see the tests below."""


def test_every_schema_has_its_type_or_a_reason_why_not():
    assert set(SCHEMAS) == set(OBJECTS) | set(WRAPPED) | ASKED | set(WORDS)


def test_every_type_has_its_schema():
    classes = {getattr(t, name) for name in t.__all__ if isinstance(getattr(t, name), type)}
    assert {kind for kind in classes if dataclasses.is_dataclass(kind)} == (set(OBJECTS.values()) - {errors.Fault}) | TOLD
    assert {kind for kind in classes if issubclass(kind, StrEnum)} == {*WORDS.values(), t.Severity}


@pytest.mark.parametrize("name", OBJECTS)
def test_every_field(name):
    schema, kind = SCHEMAS[name], OBJECTS[name]
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    renaming = NAMES if kind is t.Event else {}
    assert {renaming.get(field, field) for field in schema["properties"]} == set(fields)
    required = {renaming.get(field, field) for field in schema["required"]}
    for field, described in schema["properties"].items():
        own = renaming.get(field, field)
        fits(hints[own], described, f"{name}.{field}")
        has_default = fields[own].default is not dataclasses.MISSING
        assert has_default or own in required, f"{name}.{field} may be missing"


def fits(hint: Any, described: dict[str, Any], where: str) -> None:
    """A field's type is that of its schema."""
    alternatives = described.get("anyOf", [described])
    plain = [one for one in alternatives if one.get("type") != "null"]
    options = set(typing.get_args(hint)) if isinstance(hint, types.UnionType) else {hint}
    is_optional = type(None) in options
    # The result of a refused command is made of a problem document, which says less.
    assert is_optional == (len(plain) < len(alternatives)) or where == "CommandAnswer.stale", where
    (option,) = options - {type(None)}
    (one,) = plain
    if "$ref" in one:
        target = one["$ref"].rpartition("/")[2]
        assert option is {**OBJECTS, **WORDS, **dict.fromkeys(ASKED, str)}[target], where
    elif one["type"] == "array":
        assert typing.get_origin(option) is tuple, where
        fits(typing.get_args(option)[0], one["items"], where)
    elif one["type"] == "object":
        assert typing.get_origin(option) is dict, where
        fits(typing.get_args(option)[1], one["additionalProperties"], where)
    elif set(one.get("enum", ())) == set(t.Severity):
        assert option is t.Severity, where
    else:
        expected = {"string": (str, datetime), "integer": (int,), "number": (float,), "boolean": (bool,)}[one["type"]]
        assert option in expected, where


@pytest.mark.parametrize("name", WORDS)
def test_every_word(name):
    assert [str(word) for word in WORDS[name]] == SCHEMAS[name]["enum"]


def test_what_is_put_together_has_all_fields_of_its_parts():
    def fields(kind):
        return {field.name for field in dataclasses.fields(kind)}

    assert fields(t.AlarmDetail) == set(SCHEMAS["AlarmDetail"]["properties"]) | TRUST
    assert set(SCHEMAS["AlarmAnswer"]["properties"]) == TRUST | {"alarm"}
    assert fields(t.AlarmList) == set(SCHEMAS["AlarmPage"]["properties"]) - {"next"}
    assert fields(t.Live) == TRUST


OTHERWISE = {("after", "alarms"), ("path", "intervals"), ("config", "intervals"), ("config", "what_if")}
"""Parameters that the client turns pages with, or that the path says by itself."""


def test_every_question_can_be_asked():
    """Each endpoint of the interface has a method, and each of its parameters a keyword."""
    methods = {
        "/api/v1/alarms": "alarms",
        "/api/v1/alarms/{path}": "alarm",
        "/api/v1/configurations": "configurations",
        "/api/v1/counts": "counts",
        "/api/v1/events": "events",
        "/api/v1/figures": "figures",
        "/api/v1/files": "files",
        "/api/v1/history/acknowledgements": "acknowledgements",
        "/api/v1/history/alarms": "alarms_at",
        "/api/v1/history/difference": "difference",
        "/api/v1/history/intervals": "intervals",
        "/api/v1/history/tree": "at",
        "/api/v1/history/what-if": "what_if",
        "/api/v1/stream": "subscribe",
        "/api/v1/summary": "summary",
        "/api/v1/top": "top",
        "/api/v1/tree": "tree",
    }
    others = {"/api/v1/commands": "a method for each command", "/api/v1/events/export": "events() reads as many"}
    assert {path for path in OPENAPI["paths"] if path.startswith("/api/v1/")} == set(methods) | set(others)
    called = {"q": "text", "at": "moment", "from": "before", "to": "after", "order": "oldest_first"}
    left_out = {"offset", "last-event-id"}  # of pages, which the client turns itself
    for path, name in methods.items():
        keywords = set(typing.get_type_hints(getattr(client.Client, name))) - {"return"}
        for parameter in OPENAPI["paths"][path]["get"].get("parameters", ()):
            asked = called.get(parameter["name"], parameter["name"])
            is_paging = asked in left_out or (asked, name) in OTHERWISE
            assert asked in keywords or is_paging, f"{name} lacks {asked}"
    for command in SCHEMAS["CommandName"]["enum"]:
        assert callable(getattr(client.Client, command))


def test_the_two_clients_have_the_same_methods():
    def public(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(client.AsyncClient) - {"aclose"} == public(client.Client) - {"close"}
    for name in public(client.Client) - {"close"}:
        assert _signature(getattr(client.AsyncClient, name)) == _signature(getattr(client.Client, name)), name


def _signature(method: Any) -> Any:
    import inspect

    return list(inspect.signature(method).parameters.values()) if callable(method) else None


def test_severities_are_compared_by_how_bad_they_are():
    assert list(t.Severity) == [severity.name for severity in OurSeverity]
    assert sorted(t.Severity, reverse=True)[0] is t.Severity.UNDEFINED
    assert t.Severity.MAJOR > t.Severity.INVALID_ACK
    assert t.Severity.MINOR <= "MAJOR"
    assert not t.Severity.MINOR >= "MAJOR"
    assert t.Severity.OK < t.Severity.MINOR_ACK
    for severity in OurSeverity:
        own = t.Severity(severity.name)
        assert (own.is_active, own.is_acknowledged, own.level) == (severity.is_active, severity.is_acknowledged, severity)


def test_a_word_that_only_a_later_server_knows_stays_what_it_is():
    later = msgspec.json.decode(b'"ESCALATED"', type=t.Severity)
    assert later == "ESCALATED"
    assert not later.is_known
    assert later.is_active, "never a false calm"
    assert later > t.Severity.UNDEFINED
    assert msgspec.json.encode(later) == b'"ESCALATED"'
    assert pickle.loads(pickle.dumps(later)) == later
    assert repr(t.Severity.MAJOR) == "'MAJOR'"
    assert {t.State.ACTIVE: 1}["active"] == 1
    with pytest.raises(ValueError, match="5"):
        t.State(5)  # type: ignore[arg-type]


def test_answers_cannot_be_changed_and_can_be_written_as_json():
    sample = t.Sample(severity=t.Severity.MAJOR, message="m", value="v", time=datetime.fromisoformat("2026-11-30T12:00:00Z"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.message = "other"  # type: ignore[misc]
    assert msgspec.json.encode(sample) == b'{"severity":"MAJOR","message":"m","value":"v","time":"2026-11-30T12:00:00Z"}'
    assert dataclasses.asdict(sample)["severity"] == "MAJOR"
    assert renamed({"from": "OK", "to": "MAJOR"}) == {"from_severity": "OK", "to_severity": "MAJOR"}


def test_answers_are_compared_hashed_and_shown_by_their_fields():
    first, same = (t.Fresh(as_of="A.1.7") for _ in range(2))
    assert first == same
    assert hash(first) == hash(same)
    assert first != t.Fresh(as_of="A.1.8")
    assert first != "A.1.7"
    assert repr(first) == "Fresh(as_of='A.1.7')"
    beats = {t.Beat(as_of="A.1.7", age_s=0.1, stale=stale) for stale in (True, False, True)}
    assert len(beats) == 2, "fields of what it inherits count, too"
    assert pickle.loads(pickle.dumps(first)) == first
    assert dataclasses.replace(first, as_of=None) == t.Fresh(as_of=None)


def test_fields_of_a_later_server_are_left_out_and_missing_ones_are_told():
    body = {"severity": "MAJOR", "message": "m", "value": "v", "time": "2026-11-30T12:00:00.000Z"}
    assert read(t.Sample, json.dumps(body | {"colour": "red"}).encode()).message == "m"
    del body["value"]
    with pytest.raises(client.UnexpectedAnswer, match="value"):
        read(t.Sample, json.dumps(body).encode())
    with pytest.raises(client.UnexpectedAnswer, match="another program"):
        read(t.Sample, b"<html>")


def test_orders_are_those_of_the_server():
    from backend.api.ordering import ORDERS
    from tocsin.client import ordering

    assert set(ordering._ORDERS) == set(ORDERS)
    assert in_order([], "-severity") == []
