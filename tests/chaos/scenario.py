"""A run: faults one after the other, now and then two at a time, from a seed; then what the checker says."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos import rules_acts, rules_records
from tests.chaos.checker import check
from tests.chaos.evidence import Evidence, Violation
from tests.chaos.faults import BY_NAME, EXCLUSIVE, FAULTS, Fault
from tests.chaos.gaps import Gap, Mark, gaps
from tests.chaos.plant import InVain, Plant

SHELVED_S = 6.0
"""Longer than an operator shelves."""
SETTLE_S = 40.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run."""

    violations: list[Violation]
    gaps: list[Gap]
    evidence: Evidence


def choose(seed: int, number: int, brokers: int = 1) -> list[tuple[Fault, ...]]:
    """Faults from a seed: each kind before any comes again, and every third time two of different groups together."""
    chance = random.Random(seed)
    able = [fault for fault in FAULTS if fault.brokers <= brokers]
    chosen: list[tuple[Fault, ...]] = []
    waiting: list[Fault] = []
    while len(chosen) < number:
        waiting = waiting or chance.sample(able, len(able))
        one = waiting.pop()
        partners = [other for other in able if other.group != one.group and frozenset({one.group, other.group}) not in EXCLUSIVE]
        chosen.append((one, chance.choice(partners)) if chance.random() < 1 / 3 else (one,))
    return chosen


def named(*names: str) -> list[tuple[Fault, ...]]:
    """Faults by name, one after the other."""
    return [(BY_NAME[name],) for name in names]


def run(plant: Plant, faults: Sequence[tuple[Fault, ...]], seed: int) -> Result:
    """Let them happen under load; returns when all is calm again. What happens is printed."""
    chance = random.Random(seed)
    for ioc in plant.iocs:
        plant.load(ioc)
    plant.operator.run(seed)
    plant.flows(time.time_ns())
    for these in faults:
        befall(plant, these, chance)
    end = time.time_ns()
    evidence = settle(plant)
    return Result(check(evidence), gaps(evidence, plant.marks, end), evidence)


def befall(plant: Plant, faults: Sequence[Fault], chance: random.Random) -> None:
    """One fault, or two that overlap; returns when the site is whole again."""
    name = " + ".join(fault.name for fault in faults)
    time.sleep(chance.uniform(0.0, 1.0))  # no fault knows what the others are just doing
    begin, undone = time.time_ns(), []
    ends = 0.0
    for fault in faults:
        undone.append(fault.begin(plant, chance))
        ends = max(ends, time.monotonic() + fault.lasts_s)
        if fault is not faults[-1]:
            time.sleep(chance.uniform(0.0, 1.0))
    while time.monotonic() < ends:
        time.sleep(0.05)
    for undo in undone:
        undo()
    try:
        plant.recover()
    except InVain as problem:
        raise InVain(f"after {name}: {problem}") from problem
    plant.marks.append(Mark(name, begin, time.time_ns()))
    print(f"  {name}: whole again after {(time.time_ns() - begin) / 1e9:.1f} s", flush=True)


def settle(plant: Plant) -> Evidence:
    """Stop changing things, and wait until everything has come to rest; then what there is to judge."""
    for ioc in plant.iocs:
        ioc.rest()
    plant.operator.rest()
    time.sleep(SHELVED_S)
    end = time.monotonic() + SETTLE_S
    rules = (
        rules_records.states_are_the_truth_in_the_end,
        rules_acts.commands_are_answered,
        rules_records.what_was_aborted_is_published_again,
    )
    while True:
        evidence = plant.evidence()
        rests = not any(True for rule in rules for _ in rule(evidence)) and plant.is_quiet(1.0)
        if rests or time.monotonic() > end:
            return plant.evidence()
        time.sleep(0.2)
