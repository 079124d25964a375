"""A plain producer, as a Phoebus server that was left running, writes states beside us on a real broker."""

from __future__ import annotations

import asyncio
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.contract.kafka_topics import servers_or_skip
from tests.system.site import DB, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

STATE = (
    '{"severity":"OK","message":"NO_ALARM","value":"0.0","time":{"seconds":1,"nano":0},'
    '"current_severity":"OK","current_message":"NO_ALARM"}'
)


class Beside(Site):
    """A site with a second writer."""

    def write(self, key: str, value: str) -> None:
        """What a Phoebus server sends."""
        producer = Producer({"bootstrap.servers": servers_or_skip()})
        producer.produce(self.config, value.encode(), key.encode())
        assert producer.flush(20) == 0

    def last_state(self, key: str) -> tuple[bytes, bool]:
        """The newest record of a key, and whether it has a header of ours."""
        consumer = Consumer(
            {"bootstrap.servers": servers_or_skip(), "group.id": "none", "enable.partition.eof": True, "isolation.level": "read_committed"}
        )
        found: list[tuple[bytes, bool]] = []
        try:
            consumer.assign([TopicPartition(self.config, 0, 0)])
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                message = consumer.poll(1)
                if message is None:
                    continue
                if message.error():
                    break
                if message.key() == key.encode():
                    found.append((message.value(), any(name.startswith("tocsin") for name, _ in message.headers() or [])))
        finally:
            consumer.close()
        return found[-1]

    async def told(self) -> list[dict]:
        answer = await self.client.get("/api/v1/events", params={"start": "-1h", "kind": "foreign"})
        return answer.json()["events"] if answer.status_code == 200 else []

    async def not_ready(self) -> str:
        answer = await self.client.get("/readyz")
        return answer.text if answer.status_code == 503 and "another server writes states" in answer.text else ""


async def test_it_is_told_and_our_states_are_written_over(tmp_path, iocs):
    site = Beside(tmp_path, iocs(DB), servers_or_skip())
    async with site.serving():
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        key = f"state:{site.path('GC1')}"
        await asyncio.to_thread(site.write, key, STATE)
        await site.until(site.told, "the event")
        (event,) = await site.told()
        assert (event["path"], event["reason"]) == (f"/{site.config}", "foreign writer")
        assert site.path("GC1") in event["comment"]
        await site.until(site.not_ready, "a note in /readyz")
        value, is_ours = await asyncio.to_thread(site.last_state, key)
        assert is_ours
        assert b'"severity":"MAJOR"' in value
        assert (await site.alarms())[site.path("GC1")] == "MAJOR"
        # A client's edit is no state, and no fault.
        await asyncio.to_thread(site.write, f"config:{site.path('GV1')}", '{"user":"mara","host":"ops7","description":"Gate valve"}')
        metrics = (await site.client.get("/metrics")).text
        assert f'tocsin_engine_foreign_records_total{{config="{site.config}"}} 1.0' in metrics
        assert f'tocsin_engine_foreign_writer{{config="{site.config}"}} 1.0' in metrics
        assert f'tocsin_engine_trouble{{config="{site.config}"}} 1.0' in metrics


async def test_one_that_yields_leaves_the_other_alone(tmp_path, iocs):
    site = Beside(tmp_path, iocs(DB), servers_or_skip(), "engine: {foreign_writer: yield}\n")
    async with site.serving():
        site.put("GC1", 12)
        await site.until_severity("GC1", "MAJOR")
        key = f"state:{site.path('GC1')}"
        await asyncio.to_thread(site.write, key, STATE)
        await site.until(site.told, "the event")
        site.put("GV1", 1)
        site.put("GC1", 0)

        async def shows_theirs():
            return site.path("GC1") not in await site.alarms()

        await site.until(shows_theirs, "what the other one wrote")
        assert await asyncio.to_thread(site.last_state, key) == (STATE.encode(), False)
        assert site.path("GV1") not in await site.alarms()  # nor for half a minute: see tests/contract/test_foreign_kafka.py
