"""Files to journal by difference, with operators' choices kept."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from alarm_engine.config.in_force import in_force
from alarm_engine.config.plan import drift, plan
from alarm_engine.config.sync import Author, Synchroniser, Wanted, sync
from alarm_engine.config.tree import arrange
from alarm_engine.errors import JournalFenced, JournalUnavailable
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.journal.reading import read_to_end
from alarm_engine.model.settings import AlarmSettings, NodeSettings, TitledText
from alarm_engine.model.times import Nanos
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.headers import REVISION, headers
from alarm_engine.wire.report import Drift
from alarm_engine.wire.revision import Revision, RevisionState, decode_revision, encode_revision

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


async def batches(journal):
    """Sizes of appends from now on."""
    sizes: list[int] = []
    append = journal.append

    async def counting(records, positions=()):
        sizes.append(len(records))
        await append(records, positions)

    journal.append = counting
    return sizes


async def marks(journal):
    reader = journal.reader(["DemoSettings"])
    try:
        records = (await reader.fetch(timeout_s=0.01, max_records=100_000)).records
        return [decode_revision(r.value) for r in records if r.key == "revision:/Demo"]
    finally:
        await reader.close()


async def test_a_large_revision_is_written_in_small_transactions_between_two_marks(journal):
    sizes = await batches(journal)
    await sync(journal, tree({f"/Demo/Vac/P{n}": AlarmSettings(f"{n}") for n in range(1200)}), ME)
    assert max(sizes) <= 500
    begun, closed = await marks(journal)
    assert (begun.state, closed.state, closed.number) == (RevisionState.BEGUN, RevisionState.CLOSED, 1)
    assert (closed.added, closed.records) == (1201, 1201)
    heads = [r async for r in read_to_end(journal, ["Demo"])]
    assert {r.header(REVISION) for r in heads} == {"1"}
    assert closed.config_end == heads[-1].offset + 1


def test_an_edit_of_a_client_is_overwritten_or_kept_until_the_files_change():
    files, edited = {A: AlarmSettings("a"), B: AlarmSettings("b")}, AlarmSettings("a", delay_s=9)
    nodes = {"/Demo/Vac": NodeSettings()}
    root = {"/Demo": NodeSettings()}
    topic, synced = {**nodes, A: edited}, {**root, **nodes, **files}  # and B was deleted by a client
    overwriting = plan(tree(files), topic, synced)
    assert (overwriting.edited, overwriting.added, overwriting.drifted) == ([A], [B], [A, B])
    keeping = plan(tree(files), topic, synced, keep=True)
    assert keeping.is_empty
    assert keeping.drifted == [A, B]
    found = drift(keeping, topic, tree(files))
    assert found == [Drift(A, "edited", ("delay_s",)), Drift(B, "removed")]
    news = plan(tree({**files, A: AlarmSettings("other")}), topic, synced, keep=True)
    assert (news.edited, news.write[A], news.drifted) == ([A], AlarmSettings("other"), [B])


def test_what_operators_chose_is_no_drift():
    shelved = AlarmSettings("a", enabled=False, enabled_at=5)
    nodes = {"/Demo": NodeSettings(), "/Demo/Vac": NodeSettings()}
    found = plan(tree({A: AlarmSettings("a")}), {**nodes, A: shelved}, {**nodes, A: AlarmSettings("a")})
    assert found.is_empty
    assert found.drifted == []


def test_a_moved_alarm_takes_what_operators_chose_with_it():
    shelved = AlarmSettings("a", enabled=False, enabled_at=5)
    known = {"/Demo": NodeSettings(), "/Demo/Vac": NodeSettings(), A: AlarmSettings("a")}
    found = plan(tree({"/Demo/RF/A": AlarmSettings("new")}), {**known, A: shelved}, known)
    assert found.moved == {A: "/Demo/RF/A"}
    assert found.write["/Demo/RF/A"] == AlarmSettings("new", enabled=False, enabled_at=5)


async def test_records_of_a_sync_that_died_are_not_taken_for_what_is_in_force(journal):
    await sync(journal, tree({A: AlarmSettings("a"), B: AlarmSettings("b")}), ME)
    mark = Revision(2, RevisionState.BEGUN, Nanos(0))
    half = encode_config(AlarmSettings("half"), "sam", "git", UTC)
    await journal.append([
        Record("DemoSettings", "revision:/Demo", encode_revision(mark)),
        Record("Demo", f"config:{A}", half, headers(revision="2")),
        Record("Demo", f"config:{B}", None, headers(revision="2")),
    ])  # fmt: skip
    current = await in_force(journal, "Demo", UTC)
    assert current.topic[A] == AlarmSettings("a")
    await sync(journal, tree({A: AlarmSettings("a"), B: AlarmSettings("b")}), ME)
    assert [(m.number, m.state.value, m.abandoned) for m in await marks(journal)][-2:] == [(3, "begun", (2,)), (3, "closed", ())]
    last = dict(await configs(journal))
    assert b'"a"' in last[f"config:{A}"]
    assert b'"b"' in last[f"config:{B}"]


class Dying(MemoryJournal):
    """Whoever writes to it dies after so many writes."""

    left: int | None = None

    async def append(self, records, positions=()):
        if self.left == 0:
            raise JournalUnavailable("killed")
        self.left = None if self.left is None else self.left - 1
        await super().append(records, positions)


@pytest.mark.parametrize("edits", ["overwritten", "kept"])
async def test_wherever_a_sync_dies_the_next_one_brings_all_of_it(monkeypatch, edits):
    """Also between what is in force and what is noted of the files: or what was never there is taken for what somebody has deleted."""
    monkeypatch.setattr("alarm_engine.config.sync.AT_ONCE", 2)
    many = tree({f"/Demo/Vac/P{n}": AlarmSettings(f"p{n}") for n in range(5)})
    number, died = 0, True
    while died:
        journal = Dying()
        await journal.start()
        await sync(journal, tree({A: AlarmSettings("a"), B: AlarmSettings("b")}), ME)
        journal.left, died = number, False
        try:
            await sync(journal, many, ME)
        except JournalUnavailable:
            died = True
        journal.left = None
        synchroniser = Synchroniser("Demo", ZoneInfo("UTC"), journal)
        await synchroniser.bring(Wanted(many, ME, keep=edits == "kept"), lambda journal=journal: nullcontext(journal))
        await synchroniser.close()
        found = await in_force(journal, "Demo", UTC)
        alarms = {path for path, settings in found.topic.items() if isinstance(settings, AlarmSettings)}
        assert alarms == set(many.alarms), f"died after {number} writes"
        assert {path for path in found.synced if path in {*many.alarms, A, B}} == set(many.alarms)
        await journal.close()
        number += 1
    assert number > 8


class Taking(MemoryJournal):
    """Another sync begins while this one writes."""

    other: object = None

    async def append(self, records, positions=()):
        other, self.other = self.other, None
        if other is not None:
            await other()
            raise JournalFenced("another sync has taken over")
        await super().append(records, positions)


async def test_two_syncs_at_once_end_with_what_one_of_them_wants():
    journal = Taking()
    await journal.start()
    first, second = tree({A: AlarmSettings("first"), B: AlarmSettings("first")}), tree({A: AlarmSettings("second")})
    await sync(journal, tree({A: AlarmSettings("a")}), ME)

    async def interfere():
        await sync(journal, second, ME)

    journal.other = interfere
    with pytest.raises(JournalFenced):
        await sync(journal, first, ME)
    assert (await in_force(journal, "Demo", UTC)).topic[A] == AlarmSettings("second")
    await sync(journal, first, ME)
    found = await in_force(journal, "Demo", UTC)
    assert {path: found.topic[path] for path in (A, B)} == first.alarms
    assert (await sync(journal, first, ME)).is_empty
    await journal.close()


async def test_a_writer_that_finds_its_revision_given_up_writes_it_again(journal):
    append, begun = journal.append, []

    async def giving_up(records, positions=()):
        await append(records, positions)
        found = [decode_revision(r.value) for r in records if r.key == "revision:/Demo"]
        if found and found[0].state is RevisionState.BEGUN and not begun:
            begun.append(found[0])
            undone = encode_config(AlarmSettings("before"), "tocsin", "", UTC)
            given_up = replace(found[0], state=RevisionState.DISCARDED)
            await append([
                Record("Demo", f"config:{A}", undone, headers(engine="7")),
                Record("DemoSettings", "revision:/Demo", encode_revision(given_up)),
            ])  # fmt: skip

    journal.append = giving_up
    difference = await sync(journal, tree({A: AlarmSettings("a"), B: AlarmSettings("b")}), ME)
    found = await in_force(journal, "Demo", UTC)
    assert {path: found.topic[path] for path in (A, B)} == {A: AlarmSettings("a"), B: AlarmSettings("b")}
    assert (await marks(journal))[-1].state is RevisionState.CLOSED
    assert difference.added == ["/Demo/Vac", A, B]


async def test_a_broken_record_hides_no_other_and_is_written_over(journal):
    files = tree({A: AlarmSettings("a"), B: AlarmSettings("b")})
    await sync(journal, files, ME)
    await journal.append([Record("Demo", f"config:{A}", b"{")])
    found = await in_force(journal, "Demo", UTC)
    assert {path: found.topic[path] for path in (A, B)} == files.alarms
    await sync(journal, tree({A: AlarmSettings("new"), B: AlarmSettings("b")}), ME)
    assert b'"new"' in dict(await configs(journal))[f"config:{A}"]
