"""A subscriber of the Python client at 200 changes a second: the backend is killed and started again, or another one answers.

What it is told is compared with what stands in the journal: complete, in order, nothing twice. Real processes, a real IOC that changes its
alarms by itself, a real broker (and once the file of a site without one).
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise

import pytest

from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Access, FileOptions
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.topics import Topics
from tests.chaos.network import Network
from tests.contract.journals import read_all
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import free_ports
from tests.system.site import Site
from tests.system.test_two_backends import Pair, published
from tocsin.client import AsyncClient, Change, Client, Fresh, Snapshot, Stale, Unreachable, Update

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

TICKING = 20
"""Alarms that change ten times a second."""
TICK_S = 0.1
ENOUGH = 200
"""Changes to be told of between two faults."""
DB = "".join(
    f'record(calc, "$(P)T{n}") {{ field(SCAN, ".1 second") field(CALC, "VAL?0:1") field(HIHI, 0.5) field(HHSV, MAJOR) }}\n'
    for n in range(TICKING)
)


class TickingSite(Site):
    """A site whose alarms change all the time."""

    def __init__(self, directory, ioc, servers: str) -> None:
        super().__init__(directory, ioc, servers)
        names = "\n".join(f'      "{ioc.prefix}T{n}": {{description: Ticks, latching: false}}' for n in range(TICKING))
        (directory / "tree.yaml").write_text(f"config: {self.config}\nsystems:\n  Vacuum:\n    pvs:\n{names}\n", encoding="utf-8")

    async def in_file(self) -> list[str]:
        """Ids of all events of the embedded journal."""
        journal = SqliteJournal(SqliteFile(self.directory / "tocsin.sqlite", FileOptions(access=Access.READ)))
        await journal.start()
        try:
            return [str(decode_event(record.value).id) for record in await read_all(journal, Topics(self.config).events) if record.value]
        finally:
            await journal.close()


class Told:
    """All that a subscriber was told."""

    def __init__(self) -> None:
        self.updates: list[Update] = []

    def of(self, kind: type) -> list:
        return [update for update in list(self.updates) if isinstance(update, kind)]

    @property
    def ids(self) -> list[str]:
        return [change.event.id for change in self.of(Change)]

    @property
    def median_step_s(self) -> float:
        """Between two changes of one alarm, by the time stamps of its PV: a change that was merged with another one on its way is a gap."""
        of_one: dict[str, list[float]] = defaultdict(list)
        for change in self.of(Change):
            if change.event.pv_time is not None:
                of_one[change.event.path].append(change.event.pv_time.timestamp())
        return statistics.median(later - sooner for times in of_one.values() for sooner, later in pairwise(times))

    async def is_whole(self, read: Callable[[], Awaitable[list[str]]]) -> None:
        """Each event since the snapshot was told once, in order, up to now."""
        ids = self.ids
        everything = await read()
        assert [snapshot.gap for snapshot in self.of(Snapshot)] == [""], self.of(Snapshot)
        as_of = self.of(Snapshot)[0].as_of
        first = everything.index(as_of) + 1 if as_of is not None else 0
        assert ids == everything[first : first + len(ids)]
        assert self.median_step_s == pytest.approx(TICK_S, rel=0.1), "it was not 200 changes a second"


@asynccontextmanager
async def subscribed(url: str, config: str):
    """A subscriber in this loop."""
    told = Told()

    async def listen() -> None:
        async with AsyncClient(url) as client, client.subscribe(config=config) as updates:
            async for update in updates:
                told.updates.append(update)

    task = asyncio.create_task(listen())
    try:
        yield told
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def subscribed_in_a_thread(url: str, config: str):
    """The same without asyncio; it ends with the next update."""
    told, stop = Told(), threading.Event()

    def listen() -> None:
        with Client(url) as client, client.subscribe(config=config, beats=True) as updates:
            for update in updates:
                if stop.is_set():
                    return
                told.updates.append(update)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield told
        assert thread.is_alive()
    finally:
        stop.set()
        await asyncio.to_thread(thread.join, 30)


def logs(site: Site) -> str:
    return "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in sorted(site.directory.glob("*.log")))


async def more(site: Site, told: Told, number: int = ENOUGH) -> None:
    """The subscriber is told that many further changes."""
    before = len(told.ids)

    async def come():
        return len(told.ids) >= before + number

    await site.until(come, f"{number} changes after {before}", lambda: f"{told.updates[-3:]}\n{logs(site)}")


async def away(site: Site, told: Told, url: str, before: int) -> None:
    """It was said after that many updates that nobody answers at that address."""

    async def said():
        return any(isinstance(update, Stale) and url in update.why for update in told.updates[before:])

    await site.until(said, f"that {url} is away", lambda: str(told.updates[-3:]))


async def fresh(site: Site, told: Told) -> None:
    async def said():
        last = [update for update in told.updates if isinstance(update, Stale | Fresh)]
        return not last or isinstance(last[-1], Fresh)

    await site.until(said, "fresh again", lambda: str(told.updates[-3:]))


@pytest.fixture
async def site(tmp_path, iocs):
    site = TickingSite(tmp_path, iocs(DB), servers_or_skip())
    assert await site.config_command("sync") == 0, site.output("sync")
    async with site.running("engine"):
        yield site


@asynccontextmanager
async def two_backends(site):
    """One of two backends is there, behind an address."""
    with Network() as network:
        pair = Pair(site, network)
        async with AsyncExitStack() as running:
            await running.enter_async_context(pair.backend(0))
            await until_fresh(site, pair.url)
            yield pair, running


async def kill(pair: Pair, which: int) -> None:
    pair.processes[which].kill()
    await asyncio.to_thread(pair.processes[which].wait)


async def test_a_backend_that_is_killed_and_started_again_under_a_subscriber(site):
    async with two_backends(site) as (pair, running), subscribed(pair.url, site.config) as told:
        await more(site, told)
        for turn in range(1, 4):
            before = len(told.updates)
            await kill(pair, 0)
            await away(site, told, pair.url, before)
            await running.enter_async_context(pair.backend(0, f"backend-0-{turn}"))
            await more(site, told)
            await fresh(site, told)
        await told.is_whole(lambda: published(site, servers_or_skip()))


async def test_another_backend_behind_the_same_address(site):
    async with two_backends(site) as (pair, running):
        await running.enter_async_context(pair.backend(1))
        await pair.until_ready(1)
        async with subscribed_in_a_thread(pair.url, site.config) as told:
            for turn in range(6):
                await more(site, told)
                pair.lead_to((turn + 1) % 2)
            await kill(pair, 1)
            await more(site, told)
            await fresh(site, told)
            await told.is_whole(lambda: published(site, servers_or_skip()))


async def test_a_line_that_is_deaf_is_given_up(site):
    async with two_backends(site) as (pair, _), subscribed(pair.url, site.config) as told:
        await more(site, told)
        before = len(told.updates)
        pair.line.deafen()
        await away(site, told, pair.url, before)
        pair.line.mend()
        await more(site, told)
        await fresh(site, told)
        await told.is_whole(lambda: published(site, servers_or_skip()))


async def test_a_site_without_a_broker_that_is_killed_and_started_again(tmp_path, iocs):
    site = TickingSite(tmp_path, iocs(DB), "")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as running:
        process = await running.enter_async_context(site.running("run", "--port", str(port), name="run-0"))
        await until_fresh(site, url)
        told = await running.enter_async_context(subscribed(url, site.config))
        await more(site, told)
        for turn in range(1, 3):
            before = len(told.updates)
            process.kill()
            await asyncio.to_thread(process.wait)
            await away(site, told, url, before)
            process = await running.enter_async_context(site.running("run", "--port", str(port), name=f"run-{turn}"))
            await more(site, told)
            await fresh(site, told)
        await told.is_whole(site.in_file)


async def until_fresh(site: Site, url: str) -> None:
    async with AsyncClient(url, timeout_s=5) as client:

        async def ready():
            with contextlib.suppress(Unreachable):
                return not (await client.summary(config=site.config)).stale
            return False

        await site.until(ready, "a backend and an engine", lambda: logs(site))
