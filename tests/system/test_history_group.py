"""Several processes keep one history: one serves each configuration, and another goes on where it ended, whatever becomes of the first.

Real processes, a real broker, a real Elasticsearch. In the end sets of ids are compared, and no id may be there twice.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import httpx
import pytest

from backend.history.writer import GROUP
from tests.contract.histories import delete_all, elastic_options, elastic_url
from tests.contract.kafka_topics import servers_or_skip
from tests.system.history_plant import HistoryPlant

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
_PATIENCE_S = 60.0


class Keeper:
    """A `tocsin history` with a log of its own."""

    def __init__(self, plant: HistoryPlant, name: str) -> None:
        self.plant = plant
        self.log = plant.directory / f"{name}.log"
        words = [sys.executable, "-m", "tocsin", "history", "-s", str(plant.directory / "site.yaml")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "COLUMNS": "400"})

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(20)

    async def ask(self, path: str) -> httpx.Response | None:
        found = re.search(r"(http://\S+)/readyz", self.log.read_text())
        if found is None:
            return None
        async with httpx.AsyncClient(timeout=5) as client:
            try:
                return await client.get(found[1] + path)
            except httpx.TransportError:
                return None

    async def is_(self, role: str) -> bool:
        """Its figures say that it is `serving` or on `standby`."""
        answer = await self.ask("/metrics")
        return answer is not None and f'tocsin_history_{role}{{config="{self.plant.config}"}} 1.0' in answer.text

    async def until(self, role: str) -> float:
        """Wait until its figures say so; returns how long that took."""
        begin = time.monotonic()
        while not await self.is_(role):
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < begin + _PATIENCE_S, f"never {role}\n{self.log.read_text()[-4000:]}"
            await asyncio.sleep(0.05)
        return time.monotonic() - begin


@pytest.fixture
async def plant(tmp_path):
    options = elastic_options(hosts=(elastic_url(),))
    yield HistoryPlant(tmp_path, servers_or_skip(), options)
    await delete_all(options)


@asynccontextmanager
async def pair(plant):
    """One that serves, and one that waits."""
    async with plant.journal():
        pass  # the topics are there
    keepers = [Keeper(plant, "first")]
    try:
        await keepers[0].until("serving")
        keepers.append(Keeper(plant, "second"))
        await keepers[1].until("standby")
        yield keepers
    finally:
        for keeper in keepers:
            keeper.end()


async def in_the_middle_of_a_stream(plant):
    """Events are being published, and some have been stored; returns what publishes them."""
    before = len(await plant.stored())
    publishing = asyncio.create_task(plant.publish(1500))
    await plant.until(lambda found: len(found) > before + 50)
    return publishing


async def test_one_serves_and_the_other_is_ready(plant):
    async with pair(plant) as (first, second):
        await plant.publish(100)
        await plant.until_whole()
        for keeper in (first, second):
            answer = await keeper.ask("/readyz")
            assert answer.json() == {"ready": True, "missing": {}}, answer.text
        assert not await first.is_("standby")
        assert not await second.is_("serving")
        figures = (await second.ask("/metrics")).text
        assert "tocsin_history_written_total 0.0" in figures
        assert "tocsin_history_healthy 1.0" in figures
        holder = rf"is held by '[^']+:{first.process.pid}' on \S+ \(process {first.process.pid}\)"
        assert re.search(holder, second.log.read_text())


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
async def test_another_goes_on_where_it_ended(plant, how):
    async with pair(plant) as (first, second):
        publishing = await in_the_middle_of_a_stream(plant)
        first.process.send_signal(signal.Signals[how])
        await second.until("serving")
        await publishing
        await plant.publish(50)
        await plant.until_whole()
        async with plant.journal() as journal:
            assert await journal.position(GROUP, plant.topic) > 0
        if how == "SIGTERM":  # it has told the group: nobody had to wait until its session was over
            assert await asyncio.to_thread(first.process.wait, 20) == 0
            assert re.search(r'"released": true[^\n]*configurations revoked', first.log.read_text()), first.log.read_text()[-2000:]


async def test_one_that_was_paused_wakes_and_does_no_harm(plant):
    async with pair(plant) as (first, second):
        publishing = await in_the_middle_of_a_stream(plant)
        first.process.send_signal(signal.SIGSTOP)
        await second.until("serving")
        await publishing
        await plant.until_whole()
        first.process.send_signal(signal.SIGCONT)
        await first.until("standby")
        await plant.publish(200)
        await plant.until_whole()
        assert await second.is_("serving")
        assert "this process does not write the history any more" in first.log.read_text()
        second.process.send_signal(signal.SIGTERM)
        await first.until("serving")
        await plant.publish(200)
        await plant.until_whole()


async def test_one_that_cannot_reach_the_store_does_not_stand_for_election(plant):
    async with pair(plant) as (first, second):
        third_plant = HistoryPlant.__new__(HistoryPlant)
        third_plant.__dict__ |= plant.__dict__
        (lost := plant.directory / "lost").mkdir()
        text = (plant.directory / "site.yaml").read_text().replace(elastic_url(), "http://127.0.0.1:9")
        (lost / "site.yaml").write_text(text)
        third_plant.directory = lost
        third = Keeper(third_plant, "third")
        try:
            second.end()
            while (answer := await third.ask("/readyz")) is None or "cannot open the history" not in answer.text:
                assert third.process.poll() is None, third.log.read_text()
                await asyncio.sleep(0.05)
            first.end()
            assert not await third.is_("standby")
            fourth = Keeper(plant, "fourth")
            try:
                await fourth.until("serving")
            finally:
                fourth.end()
            assert not await third.is_("serving")
        finally:
            third.end()
