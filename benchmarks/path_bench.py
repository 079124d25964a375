"""The whole path on real parts: latency from a put on an IOC, and CPU per update beside a bare pyepics subscription.

The same IOC feeds `tocsin run` and the yardstick, one after the other, each in a process of its own. Its records tick once a second
through 0..9; three ticks of ten change their alarm.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import FileOptions, SqliteFile
from alarm_engine.journal.sqlite_open import Access
from tests.ioc import Ioc, port_pool, start_ioc
from tocsin import logs
from tocsin.application import Application
from tocsin.settings import Settings
from tocsin.settings_sections import BackendSection, ChannelAccessSection, ConfigurationSettings

Figures = list[tuple[str, float, str]]
_PUTS = 200
_SECONDS = 20.0
_RECORD = """record(calc, "$(P){n}") {{
 field(SCAN, "1 second") field(CALC, "(VAL+1)%10") field(HIGH, 7) field(HSV, MINOR) field(HIHI, 9) field(HHSV, MAJOR) }}
"""
_BARE = """
import sys, time, epicscorelibs
from epics import ca, dbr
names = [f"{sys.argv[1]}{n}" for n in range(int(sys.argv[2]))]
count = 0
def got(**_):
    global count
    count += 1
channels = [ca.create_channel(name, connect=False, auto_cb=True) for name in names]
ca.poll()
held = []
for channel in channels:
    ca.connect_channel(channel, timeout=30)
for channel in channels:
    held.append(ca.create_subscription(channel, use_time=True, mask=dbr.DBE_VALUE | dbr.DBE_ALARM, callback=got))
print("ready", flush=True)
for line in sys.stdin:
    print(count, flush=True)
"""


@contextmanager
def _tocsin(ioc: Ioc, number: int, prefix: str, engine_only: bool = False) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """A running `tocsin run`, or the engine and journal of it alone; its address and its directory."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        directory = Path(name)
        pvs = "\n".join(f'      "{prefix}{n}": {{description: Channel {n}, latching: false}}' for n in range(number))
        (directory / "tree.yaml").write_text(f"config: Bench\nsystems:\n  All:\n    pvs:\n{pvs}\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (directory / "site.yaml").write_text(
            f"configurations: [{{tree: tree.yaml}}]\nbackend: {{port: {port}}}\n"
            f"channel_access: {{addr_list: ['{ioc.addr}'], auto_addr_list: false}}\nlog: {{level: error}}\n"
        )
        module = ["benchmarks.engine_only"] if engine_only else ["tocsin", "run", "--settings"]
        process = subprocess.Popen([sys.executable, "-m", *module, str(directory / "site.yaml")], stdout=subprocess.DEVNULL)
        try:
            yield process, f"http://127.0.0.1:{port}", directory
        finally:
            process.terminate()
            process.wait(10)


def _until_connected(url: str, number: int) -> float:
    """Seconds until all PVs are connected."""
    begin = time.monotonic()
    while time.monotonic() < begin + 120:
        try:
            systems = httpx.get(url + "/api/v1/summary", timeout=5).json()["systems"]
            if sum(system["total"] - system["unknown"] - system["disconnected"] for system in systems) == number:
                return time.monotonic() - begin
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError("PVs did not connect")


