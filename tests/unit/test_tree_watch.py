"""Files of a tree are followed, but only when whoever writes them is done."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest
import structlog.testing

from alarm_engine.config.sync import Author
from alarm_engine.errors import JournalCorrupt, JournalError
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.wire.topics import Topics
from tocsin.file_stamps import Stamps
from tocsin.settings_sections import ConfigurationSettings
from tocsin.tree_follower import FollowOptions
from tocsin.tree_watch import TreeWatch
from tocsin.trees import load_all

HEAD = "config: Demo\ntime_zone: UTC\npvs:\n  A: {description: a}\n"
B = "  B: {description: b}\n"
PERIOD_S = 0.01


class _Journal(MemoryJournal):
    broken = False
    refused = ""
    """The configuration whose topics are of no use."""

    async def ensure_topics(self, topics):
        if self.refused and topics[0].name == self.refused:
            raise JournalCorrupt("has 2 partitions")
        await super().ensure_topics(topics)

    async def append(self, records, positions=()):
        if self.broken:
            raise JournalError("odd")
        await super().append(records, positions)

    async def alarms(self) -> set[str]:
        reader = self.reader([Topics("Demo").config])
        try:
            records = (await reader.fetch(timeout_s=0.01)).records
        finally:
            await reader.close()
        last = {record.key: record.value for record in records}
        return {key for key, value in last.items() if value is not None and b"description" in value}


def options(journal, **more) -> FollowOptions:
    return FollowOptions(Author("tocsin", "here"), lambda _: lambda: nullcontext(journal), period_s=PERIOD_S, **more)


class _Site:
    def __init__(self, folder) -> None:
        self.file = folder / "tree.yaml"
        self.file.write_text(HEAD + B)
        self.journal = _Journal()
        self.changed = 0
        self.watch = TreeWatch(self.journal, load_all([ConfigurationSettings(tree=self.file)]), self._count, options(self.journal))

    def _count(self, trees) -> None:
        self.changed += 1


@pytest.fixture
async def site(tmp_path):
    site = _Site(tmp_path)
    await site.journal.start()
    await site.watch.start()
    yield site
    await site.watch.stop()


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_an_edit_comes_in_force(site):
    site.file.write_text(HEAD)
    await until(lambda: site.changed)
    assert await site.journal.alarms() == {"config:/Demo/A"}


async def test_a_file_that_is_being_written_is_left_alone(site, monkeypatch):
    sizes: set[int] = set()
    looked = asyncio.Event()

    def growing(tree, names):
        found = Stamps(str(tree), tuple((name, len(sizes), 0, 0) for name in names))  # other stamps at every look
        sizes.add(len(sizes))
        if len(sizes) > 20:
            loop.call_soon_threadsafe(looked.set)
        return found

    loop = asyncio.get_running_loop()
    site.file.write_text(HEAD)
    monkeypatch.setattr("tocsin.tree_follower.look", growing)
    async with asyncio.timeout(5):
        await looked.wait()
    assert await site.journal.alarms() == {"config:/Demo/A", "config:/Demo/B"}


async def test_a_tree_whose_topics_are_of_no_use_keeps_no_other_waiting(tmp_path):
    for name in ("Bad", "Demo"):
        (tmp_path / f"{name}.yaml").write_text(HEAD.replace("Demo", name))
    journal = _Journal()
    journal.refused = "Bad"
    await journal.start()
    loaded = load_all([ConfigurationSettings(tree=tmp_path / f"{name}.yaml") for name in ("Bad", "Demo")])
    watch = TreeWatch(journal, loaded, lambda _: None, options(journal))
    with structlog.testing.capture_logs() as said:
        await watch.start()
        try:
            assert await journal.alarms() == {"config:/Demo/A"}
            assert await journal.end("Bad") == 0
            journal.refused = ""
            async with asyncio.timeout(5):
                while not await journal.end("Bad"):
                    await asyncio.sleep(0.005)
        finally:
            await watch.stop()
    assert [line["config"] for line in said if line["log_level"] == "error"] == ["Bad"]


async def test_an_end_of_the_looking_is_noticed(site):
    assert site.watch.failure() is None
    site.journal.broken = True
    site.file.write_text(HEAD)
    await until(lambda: site.watch.failure() is not None)
    assert str(site.watch.failure()) == "odd"


async def test_files_are_not_in_force_before_they_are_written(tmp_path):
    file = tmp_path / "tree.yaml"
    file.write_text(HEAD)
    journal = _Journal()
    watch = TreeWatch(journal, load_all([ConfigurationSettings(tree=file)]), lambda _: None, options(journal))
    assert [one["state"] for one in watch.status()] == ["waiting"]
    await journal.start()
    await watch.start()
    assert [one["state"] for one in watch.status()] == ["in force"]
    await watch.stop()
