"""Paths, severities, times and ids."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_engine.logic.rollup import Tally
from alarm_engine.logic.talk import annunciation
from alarm_engine.logic.timers import TimerWheel
from alarm_engine.model import path as p
from alarm_engine.model.palette import PALETTE
from alarm_engine.model.severity import BY_NAME, PRIORITY, Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import Monotonic, Nanos, from_datetime, iso, to_datetime

S = Severity


def test_the_two_orderings_of_phoebus():
    ordinal = ["OK", "MINOR_ACK", "MAJOR_ACK", "INVALID_ACK", "UNDEFINED_ACK", "MINOR", "MAJOR", "INVALID", "UNDEFINED"]
    priority = ["OK", "MINOR", "MINOR_ACK", "MAJOR", "MAJOR_ACK", "INVALID", "INVALID_ACK", "UNDEFINED", "UNDEFINED_ACK"]
    assert [s.name for s in sorted(S)] == ordinal
    assert [s.name for s in sorted(S, key=lambda s: PRIORITY[s])] == priority
    assert set(BY_NAME) <= set(PALETTE)


def test_forms_of_a_severity():
    assert [s for s in S if s.is_active] == [S.MINOR, S.MAJOR, S.INVALID, S.UNDEFINED]
    assert all(s.acknowledged.unacknowledged == s for s in S if s.is_active)
    assert S.OK.acknowledged is S.OK


@pytest.mark.parametrize(
    ("parent", "item", "made"),
    [(None, "root", "/root"), (None, "/root", "/root"), ("/", "/root", "/root"), ("a", "b", "/a/b"), ("/path", "to", "/path/to"),
     ("/path/to", "sim://sine", r"/path/to/sim:\/\/sine"), ("/the path/to/an item", "with / in it", r"/the path/to/an item/with \/ in it")],
)  # fmt: skip
def test_join_is_makepath(parent, item, made):
    assert p.join(parent, item) == made


@pytest.mark.parametrize("item", ["//pv", "///pv"])
def test_join_refuses_leading_slashes(item):
    with pytest.raises(p.PathError, match="more than one slash"):
        p.join("/path", item)


def test_split_and_names():
    assert p.split("///path//to///some//pv") == ("path", "to", "some", "pv")
    assert p.name(r"sim:\/\/sine") == "sim://sine"
    assert p.canonical("Demo//a/") == "/Demo/a"
    assert p.ancestors("/Demo/a/b") == ("/Demo/a", "/Demo")
    assert (p.system("/Demo/Vac/x/pv"), p.system("/Demo/pv"), p.system("/Demo")) == ("Vac", "", "")
    assert p.is_below("/Demo/Vac/x", "/Demo/Vac")
    assert not p.is_below("/Demo/Vacuum", "/Demo/Vac")


@pytest.mark.parametrize(
    ("path", "modifier", "result"),
    [("/path/to", "sub", "/path/to/sub"), ("/path/to/sub", "..", "/path/to"), ("/path/to", "/new/path", "/new/path"),
     (None, "/path", "/path"),
     (None, None, "/"), ("/", "..", "/"), ("/", "path", "/path"), ("/", "path/to/sub", "/path/to/sub"),
     ("/", r"path/to\/sub", r"/path/to\/sub")],
)  # fmt: skip
def test_update_is_cd(path, modifier, result):
    assert p.update(path, modifier) == result


ELEMENT = st.text(min_size=1, max_size=12).filter(lambda t: not t.endswith("\\") and not t.startswith("/") and "\\/" not in t)


@given(st.lists(ELEMENT, min_size=1, max_size=5))
def test_paths_round_trip(elements):
    assert p.split(p.build(elements)) == tuple(elements)


def test_natural_order():
    assert sorted(["X:10", "X:2", "X:1", "A"], key=p.natural_key) == ["A", "X:1", "X:2", "X:10"]
    assert p.natural_key("X:007") == p.natural_key("X:7")
    assert sorted(["X:" + "9" * 5000, "X:1" + "0" * 5000], key=p.natural_key)[0][2] == "9", "a number too long for Python's int"


def test_times():
    moment = datetime(2026, 11, 22, 13, 35, 47, 120_000, tzinfo=UTC)
    assert iso(from_datetime(moment)) == "2026-11-22T13:35:47.120Z"
    assert to_datetime(from_datetime(moment)) == moment
    with pytest.raises(ValueError, match="no time zone"):
        from_datetime(datetime(2026, 1, 1))  # noqa: DTZ001


def test_event_ids():
    event_id = EventId("Site.Ring", 1_800_000_000, 7)
    assert EventId.parse(str(event_id)) == event_id
    for text in ("", "a.b", ".1.2", "x.1.y"):
        with pytest.raises(ValueError, match="not an event id"):
            EventId.parse(text)


@given(st.lists(st.sampled_from(list(S))))
def test_tally_is_the_maximum(severities):
    tally = Tally()
    for severity in severities:
        tally.add(severity)
    assert tally.highest() == max(severities, default=S.OK)
    for severity in severities:
        tally.remove(severity)
    assert tally.highest() == S.OK


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.one_of(st.none(), st.integers(0, 50))), max_size=200), st.integers(0, 60))
def test_timer_wheel_is_a_dict_of_deadlines(steps, now):
    wheel: TimerWheel[str] = TimerWheel()
    model: dict[str, int] = {}
    for key, deadline in steps:
        if deadline is None:
            wheel.cancel(key)
            model.pop(key, None)
        else:
            wheel.set(key, Monotonic(deadline))
            model[key] = deadline
    assert wheel.next() == min(model.values(), default=None)
    due = wheel.due(Monotonic(now))
    assert sorted(due) == sorted(k for k, d in model.items() if d <= now)
    assert [model[k] for k in due] == sorted(model[k] for k in due)
    assert len(wheel) == sum(d > now for d in model.values())


@pytest.mark.parametrize(
    ("description", "text", "standout"),
    [("Plain", "MAJOR Alarm: Plain", False), ("* Star", " Star", False), ("!Bang", "MAJOR Alarm: Bang", True), ("*!Both", "Both", True),
     ("* !x", " !x", False), ("!*x", "MAJOR Alarm: *x", True), ("**Two", "*Two", False), ("*", "", False), ("", "MAJOR Alarm: ", False)],
)  # fmt: skip
def test_talk(description, text, standout):
    talk = annunciation("/Demo/x", description, S.MAJOR)
    assert (talk.text, talk.standout) == (text, standout)


def test_words_on_fills_are_readable():
    for shade in PALETTE.values():
        assert {shade.text(light=True), shade.text(light=False)} <= {"#1B1B1B", "#FFFFFF"}
    assert PALETTE["MINOR"].text(light=False) == "#1B1B1B"
    assert Nanos(3) == 3


@given(st.text(alphabet="ab/\\", max_size=12))
def test_short_cuts_give_what_the_long_way_gives(text):
    long_way = tuple(part.replace("\\/", "/") for part in p._SEPARATOR.split(text) if part)
    assert p.split(text) == long_way
    assert p.ancestors(text) == tuple(p.build(long_way[:n]) for n in range(len(long_way) - 1, 0, -1))
