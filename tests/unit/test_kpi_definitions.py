"""Each definition on a handful of events drawn by hand; the numbers are worked out in comments."""

from __future__ import annotations

import pytest

from alarm_engine.model.event import EventKind
from backend.kpi.definitions import BY_MAINTENANCE
from backend.kpi.figures import Figures, figures
from backend.kpi.quantiles import BINS, bin_of, quantile
from backend.kpi.summary import merge
from backend.kpi.tally import Selection
from tests.unit.kpi_events import DAY, SECOND, Script, at, figures_of, summaries

A, B, C = "/Site/Cooling/A", "/Site/Cooling/B", "/Site/Vacuum/C"


def value(found: Figures, name: str) -> float | None:
    return found.figure(name).value


# ------------------------------------------------------------------ annunciation


def test_what_counts_as_an_annunciation():
    script = Script()
    script.rise(at(10), A, "MINOR")  # 1
    script.rise(at(20), A, "MAJOR")  # 2: worse, annunciated again
    script.acknowledge(at(30), A)
    script.add(at(40), "changed", A, "MINOR_ACK")
    script.add(at(50), "unacknowledged", A, "MINOR")  # the operator's own act
    script.clear(at(60), A)
    script.add(at(70), "changed", B, "INVALID_ACK")  # maintenance mode: arrives acknowledged
    script.hide(at(80), C, until=at(3600))
    script.add(at(90), "changed", C, "OK", "MAJOR")  # hidden: stays OK
    script.show(at(100), C, "MAJOR")  # 3: comes back in alarm
    script.hide(at(110), C)
    script.show(at(120), C, "MINOR")  # 4
    script.hide(at(130), C)
    script.show(at(140), C)  # comes back in good order
    found = figures_of(script, at(minutes=10))
    assert found.counts == ((at(), 4),)
    assert [(one.path, one.number) for one in found.frequent] == [(A, 2), (C, 2)]


def test_a_silent_alarm_is_shown_and_counts():
    script = Script()
    script.rise(at(10), A)
    script.add(at(20), "alarm", B, "MAJOR", annunciated=False)
    found = figures_of(script, at(minutes=10))
    assert (found.counts, value(found, "silent")) == (((at(), 2),), 1)


def test_lost_connections_are_counted_apart_unless_asked_for():
    script = Script()
    for number in range(12):
        script.rise(at(1), f"/Site/IOC/pv{number}", "UNDEFINED")
    script.rise(at(2), A)
    found = figures_of(script, at(minutes=10))
    assert (found.counts, found.floods, value(found, "lost"), value(found, "peak_lost")) == (((at(), 1),), (), 12, 12)
    assert value(found, "highest") is None
    found = figures_of(script, at(minutes=10), selection=Selection(lost_connections=True))
    assert (found.counts, len(found.floods), value(found, "lost")) == (((at(), 13),), 1, 12)
    assert value(found, "highest") == pytest.approx(100 * 12 / 13)


def test_events_without_a_state():
    script = Script()
    for kind in ("command", "refused", "mode", "engine", "configured"):
        script.add(at(1), kind, "/Site", "OK", bare=True)
    script.add(at(10), "alarm", A, "MAJOR", bare=True)  # counts by its kind and severity
    script.add(at(15), "acknowledged", A, "MAJOR_ACK", bare=True)
    script.add(at(20), "cleared", A, "OK", bare=True)  # 10 s: fleeting
    script.add(at(30), "shelved", B, "OK", bare=True)
    script.add(at(40), "disabled", C, "OK", bare=True)
    found = figures_of(script, at(minutes=10))
    assert (value(found, "per_10_min"), [one.path for one in found.fleeting]) == (1, [A])
    assert ([one.path for one in found.shelved], [one.path for one in found.out_of_service]) == ([B], [C])


# ------------------------------------------------------------------ rates


