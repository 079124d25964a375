"""What counts as a difference between two servers, and what as an act of an operator."""

from alarm_engine.logic.side_by_side import Act, Comparison, Difference, Following, Shown, act_between, follow
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Moment, Monotonic, Nanos

S = Severity
MAJOR = Shown(S.MAJOR, "HIHI_ALARM", S.MAJOR, "HIHI_ALARM")
LATCHED = Shown(S.MAJOR, "HIHI_ALARM", S.OK)
ACKNOWLEDGED = Shown(S.MAJOR_ACK, "HIHI_ALARM", S.MAJOR, "HIHI_ALARM")
OK = Shown(S.OK)
BEGIN = Moment(Nanos(0), Monotonic(0))


def look(comparison, ours, theirs, seconds, path="/A/b"):
    now = BEGIN.plus_s(seconds)
    return comparison.look(Difference(path, ours, theirs, now.wall, "raised"), now)


def test_what_an_ok_alarm_is_called_is_no_difference_but_disabled_is():
    assert Shown.of((S.OK, "NO_ALARM"), (S.OK, "")) == Shown.of((S.OK, "OK"), (S.OK, "Disposed")) == OK
    assert Shown.of((S.OK, "Disabled"), (S.OK, "OK")) != OK


def test_how_it_is_told():
    assert str(Shown.of((S.MAJOR, "HIHI_ALARM"), (S.OK, "NO_ALARM"))) == "MAJOR HIHI_ALARM (the PV: OK)"
    assert str(Shown.of((S.OK, "OK"), (S.MAJOR, "HIHI_ALARM"))) == "OK (the PV: MAJOR HIHI_ALARM)"
    assert str(MAJOR) == "MAJOR HIHI_ALARM"
    assert str(Shown.of((S.OK, "Disabled"), (S.OK, "OK"))) == "OK Disabled"
    assert str(Shown(S.MINOR)) == "MINOR"


def test_acts_are_known_from_what_was_published():
    assert act_between(MAJOR, ACKNOWLEDGED, True) is Act.ACKNOWLEDGED
    assert act_between(LATCHED, OK, True) is Act.ACKNOWLEDGED
    assert act_between(ACKNOWLEDGED, MAJOR, True) is Act.UNACKNOWLEDGED


def test_what_a_pv_can_do_is_no_act():
    assert act_between(MAJOR, LATCHED, True) is None
    assert act_between(MAJOR, OK, False) is None
    assert act_between(LATCHED, OK, False) is None
    assert act_between(ACKNOWLEDGED, Shown(S.INVALID, "LOLO_ALARM", S.INVALID, "LOLO_ALARM"), True) is None
    assert act_between(LATCHED, Shown.of((S.OK, "Disabled"), (S.OK, "OK")), True) is None


def test_an_act_waits_until_we_are_there_and_is_not_repeated():
    assert follow(Act.ACKNOWLEDGED, MAJOR, ACKNOWLEDGED) is Following.NOW
    assert follow(Act.ACKNOWLEDGED, OK, ACKNOWLEDGED) is Following.LATER
    assert follow(Act.ACKNOWLEDGED, MAJOR, OK) is Following.LATER  # we have not heard that the PV is back
    assert follow(Act.ACKNOWLEDGED, LATCHED, OK) is Following.NOW
    assert follow(Act.ACKNOWLEDGED, ACKNOWLEDGED, ACKNOWLEDGED) is Following.NEVER
    assert follow(Act.ACKNOWLEDGED, MAJOR, MAJOR) is Following.NEVER  # it has risen again meanwhile
    assert follow(Act.UNACKNOWLEDGED, ACKNOWLEDGED, MAJOR) is Following.NOW
    assert follow(Act.UNACKNOWLEDGED, MAJOR, MAJOR) is Following.NEVER


def test_a_difference_that_is_over_soon_is_none():
    comparison = Comparison(5)
    look(comparison, MAJOR, OK, 0)
    assert not comparison.settle(BEGIN.plus_s(4.9))
    assert look(comparison, MAJOR, MAJOR, 4.95) is None
    assert not comparison.settle(BEGIN.plus_s(60))
    assert (comparison.settled, comparison.blips, comparison.standing) == (0, 1, [])


def test_one_that_stays_is_told_once_with_its_end():
    comparison = Comparison(5)
    look(comparison, MAJOR, OK, 0)
    look(comparison, LATCHED, OK, 3)
    (told,) = comparison.settle(BEGIN.plus_s(5))
    assert (told.ours, told.theirs, told.since) == (LATCHED, OK, 0)
    assert not comparison.settle(BEGIN.plus_s(6))
    assert comparison.standing == [told]
    assert look(comparison, OK, OK, 7) == told
    assert (comparison.settled, comparison.standing) == (1, [])


def test_time_in_which_nothing_could_be_compared_does_not_count():
    comparison = Comparison(5)
    look(comparison, MAJOR, OK, 0)
    comparison.begin_anew(BEGIN.plus_s(100))
    assert not comparison.settle(BEGIN.plus_s(104))
    assert len(comparison.settle(BEGIN.plus_s(105))) == 1
