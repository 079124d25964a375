"""Events of a busy machine: 20,000 PVs over 90 days.

A few PVs make half of the alarms, some hundreds stand at a time, and once a week there is a flood.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, EventId, Sample, Snapshot
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos

CONFIG = "Machine"
PVS, SYSTEMS, COMPONENTS = 20_000, 20, 20
DAYS = 90
DAY_NS = 86_400 * NANOS_PER_SECOND
BEGIN = Nanos(20_000 * DAY_NS)
END = Nanos(BEGIN + DAYS * DAY_NS)
BATCH = 500
"""As the history writer has it."""
PATHS = [f"/{CONFIG}/System {n % SYSTEMS:02}/Unit {n // SYSTEMS % COMPONENTS:02}/S{n % SYSTEMS:02}:PV{n:05}" for n in range(PVS)]
BUSY = 200
STANDING = 300
FLOOD = 2_000
"""Alarms of each flood, all within some minutes."""
SEVERITIES = (Severity.MINOR, Severity.MINOR, Severity.MINOR, Severity.MAJOR, Severity.INVALID)
SOMEBODY = {"user": "operator", "host": "console"}


def batches(number: int, seed: int = 1) -> Iterator[list[Event]]:
    """So many events, in the order of their ids."""
    chance = random.Random(seed)
    alarms: dict[str, tuple[Severity, EventId, Nanos]] = {}
    batch: list[Event] = []
    for n, time in enumerate(_times(number), 1):
        path = PATHS[chance.randrange(BUSY) if chance.random() < 0.5 else chance.randrange(PVS)]
        if len(alarms) > STANDING:
            path = next(islice(alarms, chance.randrange(10), None))
        batch.append(_event(EventId(CONFIG, 1, n), time, path, alarms, chance))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _times(number: int) -> Iterator[Nanos]:
    """Evenly, but for floods: the events before each are put off until they come together."""
    step = DAYS * DAY_NS // number
    every = max(FLOOD, number * 7 // DAYS)
    for n in range(number):
        put_off = (FLOOD - n % every) * (step - min(step, DAY_NS // 100_000)) if n % every < FLOOD else 0
        yield Nanos(BEGIN + n * step + put_off)


def _event(event_id: EventId, time: Nanos, path: str, alarms: dict[str, tuple[Severity, EventId, Nanos]], chance: random.Random) -> Event:
    standing = alarms.get(path)
    if standing is None:
        severity = SEVERITIES[chance.randrange(5)]
        alarms[path] = severity, event_id, time
        state = _state(severity, severity, time, (time, event_id))
        return Event(
            event_id, time, EventKind.ALARM, path, Severity.OK, severity, "rise", description="Signal", annunciated=True, snapshot=state
        )
    severity, rise, since = standing
    if severity.acknowledged is not severity and chance.random() < 0.2:
        alarms[path] = severity.acknowledged, rise, since
        state = _state(severity.acknowledged, severity, time, (since, rise))
        return Event(event_id, time, EventKind.ACKNOWLEDGED, path, severity, severity.acknowledged, snapshot=state, **SOMEBODY)
    del alarms[path]
    state = _state(Severity.OK, Severity.OK, time, (time, None))
    return Event(event_id, time, EventKind.CLEARED, path, severity, Severity.OK, "clear", snapshot=state)


def _state(shown: Severity, current: Severity, time: Nanos, began: tuple[Nanos, EventId | None]) -> Snapshot:
    message = "NO_ALARM" if current is Severity.OK else "HIHI_ALARM"
    since, rise = began
    return Snapshot(Alarm(shown, message, "12.5", time), Sample(current, message, "12.5", time), True, since, rise)