def test_rates_peaks_and_shares():
    # 3 h = 18 periods. 00:00 has 11 alarms, 00:10 has 20, 02:50 has 5: 36 in all; hours have 31, 0 and 5.
    script = Script()
    for begin, number in ((at(), 11), (at(minutes=10), 20), (at(hours=2, minutes=50), 5)):
        for n in range(number):
            script.pulse(at(begin / SECOND - at() / SECOND + n), f"/Site/S/pv{n}", seconds=0.5)
    script.events = script.in_order()
    found = figures_of(script, at(hours=3))
    assert found.counts == ((at(), 11), (at(minutes=10), 20), (at(hours=2, minutes=50), 5))
    assert value(found, "per_hour") == 12
    assert value(found, "per_day") == 288
    assert value(found, "per_10_min") == 2
    assert value(found, "peak_hour") == 31
    assert value(found, "busy_hours") == pytest.approx(100 / 3)
    assert value(found, "peak_10_min") == 20
    assert value(found, "busy_periods") == pytest.approx(100 * 2 / 18)
    assert [found.figure(name).verdict for name in ("per_hour", "busy_hours", "peak_10_min", "peak_hour")] == [
        "near", "exceeded", "near", "none",
    ]  # fmt: skip
    assert (
        found.figure("per_day").text == "36 alarms in 3.0 h: 288.0 per day; target: at most 144, 288 can be managed (ISA-18.2 / IEC 62682)."
    )


# ------------------------------------------------------------------ floods


def burst(script: Script, minute: int, number: int, system: str = "S") -> None:
    for n in range(number):
        script.rise(at(n, minutes=minute), f"/Site/{system}/pv{minute}-{n}")


def test_a_flood_begins_above_ten_and_ends_below_five():
    script = Script()
    for minute, number in ((0, 10), (10, 11), (20, 30), (30, 5), (40, 4), (50, 10)):
        burst(script, minute, number)
    (flood,) = figures_of(script, at(hours=1)).floods
    # 10 do not begin one, 5 do not end it: 00:10 to 00:40 with 11 + 30 + 5
    assert (flood.start, flood.end, flood.ongoing) == (at(minutes=10), at(minutes=40), False)
    assert (flood.size, flood.peak, flood.peak_at) == (46, 30, at(minutes=20))
    assert [(one.path, one.time) for one in flood.first] == [(f"/Site/S/pv10-{n}", at(n, minutes=10)) for n in range(10)]
    found = figures_of(script, at(hours=1))
    assert value(found, "flood_time") == 50  # 30 of 60 minutes
    assert value(found, "floods") == 1


def test_two_floods_and_one_that_goes_on():
    script = Script()
    for minute, number in ((0, 11), (20, 12), (40, 3), (50, 11)):
        burst(script, minute, number)
    found = figures_of(script, at(minutes=53)).floods
    assert [(flood.start, flood.end, flood.ongoing) for flood in found] == [
        (at(), at(minutes=10), False),
        (at(minutes=20), at(minutes=30), False),
        (at(minutes=50), at(minutes=53), True),
    ]


def test_a_flood_that_began_before_the_range_is_seen_whole_and_timed_within():
    script = Script()
    for minute in (0, 10, 20):
        burst(script, minute, 11)
    found = figures(at(minutes=20), at(minutes=40), summaries(script.events, at(minutes=40)))
    assert [(flood.start, flood.end, flood.size) for flood in found.floods] == [(at(), at(minutes=30), 33)]
    assert value(found, "flood_time") == 50  # 10 of the 20 minutes asked for
    assert found.counts == ((at(minutes=20), 11),)


def test_the_first_alarms_of_a_burst_at_one_time_are_in_the_order_of_events():
    script = Script()
    names = ["/Site/S/z", "/Site/S/a", "/Site/S/m", *(f"/Site/S/{n}" for n in range(9))]
    for name in names:
        script.rise(at(1), name)
    (flood,) = figures_of(script, at(minutes=10)).floods
    assert [one.path for one in flood.first] == names[:10]


# ------------------------------------------------------------------ chattering, fleeting


def test_three_within_a_minute_chatter():
    script = Script()
    for second in (0, 30, 60):  # the third after exactly 60 s
        script.pulse(at(second), A, seconds=20)
    for second in (0, 30, 61):
        script.pulse(at(200 + second), B, seconds=20)
    for second in (0, 20, 40, 60):  # the third and the fourth
        script.pulse(at(400 + second), C, seconds=18)
    found = figures_of(script, at(minutes=10))
    assert [(one.path, one.number, one.first, one.last) for one in found.chattering] == [(C, 2, at(440), at(460)), (A, 1, at(60), at(60))]
    assert (value(found, "chattering"), found.figure("chattering").verdict) == (2, "exceeded")


def test_chattering_is_seen_across_the_edge_of_a_period():
    script = Script()
    for second in (580, 595, 610):
        script.pulse(at(second), A, seconds=1)
    found = figures_of(script, at(minutes=20))
    assert [(one.path, one.first) for one in found.chattering] == [(A, at(610))]
    assert figures(at(), at(minutes=10), summaries(script.events, at(minutes=20))).chattering == ()


