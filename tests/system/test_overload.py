"""More changes than an engine can decide: what can be decided is, in order; beyond that the rule for the bound of the intake holds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.ioc import start_ioc
from tests.system.test_ca_source import Watching

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def overloaded(*arguments: str) -> dict:
    command = [sys.executable, "-m", "tests.overloaded_engine", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_change_arrives_in_order_while_there_is_room():
    found = overloaded("500", "10000", "0", "200000", "sqlite")
    assert found["faults"] == []
    assert (found["merged"], found["backlog_after"], found["lag_ms_after"]) == (0, 0, 0)


def test_beyond_the_bound_first_highest_and_last_arrive_and_it_recovers_by_itself():
    found = overloaded("500", "200000", "0", "3000", "sqlite")
    assert found["faults"] == []
    assert found["merged"] > 100_000
    assert found["lag_ms"] > 0
    # The bound, what is being decided (a round), and a batch that has just come.
    assert found["backlog"] <= 3000 + 2000 + 1000
    assert found["rss_max_mb"] - found["rss_mb"] < 150
    assert (found["merged_after"], found["backlog_after"], found["lag_ms_after"]) == (0, 0, 0)


def test_a_burst_of_a_real_ioc_arrives_as_the_ioc_wrote_it():
    number, rounds = 500, 6
    db = "".join(
        f'record(ao, "$(P){n}") {{ field(HIGH, 5) field(HSV, MINOR) field(HIHI, 8) field(HHSV, MAJOR) field(PINI, YES) }}\n'
        for n in range(number)
    )
    with start_ioc(db) as ioc:
        watching = Watching()
        try:
            names = [f"{ioc.prefix}{n}" for n in range(number)]
            watching.subscribe(*names)
            watching.until(lambda: len({item.pv for item in watching.inputs if hasattr(item, "severity")}) == number, 60)
            written: dict[str, list[str]] = {name: ["OK"] for name in names}
            for turn in range(rounds):
                for n, name in enumerate(names):
                    value, severity = ((6, "MINOR"), (9, "MAJOR"), (1, "OK"))[(turn + n) % 3]
                    if written[name][-1] != severity:
                        ioc.put(name, value)
                        written[name].append(severity)
            last = sum(map(len, written.values()))
            watching.until(lambda: sum(hasattr(item, "severity") for item in watching.inputs) >= last, 60)
            assert {name: [reading.severity.name for reading in watching.readings(name)] for name in names} == written
        finally:
            watching.source.close()
