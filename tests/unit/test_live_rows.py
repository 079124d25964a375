"""What the live table knows, what of it is shown and in what order, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.live_alarms import NOW, acknowledged, alarm, beat, change, shelved, snapshot
from tocsin.client.types import EngineStatus, Fresh, Severity, Stale
from tocsin.terminal.columns import age, fit, fitting, shown
from tocsin.terminal.heads import empty_words, narrowing_text, tabs_text
from tocsin.terminal.rows import Order, Rows, View, Wish
from tocsin.terminal.trust import SILENCE_S, Feed, Sight, banner_of, engine_words, notice_of

GC1, GC2, P1 = "/Ring/Vacuum/GC1", "/Ring/Vacuum/GC2", "/Ring/RF/P1"


def loaded(*alarms):
    rows = Rows()
    rows.take_snapshot("Ring", snapshot(*alarms))
    return rows


def paths(rows, wish):
    return [row.path for row in rows.wanted(wish)]


def test_unacknowledged_ones_come_first_in_every_order():
    rows = loaded(
        alarm(GC1, "UNDEFINED_ACK", ago=1, acknowledgement=acknowledged()), alarm(GC2, "MINOR", ago=100), alarm(P1, "MAJOR", ago=500)
    )
    assert paths(rows, Wish()) == [P1, GC2, GC1]
    assert paths(rows, Wish(order=Order.SINCE)) == [GC2, P1, GC1]
    assert paths(rows, Wish(order=Order.SINCE, reverse=True)) == [P1, GC2, GC1]
    assert paths(rows, Wish(order=Order.PV)) == [GC2, P1, GC1]
    assert paths(rows, Wish(order=Order.SYSTEM)) == [P1, GC2, GC1]
    assert paths(rows, Wish(View.ACKNOWLEDGED)) == [GC1]


def test_names_sort_by_their_numbers():
    rows = loaded(*(alarm(f"/Ring/Vacuum/GC{n}") for n in (10, 9, 1)))
    assert paths(rows, Wish(order=Order.PV)) == [f"/Ring/Vacuum/GC{n}" for n in (1, 9, 10)]


def test_changes_put_rows_in_and_take_them_out():
    rows = loaded(alarm(GC1))
    rows.take_change("Ring", change(2, alarm(GC2)))
    rows.take_change("Ring", change(3, alarm(GC1, "OK")))
    assert (paths(rows, Wish()), rows.as_of) == ([GC2], {"Ring": "Ring.1.3"})
    rows.take_change("Ring", change(4, alarm(GC2, suppression=shelved())))
    assert (paths(rows, Wish()), paths(rows, Wish(View.SHELVED))) == ([], [GC2])
    rows.take_change("Ring", change(5, path="/Ring/Vacuum", kind="removed"))
    assert not rows.rows
    rows.take_change("Ring", change(6, path="/Ring", kind="mode"))
    assert rows.as_of == {"Ring": "Ring.1.6"}


def test_a_snapshot_replaces_its_configuration_and_no_other():
    rows = loaded(alarm(GC1))
    rows.take_snapshot("Linac", snapshot(alarm("/Linac/Gun/P"), as_of="Linac.1.7"))
    rows.take_snapshot("Ring", snapshot(alarm(P1), alarm(GC2, "OK")))
    assert sorted(rows.rows) == ["/Linac/Gun/P", P1]


def test_a_filter_needs_all_words_and_knows_severities_and_places():
    rows = loaded(alarm(GC1), alarm(GC2, "MINOR", value="7"), alarm(P1, "MAJOR_ACK"))
    assert paths(rows, Wish().searching("VACUUM gc")) == [GC1, GC2]
    assert paths(rows, Wish().searching("vacuum 7")) == [GC2]
    assert paths(rows, Wish().searching("major")) == [GC1, P1]
    assert paths(rows, Wish(severities=frozenset({Severity.MAJOR}))) == [GC1, P1]
    assert paths(rows, Wish(path="/Ring/RF")) == [P1]
    assert paths(rows, Wish(path="/Ring/R")) == []


def test_counts_are_of_all_whatever_is_filtered():
    rows = loaded(alarm(GC1), alarm(GC2, "MINOR_ACK"), alarm(P1, "OK", suppression=shelved()))
    counts = rows.counts()
    assert [counts.of(view) for view in View] == [2, 1, 1, 1]
    text = tabs_text(counts, Wish(), None, light=False, width=200).plain
    assert "1 In alarm 2" in text
    assert "1 MAJOR" in text
    assert "?" in tabs_text(counts, Wish(), banner_of([], 0), light=False, width=200).plain
    assert narrowing_text(Wish().searching("a b"), 1, 2) == "FILTER  1 of 2: with a b"
    assert narrowing_text(Wish(), 2, 2) == ""


def test_nothing_is_quiet_before_a_live_engine_says_so():
    feed = Feed("Ring")
    assert banner_of([], 0.0).title == "CONNECTING"
    assert banner_of([feed], 0.0).title == "CONNECTING"
    feed.take(snapshot(), 1.0)
    assert banner_of([feed], 1.0) is None
    assert "The engine is live" in empty_words([feed], Wish(), None)
    feed.take(Stale(since=NOW, why="no life sign of the engine"), 2.0)
    banner = banner_of([feed], 2.0)
    assert banner.title == "STALE"
    assert f"since {NOW.astimezone():%H:%M:%S}: no life sign of the engine. What is shown below is OLD." in banner.text
    assert "live" not in empty_words([feed], Wish(), banner)
    assert "NOT KNOWN" in empty_words([feed], Wish(), banner)
    feed.take(beat(), 2.5)
    assert banner_of([feed], 2.5).title == "STALE"  # only Fresh ends it
    feed.take(Fresh(as_of="Ring.1.9"), 3.0)
    assert banner_of([feed], 3.0) is None


def test_a_stale_snapshot_and_a_stale_beat_are_believed():
    feed = Feed("Ring")
    feed.take(snapshot(stale=True), 1.0)
    assert banner_of([feed], 1.0).title == "STALE"
    feed.take(Fresh(as_of=None), 2.0)
    feed.take(beat(stale=True), 3.0)
    assert banner_of([feed], 3.0).title == "STALE"


def test_silence_and_a_subscription_that_failed_are_no_connection():
    feed = Feed("Ring")
    feed.take(snapshot(), 1.0)
    assert banner_of([feed], 1.0 + SILENCE_S) is None
    assert banner_of([feed], 1.1 + SILENCE_S).title == "NO CONNECTION"
    feed.fail("token is not known")
    assert "Token is not known" not in banner_of([feed], 2.0).text
    assert "token is not known. Alarms are NOT being watched" in banner_of([feed], 2.0).text
    feed.take(snapshot(), 3.0)
    assert banner_of([feed], 3.0) is None


def test_what_a_client_names_by_its_arguments_is_an_option_here_also_where_it_is_old():
    why = "http://x cannot be reached: Connection refused. Is the backend running? url= or TOCSIN_URL name another"
    failed, old = Feed("Ring"), Feed("Ring")
    failed.fail(why)
    old.take(snapshot(), 1.0)
    old.take(Stale(why=why, since=NOW), 1.0)
    for feed in (failed, old):
        text = banner_of([feed], 1.0).text
        assert "url=" not in text
        assert "--url or TOCSIN_URL name another" in text


def test_one_of_several_configurations_that_is_old_is_told_by_name():
    good, bad = Feed("Ring"), Feed("Linac")
    for feed in (good, bad):
        feed.take(snapshot(), 1.0)
    bad.take(Stale(since=NOW, why="gone"), 1.0)
    assert banner_of([good, bad], 1.0).text.startswith("Linac: ")


def test_what_the_engine_says_of_itself():
    feed = Feed("Ring")
    status = EngineStatus(engine="a", epoch=1, pvs_total=200, pvs_connected=196, backlog=0, dropped=0, lag_ms=5000)
    feed.take(beat(engine=status, maintenance=True, notify=False, unknown=3), 1.0)
    assert engine_words([feed]) == "0.4 s · 196 of 200 PVs · 5 s BEHIND · MAINTENANCE · NO NOTIFICATIONS"
    assert empty_words([feed], Wish(), None) == "No alarms, but nothing is known yet of 3."
    feed.take(beat(foreign="a Phoebus server writes too"), 2.0)
    assert notice_of([feed]).text == "A Phoebus server writes too."


def test_only_what_was_on_the_screen_for_a_while_counts_as_seen():
    sight = Sight()
    assert sight.seen("Ring", 0.0) is None
    sight.painted({"Ring": "Ring.1.1"}, 10.0)
    assert sight.seen("Ring", 10.1) == "Ring.1.1"
    sight.painted({"Ring": "Ring.1.2"}, 11.0)
    assert sight.seen("Ring", 11.2) == "Ring.1.1"
    assert sight.seen("Ring", 11.3) == "Ring.1.2"
    for n in range(100):
        sight.painted({"Ring": f"Ring.1.{n + 3}"}, 12.0 + n * 0.1)
    assert len(sight.shown["Ring"]) < 10


@pytest.mark.parametrize("width", [20, 38, 78, 118, 198, 400])
@pytest.mark.parametrize("view", list(View))
def test_columns_fit_at_any_width_and_say_what_matters_most(view, width):
    placed = fitting(view, width, {})
    assert sum(one.width for one in placed) + len(placed) - 1 <= max(width, placed[0].width if placed else 0)
    if width >= 38:
        assert [one.column.key for one in placed][:2] == ["severity", "pv"]
    if width >= 198:
        assert {one.column.key for one in placed} == {one.key for one in shown(view)}


def test_texts_are_shortened_where_they_say_least():
    assert fit("SR06:VAC:IP01:PRESSURE", 13, middle=True) == "SR06:V…ESSURE"
    assert fit("abc", 5) == "abc  "
    assert fit("abcdefgh", 5) == "abcd…"
    assert fit("日本語テキスト", 6) == "日本… "
    assert (age(8000, 11), age(8000, 6), age(59, 6)) == ("2 h 13 min", "2 h", "59 s")


def test_cells_say_what_the_page_says():
    now = NOW.timestamp()

    def cell(view, key, one):
        return next(column for column in shown(view) if column.key == key).text(one, now, 20)

    one = alarm(GC1, "MAJOR_ACK", acknowledgement=acknowledged(), connected=False, description="tab\there")
    assert [cell(View.STANDING, key, one) for key in ("severity", "current", "since", "by", "where")] == [
        "major ✓",
        "disconnected",
        "1 min",
        "mara",
        "Vacuum",
    ]
    assert cell(View.STANDING, "description", one) == "tab\\there"
    assert cell(View.SHELVED, "until", alarm(GC1, "OK", suppression=shelved())) == "in 2 h"
    out = alarm(GC1, "OK", suppression=shelved(until=None))
    assert (cell(View.SHELVED, "severity", out), cell(View.SHELVED, "until", out)) == ("out of service", "when enabled")
    assert cell(View.STANDING, "severity", replace(one, known=False)) == "no data"
    assert cell(View.STANDING, "severity", alarm(GC1, "CATASTROPHE")) == "CATASTROPHE"  # of a later server
