"""The simPod contract, call by call."""

from __future__ import annotations

import json

import pytest

from backend.queries.adhoc import pattern
from backend.queries.registry import QUERIES
from tests.grafana_site import V1, V2, running_site


@pytest.fixture
async def site():
    async with running_site() as site:
        yield site


def body(*targets, **more):
    span = {"from": "2027-01-15T07:00:00.000Z", "to": "2027-01-15T10:00:00.000Z", "raw": {"from": "now-3h", "to": "now"}}
    return {"app": "dashboard", "range": span, "targets": list(targets), **more}


def target(name, ref="A", **payload):
    return {"refId": ref, "target": name, "editorMode": "code", "payload": {"v": 1, "config": "Demo", **payload}}


async def query(site, *targets, **more):
    answer = await site.client.post("/grafana/query", json=body(*targets, **more))
    assert answer.status_code == 200, answer.text
    return answer.json()


def table(frame):
    names = [one["name"] for one in frame["schema"]["fields"]]
    return [dict(zip(names, row, strict=True)) for row in zip(*frame["data"]["values"], strict=True)]


async def test_save_and_test_gets_exactly_200_without_a_redirect(site):
    for path in ("/grafana", "/grafana/"):
        answer = await site.client.get(path, follow_redirects=False)
        assert answer.status_code == 200, path


async def test_a_query_answers_a_frame_with_types_and_its_ref_id(site):
    (frame,) = await query(site, target("active", "B", columns=["severity", "acked", "age", "since"]))
    assert frame["schema"]["refId"] == "B"
    assert [(one["name"], one["type"]) for one in frame["schema"]["fields"]] == [
        ("severity", "string"),
        ("acked", "boolean"),
        ("age", "number"),
        ("since", "time"),
    ]
    assert frame["data"]["values"][0] == ["UNDEFINED", "INVALID", "MAJOR", "MINOR_ACK"]
    assert "length" not in frame


async def test_each_target_is_answered_in_order_and_hidden_ones_are_not(site):
    frames = await query(site, target("systems", "A"), {**target("active", "B"), "hide": True}, target("engine", "C"))
    assert [frame["schema"]["refId"] for frame in frames] == ["A", "C"]


async def test_a_payload_without_its_marker_is_refused_aloud(site):
    for payload in ({}, "", {"config": "Demo"}, '{"config": "Demo"}', None):
        answer = await site.client.post("/grafana/query", json=body({"refId": "A", "target": "active", "payload": payload}))
        assert answer.status_code == 400, payload
        assert 'no marker "v": 1' in answer.json()["message"]


async def test_a_payload_nested_without_end_is_refused(site):
    answer = await site.client.post("/grafana/query", json=body({"refId": "A", "target": "active", "payload": "[" * 100_000}))
    assert answer.status_code == 400
    assert "JSON" in answer.json()["message"]


async def test_a_payload_as_text_is_read_too(site):
    text = json.dumps({"v": 1, "config": "Demo", "system": ["RF"]})
    (frame,) = await query(site, {"refId": "A", "target": "active", "payload": text})
    assert [row["pv"] for row in table(frame)] == ["sim://cavity"]


async def test_typed_text_is_taken_percent_encoded(site):
    (frame,) = await query(site, target("active", encoded={"q": "ion%20pump"}))
    assert [row["path"] for row in table(frame)] == [V1]


async def test_one_bad_target_does_not_harm_the_others(site):
    bad = target("nothing", "A")
    wrong = target("active", "B", columns=["severity", "colour"])
    typed = target("active", "C", sytem="RF")
    frames = await query(site, bad, wrong, typed, target("engine", "D"))
    texts = [frame["schema"]["meta"]["notices"][0]["text"] for frame in frames[:3]]
    assert "unknown query 'nothing'" in texts[0]
    assert "active has no colour" in texts[1]
    assert "did you mean 'system'" in texts[2]
    assert table(frames[3])[0]["state"] == "LIVE"


async def test_a_store_that_does_not_answer_is_a_notice_where_it_is_needed(site):
    site.history.broken = True
    frames = await query(site, target("events", "A"), target("active", "B"))
    assert frames[0]["schema"]["meta"]["notices"][0] == {"severity": "error", "text": "the store is away"}
    assert frames[0]["data"]["values"] == []
    assert len(table(frames[1])) == 4


async def test_the_range_of_the_dashboard_is_used(site):
    (frame,) = await query(site, target("events"))
    assert table(frame)[0]["pv"] == "V1"
    old = {"from": "2020-01-01T00:00:00.000Z", "to": "2020-01-02T00:00:00.000Z"}
    (frame,) = await query(site, target("events"), range=old)
    assert [row["description"] for row in table(frame)] == ["No events in this range"]


