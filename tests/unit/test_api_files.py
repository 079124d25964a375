"""What the interface tells of the files that a tree comes from, and that a revision shows as a whole or not at all."""

from __future__ import annotations

from datetime import UTC

from alarm_engine.journal.port import Record
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.times import Nanos
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.headers import headers
from alarm_engine.wire.report import Drift, FileReport, encode_report
from alarm_engine.wire.revision import Commit, Revision, RevisionState, encode_revision
from backend.api.files import FilesAnswer
from tests.unit.backend_world import until, world

COMMIT = Commit("8f4e2b6c1d0a", "Mara", "Raise the limit")
GC1 = "/Acc/Vacuum/GC1"


async def told(site, report: FileReport) -> None:
    await site.journal.append([Record(site.topics.settings, "report:/Acc", encode_report(report))])


def mark(site, state: RevisionState, end: int = 0) -> Record:
    revision = Revision(3, state, Nanos(5), COMMIT, "tocsin", "git-sync-0", config_end=end, records=2, edited=1, removed=1)
    return Record(site.topics.settings, "revision:/Acc", encode_revision(revision))


async def test_nothing_is_known_before_anybody_says_something():
    async with world() as site, site.client() as client:
        [one] = FilesAnswer.model_validate((await client.get("/api/v1/files")).json()).files
        assert (one.config, one.state, one.time, one.revision) == ("Acc", "unknown", None, None)
        assert (await client.get("/api/v1/files", params={"config": "Nope"})).status_code == 404


async def test_faults_and_drift_are_told_and_counted():
    async with world() as site, site.client() as client:
        await told(site, FileReport(Nanos(7), "git-sync-0", COMMIT, ("tree.yaml:3: wrong",), 12, (Drift(GC1, "edited", ("delay_s",)),), 1))
        await until(lambda: site.tree.files.report is not None)
        [one] = FilesAnswer.model_validate((await client.get("/api/v1/files", params={"config": "Acc"})).json()).files
        assert (one.state, one.commit, one.author, one.faults, one.fault_count) == (
            "refused", "8f4e2b6c1d0a", "Mara", ["tree.yaml:3: wrong"], 12,
        )  # fmt: skip
        assert [(d.path, d.what, d.fields) for d in one.drift] == [(GC1, "edited", ["delay_s"])]
        figures = (await client.get("/metrics")).text
        assert 'tocsin_files_refused{config="Acc"} 1.0' in figures
        assert 'tocsin_files_drift{config="Acc"} 1.0' in figures
        await told(site, FileReport(Nanos(8), "git-sync-0", COMMIT))
        await until(lambda: not site.tree.files.report.is_refused)
        [one] = FilesAnswer.model_validate((await client.get("/api/v1/files")).json()).files
        assert (one.state, one.faults, one.drift) == ("in force", [], [])
        assert site.tree.broken == 0


async def test_a_revision_that_is_being_written_is_not_shown_and_then_all_of_it():
    async with world() as site, site.client() as client:
        edited = encode_config(AlarmSettings("edited"), "sam", "git", UTC)
        path = "/Acc/Vacuum/GC10"
        await site.journal.append([
            mark(site, RevisionState.BEGUN),
            Record(site.topics.config, f"config:{GC1}", edited, headers(revision="3")),
            Record(site.topics.config, f"config:{path}", None, headers(revision="3")),
        ])  # fmt: skip
        await until(lambda: site.tree.files.revision is not None)
        assert path in site.tree.alarms
        assert site.tree.alarms[GC1].settings.description != "edited"
        await site.journal.append([mark(site, RevisionState.CLOSED, await site.journal.end(site.topics.config))])
        await until(lambda: path not in site.tree.alarms)
        assert site.tree.alarms[GC1].settings.description == "edited"
        [one] = FilesAnswer.model_validate((await client.get("/api/v1/files")).json()).files
        assert (one.revision.number, one.revision.state, one.revision.edited, one.revision.commit) == (3, "closed", 1, "8f4e2b6c1d0a")
