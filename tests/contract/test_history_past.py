"""The tree as it was, whatever comes late, is written again, is deleted, or is killed half way."""

import asyncio
import random

import pytest

from alarm_engine.errors import QueryTooLarge
from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Suppression
from backend.history.checkpoints import State, decode, encode
from backend.history.memory import MemoryHistory
from backend.history.port import PastAlarm, PastStates
from tests.contract.histories import ADAPTERS, at, command, event, months, snapshot

pytestmark = pytest.mark.timeout(300)  # the first one starts a server

S, K = Severity, EventKind
PV1, PV2, PV3 = "/Demo/Vac/PV1", "/Demo/Vac/PV2", "/Demo/RF/PV3"


@pytest.fixture(params=ADAPTERS)
async def store(request, tmp_path, monkeypatch):
    for adapter in ("sqlite", "elastic"):
        monkeypatch.setattr(f"backend.history.{adapter}_past.EVENTS_BETWEEN", 4)
    store = ADAPTERS[request.param](tmp_path)
    await store.start()
    yield store
    await store.close()


async def checkpoints(store):
    made = 0
    while await store.checkpoint("Demo"):
        made += 1
    return made


async def severities(store, seconds, prefix=None):
    return {alarm.path: alarm.severity for alarm in (await store.states_at("Demo", at(seconds), prefix)).alarms}


async def same_as_model(store, events, seconds):
    model = MemoryHistory()
    await model.write(events)
    for second in seconds:
        assert await store.states_at("Demo", at(second)) == await model.states_at("Demo", at(second)), second


async def test_the_tree_at_a_moment(store):
    shelved = Suppression("u", "h", "r", at(0), at(99))
    hidden = snapshot(S.MAJOR, suppressed=True)
    events = [
        event(1, 10, PV1),
        event(2, 20, PV2, severity=S.MINOR, state=snapshot(S.MINOR, connected=False)),
        command(3, 25),
        event(4, 30, PV1, K.DISABLED, state=hidden),
        event(5, 40, PV3, K.SHELVED, state=type(hidden)(hidden.alarm, hidden.current, True, at(0), suppression=shelved)),
        event(6, 50, PV2, K.REMOVED, state=None),
    ]
    await store.write(events)
    assert (await store.states_at("Demo", at(9))) == PastStates((), complete=True)
    assert (await store.states_at("Demo", at(20))).alarms == (
        PastAlarm(PV1, S.MAJOR, False, False, True, events[0].id, at(10)),
        PastAlarm(PV2, S.MINOR, False, False, False, events[1].id, at(20)),
    )
    assert (await store.states_at("Demo", at(45))).alarms == (
        PastAlarm(PV3, S.OK, True, False, True, events[4].id, at(40)),
        PastAlarm(PV1, S.OK, True, True, True, events[3].id, at(30)),
        PastAlarm(PV2, S.MINOR, False, False, False, events[1].id, at(20)),
    )
    assert await severities(store, 50) == {PV1: S.OK, PV3: S.OK}
    assert await severities(store, 45, "/Demo/Vac") == {PV1: S.OK, PV2: S.MINOR}
    assert await severities(store, 45, PV2) == {PV2: S.MINOR}
    assert await severities(store, 45, "/") == await severities(store, 45)
    assert (await store.states_at("Other", at(50))) == PastStates((), complete=True)
    assert await store.checkpoint("Other") is False


async def test_with_checkpoints_it_is_the_same(store):
    chance = random.Random(3)
    kinds = [K.ALARM, K.CHANGED, K.CLEARED, K.REMOVED]
    events = [
        event(
            n,
            chance.randrange(n // 3, n // 3 + 3),
            f"/Demo/A/PV{chance.randrange(7)}",
            chance.choice(kinds),
            severity=chance.choice(list(S)),
        )
        for n in range(1, 40)
    ]
    late, rest = events[3::4], [one for one in events if one not in events[3::4]]
    await store.write(rest)
    made = await checkpoints(store)
    assert made > 3 or isinstance(store, MemoryHistory)
    await same_as_model(store, rest, range(0, 17))
    # Events that come late, older than checkpoints, some of them at a time that a checkpoint has.
    await store.write(late)
    await same_as_model(store, events, range(0, 17))
    await checkpoints(store)
    await same_as_model(store, events, range(0, 17))
    await store.write(events)
    await same_as_model(store, events, range(0, 17))


async def test_many_at_one_moment(store):
    """A command of which more events come than lie between two checkpoints, in two batches."""
    events = [event(n, 5, f"/Demo/A/PV{n}") for n in range(1, 20)]
    await store.write(events[:12])
    await checkpoints(store)
    await same_as_model(store, events[:12], [4, 5, 6])
    await store.write(events[12:])
    await checkpoints(store)
    await same_as_model(store, events, [4, 5, 6])


async def test_an_event_that_comes_while_a_checkpoint_is_made(store):
    """Whichever of them is first: no checkpoint is kept that misses it."""
    events = [event(n, 2 * n, f"/Demo/A/PV{n % 3}") for n in range(1, 40)]
    late = [event(100 + n, 2 * n + 1, f"/Demo/A/PV{n % 3}", severity=S.MINOR) for n in range(1, 40)]
    await store.write(events)

    async def make():
        while await store.checkpoint("Demo"):
            pass

    async def write():
        for one in reversed(late):
            await store.write([one])
            await asyncio.sleep(0)

    await asyncio.gather(make(), write())
    await same_as_model(store, [*events, *late], range(0, 85, 3))


async def test_what_was_deleted_is_not_known_completely(store):
    events = [event(n, months(n / 4), f"/Demo/A/PV{n % 3}", severity=S.MAJOR if n % 2 else S.MINOR) for n in range(30)]
    await store.write(events)
    await checkpoints(store)
    before = await store.states_at("Demo", at(months(5.1)))
    assert before.complete
    assert await store.delete_before("Demo", at(months(4))) > 0
    await checkpoints(store)
    assert await store.states_at("Demo", at(months(5.1))) == before
    assert (await store.states_at("Demo", at(months(4)))).complete
    assert not (await store.states_at("Demo", at(months(3.9)))).complete
    assert len((await store.states_at("Demo", at(months(3.9)))).alarms) == 3
    assert await store.delete_before("Demo", at(months(2))) == 0
    assert (await store.states_at("Demo", at(months(4)))).complete


async def test_too_many_events_after_the_last_checkpoint(store, monkeypatch):
    if isinstance(store, MemoryHistory):
        return
    for module in ("checkpoints", "sqlite_past", "elastic_past"):
        monkeypatch.setattr(f"backend.history.{module}.MOST_REPLAYED", 9)
    await store.write([event(n, n) for n in range(1, 11)])
    with pytest.raises(QueryTooLarge, match="checkpoint"):
        await store.states_at("Demo", at(10))
    assert len((await store.states_at("Demo", at(9))).alarms) == 1
    await checkpoints(store)
    assert len((await store.states_at("Demo", at(10))).alarms) == 1


def test_the_content_of_a_checkpoint():
    states = {path: State(path, n - 1, 1, 1 << 40, at(n)) for n, path in enumerate(["/D/ä\\/b", "/D/x"])}
    assert decode(encode(states)) == states
    assert decode(encode({})) == {}
