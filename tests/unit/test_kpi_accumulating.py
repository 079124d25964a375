"""Summaries: in any split, after any restart, from any begin, through their encoding, they say the same; and what a naive count says."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from itertools import pairwise

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alarm_engine.errors import WireError
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import Nanos
from backend.kpi.accumulator import Accumulator
from backend.kpi.definitions import ABOUT_AN_ALARM
from backend.kpi.encoding import decode_carried, decode_summary, encode_carried, encode_summary
from backend.kpi.figures import figures
from backend.kpi.summary import Period, Summary, column, merge, totals_of
from backend.kpi.tally import Selection
from tests.unit.evaluating import START, Control
from tests.unit.kpi_events import DAY, MIDNIGHT, MINUTE, SECOND, Script, at, summaries
from tests.unit.test_evaluator_properties import STEPS, play

ALARM = AlarmSettings()
PATHS = ("/Site/A/x", "/Site/A/y", "/Site/B/z")
KINDS = [EventKind.ALARM, EventKind.ALARM, *(kind for kind in EventKind if kind not in (EventKind.COMMAND, EventKind.REFUSED))]
NOT_ABOUT_AN_ALARM = {
    EventKind.CONFIGURED,
    EventKind.COMMAND,
    EventKind.REFUSED,
    EventKind.MODE,
    EventKind.ENGINE,
    EventKind.FOREIGN,
    EventKind.SERVER,
}
"""Kinds whose severity says nothing, unless a snapshot is with them."""
STEP = st.tuples(
    st.sampled_from([-30.0, 0, 0, 3, 14, 25, 61, 400, 700, 8000, 50_000, 90_000]),
    st.sampled_from(KINDS),
    st.sampled_from(PATHS),
    st.sampled_from(Severity),
    st.sampled_from([Severity.OK, Severity.MAJOR, None]),
    st.sampled_from([None, None, None, "shelved", "gone"]),
)


def event_of(number: int, moment: int, step: tuple) -> Event:
    """Whatever: severity, state and kind need not fit together."""
    _, kind, path, severity, current, hidden = step
    snapshot = None
    if current is not None:
        suppression = (
            None if hidden is None else Suppression("", "", "", Nanos(moment), Nanos(moment + DAY) if hidden == "shelved" else None)
        )
        shown = Severity.OK if suppression else severity
        sample = Sample(current, "", "", Nanos(moment))
        snapshot = Snapshot(Alarm(shown, "", "", Nanos(moment)), sample, True, Nanos(moment - 2 * DAY), suppression=suppression)
        severity = shown
    before = Severity((number * 7) % 9)
    return Event(EventId("Site", 1, number), Nanos(moment), kind, path, before, severity, annunciated=number % 3 > 0, snapshot=snapshot)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    return history_of(*draw(st.lists(STEP, max_size=30)))


def history_of(*steps: tuple) -> list[Event]:
    """One that `histories` may draw, in the same form."""
    moment, found = MIDNIGHT + 8 * 3600 * SECOND, []
    for number, step in enumerate(steps, 1):
        moment += round(step[0] * SECOND)
        found.append(event_of(number, moment, step))
    return found


SHELVED_THEN_FOREIGN = history_of(
    (-30.0, EventKind.ALARM, "/Site/B/z", Severity.OK, Severity.OK, "shelved"),
    (-30.0, EventKind.FOREIGN, "/Site/B/z", Severity.MINOR_ACK, None, None),
)
"""Somebody else writes states: that says nothing of the alarm, which stays shelved."""


def end_of(events: list[Event]) -> Nanos:
    return Nanos(max((event.time for event in events), default=at(hours=8)) + 20 * MINUTE)


# ------------------------------------------------------------------ properties


@settings(deadline=None)
@given(histories(), st.lists(st.integers(0, 60), max_size=6))
def test_merged_in_any_split_is_merged_at_once(events, cuts):
    found = summaries(events, end_of(events))
    edges = sorted({0, len(found), *(cut % (len(found) + 1) for cut in cuts)})
    parts = [merge(found[one:other]) for one, other in pairwise(edges)]
    assert merge(parts) == merge(found)
    assert figures(at(), end_of(events), parts) == figures(at(), end_of(events), found)
    for selection in (Selection("/Site/A"), Selection("/Site/B/z", lost_connections=True)):
        assert figures(at(), end_of(events), parts, selection) == figures(at(), end_of(events), found, selection)


@settings(deadline=None)
@given(histories())
def test_summaries_follow_each_other_without_a_hole_within_a_day(events):
    found = summaries(events, end_of(events))
    assert found[0].start == at()
    for one, following in pairwise(found):
        assert one.end == following.start
    for one in found[:-1]:
        assert one.start // DAY == (one.end - 1) // DAY
    days = [one.start // DAY for one in found if one.opening is not None]
    assert days == sorted({one.start // DAY for one in found})


@settings(deadline=None)
@given(histories())
def test_restoring_the_carried_state_is_going_on(events):
    accumulator = Accumulator("Site", at())
    saved = []
    whole = []
    for summary in accumulator.feed(events):
        whole.append(summary)
        saved.append(encode_carried(accumulator.carried()))
    end = end_of(events)
    last = accumulator.running(end)
    for number, body in enumerate(saved, 1):
        other = Accumulator.resumed(decode_carried(body))
        assert [*other.feed(events), other.running(end)] == [*whole[number:], last]
        assert other.ignored == sum(event.id[1:] <= decode_carried(body).last for event in events)


@settings(deadline=None)
@given(histories(), st.integers(0, 30), st.integers(0, 599))
def test_a_begin_anywhere_is_a_cut(events, index, seconds):
    """Fed with what was before, an accumulator that begins within a period goes on where another one would be cut."""
    times = sorted(event.time for event in events) or [at(hours=8)]
    cut = Nanos(times[index % len(times)] // MINUTE * MINUTE + seconds * SECOND)
    end = max(end_of(events), Nanos(cut + MINUTE))
    held = 0
    before = []
    for event in events:
        held = max(held, event.time)
        if held < cut:
            before.append(event)
    parts = [*summaries(before, cut), *summaries(events, end, start=cut)]
    assert merge(parts) == merge(summaries(events, end))


@settings(deadline=None)
@given(histories())
def test_looking_at_what_runs_changes_nothing(events):
    accumulator = Accumulator("Site", at(hours=10))  # what comes before only brings the alarms to their state
    found = []
    for event in events:
        found += accumulator.feed([event])
        accumulator.running(Nanos(event.time + 2 * DAY))
    end = max(end_of(events), at(hours=11))
    assert [*found, accumulator.running(end)] == summaries(events, end, start=at(hours=10))


@settings(deadline=None)
@given(histories())
def test_encoding_keeps_all(events):
    found = summaries(events, end_of(events))
    for summary in [*found, merge(found)]:
        assert decode_summary(encode_summary(summary)) == summary


@settings(deadline=None)
@given(histories())
def test_duplicates_are_left_aside(events):
    twice = [event for event in events for _ in range(2)]
    assert summaries(twice, end_of(events)) == summaries(events, end_of(events))


@settings(deadline=None)
@given(histories(), st.sampled_from(["/", "/Site/A", "/Site/B/z"]))
@example(SHELVED_THEN_FOREIGN, "/")
def test_it_is_what_a_naive_count_says(events, prefix):
    naive = Naive(events, prefix)
    found = figures(at(), end_of(events), summaries(events, end_of(events)), Selection(prefix, lost_connections=True))
    assert dict(found.counts) == naive.counts
    assert {one.path: one.number for one in found.chattering} == naive.chattering
    assert {one.path: one.number for one in found.fleeting} == {k: n for k, n in naive.fleeting.items() if k not in naive.chattering}
    assert [one.path for one in found.shelved] == naive.shelved
    assert [one.path for one in found.out_of_service] == naive.out_of_service


def test_each_kind_is_about_an_alarm_or_known_not_to_be():
    """So that a new kind fails here at once, and not on the day on which a random history has it at the one place that shows it."""
    assert set(EventKind) == ABOUT_AN_ALARM | NOT_ABOUT_AN_ALARM
    assert not ABOUT_AN_ALARM & NOT_ABOUT_AN_ALARM


class Naive:
    """Looks at each alarm's events alone, and back and forth in them."""

    def __init__(self, events: list[Event], prefix: str) -> None:
        self.counts: dict[int, int] = {}
        self.chattering: dict[str, int] = {}
        self.fleeting: dict[str, int] = {}
        self.shelved: list[str] = []
        self.out_of_service: list[str] = []
        clock = 0
        timed = []
        for event in events:
            clock = max(clock, event.time)
            timed.append((clock, event))
        for path in PATHS:
            if path.startswith(prefix):
                own = [(t, e) for t, e in timed if e.path == path and (e.snapshot is not None or e.kind not in NOT_ABOUT_AN_ALARM)]
                self._one(path, own)

    def _one(self, path: str, own: list[tuple[int, Event]]) -> None:
        rises: list[int] = []
        begin = None  # of the time in which the PV is not OK, since an annunciation
        hidden = None
        for moment, event in own:
            if event.to_severity >= 5 and event.kind in ("alarm", "unshelved", "enabled"):
                rises.append(moment)
                self.counts[moment // (10 * MINUTE) * 10 * MINUTE] = self.counts.get(moment // (10 * MINUTE) * 10 * MINUTE, 0) + 1
                if len([rise for rise in rises if moment - rise <= MINUTE]) >= 3:
                    self.chattering[path] = self.chattering.get(path, 0) + 1
                begin = begin or moment
            hidden = self._hidden(event, hidden)
            if hidden or event.kind is EventKind.REMOVED:
                begin = None
            elif begin and (event.snapshot.current.severity if event.snapshot else event.to_severity) == 0:
                if moment - begin < 15 * SECOND:
                    self.fleeting[path] = self.fleeting.get(path, 0) + 1
                begin = None
            if event.kind is EventKind.REMOVED:
                rises.clear()
        if hidden:
            (self.shelved if hidden == "shelved" else self.out_of_service).append(path)

    @staticmethod
    def _hidden(event: Event, before: str | None) -> str | None:
        if event.to_severity > 0 or event.kind in ("unshelved", "enabled", "removed"):
            return None
        if event.snapshot is not None:
            suppression = event.snapshot.suppression
            return suppression and ("gone" if suppression.until is None else "shelved")
        return {EventKind.SHELVED: "shelved", EventKind.DISABLED: "gone"}.get(event.kind, before)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_events_of_a_real_evaluator(steps):
    """Annunciations are the risen and revealed alarms that it says; who is hidden is who it hides."""
    control = Control({path: replace(ALARM, description=path) for path in ("/Demo/A/p0", "/Demo/A/p1", "/Demo/B/C/p2", "/Demo/p3")})
    for step in steps:
        play(control, step)
    events = [event for changes in control.history for event in changes.events]
    start, end = START.wall, Nanos(control.now.wall + 1)
    accumulator = Accumulator("Demo", start)
    found = figures(start, end, [*accumulator.feed(events), accumulator.running(end)], Selection(lost_connections=True))
    risen = [event for event in events if event.snapshot is not None and event.snapshot.rise == event.id]
    unacknowledged = [event for event in risen if event.kind is EventKind.UNACKNOWLEDGED]
    assert sum(count for _, count in found.counts) == len(risen) - len(unacknowledged)
    assert all(event.kind in ("alarm", "unshelved", "enabled") for event in events if event.annunciated)
    leaves = control.evaluator.tree.leaves.values()
    assert [one.path for one in found.shelved] == sorted(leaf.path for leaf in leaves if leaf.suppression and leaf.suppression.until)
    assert [one.path for one in found.out_of_service] == sorted(
        leaf.path for leaf in leaves if leaf.suppression and not leaf.suppression.until
    )  # fmt: skip


# ------------------------------------------------------------------ odd input


def test_a_clock_that_jumps_back_is_held():
    script = Script()
    script.rise(at(minutes=25), PATHS[0])
    script.rise(at(minutes=5), PATHS[1])
    script.rise(at(minutes=31), PATHS[2])
    found = figures(at(), at(minutes=40), summaries(script.events, at(minutes=40)))
    assert found.counts == ((at(minutes=20), 2), (at(minutes=30), 1))
    assert found.remarks[-1] == "The clock ran back: 1 times an event is counted at the time of the one before."


def test_another_configuration_is_refused():
    script = Script()
    script.rise(at(1), PATHS[0])
    with pytest.raises(ValueError, match="is not of configuration Other"):
        list(Accumulator("Other", at()).feed(script.events))


def test_a_long_silence_costs_one_summary_a_day():
    script = Script()
    script.rise(at(1), PATHS[0])
    script.rise(at(days=365), PATHS[1])
    found = summaries(script.events, at(days=365, minutes=5))
    assert len(found) == 1 + 365 + 1
    assert [(one.path, one.until) for one in figures(at(), at(days=366), found).stale] == [(PATHS[0], None)]


def test_quiet_time_can_be_closed():
    accumulator = Accumulator("Site", at(minutes=5))
    assert [(one.start, one.end) for one in accumulator.close(at(minutes=20))] == [(at(minutes=5), at(minutes=20))]
    assert [(one.start, one.end) for one in accumulator.close(at(days=1, minutes=10))] == [
        (at(minutes=20), at(days=1)), (at(days=1), at(days=1, minutes=10)),
    ]  # fmt: skip
    assert list(accumulator.close(at(minutes=10))) == []
    with pytest.raises(ValueError, match="full 10 minutes"):
        list(accumulator.close(at(minutes=25)))


def test_a_carried_state_within_a_period_is_refused():
    accumulator = Accumulator("Site", at())
    script = Script()
    script.rise(at(1), PATHS[0])
    list(accumulator.feed(script.events))
    with pytest.raises(ValueError, match="between two summaries"):
        accumulator.carried()


def test_only_what_matters_is_carried():
    script = Script()
    script.pulse(at(1), PATHS[0])
    script.rise(at(2), PATHS[1])
    script.pulse(at(595), PATHS[2], seconds=1)
    script.events = script.in_order()
    accumulator = Accumulator("Site", at())
    list(accumulator.feed(script.events))
    list(accumulator.close(at(minutes=10)))
    assert set(accumulator.carried().alarms) == {PATHS[1], PATHS[2]}


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"paths": []}, {"periods": [[1, "AAAA"]]}, {"start": None, "periods": [1]}, {"changes": [["x"]]}, {"totals": ["!"]}],
)
def test_what_is_no_summary_is_refused(change):
    script = Script()
    script.rise(at(1), PATHS[0])
    script.rise(at(minutes=11), PATHS[0])
    body = encode_summary(merge(summaries(script.events, at(minutes=20))))
    with pytest.raises(WireError, match=r"of alarm figures"):
        decode_summary(orjson.dumps(orjson.loads(body) | change))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"v":1}', b"null", b"\xff"])
