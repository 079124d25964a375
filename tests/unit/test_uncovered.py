"""What a standby has heard, less what the journal shows to be taken: nothing that nobody decided is missing, nothing decided is left."""

from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from alarm_engine.model.reading import Connection, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId, Sample
from alarm_engine.model.times import Monotonic, Nanos
from alarm_engine.uncovered import Uncovered

OK, MINOR, MAJOR = Severity.OK, Severity.MINOR, Severity.MAJOR


def reading(severity, time, pv="a", message="m"):
    return Reading(pv, severity, message, "", Nanos(time), Monotonic(time))


def sample(item):
    return Sample(item.severity, item.message, item.value, item.pv_time)


def lost(pv="a", up=False):
    return Connection(pv, up, "ioc", Nanos(0), Monotonic(0))


GONE = Sample(Severity.UNDEFINED, "Disconnected", "", Nanos(5))


def heard(*items):
    uncovered = Uncovered()
    uncovered.add(items)
    return uncovered


def test_a_blip_that_nobody_decided_is_kept_whole():
    blip = [reading(MAJOR, 2), reading(OK, 3)]
    uncovered = heard(reading(OK, 1))
    uncovered.cover("a", sample(reading(OK, 1)), True)
    uncovered.add(blip)
    assert uncovered.inputs() == blip


def test_what_the_journal_has_covers_all_before_it():
    uncovered = heard(reading(MAJOR, 1), reading(OK, 2), reading(MINOR, 3))
    uncovered.cover("a", sample(reading(OK, 2)), True)
    assert uncovered.inputs() == [reading(MINOR, 3)]


def test_what_one_topic_tells_late_is_not_what_the_journal_says_last():
    """An alarm that was shelved: events tell what its PV did meanwhile, and are read after its newest state, which is in another topic."""
    uncovered = Uncovered()
    uncovered.cover("a", sample(reading(MINOR, 3)), True, EventId("c", 1, 30))
    uncovered.cover("a", sample(reading(OK, 2)), True, EventId("c", 1, 20))
    uncovered.add([reading(OK, 4)])
    assert uncovered.inputs() == [reading(OK, 4)]
    uncovered.cover("a", sample(reading(OK, 4)), True, EventId("c", 2, 1))
    assert uncovered.inputs() == []


def test_the_journal_may_be_faster_than_the_network_of_the_ioc():
    uncovered = Uncovered()
    blip = [reading(MAJOR, 1), reading(OK, 2)]
    for item in blip:
        uncovered.cover("a", sample(item), True)
    uncovered.add(blip)
    assert uncovered.inputs() == []


def test_a_sample_that_only_the_other_engine_was_sent_covers_what_is_older():
    uncovered = heard(reading(MAJOR, 1), reading(OK, 2), reading(MAJOR, 9))
    uncovered.cover("a", sample(reading(MINOR, 3)), True)
    assert uncovered.inputs() == [reading(MAJOR, 9)]


def test_a_state_that_is_published_again_covers_nothing_new():
    """Somebody acknowledges while the clock of the IOC was set back: its alarm has an older time than what is known."""
    uncovered = heard(reading(MINOR, 100))
    uncovered.cover("a", sample(reading(MINOR, 100)), True)
    uncovered.add([reading(MAJOR, 7), reading(OK, 8)])
    uncovered.cover("a", sample(reading(MINOR, 100)), True)
    assert uncovered.inputs() == [reading(MAJOR, 7), reading(OK, 8)]


def test_equal_samples_are_not_kept():
    uncovered = heard(reading(MAJOR, 1), reading(MAJOR, 2))
    assert uncovered.inputs() == [reading(MAJOR, 1)]
    uncovered.cover("a", sample(reading(MAJOR, 1)), True)
    uncovered.add([reading(MAJOR, 3)])
    assert uncovered.inputs() == []


def test_a_lost_connection_is_covered_by_one():
    uncovered = heard(reading(MAJOR, 1), lost(), lost(), lost(up=True))
    assert uncovered.inputs() == [reading(MAJOR, 1), lost()]
    uncovered.cover("a", GONE, False)
    assert uncovered.inputs() == []
    # Its return brings the same sample again, which the other engine need not have seen yet.
    uncovered.add([reading(MAJOR, 1)])
    assert uncovered.inputs() == [reading(MAJOR, 1)]


def test_that_we_alone_lost_the_connection_stays_until_the_pv_is_back():
    uncovered = heard(reading(MAJOR, 1), lost())
    uncovered.cover("a", sample(reading(MAJOR, 1)), True)
    assert uncovered.inputs() == [lost()]
    uncovered.cover("a", sample(reading(OK, 2)), True)
    assert uncovered.inputs() == [lost()]
    uncovered.add([lost(up=True), reading(OK, 2)])
    assert uncovered.inputs() == []