def test_gone_within_fifteen_seconds_is_fleeting():
    script = Script()
    script.pulse(at(0), A, seconds=14.9)
    script.pulse(at(100), B, seconds=15)
    # latched: the alarm stands, the PV is OK again
    script.rise(at(200), C)
    script.add(at(205), "changed", C, "MAJOR", "OK")
    script.add(at(206), "changed", C, "MAJOR", "MAJOR")  # no annunciation
    script.add(at(207), "changed", C, "MAJOR", "OK")
    found = figures_of(script, at(minutes=10))
    assert [(one.path, one.number, one.first) for one in found.fleeting] == [(A, 1, at(14.9)), (C, 1, at(205))]


def test_getting_worse_does_not_begin_the_fifteen_seconds_again():
    script = Script()
    script.rise(at(0), A, "MINOR")
    script.rise(at(10), A, "MAJOR")
    script.clear(at(20), A)
    assert figures_of(script, at(minutes=10)).fleeting == ()


def test_what_chatters_was_hidden_or_removed_is_not_fleeting():
    script = Script()
    for second in (0, 10, 20):
        script.pulse(at(second), A, seconds=1)
    script.rise(at(100), B)
    script.hide(at(101), B, until=at(4000))
    script.rise(at(200), C)
    script.add(at(201), "removed", C, "OK", bare=True)
    found = figures_of(script, at(minutes=10))
    assert ([one.path for one in found.chattering], found.fleeting, value(found, "fleeting")) == ([A], (), 0)


# ------------------------------------------------------------------ standing and hidden


def test_stale_after_twenty_four_hours_until_it_goes():
    script = Script()
    script.rise(at(hours=1), A)
    script.acknowledge(at(hours=2), A)  # acknowledged stands as well
    script.rise(at(hours=3), B)
    script.clear(at(hours=26.9), B)  # 23.9 h
    script.rise(at(hours=27), A, "INVALID")  # another severity: it goes on standing
    script.clear(at(hours=50), A)
    script.events = script.in_order()
    found = figures_of(script, at(hours=72))
    assert [(one.path, one.since, one.until) for one in found.stale] == [(A, at(hours=1), at(hours=50))]
    # 25 h to 50 h: the second and the third day
    assert (value(found, "stale"), found.figure("stale").verdict) == (1, "met")
    points = [(one.time, one.stale) for one in found.over_time]
    assert points == [(at(), 0), (at(hours=25), 1), (at(hours=50), 0)]


def test_five_stale_alarms_on_one_day_are_too_many():
    script = Script()
    for n in range(5):
        script.rise(at(n), f"/Site/S/{n}")
    found = figures_of(script, at(hours=25))
    assert (value(found, "stale"), found.figure("stale").verdict) == (5, "near")
    assert figures_of(script, at(hours=23.9)).figure("stale").value == 0


def test_an_alarm_that_stood_before_the_first_event_is_stale_from_what_its_state_says():
    script = Script()
    script.rise(at(-3 * 86400), A)
    script.events.clear()
    script.add(at(hours=1), "changed", A, "MAJOR", since=at(-3 * 86400))
    found = figures_of(script, at(hours=2))
    assert [(one.path, one.since, one.until) for one in found.stale] == [(A, at(-3 * 86400), None)]
    assert [(one.time, one.stale) for one in found.over_time] == [(at(), 0), (at(hours=1), 1)]


def test_shelved_and_out_of_service_now_and_over_time():
    script = Script()
    script.hide(at(hours=1), A, until=at(hours=9))
    script.hide(at(hours=2), B)
    script.hide(at(hours=2.5), A, until=at(hours=5))  # another end
    script.hide(at(hours=3), C, until=at(hours=30))
    script.show(at(hours=5), A)
    found = figures_of(script, at(hours=6))
    assert [(one.path, one.since, one.until) for one in found.shelved] == [(C, at(hours=3), at(hours=30))]
    assert [(one.path, one.since) for one in found.out_of_service] == [(B, at(hours=2))]
    assert [(one.time, one.shelved, one.out_of_service) for one in found.over_time] == [
        (at(), 0, 0), (at(hours=1), 1, 0), (at(hours=2), 1, 1), (at(hours=3), 2, 1), (at(hours=5), 1, 1),
    ]  # fmt: skip
    assert [value(found, name) for name in ("shelved", "most_shelved", "out_of_service", "most_out_of_service")] == [1, 2, 1, 1]


