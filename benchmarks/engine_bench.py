"""The engine without network and disk: evaluations a second on one core, and memory of our own per PV.

Yardstick: the same number of plain dictionary updates with a JSON encoding each.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from datetime import UTC

import orjson

from alarm_engine.evaluator import Cause, Evaluator, EvaluatorSettings
from alarm_engine.evaluator.configuration import configure
from alarm_engine.model.reading import Reading
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Moment, Monotonic, Nanos
from alarm_engine.publisher import Publisher
from alarm_engine.wire.topics import Topics

_START = Moment(Nanos(1_800_000_000_000_000_000), Monotonic(0))
_PVS = 10_000
_ROUNDS = 20


def _build(number: int) -> Evaluator:
    evaluator = Evaluator(EvaluatorSettings("Bench"), 1, _START.wall)
    for n in range(number):
        settings = AlarmSettings(f"Channel {n} of the bench", latching=False)
        configure(evaluator, f"/Bench/S{n % 20}/G{n % 500}/SR:BENCH:{n}", settings, Cause(), _START)
    evaluator.take(_START)
    return evaluator


def _changes() -> list[tuple[str, float, str]]:
    evaluator = _build(_PVS)
    publisher = Publisher(None, Topics("Bench"), UTC, 1)  # type: ignore[arg-type]
    evaluate = encode = 0.0
    records = 0
    for turn in range(_ROUNDS):
        now = _START.plus_s(turn + 1)
        severity, message = ((Severity.OK, "NO_ALARM"), (Severity.MAJOR, "HIHI_ALARM"))[turn % 2]
        batch = [Reading(f"SR:BENCH:{n}", severity, message, "12.5", now.wall, now.monotonic) for n in range(_PVS)]
        begin = time.process_time()
        evaluator.feed(batch, now)
        changes = evaluator.take(now)
        middle = time.process_time()
        records += len(publisher.records(changes))
        evaluate += middle - begin
        encode += time.process_time() - middle
    equal = [Reading(f"SR:BENCH:{n}", severity, message, "13", now.wall, now.monotonic) for n in range(_PVS)]
    begin = time.process_time()
    for _ in range(_ROUNDS):
        evaluator.feed(equal, now)
    silent = time.process_time() - begin
    total = _PVS * _ROUNDS
    return [
        ("changes evaluated", total / evaluate, "1/s on one core"),
        ("evaluated and encoded to records", total / (evaluate + encode), "1/s on one core"),
        ("records per change", records / total, ""),
        ("equal samples", total / silent, "1/s on one core"),
    ]


def _yardstick() -> list[tuple[str, float, str]]:
    states: dict[str, dict[str, object]] = {}
    names = [f"SR:BENCH:{n}" for n in range(_PVS)]
    begin = time.process_time()
    for turn in range(_ROUNDS):
        for name in names:
            state = {"severity": "MAJOR", "message": "HIHI_ALARM", "value": "12.5", "time": turn}
            states[name] = state
            orjson.dumps(state)
    return [("yardstick: dictionary update and orjson", _PVS * _ROUNDS / (time.process_time() - begin), "1/s on one core")]


def _memory() -> list[tuple[str, float, str]]:
    figures = []
    for number in (10_000, 50_000):
        gc.collect()
        tracemalloc.start()
        evaluator = _build(number)
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(evaluator.tree.leaves) == number
        figures.append((f"memory of our own at {number:,} PVs", size / number / 1000, "kB per PV"))
    return figures


def run() -> list[tuple[str, float, str]]:
    """Figures of this run."""
    return [*_changes(), *_yardstick(), *_memory()]
