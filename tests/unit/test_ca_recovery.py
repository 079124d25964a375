"""When channels of a server that went are looked for again."""

from __future__ import annotations

from alarm_engine.sources.ca_recovery import QUIET_NS, REMNANT_NS, SCOUT_NS, SCOUTS, TRIES, Recovery

IOC = "ioc7:5064"
S = 1_000_000_000


def lost(number: int = 1000) -> Recovery:
    recovery = Recovery()
    for n in range(number):
        recovery.went(n, IOC, 0)
    return recovery


def renew(recovery: Recovery, due: list[int], first: int) -> list[int]:
    new = list(range(first, first + len(due)))
    for old, number in zip(due, new, strict=True):
        recovery.renewed(old, number)
    return new


def test_scouts_are_sent_in_turns_for_as_long_as_it_takes():
    recovery = lost(5)
    seen: list[int] = []
    now, number = 0, 100
    for _ in range(100):
        now += 2 * SCOUT_NS
        due = recovery.due(now)
        assert len(due) == SCOUTS
        assert recovery.due(now) == []
        seen += due
        number += len(renew(recovery, due, number))
    assert set(range(5)) <= set(seen)


def test_the_first_scout_goes_soon_but_not_at_once_for_all_servers():
    recovery = Recovery()
    for n in range(200):
        recovery.went(n, f"ioc{n}:5064", 0)
    assert recovery.due(SCOUT_NS // 2 - 1) == []
    assert 0 < len(recovery.due(SCOUT_NS)) < 200
    recovery.due(3 * SCOUT_NS // 2)
    assert not recovery.due(3 * SCOUT_NS // 2)


def test_once_one_is_back_those_that_do_not_follow_are_looked_for():
    recovery = lost()
    recovery.came(0, 60 * S)
    for n in range(1, 900):
        recovery.came(n, 60 * S + n)
    last = 60 * S + 899
    assert recovery.due(last + QUIET_NS - 1) == []
    due = recovery.due(last + QUIET_NS)
    assert due == list(range(900, 1000))
    new = renew(recovery, due, 5000)
    assert recovery.due(last + 2 * QUIET_NS) == []  # the server may be slow: it has twice the time
    assert recovery.due(last + 3 * QUIET_NS) == new


def test_what_a_server_does_not_have_any_more_is_left_to_libca():
    recovery = lost(10)
    for n in range(8):
        recovery.came(n, 0)
    now, all_at_once = 0, 0
    for _ in range(3000):
        now += S // 10
        all_at_once += len(recovery.due(now)) == 2
    assert all_at_once <= TRIES + 300 * S // REMNANT_NS


def test_what_is_removed_or_back_is_not_looked_for():
    recovery = lost(3)
    recovery.removed(0)
    recovery.came(1, S)
    recovery.came(2, S)
    recovery.removed(77)
    recovery.came(78, S)
    assert recovery.due(1000 * S) == []


def test_a_server_that_goes_again_is_waited_for_anew():
    recovery = lost(100)
    for n in range(50):
        recovery.came(n, 10 * S)
    for n in range(50):
        recovery.went(n, IOC, 11 * S)
    assert len(recovery.due(11 * S + SCOUT_NS)) == SCOUTS
