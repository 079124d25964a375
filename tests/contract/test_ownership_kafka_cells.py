"""Election in Kafka: engines of two cells on one configuration, a mistake in their settings."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace

import pytest

from alarm_engine.errors import JournalFenced
from alarm_engine.journal.kafka_ownership import Owner
from alarm_engine.journal.port import Cleanup, Record, TopicSpec
from alarm_engine.ownership.kafka_holders import MARK_S
from tests.contract.journals import until
from tests.contract.ownerships import QUICK_S, holder, lease_of, taking_part, writing
from tests.kafka_broker import random_topic

pytestmark = pytest.mark.timeout(120)


async def test_an_engine_of_another_cell_is_left_alone_while_it_lives(settings, config):
    other = replace(settings, name="engine-b", cell=random_topic("cell"))
    async with taking_part(other, config) as second:
        async with taking_part(settings, config) as first:
            lease = await lease_of(first, config)
            async with writing(settings, config) as journal:
                await journal.ensure_topics([TopicSpec(config, Cleanup.COMPACT)])
                heard: list[str] = []
                waiting = asyncio.create_task(lease_of(second, config, heard))
                await until(lambda: heard)
                holder = rf"'engine-a' on \S+ \(process \d+\) since \S+, an engine of cell '{settings.cell}'"
                waits = rf"this engine of cell '{other.cell}' waits. A configuration belongs to one cell only"
                assert re.fullmatch(rf"configuration '{config}' is held by {holder}; {waits}", heard[-1])
                await journal.append([Record(config, "still", b"ours")])
                assert not waiting.done()
            await lease.release()
        begun = time.monotonic()
        lease = await waiting
        assert time.monotonic() - begun < QUICK_S  # it was given back, so nobody has to wait until it is seen to be gone
        async with writing(other, config) as journal:
            assert (await journal.owner()).cell == other.cell
        await lease.release()


async def test_an_engine_of_another_cell_that_was_killed_is_waited_for_only_until_it_is_gone(settings, config):
    with holder(settings, config) as other:
        await other.says("holds")
        async with writing(replace(settings, name="engine-p"), config):
            pass
        other.end()
        ours = replace(settings, cell=random_topic("cell"))
        async with taking_part(ours, config) as ownership:
            heard: list[str] = []
            begun = time.monotonic()
            await (await lease_of(ownership, config, heard)).release()
            gone_s = settings.session_s + MARK_S
            assert gone_s < time.monotonic() - begun < gone_s + QUICK_S
            assert "is held by 'engine-p'" in heard[0]


async def test_one_that_was_fenced_by_another_cell_waits_for_it(settings, config):
    """Both began at the same moment, when there was no mark."""
    other = replace(settings, name="engine-b", cell=random_topic("cell"))
    async with taking_part(settings, config) as first, taking_part(other, config) as second:
        ours, theirs = await lease_of(first, config), await lease_of(second, config)
        async with writing(settings, config) as fenced, writing(other, config) as journal:
            with pytest.raises(JournalFenced, match="engine-b"):
                await fenced.append([Record(config, "late", b"")])
            await ours.release()
            heard: list[str] = []
            waiting = asyncio.create_task(lease_of(first, config, heard))
            await until(lambda: heard)
            assert "is held by 'engine-b'" in heard[0]
            await journal.append([Record(config, "still", b"theirs")])
            waiting.cancel()
        await theirs.release()


async def test_a_mark_without_a_cell_keeps_nobody_out(settings, config):
    async with taking_part(settings, config) as ownership:
        await (await lease_of(ownership, config)).release()
        async with writing(replace(settings, cell=""), config) as journal:
            assert (await journal.owner()).cell == ""
            await (await lease_of(ownership, config, within_s=QUICK_S)).release()


def test_a_mark_of_an_earlier_version_has_no_cell():
    mark = '{"name":"a","host":"h","process":7,"since":"2026-01-01T00:00:00+00:00","id":"x"}'
    assert Owner.decode(mark) == Owner("a", "h", 7, "2026-01-01T00:00:00+00:00", "x")
    assert Owner.decode(Owner("a", "h", 7, cell="c").encode()).cell == "c"
