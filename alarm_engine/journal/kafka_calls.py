"""Calls of the client library that come to an end, whatever the library does: each on a thread that can be left behind.

librdkafka 2.15 looks at the time limit of `send_offsets_to_transaction` only when it has an answer in hand. A broker that is killed between
the two requests of that call gives none, and the call waits for as long as the broker is away (its issue 5456), or for ever.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue

from confluent_kafka import KafkaError, KafkaException

from alarm_engine.journal.kafka_errors import error_of

_TURN_S = 0.2
OVERDUE_S = 1.0
"""A call that returns so much later than it was told to is left behind ..."""
_MOST_OVERDUE_S = 4.0
"""... or so much later while there is time: a new client costs more than a short wait on a busy machine."""
_PAUSE_S = 0.01
_LOOK_S = 0.1

Call = Callable[[], object]


class Overdue(KafkaException):
    """A call has not returned. What it began may yet be done, and whatever it works on is of no use any more."""

    def __init__(self) -> None:
        super().__init__(KafkaError(KafkaError._TIMED_OUT, "the client library for Kafka does not return from a call"))


class Caller:
    """Makes one call at a time. Belongs to one thread, which waits here; the calls are made on another."""

    def __init__(self, name: str, is_given_up: Callable[[], bool]) -> None:
        """`is_given_up`: nobody waits for answers any more."""
        self._is_given_up = is_given_up
        self._asked: SimpleQueue[Call | None] = SimpleQueue()
        self._answers: SimpleQueue[Exception | None] = SimpleQueue()
        self._thread = threading.Thread(target=_serve, args=(self._asked, self._answers), name=name, daemon=True)
        weakref.finalize(self, self._asked.put, None).atexit = False  # whoever has no use for it any more need not say so
        self.is_lost = False
        """A call has not returned: no other can be made."""

    def make(self, call: Call, limit_s: float, patience_s: float) -> None:
        """Make a call that should return within `limit_s`.

        Raises what it raises, and `Overdue` if it has not returned after `patience_s`, or after `limit_s` when everything was given up.
        """
        if self._thread.ident is None:
            self._thread.start()
        self._asked.put(call)
        begun = time.monotonic()
        while (since_s := time.monotonic() - begun) < patience_s and not (since_s > limit_s and self._is_given_up()):
            try:
                problem = self._answers.get(timeout=min(_LOOK_S, patience_s - since_s))
            except Empty:
                continue
            try:
                if problem is not None:
                    raise problem
            finally:
                problem = None  # else the error would hold this frame, and the frame the error, and with them what the call works on
            return
        self.is_lost = True
        self.end()
        raise Overdue

    def insist(self, step: Callable[[float], object], deadline: float, refused: Sequence[object] = ()) -> None:
        """A step of a transaction: again while the library says that this may help. `deadline` by the monotonic clock.

        In short turns: with one record refused, the library would wait all the time for those behind it, which it holds back.
        """
        while True:
            left_s = deadline - time.monotonic()
            limit_s = max(0.01, min(_TURN_S, left_s))
            try:
                self.make(partial(step, limit_s), limit_s, max(limit_s + OVERDUE_S, min(limit_s + _MOST_OVERDUE_S, left_s)))
            except KafkaException as problem:
                error = error_of(problem)
                if refused or isinstance(problem, Overdue) or not error.retriable() or error.fatal() or error.txn_requires_abort():
                    raise
                self.check_time(deadline)
                time.sleep(_PAUSE_S)  # the library may say so at once
            else:
                return

    def check_time(self, deadline: float) -> None:
        """Raise if it is over."""
        if self._is_given_up() or time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the broker has not confirmed the records in time"))

    def end(self) -> None:
        """Make no more calls; one that has not returned keeps its thread for as long as it lasts."""
        self._asked.put(None)


def _serve(asked: SimpleQueue[Call | None], answers: SimpleQueue[Exception | None]) -> None:
    """Holds nothing between two calls: what they work on ends when whoever calls lets go of it."""
    while True:
        call = asked.get()
        if call is None:
            return
        problem: Exception | None = None
        try:
            call()
        except Exception as raised:  # noqa: BLE001 - the border between two threads: whoever has asked gets it
            problem = raised.with_traceback(None)  # whose frames would hold what the call works on
        call = None
        answers.put(problem)
        problem = None
