"""A `tocsin config sync` in whose middle the journal goes away."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from alarm_engine.config.plan import SyncPlan
from alarm_engine.errors import JournalDenied, JournalFenced, JournalUnavailable
from alarm_engine.journal.memory import MemoryJournal
from tocsin.cli import drift
from tocsin.cli.drift import bring_patiently

DONE = SyncPlan()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(drift, "_PAUSE_S", 0.001)


class Tries:
    """A synchroniser that fails as it is told, and then does it."""

    def __init__(self, *problems):
        self.left = list(problems)
        self.made = 0

    async def bring(self, wanted, writer):
        self.made += 1
        if self.left:
            problem = self.left.pop(0) if len(self.left) > 1 or self.left[0] is None else self.left[0]
            if problem is not None:
                raise problem
        return DONE


async def bring(tries, patience_s=60):
    return await bring_patiently(tries, None, lambda: nullcontext(MemoryJournal()), patience_s)


async def test_it_goes_on_when_the_journal_is_back_and_says_once_what_it_waits_for(capsys):
    tries = Tries(JournalUnavailable("cannot write: Kafka is away"), JournalUnavailable("cannot write: Kafka is away"), None)
    assert await bring(tries) is DONE
    assert tries.made == 3
    said = capsys.readouterr().err
    assert said.count("cannot write: Kafka is away. It is tried again for 60 s, with what is left to do.") == 1


async def test_it_ends_with_what_to_do_when_the_journal_stays_away():
    with pytest.raises(
        JournalUnavailable, match=r"^Kafka is away\. A tree comes into force as a whole or not at all; .* Run the same again"
    ):
        await bring(Tries(JournalUnavailable("Kafka is away")), 0.05)


async def test_where_nothing_is_waited_for_it_ends_at_once(capsys):
    tries = Tries(JournalUnavailable("locked"))
    with pytest.raises(JournalUnavailable, match="locked"):
        await bring(tries, 0)
    assert (tries.made, capsys.readouterr().err) == (1, "")


async def test_a_right_that_is_missing_is_not_waited_for():
    tries = Tries(JournalDenied("no right"))
    with pytest.raises(JournalDenied, match=r"^no right$"):
        await bring(tries)
    assert tries.made == 1


async def test_another_sync_may_shut_it_out_twice():
    tries = Tries(JournalFenced("taken over"), JournalFenced("taken over"), None)
    assert await bring(tries) is DONE
    with pytest.raises(JournalFenced):
        await bring(Tries(JournalFenced("taken over")))
