"""Identities of components from files over the journal to whoever asks, and back into a file."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from alarm_engine.config.identities import changes
from alarm_engine.config.in_force import in_force
from alarm_engine.config.load import read_tree
from alarm_engine.config.sync import Author, sync
from alarm_engine.config.tree import arrange
from alarm_engine.errors import WireError
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import StoredRecord
from alarm_engine.journal.reading import read_to_end
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.subsystem import component_uid, system_uid
from alarm_engine.model.times import Nanos
from alarm_engine.wire.component import decode_component, encode_component
from backend.live.tree import Tree
from tocsin.cli.main import app

ME = Author("sam", "git")
P = "/Ring/Vacuum/P"


def tree(ids, *alarms):
    return arrange("Ring", "UTC", {}, {path: AlarmSettings("x") for path in alarms or (P,)}, ids=ids)


def test_the_dashboard_of_a_component_with_an_identity_does_not_hang_on_its_path():
    assert component_uid("Ring", "/Ring/Vacuum", "vac") == component_uid("Ring", "/Ring/Old/Vacuum", "vac") == "tocsin-Ring-vac_id"
    assert system_uid("Ring", "Vacuum", "vac") == "tocsin-Ring-vac_id"
    uids = [component_uid("Ring", "/Ring/vac"), component_uid("Ring", "/Ring/x", "vac"), component_uid("Ring", "/Ring/x", "vac_id")]
    uids += [component_uid("Ring", "/Ring/x", "a-b"), component_uid("Ring", "/Ring/x", "a.b"), component_uid("Ring", "/Ring/a/b")]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in [*uids, component_uid("R" * 60, "/x/y", "i" * 64)])


@pytest.mark.parametrize(
    ("ids", "left_out", "changed"),
    [
        ({"/Ring/Vacuum": "vac"}, (), {}),
        ({}, (), {"/Ring/Vacuum": "vac"}),
        ({"/Ring/Vacuum": "old"}, (), {"/Ring/Vacuum": "vac"}),
        ({"/Ring/Vacuum": "vac", "/Ring/RF": "rf"}, (), {"/Ring/RF": None}),
        ({"/Ring/Vacuum": "vac", "/Ring/RF": "rf"}, ("/Ring/RF",), {}),
        ({"/Ring/Old": "VAC"}, ("/Ring/Old",), {"/Ring/Old": None, "/Ring/Vacuum": "vac"}),
    ],
)
def test_the_files_win_but_for_what_their_faults_hide(ids, left_out, changed):
    assert changes(tree({"/Ring/Vacuum": "vac"}), ids, left_out) == changed


def test_a_record_says_what_was_written():
    assert decode_component(encode_component("vac-1")) == "vac-1"
    for broken in (b"", b"[]", b'"x"', b'{"id":7}'):
        with pytest.raises(WireError):
            decode_component(broken)


@pytest.fixture
async def journal():
    journal = MemoryJournal()
    await journal.start()
    yield journal
    await journal.close()


async def settings_records(journal, prefix):
    return [(r.key, r.value) async for r in read_to_end(journal, ["RingSettings"]) if r.key.startswith(prefix)]


async def test_a_sync_brings_them_into_force_beside_the_records_of_phoebus(journal):
    assert (await sync(journal, tree({"/Ring/Vacuum": "vac"}), ME)).ids == {"/Ring/Vacuum": "vac"}
    assert [r.key async for r in read_to_end(journal, ["Ring"]) if b"vac" in (r.value or b"")] == [], "config: records are Phoebus's"
    assert (await sync(journal, tree({"/Ring/Vacuum": "vac"}), ME)).is_empty
    moved = tree({"/Ring/New/Vacuum": "vac"}, "/Ring/New/Vacuum/P")
    assert (await sync(journal, moved, ME)).ids == {"/Ring/Vacuum": None, "/Ring/New/Vacuum": "vac"}
    only_id = tree({"/Ring/New/Vacuum": "vacuum"}, "/Ring/New/Vacuum/P")
    difference = await sync(journal, only_id, ME)
    assert (difference.write, difference.synced, difference.drifted) == ({}, {}, [])
    assert (await in_force(journal, "Ring", ZoneInfo("UTC"))).ids == {"/Ring/New/Vacuum": "vacuum"}
    assert await settings_records(journal, "component:") == [
        ("component:/Ring/Vacuum", b'{"id":"vac"}'),
        ("component:/Ring/Vacuum", None),
        ("component:/Ring/New/Vacuum", b'{"id":"vac"}'),
        ("component:/Ring/New/Vacuum", b'{"id":"vacuum"}'),
    ]


def record(topic, key, value):
    return StoredRecord(topic, 0, Nanos(0), key, value, ())


def test_the_live_tree_has_them_and_leaves_aside_what_else_stands_on_their_topic():
    live = Tree("Ring", UTC)
    live.apply(record("RingSettings", "component:/Ring/Vacuum", b'{"id":"vac"}'))
    live.apply(record("RingSettings", "synced:/Ring/Vacuum", b'{"user":"a"}'))
    live.apply(record("RingSettings", "nobody knows", b"x"))
    assert (live.ids, live.broken) == ({"/Ring/Vacuum": "vac"}, 0)
    live.apply(record("RingSettings", "component:/Ring/Vacuum", b"{"))
    assert (live.ids, live.broken) == ({"/Ring/Vacuum": "vac"}, 1)
    live.apply(record("RingSettings", "component:/Ring/Vacuum", None))
    assert live.ids == {}


TREE = """config: Ring
systems:
  Vacuum:
    id: vac
    pvs:
      P: Pump
"""


def test_the_commands_show_write_and_give_them_back(tmp_path):
    (tmp_path / "tree.yaml").write_text(TREE)
    (tmp_path / "site.yaml").write_text("configurations:\n  - tree: tree.yaml\nstore: store.sqlite\n")

    def run(command):
        return CliRunner().invoke(app, ["config", command, "--settings", str(tmp_path / "site.yaml")])

    found = run("diff")
    assert (found.exit_code, "~ /Ring/Vacuum: id vac\n" in found.output) == (1, True), found.output
    assert run("sync").exit_code == 0
    assert run("diff").exit_code == 0
    assert run("export").output == TREE
    (tmp_path / "tree.yaml").write_text(TREE.replace("    id: vac\n", ""))
    found = run("diff")
    assert (found.exit_code, "~ /Ring/Vacuum: no id any more\n" in found.output) == (1, True)
    assert read_tree(tmp_path / "tree.yaml").ids == {}