AD_HOC = [
    ([{"key": "severity", "operator": "=", "value": "MAJOR"}], ["V1"]),
    ([{"key": "severity", "operator": "!=", "value": "MAJOR"}], ["sim://cavity", "X", "V2"]),
    ([{"key": "severity", "operator": "=|", "value": "MAJOR", "values": ["MAJOR", "INVALID"]}], ["X", "V1"]),
    ([{"key": "path", "operator": "=~", "value": "/Demo/Vacuum/.*"}], ["V1", "V2"]),
    ([{"key": "age", "operator": "<", "value": "2000"}], ["V1"]),
    ([{"key": "acked", "operator": "=", "value": "true"}], ["V2"]),
    ([{"key": "no such column", "operator": "=", "value": "x"}], ["sim://cavity", "X", "V1", "V2"]),
    ([{"key": "system", "operator": "=", "value": "Vacuum"}, {"key": "pv", "operator": "!~", "value": "V1"}], ["V2"]),
]


async def test_ad_hoc_filters(site):
    for filters, expected in AD_HOC:
        (frame,) = await query(site, target("active"), filters=filters)
        assert [row["pv"] for row in table(frame)] == expected, filters


def test_patterns_of_filters_are_a_safe_part_of_regular_expressions():
    for text, found, not_found in (
        ("SR01:.*", "SR01:VAC", "SR02:VAC"),
        ("(a|b.c)", "bxc", "ab"),
        (r"^a\.b$", "a.b", "axb"),
        ("x.+", "xy", "x"),
        (r"\*\?\[1]".replace("]", r"\]"), "*?[1]", "**[1]"),
    ):
        assert pattern(text).fullmatch(found), text
        assert not pattern(text).fullmatch(not_found), text
    for text in ("(a+)+", "[a-z]", "a{9}", "(", "a*", "x" * 201, "(a|b)(c|d)", "\\"):
        with pytest.raises(ValueError, match=r"not possible|longer"):
            pattern(text)
    assert not pattern(".*a" * 60).fullmatch("a" * 59 + "b" * 10_000), "and at once"


async def test_a_filter_that_cannot_be_understood_is_refused_not_left_out(site):
    answer = await site.client.post("/grafana/query", json=body(target("active"), filters=[{"key": "pv", "operator": "=~", "value": "("}]))
    assert answer.status_code == 400
    assert "ad hoc filter pv =~ '('" in answer.json()["message"]


async def test_no_filter_hides_that_the_engine_is_silent(site):
    site.later(60)
    (frame,) = await query(site, target("active"), filters=[{"key": "severity", "operator": "=", "value": "MINOR"}])
    assert [row["severity"] for row in table(frame)] == ["STALE"]


async def test_metrics_lists_every_query_with_its_parameters(site):
    answer = await site.client.post("/grafana/metrics", json={})
    found = {one["value"]: one for one in answer.json()}
    assert set(found) == set(QUERIES)
    assert {"name": "system", "type": "multi-select"}.items() <= found["active"]["payloads"][1].items()


async def test_options_of_a_parameter(site):
    answer = await site.client.post(
        "/grafana/metric-payload-options", json={"metric": "active", "payload": {"config": "Demo"}, "name": "system"}
    )
    assert [one["value"] for one in answer.json()][1:3] == ["Personnel Safety", "RF"]
    assert (await site.client.post("/grafana/metric-payload-options", json={"name": "q"})).json() == []


async def test_variables_in_both_forms(site):
    answer = await site.client.post("/grafana/variable", json={"payload": {"target": "vars/severities"}, "range": None})
    assert answer.json()[0] == {"__text": "UNDEF", "__value": "UNDEFINED"}
    answer = await site.client.post("/grafana/variable", json={"payload": {"v": 1, "target": "vars/paths", "system": ["Vacuum"]}})
    assert {one["__value"] for one in answer.json()} >= {V1, V2}
    assert (await site.client.post("/grafana/variable", json={"payload": {"target": "x", "config": "Demo"}})).status_code == 400
    answer = await site.client.post("/grafana/variable", json={"payload": {"target": "active"}})
    assert "has no options" in answer.json()["message"]


async def test_tags_of_ad_hoc_filters(site):
    keys = (await site.client.post("/grafana/tag-keys", json={"filters": [], "queries": [target("shelved")]})).json()
    assert {one["text"] for one in keys} == {"severity", "system", "pv", "path", "description", "kind", "by"}
    assert len((await site.client.post("/grafana/tag-keys", json={})).json()) > len(keys)
    values = (await site.client.post("/grafana/tag-values", json={"key": "message"})).json()
    assert {"text": "HIHI_ALARM"} in values
    assert (await site.client.post("/grafana/tag-values", json={"key": "severity"})).json()[0] == {"text": "UNDEFINED"}
    assert "key" in (await site.client.post("/grafana/tag-values", json={})).json()["message"]


async def test_a_body_that_is_no_request_is_answered_with_a_message(site):
    for path in ("query", "metrics", "metric-payload-options", "variable", "tag-keys", "tag-values"):
        for content in (b"{", b"[]", b'"text"', b"\xff\xfe"):
            answer = await site.client.post(f"/grafana/{path}", content=content)
            assert answer.status_code == 400, (path, content)
            assert answer.json()["message"]


async def test_what_old_panels_send_beside_is_ignored(site):
    old = {**target("engine"), "expr": "", "format": "time_series", "step": 10, "intervalFactor": 2, "datasource": None, "type": "table"}
    (frame,) = await query(site, old, scopedVars={"__interval": {"text": "1s", "value": "1s"}}, groupByKeys=[], scopes=[])
    assert table(frame)[0]["config"] == "Demo"
