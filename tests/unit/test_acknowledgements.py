"""How long an alarm waited for somebody: the same as counted from all its events one by one, and read from few of them."""

import random

import pytest

from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import Severity
from backend.history.memory import MemoryHistory
from backend.history.port import EventQuery
from backend.kpi.definitions import ABOUT_AN_ALARM, ACTIVE, ANNUNCIATES, BY_MAINTENANCE
from backend.past import acknowledgements
from backend.past.acknowledgements import acknowledgements as asked
from tests.contract.histories import at, command, event

S, K = Severity, EventKind
PATHS = ["/Demo/A/P1", "/Demo/A/P2", "/Demo/A"]  # the last one: an alarm where there is a component too
ALL = EventQuery("Demo", at(-1), at(100_000), limit=10_000)


class Reading(MemoryHistory):
    """Counts the events that it hands out."""

    read = 0

    async def events(self, query):
        page = await super().events(query)
        self.read += len(page.events)
        return page


def counted(events):
    """As `backend.kpi` counts them: ids of acknowledgements, and of what they answer."""
    unanswered, found = {}, {}
    for one in events:
        if one.snapshot is None and one.kind not in ABOUT_AN_ALARM:
            continue
        if one.to_severity >= ACTIVE:
            if one.kind in ANNUNCIATES:
                unanswered.setdefault(one.path, one.id)
            continue
        if one.kind is K.ACKNOWLEDGED:
            found[one.id] = None if one.reason == BY_MAINTENANCE else unanswered.get(one.path)
        unanswered.pop(one.path, None)
    return found


def story(seed):
    chance = random.Random(seed)
    events = []
    for n in range(1, 200):
        path = chance.choice(PATHS)
        kind = chance.choice([K.ALARM, K.CHANGED, K.CHANGED, K.ACKNOWLEDGED, K.CLEARED, K.REMOVED, K.UNSHELVED, K.CONFIGURED, K.COMMAND])
        active = kind in (K.ALARM, K.UNSHELVED) or (kind in (K.CHANGED, K.CONFIGURED) and chance.random() < 0.8)
        severity = S.MAJOR if active else S.MAJOR_ACK if kind is K.ACKNOWLEDGED else S.OK
        more = {} if kind not in (K.REMOVED, K.COMMAND) and chance.random() < 0.9 else {"state": None}
        reason = BY_MAINTENANCE if kind is K.ACKNOWLEDGED and chance.random() < 0.1 else ""
        events.append(event(n, n // 3, path, kind, severity=severity, reason=reason, **more))
    return events


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("first", [1, 8])
async def test_it_is_what_one_counts_from_all_events(seed, first, monkeypatch):
    monkeypatch.setattr(acknowledgements, "_LOOKED_AT_FIRST", first)
    history, events = MemoryHistory(), story(seed)
    await history.write(events)
    found, following = await asked(history, ALL)
    assert following is None
    assert {one.event.id: one.annunciation.id if one.annunciation else None for one in found} == counted(events)


async def test_few_events_are_read_however_often_the_alarm_changed():
    history = Reading()
    await history.write([event(1, 0, kind=K.CLEARED, severity=S.OK), event(2, 1)])
    await history.write([event(n, n, kind=K.CHANGED) for n in range(3, 5_000)])
    await history.write([event(5_000, 5_000, kind=K.ACKNOWLEDGED, severity=S.MAJOR_ACK)])
    [one], _ = await asked(history, ALL)
    assert one.after_s == 4_999
    assert history.read < 20


async def test_what_happened_below_such_a_path_does_not_hide_the_annunciation():
    history = MemoryHistory()
    await history.write([event(1, 1, "/Demo/Vac")])
    await history.write([event(n, n, "/Demo/Vac/PV1", kind=K.CLEARED, severity=S.OK) for n in range(2, 2_000)])
    await history.write([command(2_000, 2_000, "/Demo/Vac"), event(2_001, 2_001, "/Demo/Vac", K.ACKNOWLEDGED, severity=S.MAJOR_ACK)])
    [one], _ = await asked(history, ALL)
    assert one.after_s == 2_000


async def test_what_lies_too_far_below_others_is_not_known():
    history = MemoryHistory()
    await history.write([event(1, 1, "/Demo/Vac")])
    await history.write([event(n, n, "/Demo/Vac/PV1", kind=K.CLEARED, severity=S.OK) for n in range(2, 5_000)])
    await history.write([event(5_000, 5_000, "/Demo/Vac", K.ACKNOWLEDGED, severity=S.MAJOR_ACK)])
    [one], _ = await asked(history, ALL)
    assert one.after_s is None
