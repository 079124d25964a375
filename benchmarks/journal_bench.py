"""The embedded store: appending, replaying, and asking the history, beside a bare `sqlite3` insert and commit of the same run."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from alarm_engine.journal.port import Cleanup, Position, Record, TopicSpec
from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Durability, FileOptions
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, EventId, Sample, Snapshot
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.port import CountBy, EventQuery
from backend.history.sqlite import SqliteHistory

Row = tuple[str, float, str]

SPECS = [
    TopicSpec("Bench", Cleanup.COMPACT),
    TopicSpec("BenchEvents", Cleanup.DELETE, retention_s=86_400, retention_bytes=4_000_000_000),
    TopicSpec("BenchRuntime", Cleanup.COMPACT),
]
STATE = (
    b'{"severity":"MAJOR","message":"HIHI_ALARM","value":"98.6","time":{"seconds":1700000000,"nano":123456789},"current_severity":"MAJOR"}'
)
HEADERS = (
    ("tocsin-state", b'{"id":"Bench.1700000000.12345","since":1700000000123456789,"connected":true,"current":["MAJOR","HIHI_ALARM"]}'),
)
LATENCY_ROUNDS = 1000
REPLAYED = 20_000


def change(n: int) -> list[Record]:
    """What one change of an alarm appends: leaf, two ancestors, event, runtime."""
    return [
        Record("Bench", f"state:/Bench/System {n % 8}/Sector {n % 40}/BENCH:PV{n % 2000}", STATE, HEADERS),
        Record("Bench", f"state:/Bench/System {n % 8}/Sector {n % 40}", b'{"severity":"MAJOR"}'),
        Record("Bench", f"state:/Bench/System {n % 8}", b'{"severity":"MAJOR"}'),
        Record("BenchEvents", f"event:/Bench/System {n % 8}/Sector {n % 40}/BENCH:PV{n % 2000}", STATE * 4),
        Record("BenchRuntime", f"runtime:/Bench/System {n % 8}/Sector {n % 40}/BENCH:PV{n % 2000}", b'{"v":1,"ack":{"user":"operator"}}'),
    ]


def percentile(values: list[float], share: float) -> float:
    """The value below which a share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def latency_rows(name: str, seconds: list[float]) -> list[Row]:
    return [(f"{name}, p50", statistics.median(seconds) * 1e3, "ms"), (f"{name}, p99", percentile(seconds, 0.99) * 1e3, "ms")]