def test_garbage_is_refused(body):
    with pytest.raises(WireError):
        decode_summary(body)
    with pytest.raises(WireError):
        decode_carried(body)


def test_a_bound_on_the_size():
    """A storm of one alarm costs no more than one annunciation."""
    script = Script()
    for n in range(20_000):
        script.rise(Nanos(at() + n * SECOND // 50), PATHS[0])
    (found,) = summaries(script.events, at(minutes=10))
    assert len(encode_summary(found)) < 400
    assert figures(at(), at(minutes=10), [found]).figure("chattering").value == 1


# ------------------------------------------------------------------ speed


def test_thirty_days_of_a_large_site_answer_at_once():
    """4320 periods with 40 of 20,000 alarms each; CPU seconds of this process, of which a quarter would do."""
    chance = random.Random(1)
    paths = [f"/Site/System{n % 40}/Device{n}:Reading" for n in range(20_000)]
    found = []
    for n in range(4320):
        own = tuple(sorted(chance.sample(paths, 40)))
        period = Period(at(minutes=10 * n), column(4 * k + k % 3 for k in range(40)), column([1] * 40), column(range(40)))
        found.append(
            Summary(
                "Site", at(minutes=10 * n), at(minutes=10 * n + 10), own, (period,), totals_of([period], 40), column([0]) * 40, opening=()
            )
        )  # fmt: skip
    before = time.process_time()
    whole = figures(at(), at(days=30), found)
    part = figures(at(), at(days=30), found, Selection("/Site/System7"))
    assert time.process_time() - before < 2
    assert whole.figure("per_hour").value == 240
    assert 0 < part.figure("per_hour").value < 12
    assert whole.remarks == ()


def test_merging_keeps_the_first_and_the_last_time():
    script = Script()
    for minute in (1, 15, 35):
        script.pulse(at(minutes=minute), PATHS[0], seconds=5)
    found = summaries(script.events, at(minutes=40))
    for parts in (found, [merge(found)], [merge(found[:2]), merge(found[2:])]):
        (one,) = figures(at(), at(minutes=40), parts).fleeting
        assert (one.number, one.first, one.last) == (3, at(5, minutes=1), at(5, minutes=35))


def test_what_was_stale_when_counting_began_is_said_once():
    script = Script()
    script.rise(at(hours=-30), PATHS[0])
    script.rise(at(hours=-23.95), PATHS[1])
    accumulator = Accumulator("Site", at())
    assert list(accumulator.feed(script.events)) == []
    running = accumulator.running(at(minutes=5))
    assert running.opening is not None
    assert [(one.path, one.since) for one in running.opening] == [(PATHS[0], at(hours=-30))]
    assert [(one.path, one.time) for one in running.changes] == [(PATHS[1], at(hours=0.05))]
