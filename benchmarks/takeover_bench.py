"""Two engines on 10,000 PVs of two real IOCs and a real broker: what a takeover costs, and what restarts and outages cost.

`--times` is the number of kills, `--seconds` how long false takeovers are watched for at full load, and how long the broker is away (five
minutes at most). The session time is 2.5 s. Everything runs on the same machine, so its load is part of what is measured: the load average
is in the table.
"""

from __future__ import annotations

import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from benchmarks.figures import Figure, aim
from tests.chaos.evidence import Line, Seen
from tests.chaos.plant import ENGINES, Plant, PlantOptions
from tests.kafka_broker import LOOPBACK

_ALARMS_OF_A_KIND = 2000
"""Two IOCs with two kinds of so many, and two more of a quarter: 10,000."""
_RATE = 1000
_OUTAGE_S = 300
_ENOUGH = 100
"""Inputs that may wait on an engine that has caught up."""
_PHOEBUS = "6.4 to 8.4 s, and the time to notice"


def run(times: int = 10, seconds: int = 60) -> list[Figure]:
    """All figures; takes minutes."""
    options = PlantOptions(rate=_RATE, alarms=_ALARMS_OF_A_KIND, bare=True)
    with tempfile.TemporaryDirectory(prefix="tocsin-takeover-") as folder, Plant(Path(folder), options) as plant:
        for ioc in plant.iocs:
            plant.load(ioc)
        figures = _takeovers(plant, times)
        figures += [_false_takeovers(plant, seconds), _ioc_restart(plant), _outage(plant, min(seconds, _OUTAGE_S)), _start(plant)]
    return [*figures, Figure("load average of the machine", os.getloadavg()[0], "")]


def _takeovers(plant: Plant, times: int) -> list[Figure]:
    kills = [_takeover(plant, signal.SIGKILL) for _ in range(times)]
    ends = [_takeover(plant, signal.SIGTERM) for _ in range(times)]
    killed, ended = statistics.median(kills), statistics.median(ends)
    return [
        Figure(f"SIGKILL to the first new state, median of {times}", killed, "s", _PHOEBUS, aim(killed, 4, "s")),
        Figure("the longest", max(kills), "s", "", aim(max(kills), 6, "s")),
        Figure(f"SIGTERM to the first new state, median of {times}", ended, "s", "", aim(ended, 1.5, "s")),
        Figure("the longest", max(ends), "s", "", aim(max(ends), 1.5, "s")),
    ]


def _takeover(plant: Plant, number: int) -> float:
    leader = plant.await_leader()
    reign = _reign(plant)
    plant.committed.seen.clear()
    begun = time.time_ns()
    plant.engines[leader].signal(number)
    first = _await(plant, lambda event: event.epoch > reign and bool(event.state), "a state of the next reign")
    plant.recover_engines()
    return (first - begun) / 1e9


def _reign(plant: Plant) -> int:
    found: list[int] = []

    def is_known() -> bool:
        found.extend(event.epoch for event in _events(plant, 0))
        return bool(found)

    plant.until(is_known, "an event")
    return found[-1]


def _await(plant: Plant, wanted: Callable[[Line], bool], what: str) -> int:
    """When the first event that is wanted was read; only those that come from now on are looked at, each once."""
    place, found = 0, 0

    def is_there() -> bool:
        nonlocal place, found
        seen = plant.committed.seen
        while place < len(seen) and not found:
            record = seen[place]
            place += 1
            if _is_event(plant, record) and wanted(Line(record)):
                found = record.at
        return bool(found)

    plant.until(is_there, what)
    return found


def _is_event(plant: Plant, record: Seen) -> bool:
    return record.topic == f"{plant.config}Events" and bool(record.value)


def _events(plant: Plant, place: int) -> Iterator[Line]:
    return (Line(record) for record in plant.committed.seen[place:] if _is_event(plant, record))


def _false_takeovers(plant: Plant, seconds: int) -> Figure:
    number, events = 0, 0
    plant.committed.seen.clear()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(1)
        records = list(plant.committed.seen)
        del plant.committed.seen[: len(records)]
        lines = [Line(record) for record in records if _is_event(plant, record)]
        events += len(lines)
        number += sum(line.kind == "engine" and line.path == f"/{plant.config}" for line in lines)
    return Figure(f"false takeovers in {seconds} s at {events / seconds:,.0f} changes/s", number, "", "", aim(number, 1, ""))


def _ioc_restart(plant: Plant) -> Figure:
    ioc, total = plant.iocs[0], len(plant.leaves)
    ioc.stop()
    plant.until(lambda: _figure(plant, "tocsin_engine_pvs_connected") <= total - len(ioc.pvs), "PVs to be gone")
    ioc.restart()
    begun = time.monotonic()
    plant.until(lambda: _figure(plant, "tocsin_engine_pvs_connected") >= total, "PVs to be there again")
    took = time.monotonic() - begun
    plant.load(ioc)
    return Figure(f"IOC of {len(ioc.pvs):,} PVs serves again, until all are subscribed", took, "s", "", aim(took, 10, "s"))


def _outage(plant: Plant, seconds: int) -> Figure:
    (broker,) = plant.kafka.brokers
    broker.kill()
    time.sleep(seconds)
    broker.start()
    plant.kafka.wait()
    begun = time.monotonic()
    plant.committed.seen.clear()
    _await(plant, lambda _: True, "an event after the outage")
    plant.until(lambda: plant.leader() and _figure(plant, "tocsin_engine_backlog") < _ENOUGH, "the backlog to be worked off", 300)
    took = time.monotonic() - begun
    plant.until(lambda: plant.recover_engines() is None, "both engines")
    what = f"broker away for {seconds} s at {_RATE:,} changes/s: from when it serves until all is caught up"
    return Figure(what, took, "s", "", aim(took, 30, "s"))


def _start(plant: Plant) -> Figure:
    for name in ENGINES:
        plant.engines[name].signal(signal.SIGTERM)
        plant.ends(name)
    for ioc in plant.iocs:
        ioc.rest()
    begun = time.monotonic()
    plant.engines["A"].start()
    plant.until(lambda: plant.leader() and _figure(plant, "tocsin_engine_pvs_connected") >= len(plant.leaves), "all PVs")
    took = time.monotonic() - begun
    what = f"start of an engine to the full view of {len(plant.leaves):,} PVs"
    return Figure(what, took, "s", "", aim(took, 6, "s"))


def _figure(plant: Plant, name: str) -> float:
    """What the engine that evaluates says of itself; -1 while there is none."""
    for engine in ENGINES:
        try:
            text = httpx.get(f"http://{LOOPBACK}:{plant.ports[engine]}/metrics", timeout=5).text
        except httpx.HTTPError:
            continue
        values = {line.split("{")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if "{" in line and line[0] != "#"}
        if values.get("tocsin_engine_serving") == 1:
            return values.get(name, -1.0)
    return -1.0