def test_what_was_hidden_on_the_day_before_is_known():
    script = Script()
    script.hide(at(hours=1), A, until=at(days=9))
    script.rise(at(hours=2), B)
    script.pulse(at(days=2, hours=3), C)
    everything = summaries(script.events, at(days=2, hours=4))
    found = figures(at(days=2, hours=3), at(days=2, hours=4), [one for one in everything if one.start >= at(days=2)])
    assert ([one.path for one in found.shelved], [one.path for one in found.stale]) == ([A], [B])
    assert found.over_time == ((at(days=2, hours=3), 1, 1, 0),)


# ------------------------------------------------------------------ priority, acknowledging, top ten


def test_shares_of_priorities():
    script = Script()
    for n in range(100):
        script.rise(at(n), f"/Site/S/{n}", "MINOR" if n < 80 else "MAJOR" if n < 94 else "INVALID")
    found = figures_of(script, at(minutes=10))
    assert [value(found, name) for name in ("low", "medium", "high")] == [80, 14, 6]
    assert [found.figure(name).verdict for name in ("low", "medium", "high")] == ["met", "met", "near"]


def test_ten_of_two_hundred():
    # pv0 to pv9 come 11 times each, 90 others once: 200 in all, the ten have 110
    script = Script()
    for n in range(100):
        for again in range(11 if n < 10 else 1):
            script.pulse(at(hours=again, minutes=n / 2), f"/Site/S/pv{n}")
    script.events = script.in_order()
    found = figures_of(script, at(hours=11))
    assert (value(found, "top_10"), found.figure("top_10").verdict) == (pytest.approx(55), "exceeded")
    assert found.frequent[0] == ("/Site/S/pv0", 11, 5.5)
    few = figures(at(), at(hours=1), summaries(script.events, at(hours=11)))
    assert (value(few, "top_10"), few.figure("top_10").verdict) == (10, "none")  # each once: nothing can be better


def test_time_to_acknowledge_is_from_the_first_unanswered_annunciation():
    script = Script()
    script.rise(at(0), A, "MINOR")
    script.rise(at(50), A, "MAJOR")
    script.acknowledge(at(100), A)  # 100 s
    script.rise(at(200), A, "INVALID")
    script.acknowledge(at(210), A)  # 10 s
    script.add(at(220), "unacknowledged", A, "INVALID")
    script.acknowledge(at(300), A)  # answers no annunciation
    script.rise(at(310), B)
    script.acknowledge(at(400), B, reason=BY_MAINTENANCE)  # nobody did
    script._states[C] = script._states[A]
    script.acknowledge(at(410), C)  # its rise was never seen
    found = figures_of(script, at(minutes=10))
    assert value(found, "acknowledge_p50") == pytest.approx(10, rel=0.045)
    assert value(found, "acknowledge_p95") == pytest.approx(100, rel=0.045)
    assert "of 2 alarms" in found.figure("acknowledge_p50").text


@pytest.mark.parametrize("seconds", [1, 1.09, 2, 7.3, 60, 3599, 86400, 3e7])
def test_bins_are_true_to_four_and_a_half_percent(seconds):
    counts = [0] * BINS
    counts[bin_of(round(seconds * SECOND))] = 1
    assert quantile(counts, 0.5) == pytest.approx(seconds, rel=0.045)


def test_the_edges_of_bins():
    assert (bin_of(0), bin_of(SECOND - 1), bin_of(SECOND), bin_of(100 * 365 * DAY)) == (0, 0, 1, 1 + int(8 * 31.55))
    assert bin_of(10**30) == BINS - 1
    assert quantile([0] * BINS, 0.5) is None


# ------------------------------------------------------------------ selection, odd ranges


def test_figures_of_one_part_of_the_tree():
    script = Script()
    for n, path in enumerate(["/Site/S/a", "/Site/S/b/c", "/Site/S-2/a", "/Site/S", "/Site/S0", "/Site/T/a"]):
        script.rise(at(n), path)
        script.acknowledge(at(n + 20), path)
        script.hide(at(n + 30), path, until=at(days=1))
    script.events = script.in_order()
    found = figures_of(script, at(minutes=10), selection=Selection("/Site/S"))
    assert sorted(one.path for one in found.frequent) == ["/Site/S", "/Site/S/a", "/Site/S/b/c"]
    assert [one.path for one in found.shelved] == ["/Site/S", "/Site/S/a", "/Site/S/b/c"]
    assert "of 3 alarms" in found.figure("acknowledge_p50").text
    assert [one.path for one in figures_of(script, at(minutes=10), selection=Selection("/Site/S/b/c")).frequent] == ["/Site/S/b/c"]
    assert value(figures_of(script, at(minutes=10), selection=Selection("/Site/X")), "per_hour") == 0


