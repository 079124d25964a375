"""Each event comes to the history exactly once, whatever happens to the writer, the store, the disk, or the topic.

Real processes on a real broker, with both stores. In the end sets of ids are compared, and no id may be there twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sqlite3
import subprocess
from dataclasses import replace

import httpx
import pytest
from confluent_kafka.admin import AdminClient

from backend.history.elastic_client import connect
from tests.contract.elastic_proxy import ElasticProxy, answer_lost, half_a_bulk, on_bulk, refusal
from tests.contract.histories import delete_all, elastic_options, elastic_url, mortal_server
from tests.contract.journals import until
from tests.contract.kafka_topics import servers_or_skip
from tests.system.history_plant import HistoryPlant

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
SOON = 2.5
"""Session of a writer: nearly each test kills one, and the next one waits for its end."""


@pytest.fixture
async def proxy():
    async with ElasticProxy(elastic_url()) as proxy:
        yield proxy


@pytest.fixture
async def elastic(tmp_path, proxy):
    options = elastic_options(hosts=(proxy.url,))
    yield HistoryPlant(tmp_path, servers_or_skip(), options, session_s=SOON)
    proxy.fault = None
    await delete_all(options)


@pytest.fixture
def sqlite(tmp_path):
    return HistoryPlant(tmp_path, servers_or_skip(), None, session_s=SOON)


@pytest.fixture(params=["sqlite", "elastic"])
def plant(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def small_disk(tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mount)], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


async def unready(plant, said):
    """The health of the writer says what is wrong."""

    async def found():
        if not plant.health():
            return False
        async with httpx.AsyncClient() as client:
            try:
                answer = await client.get(plant.health() + "/readyz")
            except httpx.TransportError:
                return False
        return answer.status_code == 503 and said in json.dumps(answer.json())

    await until(found, 60)


async def test_killed_again_and_again(plant):
    for _ in range(3):
        await plant.publish(200)  # while nobody copies
        before = len(await plant.stored())
        async with plant.writer() as process:
            await plant.until(lambda found, before=before: len(found) > before)
            publishing = asyncio.create_task(plant.publish(200))
            await plant.until(lambda found, before=before: len(found) > before + 210)
            process.kill()
            await publishing
    async with plant.writer():
        await plant.until_whole()


async def away(call, forward):
    return refusal(503, "cluster_block_exception", "no master")


async def test_elasticsearch_away_and_the_writer_killed_meanwhile(elastic, proxy):
    async with elastic.writer() as process:
        await elastic.publish(100)
        await elastic.until_whole()
        proxy.fault = away
        await elastic.publish(300)
        await unready(elastic, "is busy or not ready (503")
        process.kill()
    async with elastic.writer():
        await elastic.publish(100)
        await unready(elastic, "cannot open the history")
        proxy.fault = None
        await elastic.until_whole()


async def test_sqlite_locked_by_others_and_the_writer_killed_meanwhile(sqlite):
    async with sqlite.writer() as process:
        await sqlite.publish(100)
        await sqlite.until_whole()
        other = sqlite3.connect(sqlite.file, isolation_level=None, timeout=30)
        other.execute("BEGIN IMMEDIATE")
        await sqlite.publish(300)
        await unready(sqlite, "is locked: another process has been writing to it for too long")
        process.kill()
    other.execute("ROLLBACK")
    other.close()
    async with sqlite.writer():
        await sqlite.until_whole()


async def test_both_killed_and_started_again(tmp_path):
    with mortal_server() as server:
        plant = HistoryPlant(tmp_path, servers_or_skip(), elastic_options(hosts=(server.url,)), session_s=SOON)
        async with plant.writer() as process:
            publishing = asyncio.create_task(plant.publish(600))
            await plant.until(lambda found: len(found) > 50)
            server.kill()
            process.kill()
        await publishing
        async with plant.writer():
            await unready(plant, "cannot be reached")
            await asyncio.to_thread(server.start)
            await plant.until_whole()
        await delete_all(plant.options)


async def test_an_index_that_is_lost_while_it_is_written_and_while_nobody_writes(elastic, proxy):
    client = connect(replace(elastic.options, hosts=(elastic_url(),)))
    try:
        async with elastic.writer():
            await elastic.publish(200)
            await elastic.until_whole()
            await delete_all(elastic.options)
            assert await elastic.stored() == []
            await elastic.publish(50)
            await elastic.until_whole()
        await client.indices.delete(index=list(await client.indices.get_alias(index=f"{elastic.options.prefix}-events-*")))
        async with elastic.writer():
            await elastic.until_whole()
    finally:
        await client.close()


async def test_a_file_that_is_lost(sqlite):
    async with sqlite.writer() as process:
        await sqlite.publish(200)
        await sqlite.until_whole()
        for file in sqlite.directory.glob("history.sqlite*"):
            file.unlink()
        await sqlite.publish(50)
        await unready(sqlite, "was removed or replaced while it was in use: start again")
        process.kill()
    async with sqlite.writer():
        await sqlite.until_whole()


def fill(directory):
    """A file that takes all the room."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return ballast


