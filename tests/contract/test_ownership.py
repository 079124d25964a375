"""What every adapter of the ownership port does. Another one is added by one function and one line in `ADAPTERS`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.ownership.kafka import KafkaOwnership
from alarm_engine.ownership.port import Ownership
from alarm_engine.ownership.sole import SoleOwnership
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import random_topic

CONFIGS = tuple(random_topic("Plant") for _ in range(3))


def sole() -> Ownership:
    return SoleOwnership()


def kafka() -> Ownership:
    return KafkaOwnership(KafkaSettings(servers_or_skip(), name="engine", cell=random_topic("cell")), CONFIGS)


ADAPTERS: dict[str, Callable[[], Ownership]] = {"sole": sole, "kafka": kafka}


def ignore(_: str) -> None:
    """Nobody minds why it is waited."""


@pytest.fixture(params=ADAPTERS)
async def ownership(request):
    made = ADAPTERS[request.param]()
    await made.start()
    yield made
    await made.close()


async def test_every_configuration_of_the_only_engine_is_its_own(ownership):
    async with asyncio.timeout(30):
        leases = await asyncio.gather(*(ownership.acquire(config, ignore) for config in CONFIGS))
    lost = [asyncio.create_task(lease.lost()) for lease in leases]
    done, _ = await asyncio.wait(lost, timeout=0.3)
    for task in lost:
        task.cancel()
    assert not done
    for lease in leases:
        await lease.release()


async def test_what_was_released_can_be_had_again(ownership):
    async with asyncio.timeout(30):
        for _ in range(3):
            lease = await ownership.acquire(CONFIGS[0], ignore)
            await lease.release()
            await lease.release()


async def test_waiting_can_be_given_up(ownership):
    waiting = asyncio.create_task(ownership.acquire(CONFIGS[0], ignore))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(30):
        await (await ownership.acquire(CONFIGS[0], ignore)).release()


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
async def test_one_that_was_never_started_can_be_closed_and_one_that_was_closed_started(adapter):
    ownership = adapter()
    await ownership.close()
    for _ in range(2):
        await ownership.start()
        async with asyncio.timeout(30):
            await (await ownership.acquire(CONFIGS[0], ignore)).release()
        await ownership.close()
        await ownership.close()
