"""The engine on a real Kafka broker: 10,000 PVs of a real IOC, one reader; beside a bare loop of pyepics and a producer in the same run.

The figures of Phoebus are recorded ones (`benchmarks/phoebus.py`). Wall times suffer when something else runs on the machine: of what is
repeated the best is given, and CPU seconds count more than wall time.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from alarm_engine.config.sync import Author, sync
from alarm_engine.config.tree import ConfigTree
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.path import ancestors
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.wire.command import encode_command
from alarm_engine.wire.topics import Topics
from benchmarks import phoebus
from benchmarks.figures import Figure, aim
from benchmarks.kafka_follower import Follower, Seen, end, transitions
from benchmarks.kafka_load import PVS, begin, flip_all, load_ioc, names, single
from tests.ioc import Ioc, port_pool
from tests.kafka_broker import KafkaCluster, random_topic

_STARTS = 2
_REPEATS = 3
_PUTS = 200
_LOAD_S = 16
_ALARMS = PVS + 1


@dataclass(frozen=True, slots=True)
class _Bench:
    """What both candidates meet."""

    ioc: Ioc
    kafka: KafkaCluster


@dataclass(frozen=True, slots=True)
class _Running:
    """A candidate that runs and has published all states."""

    bench: _Bench
    config: str
    process: psutil.Process
    follower: Follower
    first_s: float
    """From the start of its process to the first state record of an alarm at the reader."""
    all_s: float


# ---------------------------------------------------------------------- the two candidates


def _tree(bench: _Bench, config: str) -> ConfigTree:
    alarms = {f"/{config}/{path}": AlarmSettings(f"Channel {pv}", latching=False) for pv, path in names(bench.ioc).items()}
    nodes = {node: NodeSettings() for path in alarms for node in ancestors(path)}
    return ConfigTree(config, "UTC", nodes, alarms)


async def _configure(bench: _Bench, config: str) -> None:
    journal = KafkaJournal(KafkaSettings(bench.kafka.servers))
    await journal.start()
    await journal.ensure_topics(Topics(config).specs())
    await sync(journal, _tree(bench, config), Author("bench", "bench"))
    await journal.close()


def _make_topic(bench: _Bench, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bench.kafka.servers, "log_level": 3})
    for future in admin.create_topics([NewTopic(topic, 1, 1, config={"cleanup.policy": "compact"})]).values():
        future.result()


@contextmanager
def _running(bench: _Bench, config: str, command: list[str], lines: str = "") -> Iterator[_Running]:
    follower = Follower(bench.kafka.servers, config)
    environment = os.environ | {"EPICS_CA_ADDR_LIST": bench.ioc.addr}
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", *command], stdin=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdin
        with process.stdin as pipe:
            pipe.write(lines)
        seen = follower.until(lambda seen: len(seen.leaves) >= _ALARMS)
        if len(seen.leaves) < _ALARMS:
            raise RuntimeError(f"only {len(seen.leaves):,} of {_ALARMS:,} alarms were published")
        yield _Running(bench, config, psutil.Process(process.pid), follower, seen.first_s - began, seen.last_s - began)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        follower.close()


@contextmanager
def _engine(bench: _Bench) -> Iterator[_Running]:
    config = random_topic("Bench")
    asyncio.run(_configure(bench, config))
    with _running(bench, config, ["benchmarks.kafka_engine", bench.kafka.servers, config, bench.ioc.addr]) as running:
        yield running


@contextmanager
def _bare(bench: _Bench) -> Iterator[_Running]:
    config = random_topic("Bare")
    _make_topic(bench, config)
    lines = "".join(f"{pv} {path}\n" for pv, path in names(bench.ioc).items())
    with _running(bench, config, ["benchmarks.kafka_bare", bench.kafka.servers, config], lines) as running:
        yield running


# ---------------------------------------------------------------------- one measurement each


def _latency(running: _Running) -> list[float]:
    """Milliseconds from a put to the record, alarms and returns in turn, at irregular distances so that nothing beats in time."""
    import epicscorelibs  # noqa: F401
    from epics import ca

    pv = single(running.bench.ioc)
    key = f"state:/{running.config}/{names(running.bench.ioc)[pv]}".encode()
    channel = ca.create_channel(pv, connect=True)
    running.follower.drain()
    found = []
    for turn in range(_PUTS):
        time.sleep(random.uniform(0.02, 0.06))
        begin_s = time.perf_counter()
        ca.put(channel, 0 if turn % 2 else 7)
        running.follower.wait_for(key, "OK" if turn % 2 else "MINOR")
        found.append((time.perf_counter() - begin_s) * 1000)
    ca.clear_channel(channel)
    return found


def _all_at_once(running: _Running) -> float:
    """Seconds until all that changed together are published."""
    running.follower.drain()
    begin_s = flip_all(running.bench.ioc)
    seen = running.follower.until(lambda seen: seen.leaves.total() >= PVS)
    return seen.last_s - begin_s


def _acknowledge(running: _Running) -> float:
    """Seconds from the command for the root to the last state; every alarm stands."""
    producer = Producer({"bootstrap.servers": running.bench.kafka.servers, "linger.ms": 0, "log_level": 3})
    producer.list_topics(timeout=10)
    running.follower.drain()
    topic = Topics(running.config).command
    command = encode_command(Command(f"/{running.config}", CommandKind.ACKNOWLEDGE, "bench", "bench"), topic)
    begin_s = time.perf_counter()
    producer.produce(topic, command.value, command.key, 0)
    producer.poll(0)
    seen = running.follower.until(lambda seen: seen.leaves.total() >= PVS)
    return seen.last_s - begin_s


@dataclass(frozen=True, slots=True)
class _Load:
    """What a sustained load came to."""

    made: int
    """Changes of the IOC."""
    seen: Seen
    missing: int
    """Changes of the IOC without an event, or events without a change."""
    cpu_s: float
    behind_s: float
    """From the end of the load to the last record."""

    @property
    def cpu_us(self) -> float:
        """CPU of the process per state record."""
        return self.cpu_s / self.seen.records * 1e6


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _sustain(running: _Running, clocks: int, events: str | None) -> _Load:
    """`events`: the topic in which each change must be found; without one, the state records are counted."""
    servers = running.bench.kafka.servers
    running.follower.drain()
    start = end(servers, events) if events else 0
    before, began = _cpu_s(running.process), time.perf_counter()
    made = begin(running.bench.ioc, clocks, _LOAD_S)
    seen = running.follower.until(lambda seen: seen.leaves.total() >= made)
    cpu_s = _cpu_s(running.process) - before
    counted = transitions(servers, events, start) if events else seen.leaves
    return _Load(made, seen, _difference(counted, made), cpu_s, seen.last_s - began - _LOAD_S)


def _difference(counted: Mapping[bytes, int], made: int) -> int:
    """Each alarm of the clocks that ticked has changed as often as its group: how many changes are missing, or too many."""
    each = _LOAD_S  # ten ticks a second, of which each of ten groups has one
    return sum(abs(number - each) for number in counted.values()) + abs(made // each - len(counted)) * each


# ---------------------------------------------------------------------- the table


def _quantiles(values: list[float]) -> tuple[float, float]:
    return statistics.median(values), statistics.quantiles(values, n=100)[98]


def _measure_engine(bench: _Bench) -> list[Figure]:
    starts: list[tuple[float, float]] = []
    for _ in range(_STARTS - 1):
        with _engine(bench) as running:
            starts.append((running.first_s, running.all_s))
    with _engine(bench) as running:
        starts.append((running.first_s, running.all_s))
        at_once, acknowledged = [], []
        for _ in range(_REPEATS):
            acknowledged.append(_acknowledge(running))
            at_once += [_all_at_once(running), _all_at_once(running)]
        p50, p99 = _quantiles(_latency(running))
        memory = running.process.memory_info().rss / 1e6
        events = Topics(running.config).events
        slow, fast = _sustain(running, 1, events), _sustain(running, 10, events)
        after = running.process.memory_info().rss / 1e6
    first, everything = min(first for first, _ in starts), min(everything for _, everything in starts)
    return [
        Figure("start to the first state record", first, "s", phoebus.START_FIRST),
        Figure(f"start to all {PVS:,} states, best of {_STARTS}", everything, "s", phoebus.START_ALL, aim(everything, 6, "s")),
        Figure("caput to record at the reader, p50", p50, "ms", phoebus.LATENCY_P50, aim(p50, 8, "ms")),
        Figure("... p99", p99, "ms", phoebus.LATENCY_P99),
        Figure(f"all {PVS:,} change at once, best", min(at_once), "s", phoebus.ALL_AT_ONCE, aim(min(at_once), 1, "s")),
        Figure(f"... worst of {len(at_once)}", max(at_once), "s"),
        Figure("acknowledge the root, best", min(acknowledged), "s", phoebus.ACKNOWLEDGE, aim(min(acknowledged), 0.5, "s")),
        Figure(f"... worst of {len(acknowledged)}", max(acknowledged), "s"),
        *_load_figures("1,000 changes/s", slow, phoebus.CPU_AT_1000),
        *_load_figures("10,000 changes/s", fast, phoebus.CPU_AT_10000),
        Figure("memory before the load", memory, "MB"),
        Figure("... after", after, "MB", phoebus.MEMORY),
    ]


def _load_figures(rate: str, load: _Load, beside: str) -> list[Figure]:
    p50, p99 = _quantiles(load.seen.ages_ms)
    lost = "nothing lost" if not load.missing else "CHANGES MISSING OR TOO MANY"
    return [
        Figure(f"{rate} for {_LOAD_S} s: changes that the IOC made", load.made, ""),
        Figure("... without an event, or events without a change", load.missing, "", "", lost),
        Figure("... state records, alarms and components", load.seen.records, ""),
        Figure("... CPU per state record", load.cpu_us, "us", beside),
        Figure("... CPU per change", load.cpu_s / load.made * 1e6, "us"),
        Figure("... share of a core", load.cpu_s / (_LOAD_S + max(0, load.behind_s)) * 100, "%"),
        Figure("... time stamp of the IOC to record, p50", p50, "ms"),
        Figure("... p99", p99, "ms"),
        Figure("... last record after the end of the load", load.behind_s, "s"),
    ]


def _measure_bare(bench: _Bench) -> list[Figure]:
    with _bare(bench) as running:
        at_once = min(_all_at_once(running) for _ in range(2 * _REPEATS))
        p50, p99 = _quantiles(_latency(running))
        slow, fast = _sustain(running, 1, None), _sustain(running, 10, None)
        memory = running.process.memory_info().rss / 1e6
    rows: list[tuple[Any, ...]] = [
        ("start to all", running.all_s, "s"),
        ("caput to record, p50", p50, "ms"),
        ("caput to record, p99", p99, "ms"),
        ("all at once, best", at_once, "s"),
        ("CPU per record at 1,000 changes/s", slow.cpu_us, "us"),
        ("CPU per record at 10,000 changes/s", fast.cpu_us, "us"),
        ("changes lost", slow.missing + fast.missing, ""),
        ("memory", memory, "MB"),
    ]
    return [Figure(f"yardstick, bare pyepics to producer: {what}", *rest) for what, *rest in rows]


def run() -> list[Figure]:
    """Figures of this run."""
    port_pool().export(os.environ)
    with load_ioc() as ioc, KafkaCluster() as kafka:
        bench = _Bench(ioc, kafka)
        load = os.getloadavg()[0]
        return [*_measure_engine(bench), *_measure_bare(bench), Figure("load average of the machine at the start", load, "")]