async def test_a_disk_that_is_full_for_a_while(tmp_path, small_disk):
    plant = HistoryPlant(tmp_path, servers_or_skip(), None, small_disk / "history.sqlite", session_s=SOON)
    async with plant.writer() as process:
        await plant.publish(50)
        await plant.until_whole()
        ballast = fill(small_disk)
        await plant.publish(300)
        await unready(plant, "the disk is full")
        process.kill()
    async with plant.writer():
        ballast.unlink()
        await plant.until_whole()


async def test_elasticsearch_whose_disk_is_full_for_a_while(elastic):
    client = connect(replace(elastic.options, hosts=(elastic_url(),)))
    try:
        async with elastic.writer():
            await elastic.publish(50)
            await elastic.until_whole()
            # What the server does by itself at its flood stage.
            indices = f"{elastic.options.prefix}-events-*"
            await client.indices.put_settings(index=indices, settings={"index.blocks.read_only_allow_delete": True})
            await elastic.publish(300)
            await unready(elastic, "read-only-allow-delete")
            await client.indices.put_settings(index=indices, settings={"index.blocks.read_only_allow_delete": None})
            await elastic.until_whole()
    finally:
        await client.close()


async def test_a_topic_that_is_made_anew_with_offsets_from_0(plant):
    admin = AdminClient({"bootstrap.servers": plant.servers})

    async def delete():
        admin.delete_topics([plant.topic])[plant.topic].result()
        await until(lambda: plant.topic not in admin.list_topics(timeout=5).topics, 30)
        plant.epoch += 1

    async with plant.writer():
        await plant.publish(200)
        await plant.until_whole()
        await delete()
        await plant.publish(50)
        await plant.until_whole()
    await delete()
    await plant.publish(300)
    async with plant.writer():
        await plant.until_whole()


async def test_half_bulks_lost_answers_and_poisoned_events(elastic, proxy):
    faults = itertools.cycle(
        [
            half_a_bulk,
            on_bulk(lambda: refusal(429, "es_rejected_execution_exception", "the queue is full")),
            answer_lost,
            on_bulk(lambda: refusal(503, "unavailable_shards_exception", "primary shard is not active")),
            lambda call, forward: asyncio.sleep(0),
        ]
    )

    async def fault(call, forward):
        return await next(faults)(call, forward) if call.is_bulk else None

    proxy.fault = fault
    await elastic.publish(400)
    poisoned = await elastic.publish(1, path=f"/{elastic.config}/" + "x" * 40_000)
    await elastic.publish_odd()
    await elastic.publish(400)
    elastic.published -= {poisoned[0].id}
    async with elastic.writer() as process:
        await elastic.until(lambda found: len(found) > 100)
        process.kill()
    async with elastic.writer():
        await elastic.until_whole()
        await until(lambda: elastic.log.read_text().count("put aside") >= 2, 30)
    status, said = await elastic.run("dead-letters")
    assert status == 1
    assert f"{elastic.config}: 2 dead letters" in said
    assert f"{poisoned[0].id}  " in said
    assert "Document contains at least one immense term" in said
    assert f"{elastic.topic}@" in said


async def test_rebuild_fills_what_is_lost_and_may_be_interrupted(plant):
    await plant.publish(1500, days_ago=90)
    await plant.publish_odd()
    recent = await plant.publish(100)
    if plant.options is None:
        status, said = await plant.run("dead-letters")
        assert (status, "there is no history yet" in said) == (2, True), said
    process = plant.start("rebuild")
    try:
        await plant.until(lambda found: len(found) > 0)
    finally:
        process.kill()
        process.wait(20)
    status, said = await plant.run("rebuild")
    assert status == 0, said
    await plant.until_whole()
    status, said = await plant.run("rebuild")
    assert (status, f"{plant.config}: 1601 records read; 0 new events stored, 1600 were there, 1 dead letters" in said) == (0, True), said
    status, said = await plant.run("dead-letters", "--json")
    (letter,) = [json.loads(line) for line in said.splitlines()]
    assert (status, letter["config"], letter["record"]) == (1, plant.config, "{")

    # Old events are lost, the newest are there: only a rebuild brings them back.
    await lose_all_but(plant, recent)
    status, said = await plant.run("rebuild")
    assert (status, "1500 new events stored, 100 were there" in said) == (0, True), said
    await plant.until_whole()
    assert (await plant.run("rebuild", "--config", "Nobody"))[0] == 2


async def lose_all_but(plant, recent):
    if plant.options is None:
        with sqlite3.connect(plant.file) as file:
            file.execute("DELETE FROM history WHERE n < ?", (recent[0].id.n,))
        file.close()
        return
    client = connect(plant.options)
    try:
        found = sorted(await client.indices.get_alias(index=f"{plant.options.prefix}-events-*"))
        await client.indices.delete(index=found[0])
    finally:
        await client.close()
    assert len(await plant.stored()) == 100
