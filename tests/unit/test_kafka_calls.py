"""A call of the client library that does not return holds nobody up."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest
from confluent_kafka import KafkaError, KafkaException

from alarm_engine.journal.kafka_calls import Caller, Overdue


@pytest.fixture
def hang():
    """A call that returns when the test is over."""
    over = threading.Event()
    yield over.wait
    over.set()
    _await(lambda: not any(thread.name == "calls" for thread in threading.enumerate()))


def _await(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def caller(is_given_up=lambda: False):
    return Caller("calls", is_given_up)


def test_calls_are_made_in_order_and_their_errors_are_raised_here():
    it, made = caller(), []
    it.make(lambda: made.append(1), 1, 1)
    with pytest.raises(KafkaException, match="no"):
        it.make(lambda: _refuse(KafkaError._STATE), 1, 1)
    it.make(lambda: made.append(2), 1, 1)
    assert made == [1, 2]
    it.end()


def _refuse(code):
    raise KafkaException(KafkaError(code, "no"))


def test_a_call_that_does_not_return_is_left_behind(hang):
    it, begun = caller(), time.monotonic()
    with pytest.raises(Overdue):
        it.make(hang, 0.01, 0.05)
    assert 0.05 <= time.monotonic() - begun < 5
    assert it.is_lost


def test_one_that_is_given_up_is_not_waited_for_beyond_its_limit(hang):
    it, begun = caller(lambda: True), time.monotonic()
    with pytest.raises(Overdue):
        it.make(hang, 0.05, 60)
    assert 0.05 <= time.monotonic() - begun < 30


def test_a_step_that_never_returns_ends_soon_after_its_deadline(hang):
    it, begun = caller(), time.monotonic()
    with pytest.raises(Overdue):
        it.insist(lambda _: hang(), begun + 0.05)
    assert time.monotonic() - begun < 30


def test_a_step_is_made_again_while_that_may_help():
    it, times = caller(), []

    def step(limit_s):
        times.append(limit_s)
        if len(times) < 3:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "again", retriable=True))

    it.insist(step, time.monotonic() + 60)
    assert times == [0.2, 0.2, 0.2]
    it.end()


def test_a_step_that_helps_never_is_made_until_the_deadline_and_not_all_the_time():
    it, times = caller(), []

    def step(_):
        times.append(time.monotonic())
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "again", retriable=True))

    begun = time.monotonic()
    with pytest.raises(KafkaException):
        it.insist(step, begun + 0.3)
    assert 1 < len(times) <= 31
    it.end()


def test_its_thread_ends_when_nobody_refers_to_it_any_more():
    it = caller()
    it.make(lambda: None, 1, 1)
    thread = it._thread
    gc.disable()
    try:
        del it
        _await(lambda: not thread.is_alive())
    finally:
        gc.enable()


def test_what_calls_work_on_ends_when_the_caller_lets_go_of_it():
    class Client:
        def step(self):
            _refuse(KafkaError._STATE)

    it, client = caller(), Client()
    gone = weakref.ref(client)
    with pytest.raises(KafkaException):
        it.make(client.step, 1, 1)
    gc.disable()
    try:
        del client
        _await(lambda: gone() is None)
    finally:
        gc.enable()
    it.end()
