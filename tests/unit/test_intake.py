"""Inputs wait in order; beyond the bound a rise is never dropped."""

from hypothesis import given
from hypothesis import strategies as st

from alarm_engine.intake import Intake, height, merge
from alarm_engine.model.reading import Connection, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Sample
from alarm_engine.model.times import Monotonic, Nanos

LIVE = [Severity.OK, Severity.MINOR, Severity.MAJOR, Severity.INVALID]
ITEM = st.one_of(
    st.builds(
        Reading, st.sampled_from("abc"), st.sampled_from(LIVE), st.just("m"), st.text(max_size=2), st.just(Nanos(0)), st.just(Monotonic(0))
    ),
    st.builds(Connection, st.sampled_from("abc"), st.booleans(), st.just(""), st.just(Nanos(0)), st.just(Monotonic(0))),
)


def running(wake=lambda: None, bound=200_000):
    """An intake from which an evaluator takes."""
    intake = Intake(bound)
    intake.begin(wake, Monotonic(0))
    return intake


def numbered(items):
    """Each input another one: its value or server carries its number."""
    return [i._replace(value=str(n)) if isinstance(i, Reading) else i._replace(server=str(n)) for n, i in enumerate(items)]


@given(st.lists(ITEM, max_size=60))
def test_merge_keeps_first_highest_and_last_of_each_pv_in_order(items):
    items = numbered(items)
    kept = merge(items)
    assert [i for i in items if i in kept] == kept
    for pv in "abc":
        mine, left = [i for i in items if i.pv == pv], [i for i in kept if i.pv == pv]
        assert len(left) <= 3
        if mine:
            assert (left[0], left[-1]) == (mine[0], mine[-1])
            assert max(height(i) for i in left) == max(height(i) for i in mine)


@given(st.lists(ITEM, max_size=60), st.integers(1, 20))
def test_below_the_bound_everything_comes_in_order(items, limit):
    items = numbered(items)
    intake = running()
    intake.offer(items)
    taken = []
    while intake.has_more:
        taken += intake.take(limit)
    assert taken == items
    assert intake.dropped == 0


def test_what_is_merged_is_counted():
    intake = running(bound=10)
    readings = [Reading("a", Severity.OK, str(n), "", Nanos(0), Monotonic(0)) for n in range(100)]
    readings[40] = readings[40]._replace(severity=Severity.MAJOR)
    intake.offer(readings)
    assert [i.message for i in intake.take(100)] == ["0", "40", "99"]
    assert intake.dropped == 97


def test_what_is_taken_stays_until_it_is_covered():
    intake = running()
    items = numbered([Reading("a", Severity.OK, "", "", Nanos(0), Monotonic(0))] * 5)
    intake.offer(items)
    intake.take(3)
    assert intake.backlog == 5
    assert intake.take(10) == items[3:]
    intake.covered()
    assert intake.backlog == 0


def test_wakes_once_until_it_is_emptied():
    wakes = []
    intake = running(lambda: wakes.append(1))
    item = Reading("a", Severity.OK, "", "", Nanos(0), Monotonic(0))
    intake.offer([item])
    intake.offer([item])
    assert len(wakes) == 1
    intake.take(1)
    intake.offer([item])
    assert len(wakes) == 1
    intake.take(10)
    intake.offer([item])
    assert len(wakes) == 2


# ------------------------------------------------------------------ changing hands


def reading(pv, severity, time, message="m"):
    return Reading(pv, severity, message, "", Nanos(time), Monotonic(time))


def test_whoever_takes_over_gets_what_nobody_decided_and_what_every_other_pv_said_last():
    intake = Intake()
    alarm, quiet = reading("a", Severity.MAJOR, 1), reading("b", Severity.OK, 2)
    intake.offer([reading("b", Severity.MINOR, 1), quiet, alarm])
    intake.cover("b", Sample(Severity.OK, "m", "", Nanos(2)), True)
    assert intake.backlog == 1
    intake.begin(lambda: None, Monotonic(9))
    assert intake.take(10) == [alarm, quiet._replace(arrival=Monotonic(9))]


def test_whoever_is_fenced_keeps_what_was_not_covered():
    intake = running()
    items = [reading("a", Severity.MAJOR, 1), reading("a", Severity.OK, 2), reading("b", Severity.MINOR, 3)]
    intake.offer(items)
    intake.take(1)
    intake.rest()
    assert intake.backlog == 3
    # The transaction that was under way had been committed after all.
    intake.cover("a", Sample(Severity.MAJOR, "m", "", Nanos(1)), True)
    intake.begin(lambda: None, Monotonic(9))
    assert intake.take(10) == items[1:]


def test_a_resting_intake_is_bounded_too():
    intake = Intake(bound=10)
    intake.offer([reading("a", Severity.MAJOR if n == 40 else Severity.OK, n, str(n)) for n in range(100)])
    intake.begin(lambda: None, Monotonic(0))
    assert {"0", "40", "99"} <= {item.message for item in intake.take(100)}
    assert intake.dropped >= 85


def test_pvs_that_are_watched_no_more_are_forgotten():
    intake = Intake()
    intake.offer([reading("a", Severity.MAJOR, 1), reading("b", Severity.MAJOR, 1)])
    intake.forget(["a"])
    assert intake.backlog == 1
    intake.begin(lambda: None, Monotonic(0))
    assert [item.pv for item in intake.take(10)] == ["b"]


def test_only_what_has_a_value_counts_as_connected():
    intake = Intake()
    up = Connection("c", True, "", Nanos(0), Monotonic(0))
    intake.offer([reading("a", Severity.OK, 1), reading("b", Severity.OK, 1), up._replace(pv="b", up=False), up, up._replace(pv="b")])
    assert intake.connected(["a", "b", "c", "d", "a"]) == 2


@given(st.lists(st.tuples(st.sampled_from(["hear", "cover"]), ITEM), max_size=30))
def test_whatever_is_covered_the_last_word_of_each_pv_is_told(steps):
    intake, last = Intake(), {}
    for step, item in steps:
        if step == "hear":
            intake.offer([item])
            if isinstance(item, Reading) or not item.up:
                last[item.pv] = item
        elif isinstance(item, Reading):
            intake.cover(item.pv, Sample(item.severity, item.message, "", item.pv_time), True)
    intake.begin(lambda: None, Monotonic(9))
    told = {item.pv: item for item in intake.take(1000)}
    assert {pv: height(item) for pv, item in told.items()} == {pv: height(item) for pv, item in last.items()}


def test_what_a_pv_said_last_is_told_whatever_its_time_stamp():
    """The clock of its IOC was set back: by the time stamps the journal has passed what came last."""
    intake = Intake()
    intake.offer([reading("a", Severity.MAJOR, 100), reading("a", Severity.OK, 7)])
    intake.cover("a", Sample(Severity.MINOR, "m", "", Nanos(50)), True)
    intake.begin(lambda: None, Monotonic(9))
    assert [item.severity for item in intake.take(10)] == [Severity.MAJOR, Severity.OK]
