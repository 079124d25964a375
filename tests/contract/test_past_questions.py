"""Questions that need several answers of a store are answered the same by every store."""

import random

import pytest

from alarm_engine.model.event import EventKind
from alarm_engine.model.path import is_below
from alarm_engine.model.severity import Severity
from backend.history.memory import MemoryHistory
from backend.history.port import EventQuery
from backend.past import acknowledgements, export
from backend.past.difference import difference
from backend.past.paths import alarms_below
from backend.past.reach import moment
from backend.past.tree import PastTree, standing_then, with_states
from tests.contract.histories import ADAPTERS, at, event, snapshot

pytestmark = pytest.mark.timeout(300)  # the first one starts a server

S, K = Severity, EventKind
PATHS = ["/Demo/A/P1", "/Demo/A/P2", "/Demo/A/B/P1", "/Demo/C", "/Demo/A2/x\\/y"]
ALL = EventQuery("Demo", at(-1), at(1000))


def story(seed):
    """Events as an engine makes them: alarms rise, get worse, are acknowledged, clear, are shelved, leave the tree."""
    chance = random.Random(seed)
    shown = dict.fromkeys(PATHS, S.OK)
    events = []
    for n in range(1, 121):
        path = chance.choice(PATHS)
        kind = chance.choice([K.ALARM, K.ALARM, K.ACKNOWLEDGED, K.ACKNOWLEDGED, K.CLEARED, K.CHANGED, K.SHELVED, K.REMOVED, K.COMMAND])
        severity = {K.ALARM: chance.choice([S.MINOR, S.MAJOR]), K.ACKNOWLEDGED: shown[path].acknowledged, K.CHANGED: shown[path]}.get(
            kind, S.OK
        )
        state = (
            None if kind in (K.REMOVED, K.COMMAND) else snapshot(severity, suppressed=kind is K.SHELVED, connected=chance.random() < 0.9)
        )
        more = {"user": chance.choice(["mara", "sam"])} if kind is K.ACKNOWLEDGED else {}
        reason = "maintenance mode" if kind is K.ACKNOWLEDGED and chance.random() < 0.1 else ""
        events.append(event(n, n // 2, path, kind, severity=severity, state=state, reason=reason, **more))
        shown[path] = severity
    return events


@pytest.fixture(params=ADAPTERS)
async def stores(request, tmp_path, monkeypatch):
    for adapter in ("sqlite", "elastic"):
        monkeypatch.setattr(f"backend.history.{adapter}_past.EVENTS_BETWEEN", 25)
    monkeypatch.setattr(acknowledgements, "_LOOKED_AT_FIRST", 2)
    monkeypatch.setattr(export, "PAGE", 7)
    store, model = ADAPTERS[request.param](tmp_path), MemoryHistory()
    await store.start()
    events = story(3)
    for one in (store, model):
        await one.write(events)
    while await store.checkpoint("Demo"):
        pass
    yield store, model
    await store.close()


async def test_who_acknowledged(stores):
    queries = [
        ALL,
        EventQuery("Demo", at(10), at(40), user="mara", path_prefix="/Demo/A", oldest_first=True),
        EventQuery("Demo", at(-1), at(1000), limit=3),
    ]
    answers = [[await acknowledgements.acknowledgements(one, query) for query in queries] for one in stores]
    assert answers[0] == answers[1]
    assert len({found.after_s for found in answers[0][0][0]}) >= 4


async def test_all_of_it_as_a_file(stores):
    for form in export.Format:
        for query, most in ((ALL, None), (EventQuery("Demo", at(5), at(50), oldest_first=True), 20)):
            files = [b"".join([form.lines(page) async for page in export.pages(one, query, most)]) for one in stores]
            assert files[0] == files[1]
            assert files[0].count(b"\n") == (most or 120)


async def test_moments_and_what_differs(stores):
    for seconds in (-5, 0, 17, 33, 60, 70):
        found = [await moment(one, "Demo", at(seconds), at(10_000)) for one in stores]
        assert found[0] == found[1]
        trees = [PastTree("Demo", one.states) for one in found]
        assert trees[0].nodes == trees[1].nodes
        states = [await with_states(one, "Demo", found[0].states.alarms, at(seconds)) for one in stores]
        assert states[0] == states[1]
        assert [one.version for one in states[0]] == [alarm.event for alarm in found[0].states.alarms]
    before, after = [[await one.states_at("Demo", at(seconds)) for one in stores] for seconds in (17, 50)]
    assert difference(before[0], after[0]) == difference(before[1], after[1])


async def test_the_alarms_of_a_component(stores):
    paths = ["/Demo", "/Demo/A", "/Demo/A/P1", "/Demo/A2/x\\/y", "/Demo/None", "/"]
    together = [await alarms_below(one, "Demo", paths, (at(5), at(55))) for one in stores]
    assert together[0] == together[1]
    for path in paths:
        alone = await alarms_below(stores[0], "Demo", [path], (at(5), at(55)))
        assert alone == {path: together[0][path]}
        assert sorted(alone[path]) == sorted(one for one in PATHS if is_below(one, path))


async def test_a_tree_is_rolled_up_as_the_counts_say(stores):
    """What a component has is the sum of what is below it; suppressed alarms do not count for its severity."""
    store, _ = stores
    for seconds in range(0, 61, 7):
        states = await store.states_at("Demo", at(seconds))
        tree = PastTree("Demo", states)
        for path, node in tree.nodes.items():
            below = [one for one in states.alarms if one.path.startswith(path + "/")]
            assert node.counts.total == len(below)
            shown = [one.severity for one in below if standing_then(one).value in ("ok", "active", "acknowledged")]
            assert node.severity == max(shown, default=S.OK)
