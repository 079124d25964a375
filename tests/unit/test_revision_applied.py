"""An engine and revisions of the files: applied whole, over restarts, moves, clients and operators."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC

import pytest

from alarm_engine.config.sync import Author, Synchroniser, Wanted, sync
from alarm_engine.config.tree import arrange
from alarm_engine.journal.port import Record
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.severity import Severity
from alarm_engine.wire.config import decode_config, encode_config, encode_delete_note
from alarm_engine.wire.headers import headers
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.revision import Commit, Revision, RevisionState, decode_revision, encode_revision
from tests.unit.test_engine import Site, T

S = Severity
ME = Author("tocsin", "git-sync-0")
COMMIT = Commit("8f4e2b6c1d0a9e8f7b6c5d4e3f2a1b0c9d8e7f6a", "Mara", "Raise the limit")
VAC, RF = "/Demo/Vacuum", "/Demo/RF"
GC, GV = f"{VAC}/GC1", f"{VAC}/GV1"
BOTH = {GC: AlarmSettings("Pressure"), GV: AlarmSettings("Valve")}


class Git(Site):
    """A site whose tree comes from files."""

    async def begin(self, **_: object) -> None:
        await super().begin()
        await self.sync(BOTH)

    async def sync(self, alarms, commit: Commit = COMMIT):
        tree = arrange("Demo", "UTC", {}, alarms)
        synchroniser = Synchroniser("Demo", UTC, self.journal)  # type: ignore[arg-type]
        try:
            return await synchroniser.bring(Wanted(tree, ME, commit), _Same(self.journal))
        finally:
            await synchroniser.close()

    async def begun(self, number: int, *writes: Record) -> None:
        mark = Revision(number, RevisionState.BEGUN, 0)  # type: ignore[arg-type]
        await self.journal.append([Record(T.settings, "revision:/Demo", encode_revision(mark)), *writes])

    async def closed(self, number: int) -> None:
        mark = Revision(number, RevisionState.CLOSED, 0, config_end=await self.journal.end(T.config), records=1)  # type: ignore[arg-type]
        await self.journal.append([Record(T.settings, "revision:/Demo", encode_revision(mark))])

    async def raised(self, pv: str, severity: Severity = S.MAJOR) -> None:
        self.source.connect(pv)
        self.source.put(pv, severity, "HIHI_ALARM", value="3.0")
        await self.until(lambda e: e.kind is EventKind.ALARM and e.path.endswith(pv))

    async def acknowledged(self, path: str) -> None:
        await self.command(CommandKind.ACKNOWLEDGE, path, id="ack-1", reason="is being looked at")
        await self.until(lambda e: e.kind is EventKind.ACKNOWLEDGED and e.path == path)

    async def last_config(self, path: str) -> bytes | None:
        return [r.value for r in await self.read(T.config) if r.key == f"config:{path}"][-1]

    async def is_true(self, what) -> None:
        async with asyncio.timeout(5):
            while not await what():
                await asyncio.sleep(0.005)


class _Same:
    def __init__(self, journal) -> None:
        self._journal = journal

    def __call__(self):
        return self

    async def __aenter__(self):
        return self._journal

    async def __aexit__(self, *_):
        return None


def write(path: str, text: str | None, number: int) -> Record:
    value = encode_config(AlarmSettings(text), "sam", "git", UTC) if text is not None else None
    return Record(T.config, key(RecordType.CONFIG, path), value, headers(revision=str(number)))


@pytest.fixture
async def site():
    site = Git()
    await site.begin()
    yield site
    await site.journal.close()


async def test_a_revision_is_told_as_one_with_its_commit_and_its_author(site):
    async with site.running() as engine:
        await site.sync({GC: AlarmSettings("Edited"), f"{RF}/P": AlarmSettings("Power")})
        summary = await site.until(lambda e: e.path == "/Demo" and "revision 2" in e.reason)
        assert summary.reason == "revision 2: 2 added, 1 edited, 1 removed"
        edited = await site.until(lambda e: e.path == GC and e.kind is EventKind.CONFIGURED and "changed" in e.reason)
        assert (edited.user, edited.host) == ("Mara", "git-sync-0")
        assert edited.comment == "commit 8f4e2b6c1d0a: Raise the limit"
        removed = await site.until(lambda e: e.kind is EventKind.REMOVED)
        assert (removed.path, removed.user, removed.comment) == (GV, "Mara", edited.comment)
        assert set(engine.runners[0].evaluator.tree.leaves) == {GC, f"{RF}/P"}


async def test_nothing_of_a_revision_is_seen_before_its_mark_also_over_a_restart(site):
    await site.begun(2, write(GC, "half", 2), write(f"{VAC}/NEW", "new", 2), write(GV, None, 2))
    for _ in range(2):
        async with site.running() as engine:
            leaves = engine.runners[0].evaluator.tree.leaves
            assert {path: leaf.settings.description for path, leaf in leaves.items()} == {GC: "Pressure", GV: "Valve"}
    async with site.running() as engine:
        await site.closed(2)
        await site.until(lambda e: "revision 2" in e.reason)
        leaves = engine.runners[0].evaluator.tree.leaves
        assert {path: leaf.settings.description for path, leaf in leaves.items()} == {GC: "half", f"{VAC}/NEW": "new"}


async def test_a_revision_whose_writer_died_is_put_back_by_the_engine(site, monkeypatch):
    monkeypatch.setattr("alarm_engine.orders.PATIENCE_NS", 50_000_000)
    note = Record(T.config, f"config:{GV}", encode_delete_note("sam", "git"), headers(revision="2"))
    await site.begun(2, write(GC, "half", 2), write(f"{VAC}/NEW", "new", 2), note, write(GV, None, 2))
    async with site.running() as engine:
        await site.until(lambda e: "revision 2 given up" in e.reason)
        assert set(engine.runners[0].evaluator.tree.leaves) == {GC, GV}
        for path, text in ((GC, "Pressure"), (GV, "Valve")):
            value = await site.last_config(path)
            assert decode_config(value, UTC).settings == AlarmSettings(text)
        assert await site.last_config(f"{VAC}/NEW") is None
        mark = decode_revision([r for r in await site.read(T.settings) if r.key == "revision:/Demo"][-1].value)
        assert (mark.number, mark.state) == (2, RevisionState.DISCARDED)
        assert engine.runners[0].broken == 0
    async with site.running() as engine:
        assert set(engine.runners[0].evaluator.tree.leaves) == {GC, GV}
        assert not [e for e in await site.events() if e.kind is EventKind.REMOVED]
        await site.sync({GC: AlarmSettings("third")})
        await site.until(lambda e: "revision 3" in e.reason)
        leaves = engine.runners[0].evaluator.tree.leaves
        assert {path: leaf.settings.description for path, leaf in leaves.items()} == {GC: "third"}


async def test_the_next_sync_undoes_what_one_that_died_had_written(site):
    await site.begun(2, write(GC, "half", 2), write(f"{VAC}/NEW", "new", 2))
    async with site.running() as engine:
        await site.sync(BOTH)  # the files are as before
        await site.until(lambda e: "revision 3" in e.reason)
        leaves = engine.runners[0].evaluator.tree.leaves
        assert {path: leaf.settings.description for path, leaf in leaves.items()} == {GC: "Pressure", GV: "Valve"}
        assert b"Pressure" in await site.last_config(GC)
        assert await site.last_config(f"{VAC}/NEW") is None


@pytest.mark.parametrize("restart", [False, True], ids=["running", "while no engine ran"])
async def test_a_rename_keeps_latch_acknowledgement_and_the_subscription(site, restart):
    to = f"{RF}/Cell 1/GC1"
    async with site.running() as engine:
        await site.raised("GC1")
        await site.acknowledged(GC)
        source = site.source
        if not restart:
            await site.sync({to: AlarmSettings("Pressure, renamed"), GV: BOTH[GV]})
            await site.until(lambda e: "revision 2" in e.reason)
            assert "GC1" in source.subscriptions
            assert source._connected == {"GC1"}  # never unsubscribed: a new subscription would not be connected
    if restart:
        await site.sync({to: AlarmSettings("Pressure, renamed"), GV: BOTH[GV]})
    async with site.running() as engine:
        leaf = engine.runners[0].evaluator.tree.leaves[to]
        assert leaf.logic.alarm.severity is S.MAJOR_ACK
        assert leaf.acknowledgement is not None
        assert (leaf.acknowledgement.user, leaf.acknowledgement.reason) == ("mara", "is being looked at")
        assert leaf.settings.description == "Pressure, renamed"
        arrived = await site.until(lambda e: e.path == to and e.reason == f"moved from {GC}")
        assert arrived.snapshot is not None
        assert arrived.snapshot.acknowledgement == leaf.acknowledgement
        assert (await site.until(lambda e: e.kind is EventKind.REMOVED)).reason == f"moved to {to}"
        assert not [e for e in await site.events() if e.kind is EventKind.ALARM and e.path == to]
        assert [r.value for r in await site.read(T.config) if r.key == f"state:{GC}"][-1] is None
        assert VAC in engine.runners[0].evaluator.tree.nodes


async def test_a_rename_keeps_shelving_and_a_delay_that_runs(site):
    end = (time.time_ns() // 10**9 + 86_400) * 10**9
    await site.sync({GC: AlarmSettings("Pressure", delay_s=3600), GV: BOTH[GV]})
    async with site.running() as engine:
        await site.command(CommandKind.SHELVE, GV, id="s", reason="is being changed", until=end)
        await site.until(lambda e: e.kind is EventKind.SHELVED)
        site.source.connect("GC1")
        site.source.put("GC1", S.MAJOR, "HIHI_ALARM")
        runner = engine.runners[0]
        await site.is_true(lambda: _true(runner.evaluator.tree.leaves[GC].logic.pending is not None))
        deadline = runner.evaluator.tree.leaves[GC].logic.deadline
        difference = await site.sync({f"{RF}/GC1": AlarmSettings("Pressure", delay_s=3600), f"{RF}/GV1": BOTH[GV]})
        assert difference.moved == {GC: f"{RF}/GC1", GV: f"{RF}/GV1"}
        await site.until(lambda e: "2 moved" in e.reason)
        leaves = runner.evaluator.tree.leaves
        assert leaves[f"{RF}/GC1"].logic.deadline == deadline
        assert leaves[f"{RF}/GV1"].suppression.reason == "is being changed"
        assert leaves[f"{RF}/GV1"].settings.enabled_at == end
        assert runner.evaluator.deadline() <= deadline
    async with site.running() as engine:
        assert engine.runners[0].evaluator.tree.leaves[f"{RF}/GV1"].suppression.reason == "is being changed"


async def _true(value: bool) -> bool:
    return value


async def test_an_alarm_that_was_removed_while_no_engine_ran_is_told_of_once_by_the_next(site):
    async with site.running():
        await site.raised("GV1")
    await site.sync({GC: BOTH[GC]})
    for _ in range(2):
        async with site.running():
            await site.until(lambda e: e.kind is EventKind.REMOVED)
    (removed,) = [e for e in await site.events() if e.kind is EventKind.REMOVED]
    assert (removed.path, removed.from_severity, removed.reason) == (GV, S.MAJOR, "removed while no engine ran")
    assert [r.value for r in await site.read(T.config) if r.key == f"state:{GV}"][-1] is None


async def test_where_two_could_be_meant_nothing_moves(site):
    async with site.running() as engine:
        await site.raised("GC1")
        await site.acknowledged(GC)
        await site.sync({f"{RF}/A/GC1": BOTH[GC], f"{RF}/B/GC1": BOTH[GC], GV: BOTH[GV]})
        await site.until(lambda e: "revision 2" in e.reason)
        assert not [e for e in await site.events() if e.reason.startswith("moved")]
        assert all(leaf.acknowledgement is None for leaf in engine.runners[0].evaluator.tree.leaves.values())


async def test_what_an_operator_shelves_while_a_revision_is_open_stays_shelved(site):
    end = (time.time_ns() // 10**9 + 86_400) * 10**9
    async with site.running() as engine:
        await site.begun(2, write(GC, "edited", 2), write(GV, None, 2), write(f"{RF}/GV1", "moved", 2))
        for path in (GC, GV):
            await site.command(CommandKind.SHELVE, path, id=path, reason="noisy", until=end)
            await site.until(lambda e, path=path: e.kind is EventKind.SHELVED and e.path == path)
        await site.closed(2)
        await site.until(lambda e: "revision 2" in e.reason)
        leaves = engine.runners[0].evaluator.tree.leaves
        found = {path: (leaf.settings.description, leaf.settings.enabled_at) for path, leaf in leaves.items()}
        assert found == {GC: ("edited", end), f"{RF}/GV1": ("moved", end)}
        for path, leaf in leaves.items():
            value = await site.last_config(path)
            assert decode_config(value, UTC).settings == leaf.settings
        assert await site.last_config(GV) is None
    async with site.running() as engine:
        leaves = engine.runners[0].evaluator.tree.leaves
        assert {path: (leaf.settings.description, leaf.settings.enabled_at) for path, leaf in leaves.items()} == found


async def test_an_edit_of_a_client_while_a_revision_is_open_is_applied_at_once_and_counts(site):
    async with site.running() as engine:
        await site.begun(2, write(GC, "of the files", 2))
        await site.config(GC, AlarmSettings("of a client"))
        await site.until(lambda e: e.path == GC and "description" in e.reason)
        await site.closed(2)
        await site.until(lambda e: "revision 2" in e.reason)
        assert engine.runners[0].evaluator.tree.leaves[GC].settings.description == "of a client"


async def test_a_subsystem_that_moves_takes_all_its_alarms_with_it(site):
    names = [f"P{n}" for n in range(40)]
    await site.sync({f"{VAC}/{name}": AlarmSettings(name) for name in names})
    async with site.running() as engine:
        for name in names:
            await site.raised(name)
        await site.acknowledged(f"{VAC}/P7")
        await site.sync({f"/Demo/Hall/Vacuum/{name}": AlarmSettings(name) for name in names})
        await site.until(lambda e: "40 moved" in e.reason)
        tree = engine.runners[0].evaluator.tree
        assert set(tree.leaves) == {f"/Demo/Hall/Vacuum/{name}" for name in names}
        severities = [leaf.logic.alarm.severity for leaf in tree.leaves.values()]
        assert (severities.count(S.MAJOR), severities.count(S.MAJOR_ACK)) == (39, 1)
        assert VAC not in tree.nodes
        assert tree.root.tally.highest() is S.MAJOR
        assert site.source._connected == set(names)


async def test_a_large_revision_is_applied_a_bounded_number_of_alarms_at_a_time(site, monkeypatch):
    monkeypatch.setattr("alarm_engine.runner.BATCH", 100)
    alarms = {f"{VAC}/P{n}": AlarmSettings(f"{n}") for n in range(1000)}
    async with site.running() as engine:
        sizes: list[int] = []
        publish = engine.runners[0]._publisher.publish

        async def counting(changes, positions=()):
            sizes.append(len(changes.steps))
            await publish(changes, positions)

        monkeypatch.setattr(engine.runners[0]._publisher, "publish", counting)
        await sync(site.journal, arrange("Demo", "UTC", {RF: NodeSettings()}, alarms), ME)
        await site.until(lambda e: "revision 2" in e.reason)
        assert len(engine.runners[0].evaluator.tree.leaves) == 1000
        assert sum(sizes) > 1000
        assert max(sizes) <= 100
