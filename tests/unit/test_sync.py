"""Files to journal by difference, with operators' choices kept."""

from datetime import UTC

import pytest

from alarm_engine.config.sync import Author, plan, sync
from alarm_engine.config.tree import arrange
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.settings import AlarmSettings, NodeSettings, TitledText
from alarm_engine.wire.config import encode_config

ME = Author("sam", "git")
A, B = "/Demo/Vac/A", "/Demo/Vac/B"


def tree(alarms, nodes=None):
    return arrange("Demo", "UTC", nodes or {}, alarms)


@pytest.fixture
async def journal():
    journal = MemoryJournal()
    await journal.start()
    yield journal
    await journal.close()


async def configs(journal):
    reader = journal.reader(["Demo"])
    try:
        return [(r.key, r.value) for r in (await reader.fetch(timeout_s=0.01)).records]
    finally:
        await reader.close()


async def test_first_sync_writes_parents_before_children_and_the_second_nothing(journal):
    first = tree({A: AlarmSettings("a"), B: AlarmSettings("b")})
    difference = await sync(journal, first, ME)
    assert difference.added == ["/Demo/Vac", A, B]
    assert [k for k, _ in await configs(journal)] == ["config:/Demo/Vac", f"config:{A}", f"config:{B}"]
    assert (await sync(journal, first, ME)).is_empty


async def test_a_removed_alarm_gets_a_note_and_a_tombstone(journal):
    await sync(journal, tree({A: AlarmSettings("a"), B: AlarmSettings("b")}), ME)
    difference = await sync(journal, tree({A: AlarmSettings("a")}), ME)
    assert difference.removed == [B]
    assert (await configs(journal))[-2:] == [
        (f"config:{B}", b'{"user":"sam","host":"git","delete":"Deleting"}'), (f"config:{B}", None),
    ]  # fmt: skip


async def test_what_an_operator_shelved_stays_shelved_over_an_edit(journal):
    await sync(journal, tree({A: AlarmSettings("a")}), ME)
    shelved = AlarmSettings("a", enabled=False, enabled_at=2_000_000_000_000_000_000)
    await journal.append([Record("Demo", f"config:{A}", encode_config(shelved, "mara", "ops7", UTC))])
    await sync(journal, tree({A: AlarmSettings("edited")}), ME)
    assert (await configs(journal))[-1][1] == (b'{"user":"sam","host":"git","description":"edited","enabled":"2033-05-18T03:33:20"}')
    await sync(journal, tree({A: AlarmSettings("edited", enabled=False)}), ME)
    assert b'"enabled":false' in (await configs(journal))[-1][1]


def test_what_others_added_is_left_alone():
    difference = plan(tree({A: AlarmSettings("a")}), {"/Demo/Vac": NodeSettings(), A: AlarmSettings("a"), B: AlarmSettings("b")}, {})
    assert (difference.foreign, difference.removed) == ([B], [])


def test_what_is_missing_because_of_a_fault_is_not_removed():
    known = {"/Demo/Vac": NodeSettings(), A: AlarmSettings("a"), B: AlarmSettings("b")}
    assert plan(tree({A: AlarmSettings("a")}), known, known, left_out=("/Demo/Vac",)).removed == []
    assert plan(tree({A: AlarmSettings("a")}), known, known).removed == [B]


def test_a_root_with_guidance_is_written():
    root = {"/Demo": NodeSettings(guidance=(TitledText("Who", "4411"),))}
    assert plan(tree({}, root), {}, {}).added == ["/Demo"]


def test_a_component_stays_while_something_that_others_added_stands_in_it():
    known = {"/Demo/Vac": NodeSettings(), A: AlarmSettings("a")}
    difference = plan(tree({"/Demo/Mag/C": AlarmSettings("c")}), {**known, B: AlarmSettings("theirs")}, known)
    assert (difference.removed, difference.foreign) == ([A], [B, "/Demo/Vac"])
    difference = plan(tree({"/Demo/Mag/C": AlarmSettings("c")}), {**known, B: AlarmSettings("b")}, {**known, B: AlarmSettings("b")}, (B,))
    assert difference.removed == [A]


async def test_an_alarm_that_becomes_a_component_and_back_is_removed_first(journal):
    group = tree({A: AlarmSettings("a")})
    single = tree({"/Demo/Vac": AlarmSettings("single")})
    await sync(journal, group, ME)
    for wanted, removed in ((single, [A, "/Demo/Vac"]), (group, ["/Demo/Vac"])):
        difference = await sync(journal, wanted, ME)
        assert (difference.removed, difference.edited, difference.added) == (removed, [], [*wanted.nodes, *wanted.alarms][1:])
        assert (await sync(journal, wanted, ME)).is_empty


class Racing(MemoryJournal):
    """Somebody shelves an alarm just before the sync's records are written."""

    shelve: AlarmSettings | None = None

    async def append(self, records, positions=()):
        shelve, self.shelve = self.shelve, None
        if shelve is not None:
            await super().append([Record("Demo", f"config:{A}", encode_config(shelve, "mara", "ops7", UTC))])
        await super().append(records, positions)


async def test_what_an_operator_shelves_while_a_sync_writes_stays_shelved():
    journal = Racing()
    await journal.start()
    await sync(journal, tree({A: AlarmSettings("a")}), ME)
    journal.shelve = AlarmSettings("a", enabled=False, enabled_at=2_000_000_000_000_000_000)
    await sync(journal, tree({A: AlarmSettings("edited")}), ME)
    last = (await configs(journal))[-1][1]
    assert b'"description":"edited","enabled":"2033-05-18T03:33:20"' in last
    assert (await sync(journal, tree({A: AlarmSettings("edited")}), ME)).is_empty
    await journal.close()