def test_pvs_keep_their_order_among_each_other():
    items = [reading(MAJOR, 1, "a"), reading(MINOR, 2, "b"), reading(OK, 3, "a"), lost("b")]
    assert heard(*items).inputs() == items


STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([OK, MINOR, MAJOR])), max_size=30)


@given(STEPS, st.data())
def test_what_is_left_is_what_the_other_engine_has_not_published(steps, data):
    """Both hear the same; the journal comes earlier or later, one engine stops anywhere."""
    inputs, standing = [], {}
    for time, (pv, severity) in enumerate(steps):
        if standing.get(pv, OK) != severity:
            standing[pv] = severity
            inputs.append(reading(severity, time, pv))
    published = data.draw(st.integers(0, len(inputs)))
    uncovered = Uncovered()
    for pv in "ab":
        uncovered.cover(pv, Sample(OK, "m", "", Nanos(-1)), True)
    moves = ["hear"] * len(inputs) + ["read"] * published
    at = {"hear": 0, "read": 0}
    for move in data.draw(st.permutations(moves)):
        item = inputs[at[move]]
        at[move] += 1
        if move == "hear":
            uncovered.add([item])
        else:
            uncovered.cover(item.pv, sample(item), True)
        assert len(uncovered) == len(uncovered.inputs())
    assert uncovered.inputs() == inputs[published:]


def test_a_sample_that_changes_nothing_is_not_kept():
    """A record that is processed has another time stamp for whoever connects later."""
    uncovered = heard(reading(MINOR, 8), reading(MAJOR, 9))
    uncovered.cover("a", sample(reading(MINOR, 6)), True)
    uncovered.settle(Monotonic(9))
    assert uncovered.inputs() == [reading(MAJOR, 9)]


def test_a_connection_that_was_lost_twice_is_covered_one_by_one():
    """An engine that dies after the first of them has decided nothing of what came between."""
    uncovered = heard(lost(), reading(MAJOR, 2), lost())
    uncovered.cover("a", GONE, False)
    assert uncovered.inputs() == [reading(MAJOR, 2), lost()]
    uncovered = heard(reading(MAJOR, 1), lost(), reading(MAJOR, 1))
    uncovered.cover("a", sample(reading(MAJOR, 1)), True)
    assert uncovered.inputs() == [lost(), reading(MAJOR, 1)]


def test_a_time_stamp_that_stands_still_leaves_nothing_that_was_decided():
    items = [reading(MAJOR, 0), reading(OK, 0)] * 3
    uncovered = heard(*items)
    for item in items:
        uncovered.cover("a", sample(item), True)
    assert uncovered.inputs() == []


def test_what_the_journal_once_said_covers_nothing_that_came_later():
    """Whoever was fenced reads it from the beginning, and goes on to hear meanwhile."""
    uncovered = Uncovered()
    uncovered.is_behind = True
    blip = [reading(MAJOR, 3), reading(OK, 4)]
    uncovered.cover("a", sample(reading(MAJOR, 1)), True)
    uncovered.add(blip)
    uncovered.cover("a", sample(reading(OK, 2)), True)
    assert uncovered.inputs() == blip


def test_a_connection_that_was_lost_before_a_decided_sample_is_decided():
    uncovered = heard(lost(), reading(OK, 5))
    uncovered.cover("a", sample(reading(MINOR, 7)), True)
    assert uncovered.inputs() == []


def test_a_connection_that_only_we_lost_is_dropped_when_the_other_engine_had_its_time():
    uncovered = Uncovered()
    uncovered.cover("a", sample(reading(OK, 1)), True)
    uncovered.add([lost(), reading(OK, 5)])
    uncovered.settle(Monotonic(5))
    assert uncovered.inputs() == [lost(), reading(OK, 5)]
    uncovered.settle(Monotonic(6))
    assert uncovered.inputs() == []


def test_what_the_other_engine_does_not_know_stays_however_long_ago_it_was():
    """It is cut from that IOC: what its journal says of the PV is not what the PV says."""
    uncovered = Uncovered()
    uncovered.cover("a", sample(reading(OK, 1)), True)
    uncovered.cover("a", GONE, False)
    items = [lost(), reading(OK, 5), reading(MAJOR, 6), reading(OK, 7)]
    uncovered.add(items)
    uncovered.settle(Monotonic(100))
    assert uncovered.inputs() == items


def test_very_many_inputs_of_one_pv_are_covered_one_by_one_in_no_time():
    """What waited while Kafka was away is published from the oldest on: looking through all that waits for each would take minutes."""
    items = [reading(MAJOR if time % 2 else OK, time) for time in range(100_000)]
    uncovered = heard(*items)
    begun = process_time()
    for item in items[:20_000]:
        uncovered.cover("a", sample(item), True)
    assert process_time() - begun < 5
    assert uncovered.inputs() == items[20_000:]
