"""The comparison of recorded sessions: what it lets pass, and that it lets nothing else pass."""

from __future__ import annotations

import json

import pytest

from tests.conformance import compare as module
from tests.conformance.compare import compare
from tests.conformance.differences import NOTHING, Difference, Place, leaf, node
from tests.conformance.player import Played
from tests.conformance.session import Published, Session, Window, blank, load_session, read_tree

LEAF, NODE = "state:/D/PV", "state:/D"
MAJOR = leaf("MAJOR HIHI_ALARM 12.0", "MAJOR HIHI_ALARM")
LATCHED = leaf("MAJOR HIHI_ALARM 12.0", "MAJOR HIHI_ALARM", '"latch":true,')
PUT = {"do": "put", "pv": "PV", "value": 1}


def record(key: str, text: str, offset: float = 0.01) -> Published:
    return Published(key, text, offset)


def deviations(theirs: list[Published], ours: list[Published], before: str = "OK", step: dict | None = None) -> list[str]:
    first = [record(NODE, node(before))]
    windows = [Window(-1, -8, {"do": "server"}, first), Window(0, 0, step or PUT, theirs)]
    session = Session("made up", "D", "", [], {}, -8, {}, windows, 1)
    return [result.deviation for result in compare(session, Played({}, [first, ours])) if result.deviation]


def test_equal_records_are_equal():
    records = [record(LEAF, MAJOR), record(NODE, node("MAJOR"))]
    assert deviations(records, list(reversed(records))) == []  # the order between paths is left to chance


@pytest.mark.parametrize(
    ("theirs", "ours", "what"),
    [
        ([record(LEAF, MAJOR)], [record(LEAF, LATCHED)], "got"),
        ([record(LEAF, MAJOR)], [], "got none"),
        ([], [record(LEAF, MAJOR)], "expected none"),
        ([record(LEAF, MAJOR)], [record(LEAF, MAJOR)] * 2, "record 2: expected none"),
        ([record(LEAF, MAJOR), record(LEAF, LATCHED)], [record(LEAF, LATCHED), record(LEAF, MAJOR)], "record 1"),
        ([record(LEAF, MAJOR, 3.0)], [record(LEAF, MAJOR, 2.0)], "after 2.0 s"),
        ([record(NODE, node("MAJOR"))], [record(NODE, node("MINOR"))], "MINOR"),
        ([record(NODE, node("MAJOR"))], [], "got none"),
        ([], [record(NODE, node("OK"))], "expected none"),
        ([record(NODE, node("MINOR")), record(NODE, node("MAJOR"))], [record(NODE, node("MINOR"))], "MAJOR"),
        ([record(NODE, node("MINOR"), 0.1), record(NODE, node("MAJOR"), 3.0)], [record(NODE, node("MAJOR"), 3.0)], "MINOR"),
    ],
)
def test_what_is_not_equal_is_said(theirs, ours, what):
    (deviation,) = deviations(theirs, ours)
    assert deviation.startswith("made up: step 0 at 0 s (put PV 1): state:/D")
    assert what in deviation


def test_components_may_be_published_once_a_moment():
    both = [record(NODE, node("MINOR")), record(NODE, node("MAJOR"))]
    assert deviations(both, both[1:]) == []
    assert deviations(both, both) == []
    assert deviations([record(NODE, node("OK")), record(NODE, node("MAJOR"))], [], before="MAJOR") == []
    # The life sign is a record that repeats.
    assert deviations([record(NODE, node("OK"), 10.1)], [record(NODE, node("OK"), 10.0)]) == []
    assert deviations([record(NODE, node("OK"), 10.1)], []) != []


def test_in_a_burst_the_last_severity_of_a_component_counts():
    burst = {"do": "ioc", "op": "stop"}
    theirs = [record(NODE, node("MINOR")), record(NODE, node("UNDEFINED"), 3.0)]
    assert deviations(theirs, [record(NODE, node("MAJOR")), record(NODE, node("UNDEFINED"))], step=burst) == []
    assert deviations(theirs, [record(NODE, node("UNDEFINED")), record(NODE, node("MINOR"))], step=burst) != []
    assert deviations(theirs, [record(NODE, node("UNDEFINED"))] * 2, step=burst) != []
    assert deviations([record(LEAF, MAJOR)], [record(LEAF, LATCHED)], step=burst) != []


def test_a_listed_difference_is_held_as_strictly(monkeypatch):
    def listed(key: str, *ours: str) -> None:
        monkeypatch.setattr(module, "differences_of", lambda _: {Place(0, key): Difference("on purpose", ours)})

    theirs = [record(LEAF, MAJOR)]
    listed(LEAF, LATCHED)
    assert deviations(theirs, [record(LEAF, LATCHED)]) == []
    for wrong in ([], [record(LEAF, MAJOR)], [record(LEAF, LATCHED)] * 2):
        assert "on purpose" in deviations(theirs, wrong)[0]
    listed(LEAF, *NOTHING)
    assert deviations(theirs, []) == []
    listed(LEAF, MAJOR)
    assert "where there is none" in deviations(theirs, theirs)[0]
    listed("state:/D/none", MAJOR)
    assert "nothing was published" in deviations(theirs, theirs)[0]


def test_only_times_are_blanked():
    text = '{"value":"[1.0], 2026-11-22T12:33:44.135451937Z]","time":{"seconds":1,"nano":2},"n":7}'
    assert blank(text) == '{"value":"[1.0], <instant>]","time":{},"n":7}'
    assert blank(None) != blank("null")


def test_a_tree_is_read():
    xml = '<config name="D"><component name="A"><pv name="x/y"><description>X</description><delay>3</delay></pv></component></config>'
    (area, _), (path, settings) = read_tree(xml)
    assert (area, path) == ("/D/A", r"/D/A/x\/y")
    assert (settings.delay_s, settings.latching, settings.annunciating) == (3, True, False)


def test_a_file_of_another_form_is_refused(tmp_path):
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"cases": []}), encoding="utf-8")
    with pytest.raises(ValueError, match="recorded session"):
        load_session(file)
