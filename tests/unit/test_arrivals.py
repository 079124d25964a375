"""No follower of the journal sleeps through a record."""

import asyncio

import pytest

from alarm_engine.journal.arrivals import Arrivals

TOPICS = frozenset({"Demo", "DemoEvents"})


@pytest.mark.parametrize("announce", [lambda a: a.announce(["DemoEvents", "Else"]), lambda a: a.announce_all()])
async def test_what_arrives_between_looking_and_waiting_is_not_missed(announce):
    arrivals = Arrivals()
    mark = arrivals.mark(TOPICS)
    announce(arrivals)
    assert await arrivals.wait(TOPICS, mark, None)
    assert not await arrivals.wait(TOPICS, arrivals.mark(TOPICS), 0)


async def test_only_those_who_wait_for_the_topic_are_woken():
    arrivals = Arrivals()
    waiting = asyncio.create_task(arrivals.wait(TOPICS, arrivals.mark(TOPICS), None))
    other = asyncio.create_task(arrivals.wait(frozenset({"Else"}), 0, None))
    await asyncio.sleep(0)
    arrivals.announce(["Demo"])
    assert await waiting
    assert not other.done()
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other
    arrivals.announce_all()


def test_a_waiter_whose_loop_is_gone_harms_nobody():
    arrivals = Arrivals()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(arrivals.wait(TOPICS, 0, None))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    arrivals.announce(["Demo"])
    waiting._log_destroy_pending = False  # left behind on purpose


def test_a_loop_that_closes_while_its_waiter_is_woken_harms_nobody(monkeypatch):
    arrivals = Arrivals()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(arrivals.wait(TOPICS, 0, None))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    monkeypatch.setattr(loop, "is_closed", lambda: False)  # it was closed right after the question
    arrivals.announce(["Demo"])  # would end the thread that writes the journal
    waiting._log_destroy_pending = False  # left behind on purpose
