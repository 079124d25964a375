"""When an engine stands for election, and when it leaves that to others."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest

from alarm_engine.holding import Others
from alarm_engine.journal.memory import MemoryJournal
from tests.contract.journals import until
from tests.unit.holdings import Company, Generous, Peer, holding


@pytest.fixture
async def journal():
    journal = MemoryJournal()
    await journal.start()
    yield journal
    await journal.close()


class Changing(Company):
    """One that runs it, until it does not; and one that stands by, until it does not."""

    def __init__(self, leader, *standing_by) -> None:
        super().__init__(*standing_by)
        self.leader = leader

    def running(self, config, since_s=None):
        return self.leader if self.leader and (since_s is None or self.leader.heard > since_s) else None


async def test_a_newcomer_does_not_stand_for_election_while_one_that_knows_more_is_there(journal):
    """What happened before it came, and was decided by nobody, is known to who stood by; it knows only what came since."""
    company, ownership = Changing(Peer("engine-a"), Peer("engine-b")), Generous()
    it = holding(journal, ownership, lambda _: nullcontext(journal), Others(journal, company))
    await it.start()
    await until(lambda: "waits for a sign of life" in it.waiting.why)  # it may have been dead already when we came
    company.leader = None
    await until(lambda: "'engine-b' has stood by for longer" in it.waiting.why)
    assert not ownership.given
    assert not it.standing_by("engine-c").candidate
    company._standing_by = ()
    await until(lambda: ownership.given and it.runner)
    assert it.standing_by("engine-c") is None
    await it.stop()


class Patient(Generous):
    """Gives it again to one that had withdrawn."""

    left = False

    async def withdraw(self, config):
        self.left = True


async def test_one_that_had_it_and_was_not_all_there_leaves_it_to_others_first(journal, monkeypatch):
    """Kafka was away, and nobody heard anything of the others: they may know what happened while this one hung."""
    monkeypatch.setattr("alarm_engine.holding._PAUSE_S", 0)
    company, ownership = Company(Peer("engine-b", candidate=False)), Patient()
    it = holding(journal, ownership, lambda _: nullcontext(journal), Others(journal, company))
    await it.start()
    assert ownership.given == 1
    ownership.ended.set()
    await until(lambda: "saw nothing for a while" in it.waiting.why)
    assert ownership.given == 1
    assert ownership.left
    monkeypatch.setattr("alarm_engine.candidacy._ELECTION_NS", 0)
    await until(lambda: ownership.given == 2)
    await it.stop()


async def test_one_without_company_goes_on_at_once(journal, monkeypatch):
    monkeypatch.setattr("alarm_engine.holding._PAUSE_S", 0)
    ownership = Generous()
    it = holding(journal, ownership, lambda _: nullcontext(journal), Others(journal, Company()))
    await it.start()
    ownership.ended.set()
    await until(lambda: ownership.given == 2)
    await it.stop()


async def test_an_engine_that_has_heard_the_one_that_runs_since_it_came_may_succeed_it(journal):
    company, ownership = Changing(Peer("engine-a")), Generous()
    it = holding(journal, ownership, lambda _: nullcontext(journal), Others(journal, company))
    await it.start()
    await until(lambda: "waits for a sign of life" in it.waiting.why)
    company.leader = Peer("engine-a", heard=asyncio.get_running_loop().time() + 1)
    await until(lambda: ownership.given)
    await it.stop()
