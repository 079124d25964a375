"""What of the history comes back into a journal that was lost, and what is left alone."""

from dataclasses import replace
from datetime import UTC

import pytest

from alarm_engine.errors import JournalError
from alarm_engine.evaluator import Evaluator, EvaluatorSettings
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Acknowledgement, Alarm, EventId, Suppression
from alarm_engine.model.times import Moment, Monotonic
from alarm_engine.replay import replay, settle
from alarm_engine.wire.topics import Topics
from backend.history.memory import MemoryHistory
from backend.history.restoration import Wanted, restore
from tests.contract.histories import at, event, snapshot

TOPICS = Topics("Demo")
NOW = at(1000)
ACK = Acknowledgement("mara", "ops7", "pump is being changed", at(20))
SHELF = Suppression("jo", "ops8", "being repaired", at(30), at(5000))
MAJOR = snapshot(Severity.MAJOR)
HIDDEN = replace(snapshot(Severity.MAJOR, suppressed=True), suppression=SHELF)


def acknowledged(state):
    return replace(state, alarm=state.alarm._replace(severity=Severity.MAJOR_ACK), acknowledgement=ACK)


HISTORY = [
    event(1, 10, "/Demo/Vac/A"),
    event(2, 20, "/Demo/Vac/A", EventKind.ACKNOWLEDGED, severity=Severity.MAJOR_ACK, state=acknowledged(MAJOR)),
    event(3, 30, "/Demo/Vac/B", EventKind.SHELVED, severity=Severity.OK, state=HIDDEN),
    event(4, 40, "/Demo", EventKind.MODE, state=None, reason="disable_notify"),
    event(5, 41, "/Demo", EventKind.MODE, state=None, reason="maintenance"),
    event(6, 42, "/Demo", EventKind.MODE, state=None, reason="normal"),
    event(7, 50, "/Demo/Vac/C", EventKind.REMOVED),
    event(8, 60, "/Demo/Vac/Gone"),
]
TREE = ["A", "B", "C", "New"]


@pytest.fixture
async def journal():
    journal = MemoryJournal()
    await journal.start()
    await journal.ensure_topics(TOPICS.specs())
    yield journal
    await journal.close()


@pytest.fixture
async def history():
    history = MemoryHistory()
    await history.start()
    await history.write(HISTORY)
    yield history
    await history.close()


async def bring_into_force(journal):
    await journal.append([Record("Demo", f"config:/Demo/Vac/{name}", b'{"user":"sync","host":"","description":"X"}') for name in TREE])


async def taken_over(journal):
    """What an engine makes of it."""
    replayed = await replay(journal, TOPICS, UTC)
    await settle(journal, TOPICS, replayed, UTC)
    evaluator = Evaluator(EvaluatorSettings("Demo"), 9, NOW)
    replayed.restore(evaluator, Moment(NOW, Monotonic(0)))
    return replayed, evaluator


async def test_an_engine_finds_alarms_acknowledgements_shelves_and_switches_as_they_were(journal, history):
    await bring_into_force(journal)
    done = await restore(journal, history, Wanted("Demo", UTC, NOW, NOW))
    assert (done.alarms, done.acknowledged, done.suppressed, done.unknown) == (2, 1, 1, 2)
    replayed, evaluator = await taken_over(journal)
    a, b = (evaluator.tree.leaves[f"/Demo/Vac/{name}"] for name in "AB")
    assert a.logic.alarm == Alarm(Severity.MAJOR_ACK, "HIHI_ALARM", "1", at(0))
    assert (a.acknowledgement, a.version, a.since) == (ACK, EventId("Demo", 1, 2), at(0))
    assert (b.suppression, b.settings.enabled, b.settings.enabled_at) == (SHELF, False, at(5000))
    assert b.logic.alarm.message == "Disabled"
    assert (evaluator.switches.maintenance, evaluator.switches.notify) == (False, False)
    assert evaluator.tree.leaves["/Demo/Vac/C"].logic.alarm.severity is Severity.OK
    assert "/Demo/Vac/Gone" not in evaluator.tree.leaves
    assert replayed.newest_epoch == 1
    assert replayed.broken == 0


async def test_as_of_a_time_before_the_loss(journal, history):
    await bring_into_force(journal)
    await restore(journal, history, Wanted("Demo", UTC, at(15), NOW))
    _, evaluator = await taken_over(journal)
    assert evaluator.tree.leaves["/Demo/Vac/A"].logic.alarm.severity is Severity.MAJOR
    assert evaluator.tree.leaves["/Demo/Vac/B"].settings.enabled


async def test_a_shelf_that_ended_meanwhile_is_over(journal, history):
    await bring_into_force(journal)
    done = await restore(journal, history, Wanted("Demo", UTC, NOW, at(6000)))
    assert done.suppressed == 0
    _, evaluator = await taken_over(journal)
    assert evaluator.tree.leaves["/Demo/Vac/B"].suppression is None


async def test_twice_is_the_same_as_once(journal, history):
    await bring_into_force(journal)
    wanted = Wanted("Demo", UTC, NOW, NOW)
    assert await restore(journal, history, wanted) == await restore(journal, history, wanted)


async def test_nothing_is_restored_without_a_tree(journal, history):
    with pytest.raises(JournalError, match="bring the tree into force first"):
        await restore(journal, history, Wanted("Demo", UTC, NOW, NOW))


async def test_newer_states_of_an_engine_are_not_written_over_unasked(journal, history):
    await bring_into_force(journal)
    await journal.append([Record("Demo", "state:/Demo", b'{"severity":"OK"}')])
    with pytest.raises(JournalError, match="has states already, the first is that of /Demo"):
        await restore(journal, history, Wanted("Demo", UTC, NOW, NOW))
    assert (await restore(journal, history, Wanted("Demo", UTC, NOW, NOW, over=True))).alarms == 2
