"""More changes than an engine can decide: what can be decided is, in order; beyond that the rule for the bound of the intake holds."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import defaultdict

import httpx
import pytest

from alarm_engine.wire.event import decode_event
from alarm_engine.wire.topics import Topics
from tests.conformance.kafka_site import PlainClient
from tests.contract.kafka_topics import servers_or_skip
from tests.ioc import start_ioc
from tests.system.site import Site
from tests.system.test_ca_source import Watching

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

FLOOD_PVS, FLOOD_S = 2000, 3.0
FLOOD = """
record(bo, "$(P)Off") { field(VAL, 1) field(PINI, YES) }
""" + "".join(
    # The count is the log of the IOC: what it has counted, it has written.
    f"""
record(calc, "$(P)Count{n}") {{ field(SCAN, ".1 second") field(SDIS, "$(P)Off") field(CALC, "VAL+1") field(FLNK, "$(P){n}") }}
record(calc, "$(P){n}") {{
 field(PINI, YES) field(INPA, "$(P)Count{n}") field(CALC, "A%3") field(HIGH, 1) field(HSV, MINOR) field(HIHI, 2) field(HHSV, MAJOR) }}
"""
    for n in range(FLOOD_PVS)
)
ASK = """
import json, sys
import epicscorelibs.path.pyepics
import epics
print(json.dumps(epics.caget_many(json.load(sys.stdin), timeout=20, connection_timeout=20)), flush=True)
epics.ca.finalize_libca()
"""


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


async def test_each_of_twenty_thousand_changes_a_second_of_a_real_ioc_arrives_once_and_in_order(tmp_path, iocs):
    site = Site(tmp_path, iocs(FLOOD), servers_or_skip())
    paths = {site.path(str(n)): f"{site.ioc.prefix}Count{n}" for n in range(FLOOD_PVS)}
    pvs = "".join(f'      "{site.ioc.prefix}{n}": {{latching: false, annunciating: false}}\n' for n in range(FLOOD_PVS))
    (tmp_path / "tree.yaml").write_text(f"config: {site.config}\nsystems:\n  Vacuum:\n    pvs:\n{pvs}", encoding="utf-8")
    assert await site.config_command("sync") == 0, site.output("sync")
    async with site.running("engine", "--health-port", "0"):
        health = (await site.said("engine", r"(http://\S+)/readyz"))[1]

        async def figure(name: str) -> float:
            async with httpx.AsyncClient(base_url=health) as client:
                lines = (await client.get("/metrics", timeout=20)).text.splitlines()
            return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{"))

        async def all_there():
            return await figure("tocsin_engine_pvs_connected") == FLOOD_PVS

        await site.until(all_there, "all PVs", lambda: site.output("engine"))
        begun = time.monotonic()
        site.put("Off", 0)
        await asyncio.sleep(FLOOD_S)  # what is tested is a time of it
        site.put("Off", 1)
        took = time.monotonic() - begun
        counted = await asyncio.to_thread(counts, list(paths.values()))
        written = dict(zip(paths, counted, strict=True))
        assert sum(counted) / took > 10_000, f"the IOC made only {sum(counted) / took:.0f} changes a second: too busy a machine"
        arrived = await asyncio.to_thread(collected, site, sum(counted))
        assert {path: len(found) for path, found in arrived.items()} == written
        for found in arrived.values():
            turns = [("OK", "MINOR"), ("MINOR", "MAJOR"), ("MAJOR", "OK")]
            assert [turn for turn, _ in found] == [turns[place % 3] for place in range(len(found))]
            stamps = [stamp for _, stamp in found]
            assert stamps == sorted(set(stamps))
        assert await figure("tocsin_engine_inputs_merged_total") == 0


def counts(names: list[str]) -> list[int]:
    """How often the IOC says that each has changed."""
    done = subprocess.run([sys.executable, "-c", ASK], input=json.dumps(names), capture_output=True, text=True, timeout=90, check=True)
    return [int(value) for value in json.loads(done.stdout)]


def collected(site: Site, number: int, patience_s: float = 90) -> dict[str, list[tuple[tuple[str, str], int]]]:
    """From what to what each alarm went, and the time stamp of its PV, in the order of the events."""
    found, deadline = defaultdict(list), time.monotonic() + patience_s
    client = PlainClient(servers_or_skip())
    try:
        client.follow([Topics(site.config).events])
        while number > 0 and time.monotonic() < deadline:
            for message in client.read(0.2):
                if message.value() is None:
                    continue  # ends a transaction that took long
                event = decode_event(message.value())
                if event.from_severity is not event.to_severity:
                    found[event.path].append(((event.from_severity.name, event.to_severity.name), event.pv_time))
                    number -= 1
        found_more = client.read(0.5)
        assert not [message for message in found_more if b'"alarm"' in (message.value() or b"")], "more than the IOC has made"
    finally:
        client.close()
    return dict(found)
