"""Several configurations share the one collector of the process: none undoes what another one needs."""

from __future__ import annotations

import gc
import weakref

import pytest

from alarm_engine.garbage import set_aside, take_back, tidy_up


class Tree:
    """Alarms that refer to each other."""

    def __init__(self) -> None:
        self.parent = self


def is_looked_through(tree):
    return any(one is tree for one in gc.get_objects())


@pytest.fixture
def first():
    """A tree that another configuration has set aside."""
    tree = Tree()
    set_aside()
    yield tree
    take_back()
    assert gc.get_freeze_count() == 0


def test_what_another_one_set_aside_stays_so(first):
    set_aside()
    take_back()
    assert not is_looked_through(first)
    tidy_up()
    assert not is_looked_through(first)


def test_what_was_taken_back_is_found_and_what_stays_is_set_aside_again(first):
    second = Tree()
    gone = weakref.ref(second)
    set_aside()
    take_back()
    del second
    tidy_up()
    assert gone() is None
    assert not is_looked_through(first)


def test_nothing_is_looked_through_where_nothing_was_taken_back(first, monkeypatch):
    monkeypatch.setattr(gc, "collect", lambda: pytest.fail("it takes its time"))
    tidy_up()
    tidy_up()


def test_the_last_one_leaves_nothing_set_aside():
    tree = Tree()
    set_aside()
    set_aside()
    take_back()
    take_back()
    assert is_looked_through(tree)
    assert gc.get_freeze_count() == 0
    tidy_up()
    assert gc.get_freeze_count() == 0