def test_a_range_is_widened_to_full_periods():
    script = Script()
    script.rise(at(1), A)
    found = figures(at(minutes=3), at(minutes=12), summaries(script.events, at(minutes=20)))
    assert (found.start, found.end, found.counts, found.covered_s) == (at(), at(minutes=20), ((at(), 1),), 1200)


@pytest.mark.parametrize(("start", "end"), [(at(), at()), (at(days=5), at(days=6)), (at(days=-2), at(days=-1)), (at(hours=2), at(hours=1))])
def test_of_an_empty_or_future_range_nothing_is_known(start, end):
    script = Script()
    script.rise(at(hours=1.5), A)
    script.hide(at(hours=1.6), B)
    found = figures(start, end, summaries(script.events, at(hours=2)))
    assert (found.covered_s, found.floods, found.stale, found.over_time) == (0, (), (), ())
    assert {figure.value for figure in found.figures} == {None}
    assert {figure.verdict for figure in found.figures} == {"none"}
    assert found.remarks == ("Nothing is known of this range: there are no events of it yet, or none any more.",)


def test_no_summaries_at_all():
    assert figures(at(), at(days=1), []).figure("per_hour").value is None


def test_rates_are_over_what_is_known():
    script = Script()
    burst(script, 0, 6)
    found = figures(at(), at(days=30), summaries(script.events, at(hours=1)))
    assert (value(found, "per_hour"), value(found, "busy_hours"), found.covered_s) == (6, 0, 3600)
    assert found.remarks == ("From 0.0 days of events; the standard asks for 30 or more.",)


def test_a_hole_is_said_and_not_taken_for_quiet():
    script = Script()
    burst(script, 0, 20)
    burst(script, 60, 20)
    found = summaries(script.events, at(minutes=70))
    holed = [one for one in found if one.start in (at(), at(minutes=60))]
    assert len(found) == 3
    shown = figures(at(), at(minutes=70), holed)
    assert (shown.covered_s, value(shown, "per_10_min"), value(shown, "busy_periods")) == (1200, 20, 100)
    assert shown.remarks[1] == "There is 1 hole in what is known: what happened there is in no figure."


def test_summaries_that_do_not_go_together_are_refused():
    script = Script()
    script.rise(at(1), A)
    script.rise(at(minutes=11), B)
    one, other = summaries(script.events, at(minutes=20))
    with pytest.raises(ValueError, match="counted twice"):
        figures(at(), at(hours=1), [one, other, one])
    with pytest.raises(ValueError, match="reaches over an edge of the range"):
        figures(at(minutes=10), at(hours=1), [merge([one, other])])
    with pytest.raises(ValueError, match="follow each other"):
        merge([one, one])
    with pytest.raises(ValueError, match="no summary"):
        merge([])


def test_every_kind_of_event_is_taken():
    script = Script()
    for kind in EventKind:
        script.add(at(1), kind.value, A, "OK")
    assert figures_of(script, at(hours=1)).counts == ()


def test_an_alarm_that_was_removed_and_added_again_begins_anew():
    script = Script()
    script.rise(at(0), A)
    script.add(at(1), "removed", A, "OK", bare=True)
    script.rise(at(20), A)
    script.clear(at(38), A)
    script.rise(at(40), A)
    assert figures_of(script, at(minutes=10)).chattering == ()  # two only, since it is there again


def test_few_alarms_have_shares_that_are_not_judged():
    script = Script()
    for n in range(99):
        script.rise(at(n), f"/Site/S/{n}", "INVALID")
    found = figures_of(script, at(minutes=10)).figure("high")
    assert (found.value, found.verdict) == (100, "none")
    assert found.text == "INVALID: 99 of 99 alarms: fewer than 100 alarms, so this is not judged."


def test_lost_connections_before_the_range_are_not_in_it():
    script = Script()
    for n in range(5):
        script.rise(at(n), f"/Site/IOC/{n}", "UNDEFINED")
    script.rise(at(minutes=11), A, "UNDEFINED")
    found = figures(at(minutes=10), at(minutes=20), summaries(script.events, at(minutes=20)))
    assert (value(found, "lost"), value(found, "peak_lost")) == (1, 1)


def test_what_was_stale_before_the_range_is_not_in_it():
    script = Script()
    script.rise(at(hours=1), A)
    script.clear(at(hours=30), A)
    found = figures(at(days=2), at(days=3), summaries(script.events, at(days=3)))
    assert (found.stale, value(found, "stale"), found.over_time) == ((), 0, ((at(days=2), 0, 0, 0),))