def bare(path: Path, durability: str) -> list[float]:
    """The yardstick: five rows into one table, committed, without index, thread or loop."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {durability}")
    connection.execute("CREATE TABLE r (seq INTEGER PRIMARY KEY, topic, key, value)")
    seconds = []
    for n in range(LATENCY_ROUNDS):
        rows = [(record.topic, record.key, record.value) for record in change(n)]
        begin = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO r (topic, key, value) VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
        seconds.append(time.perf_counter() - begin)
    connection.close()
    return seconds


async def timed(count: int, action: Callable[[int], Awaitable[object]]) -> list[float]:
    seconds = []
    for n in range(count):
        begin = time.perf_counter()
        await action(n)
        seconds.append(time.perf_counter() - begin)
    return seconds


async def opened(path: Path, durability: Durability = Durability.FULL) -> SqliteJournal:
    journal = SqliteJournal(SqliteFile(path, FileOptions(durability=durability)))
    await journal.start()
    await journal.ensure_topics(SPECS)
    return journal


async def appending(directory: Path) -> list[Row]:
    rows: list[Row] = []
    for durability in (Durability.FULL, Durability.NORMAL):
        rows += latency_rows(f"bare sqlite3, 5 rows, {durability}", bare(directory / f"bare {durability}.db", durability))
        journal = await opened(directory / f"{durability}.db", durability)
        seconds = await timed(LATENCY_ROUNDS, lambda n, journal=journal: journal.append(change(n), [Position("e", "BenchCommand", n)]))
        rows += latency_rows(f"append of one change (5 records), {durability}", seconds)
        rows += latency_rows(f"append to follower, {durability}", await to_follower(journal))
        await journal.close()
    return rows


async def to_follower(journal: SqliteJournal) -> list[float]:
    """From the call of `append` to the record in the hands of a waiting reader."""
    reader = journal.reader(["BenchEvents"], {"BenchEvents": await journal.end("BenchEvents")})
    await reader.fetch()

    async def once(n: int) -> None:
        waiting = asyncio.create_task(reader.fetch())
        await journal.append(change(n))
        await waiting

    seconds = await timed(LATENCY_ROUNDS // 4, once)
    await reader.close()
    return seconds


async def group_commit(directory: Path) -> list[Row]:
    journal = await opened(directory / "group.db")
    lanes, each = 64, 100

    async def lane(number: int) -> None:
        for n in range(each):
            await journal.append(change(number * each + n))

    begin = time.perf_counter()
    await asyncio.gather(*(lane(number) for number in range(lanes)))
    spent = time.perf_counter() - begin
    await journal.close()
    return [("group commit, 64 writers, records", lanes * each * 5 / spent, "1/s")]


async def replay(directory: Path) -> list[Row]:
    path = directory / "replay.db"
    journal = await opened(path)
    for start in range(0, REPLAYED // 5, 100):
        await journal.append([record for n in range(start, start + 100) for record in change(n)])
    await journal.close()
    journal = await opened(path)
    begin = time.perf_counter()
    reader, count = journal.reader([spec.name for spec in SPECS]), 0
    while True:
        fetched = await reader.fetch()
        count += len(fetched.records)
        if fetched.caught_up:
            break
    spent = time.perf_counter() - begin
    assert count == REPLAYED
    begin = time.perf_counter()
    deleted = await journal.compact()
    compacting = time.perf_counter() - begin
    await journal.close()
    return [("replay of 20,000 records", spent * 1e3, "ms"), (f"compaction, {deleted} records deleted", compacting * 1e3, "ms")]


EVENTS = 200_000
ALARMS = 20_000
DAYS = 30
START = 1_700_000_000 * NANOS_PER_SECOND
DAY = 86_400 * NANOS_PER_SECOND
END = Nanos(START + DAYS * DAY)


def path_of(number: int) -> str:
    return f"/Bench/System {number % 8}/Sector {number % 160}/BENCH-S{number % 160}:PV{number}"


def event_of(n: int) -> Event:
    """The events of a machine of 20,000 alarms over 30 days, a few of which chatter."""
    time = Nanos(START + n * DAYS * DAY // EVENTS)
    number = (n * 7919) % ALARMS if n % 4 else (n * 31) % 50
    severity = (Severity.MAJOR, Severity.OK, Severity.MINOR, Severity.OK)[n % 4]
    kind = EventKind.ALARM if severity is not Severity.OK else EventKind.CLEARED
    state = Snapshot(Alarm(severity, "HIHI_ALARM", "98.6", time), Sample(severity, "HIHI_ALARM", "98.6", time), True, time)
    return Event(
        EventId("Bench", 1_700_000_000, n + 1), time, kind, path_of(number), Severity.OK, severity,
        pv_time=time, description=f"Pressure of pump {number}", snapshot=state,
    )  # fmt: skip


async def history(directory: Path) -> list[Row]:
    store = SqliteHistory(SqliteFile(directory / "history.db"))
    await store.start()
    spent = 0.0
    batches = []
    for start in range(0, EVENTS, 500):
        events = [event_of(n) for n in range(start, start + 500)]
        begin = time.perf_counter()
        await store.write(events)
        batches.append(time.perf_counter() - begin)
        spent += batches[-1]
    rows: list[Row] = [("history, events stored", EVENTS / spent, "1/s"), *latency_rows("history, batch of 500", batches)]
    day, week = Nanos(END - DAY), Nanos(END - 7 * DAY)
    whole, old = Nanos(START), Nanos(START + DAY)
    everything = EventQuery("Bench", whole, Nanos(END + 1))
    some = [path_of(number) for number in range(7, ALARMS, 20)]
    questions: dict[str, Callable[[], Awaitable[object]]] = {
        "last 100": lambda: store.events(everything),
        "first day, 100, of one system": lambda: store.events(EventQuery("Bench", whole, old, path_prefix="/Bench/System 3")),
        "one alarm, last 500": lambda: store.events(EventQuery("Bench", whole, END, path_prefix=path_of(31), limit=500)),
        "name with wild cards, 24 h, 100": lambda: store.events(EventQuery("Bench", day, END, pv="BENCH-S3:*")),
        "text in 30 days that is nowhere": lambda: store.events(EventQuery("Bench", whole, END, text="nowhere")),
        "one user in 30 days who did nothing": lambda: store.events(EventQuery("Bench", whole, END, user="nobody")),
        "counts per 10 min, 24 h": lambda: store.counts("Bench", day, END, 600, CountBy.SEVERITY),
        "counts per h, 7 days, by system": lambda: store.counts("Bench", week, END, 3600, CountBy.SYSTEM),
        "top 10, 30 days": lambda: store.most_frequent("Bench", whole, END, 10),
        "top 10, 30 days, of one system": lambda: store.most_frequent("Bench", whole, END, 10, "/Bench/System 3"),
        "last state of 1000 alarms": lambda: store.last_before("Bench", some, week),
        "intervals of 1000 alarms, 7 days": lambda: store.intervals("Bench", some, week, END),
    }
    for name, question in questions.items():
        await question()
        rows.append((f"history, {name}", statistics.median(await timed(9, lambda _, question=question: question())) * 1e3, "ms"))
    begin = time.perf_counter()
    deleted = await store.delete_before("Bench", old)
    rows.append((f"history, delete {deleted} events", (time.perf_counter() - begin) * 1e3, "ms"))
    await store.close()
    return rows


async def measure(directory: Path) -> list[Row]:
    return [*await appending(directory), *await group_commit(directory), *await replay(directory), *await history(directory)]


def run() -> list[Row]:
    """Name, value and unit of each figure."""
    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(measure(Path(directory)))


if __name__ == "__main__":
    for name, value, unit in run():
        print(f"{name:50} {value:12.3f} {unit}")