def _until_published(directory: Path, number: int) -> None:
    """Wait until every PV has been heard of."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (directory / "tocsin.sqlite").exists() and _events(directory) >= number:
            return
        time.sleep(0.5)
    raise RuntimeError("PVs did not connect")


def _cpu_s(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return times.user + times.system


def _load(number: int) -> Figures:
    database = "".join(_RECORD.format(n=n) for n in range(number))
    with start_ioc(database) as ioc:
        with _tocsin(ioc, number, ioc.prefix, engine_only=True) as (process, _, directory):
            _until_published(directory, number)
            before = _cpu_s(process.pid)
            time.sleep(_SECONDS)
            alone = _cpu_s(process.pid) - before
        with _tocsin(ioc, number, ioc.prefix) as (process, url, directory):
            connected = _until_connected(url, number)
            before, events = _cpu_s(process.pid), _events(directory)
            time.sleep(_SECONDS)
            cpu, published = _cpu_s(process.pid) - before, _events(directory) - events
            memory = psutil.Process(process.pid).memory_info().rss / 1e6
        bare = subprocess.Popen(
            [sys.executable, "-c", _BARE, ioc.prefix, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | port_pool().environment(),
        )  # fmt: skip
        assert bare.stdin
        assert bare.stdout
        bare.stdout.readline()
        time.sleep(2)
        before, counted = _cpu_s(bare.pid), _count(bare)
        time.sleep(_SECONDS)
        bare_cpu, updates = _cpu_s(bare.pid) - before, _count(bare) - counted
        bare.kill()
        bare.wait()
    engine, ours = alone / (number * _SECONDS) * 1e6, cpu / (number * _SECONDS) * 1e6
    theirs = bare_cpu / updates * 1e6
    return [
        (f"{number:,} PVs: start to all connected", connected, "s"),
        (f"{number:,} PVs: changes published", published / _SECONDS, "1/s"),
        (f"{number:,} PVs: CPU per update of the IOC, to the journal", engine, "us"),
        (f"{number:,} PVs: yardstick: bare pyepics subscription, per update", theirs, "us"),
        (f"{number:,} PVs: ratio", engine / theirs, "x"),
        (f"{number:,} PVs: CPU per update, live tree and history included", ours, "us"),
        (f"{number:,} PVs: memory of the process", memory, "MB"),
    ]


def _count(process: subprocess.Popen[str]) -> int:
    assert process.stdin
    assert process.stdout
    print("", file=process.stdin, flush=True)
    return int(process.stdout.readline())


def _events(directory: Path) -> int:
    return asyncio.run(_count_events(directory / "tocsin.sqlite"))


async def _count_events(path: Path) -> int:
    journal = SqliteJournal(SqliteFile(path, FileOptions(access=Access.READ)))
    await journal.start()
    reader = journal.reader(["BenchEvents"])
    number, caught_up = 0, False
    while not caught_up:
        fetched = await reader.fetch(max_records=50_000, timeout_s=1)
        number, caught_up = number + len(fetched.records), fetched.caught_up
    await reader.close()
    await journal.close()
    return number


def _latency() -> Figures:
    with (
        start_ioc('record(ao, "$(P)0") { field(HIGH, 5) field(HSV, MINOR) field(PINI, YES) }') as ioc,
        tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name,
    ):
        directory = Path(name)
        (directory / "tree.yaml").write_text(f"config: Bench\nsystems:\n  All:\n    pvs:\n      {ioc.prefix}0: Channel\n")
        settings = Settings(
            configurations=(ConfigurationSettings(tree=directory / "tree.yaml", time_zone=None),),
            store=directory / "tocsin.sqlite",
            channel_access=ChannelAccessSection(addr_list=(ioc.addr,), auto_addr_list=False),
            backend=BackendSection(port=0),
        )
        return asyncio.run(_measure(ioc, settings))


class _Arrivals:
    """Moments at which events came, in one place where they can be waited for."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[float] = asyncio.Queue()
        self.latencies_ms: list[float] = []

    def note(self) -> None:
        self._queue.put_nowait(time.perf_counter())

    async def wait(self, begin: float) -> None:
        self.latencies_ms.append((await asyncio.wait_for(self._queue.get(), 5) - begin) * 1000)

    def forget(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()

    def figures(self, what: str) -> Figures:
        cuts = statistics.quantiles(self.latencies_ms, n=100)
        return [(f"put on the IOC to {what}, p50", statistics.median(self.latencies_ms), "ms"), ("... p99", cuts[98], "ms")]


async def _measure(ioc: Ioc, settings: Settings) -> Figures:
    logs.set_up("error", "auto")
    application = Application(settings)
    await application.start()
    journaled, streamed = _Arrivals(), _Arrivals()
    following = [
        asyncio.create_task(_follow_journal(application, journaled)),
        asyncio.create_task(_follow_stream(application.url, streamed)),
    ]
    try:
        await asyncio.sleep(2)
        journaled.forget()
        streamed.forget()
        for turn in range(_PUTS):
            begin = time.perf_counter()
            put = asyncio.to_thread(ioc.put, f"{ioc.prefix}0", 7 if turn % 2 == 0 else 0)
            await asyncio.gather(put, journaled.wait(begin), streamed.wait(begin))
            await asyncio.sleep(0.02)
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await application.stop()
    return [*journaled.figures("a record in the journal"), *streamed.figures("an event in the stream")]


async def _follow_journal(application: Application, arrivals: _Arrivals) -> None:
    assert application.journal is not None
    reader = application.journal.reader(["BenchEvents"])
    while True:
        for _ in (await reader.fetch()).records:
            arrivals.note()


async def _follow_stream(url: str, arrivals: _Arrivals) -> None:
    async with (
        httpx.AsyncClient(timeout=None) as client,
        client.stream("GET", url + "/api/v1/stream", params={"config": "Bench"}) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data:") and '"kind":"' in line:
                arrivals.note()


def run() -> Figures:
    """Figures of this run."""
    os.environ.update(port_pool().environment())
    return [*_latency(), *_load(1_000), *_load(10_000)]
