"""Files of a configuration followed into the journal: refused, swapped, drifted from, asked for."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import UTC

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from alarm_engine.config.sync import Author
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.journal.reading import read_to_end
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.wire.config import decode_config, encode_config
from alarm_engine.wire.report import FileReport, decode_report
from alarm_engine.wire.revision import Commit
from tocsin.settings_sections import ConfigurationSettings
from tocsin.tree_follower import FollowOptions
from tocsin.tree_watch import TreeWatch
from tocsin.trees import load_patiently

TREE = "config: Demo\ntime_zone: UTC\npvs:\n  A: {description: a}\n  B: {description: b}\n"


class Site:
    def __init__(self, tree, **options) -> None:
        self.tree = tree
        self.journal = MemoryJournal()
        self.options = FollowOptions(Author("tocsin", "here"), lambda _: lambda: nullcontext(self.journal), period_s=0.01, **options)

    async def begin(self) -> None:
        await self.journal.start()
        loaded = load_patiently([ConfigurationSettings(tree=self.tree, name="Demo")])
        self.watch = TreeWatch(self.journal, loaded, lambda _: None, self.options)
        (self.follower,) = self.watch.followers
        await self.watch.start()

    async def end(self) -> None:
        await self.watch.stop()
        await self.journal.close()

    async def alarms(self) -> dict[str, AlarmSettings]:
        last = {r.key: r.value async for r in read_to_end(self.journal, ["Demo"])}
        found = {k[7:]: decode_config(value, UTC).settings for k, value in last.items() if value is not None and k.startswith("config:")}
        return {path: one for path, one in found.items() if isinstance(one, AlarmSettings)}

    async def edit(self, path: str, settings: AlarmSettings | None) -> None:
        value = encode_config(settings, "ops", "cs-studio", UTC) if settings is not None else None
        await self.journal.append([Record("Demo", f"config:{path}", value)])

    async def report(self) -> FileReport:
        last = [r.value async for r in read_to_end(self.journal, ["DemoSettings"]) if r.key == "report:/Demo"]
        return decode_report(last[-1] or b"")

    async def until(self, what) -> None:
        async with asyncio.timeout(5):
            while not await what():
                assert self.watch.failure() is None
                await asyncio.sleep(0.005)

    async def told(self, what) -> FileReport:
        async def so() -> bool:
            return bool(what(await self.report()))

        await self.until(so)
        return await self.report()


@pytest.fixture
async def make(tmp_path):
    made: list[Site] = []

    async def making(text: str = TREE, **options) -> Site:
        tree = tmp_path / "tree.yaml"
        tree.write_text(text)
        site = Site(tree, **options)
        made.append(site)
        await site.begin()
        return site

    yield making
    for site in made:
        await site.end()


async def test_a_bad_commit_is_refused_with_its_faults_and_what_was_there_stays(make):
    site = await make(commit="c1")
    site.tree.write_text(TREE.replace("{description: b}", "{latching: maybe}").replace("{description: a}", "{description: new, delay: x}"))
    told = await site.told(lambda r: r.is_refused)
    assert told.fault_count == 2
    assert {fault.split(": ")[0] for fault in told.faults} == {f"{site.tree}:4", f"{site.tree}:5"}
    assert await site.alarms() == {"/Demo/A": AlarmSettings("a"), "/Demo/B": AlarmSettings("b")}
    (status,) = site.watch.status()
    assert (status["state"], status["fault_count"]) == ("refused", 2)
    assert status["last_revision"]["revision"] == 1
    registry = CollectorRegistry()
    site.watch.export(registry)
    text = generate_latest(registry).decode()
    for line in ('tocsin_sync_refused{config="Demo"} 1.0', 'tocsin_sync_faults{config="Demo"} 2.0', "tocsin_tree_files_faulty 1.0"):
        assert line in text
    site.tree.write_text(TREE.replace("description: a", "description: good again"))
    told = await site.told(lambda r: not r.is_refused)
    assert told.commit == Commit("c1")
    assert (await site.alarms())["/Demo/A"].description == "good again"


@pytest.mark.parametrize("text", [TREE.replace("b}", "b, delay: x}"), "config: [", "config: Other\npvs: {A: a}\n"])
async def test_at_the_start_a_strict_one_refuses_too_and_waits_for_better_files(make, text):
    site = await make(text, strict=True)
    assert (await site.told(lambda r: r.is_refused)).fault_count > 0
    assert await site.alarms() == {}
    site.tree.write_text(TREE)
    await site.told(lambda r: not r.is_refused)
    assert set(await site.alarms()) == {"/Demo/A", "/Demo/B"}


async def test_a_link_that_is_turned_is_followed_at_once_and_never_half(tmp_path):
    for name, text in (("one", TREE), ("two", TREE.replace("description: a", "description: second"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tree.yaml").write_text(text)
    link = tmp_path / "current"
    link.symlink_to("one")
    site = Site(link / "tree.yaml")
    await site.begin()
    try:
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(link)
        assert await site.follower.ask(5)
        assert (await site.alarms())["/Demo/A"].description == "second"
        (tmp_path / "gone").symlink_to("nowhere")
        (tmp_path / "gone").replace(link)
        await site.told(lambda r: r.is_refused)
        assert (await site.alarms())["/Demo/A"].description == "second"
    finally:
        await site.end()


async def test_the_edit_of_a_client_shows_as_drift_and_is_kept_until_the_files_change_there(make):
    site = await make()
    await site.edit("/Demo/A", AlarmSettings("by a client", delay_s=7))
    await site.edit("/Demo/EXTRA", AlarmSettings("extra"))
    await site.edit("/Demo/B", AlarmSettings("b", enabled=False))
    told = await site.told(lambda r: r.drift_count == 2)
    assert [(one.path, one.what, one.fields) for one in told.drift] == [
        ("/Demo/A", "edited", ("description", "delay_s")), ("/Demo/EXTRA", "added", ()),
    ]  # fmt: skip
    site.tree.write_text(TREE + "  C: {description: c}\n")
    await site.until(lambda: _has(site, "/Demo/C"))
    assert (await site.alarms())["/Demo/A"] == AlarmSettings("by a client", delay_s=7)
    site.tree.write_text(TREE.replace("description: a", "description: files again"))
    told = await site.told(lambda r: r.drift_count == 1)
    found = await site.alarms()
    assert found["/Demo/A"] == AlarmSettings("files again")
    assert found["/Demo/B"] == AlarmSettings("b", enabled=False)


async def _has(site: Site, path: str) -> bool:
    return path in await site.alarms()


async def test_or_it_is_overwritten_at_once_but_never_what_operators_own(make):
    site = await make(keep=False)
    shelved = AlarmSettings("b", enabled=False, enabled_at=4_000_000_000_000_000_000)
    await site.edit("/Demo/B", shelved)
    await site.edit("/Demo/A", AlarmSettings("by a client"))

    async def back() -> bool:
        return (await site.alarms())["/Demo/A"] == AlarmSettings("a")

    await site.until(back)
    await site.edit("/Demo/A", None)
    await site.until(lambda: _has(site, "/Demo/A"))
    assert (await site.alarms())["/Demo/B"] == shelved


async def test_two_that_disagree_do_not_fight(make, tmp_path):
    site = await make()
    other_tree = tmp_path / "other.yaml"
    other_tree.write_text(TREE.replace("description: a", "description: of the other"))
    other = TreeWatch(
        site.journal, load_patiently([ConfigurationSettings(tree=other_tree, name="Demo")]), lambda _: None, site.options
    )  # fmt: skip
    await other.start()
    try:
        await site.told(lambda r: "another sync" in r.problem)
        end = await site.journal.end("Demo")
        assert await site.follower.ask(5)
        assert await other.ask(5)
        assert await site.journal.end("Demo") == end
        assert (await site.alarms())["/Demo/A"].description == "of the other"
    finally:
        await other.stop()
