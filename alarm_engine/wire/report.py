"""`report:` records: what a sync process says of the files of a tree, for everybody who shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from alarm_engine.errors import WireError
from alarm_engine.model.times import Nanos
from alarm_engine.wire.json_text import moment
from alarm_engine.wire.revision import Commit

VERSION = 1
KEPT = 50
"""Faults, and paths of drift, that a report names at most; the numbers count all."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Something in force that is not what the files say, and not what operators own."""

    path: str
    what: str
    """`edited`, `removed`, or `added`: by somebody else than the sync."""
    fields: tuple[str, ...] = ()
    """Of one that was edited."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """The newest look at the files of a configuration."""

    time: Nanos
    """When this came to be known, by the clock of the sync process."""
    host: str = ""
    """Where it runs."""
    commit: Commit = field(default_factory=Commit)
    """Of the files that were looked at: of the refused ones where they are refused."""
    faults: tuple[str, ...] = ()
    """Why the files are refused, each fault with its file and line; the first of them."""
    fault_count: int = 0
    """0: the files are in force."""
    drift: tuple[Drift, ...] = ()
    """The first of them."""
    drift_count: int = 0
    problem: str = ""
    """Why good files are not in force yet; empty while nothing is wrong."""

    @property
    def is_refused(self) -> bool:
        """The files have faults: what was in force stays."""
        return self.fault_count > 0

    def says_the_same(self, other: FileReport | None) -> bool:
        """Nothing but the time differs."""
        return other is not None and _data(self) | {"time": 0} == _data(other) | {"time": 0}


def _data(report: FileReport) -> dict[str, Any]:
    texts = {"host": report.host, "commit": report.commit.id, "author": report.commit.author, "subject": report.commit.subject}
    texts["problem"] = report.problem
    data: dict[str, Any] = {"v": VERSION, "time": report.time} | {name: text for name, text in texts.items() if text}
    if report.fault_count:
        data |= {"faults": list(report.faults), "fault_count": report.fault_count}
    if report.drift_count:
        data["drift"] = [{"path": one.path, "what": one.what, "fields": list(one.fields)} for one in report.drift]
        data["drift_count"] = report.drift_count
    return data


def encode_report(report: FileReport) -> bytes:
    """The record's value."""
    return orjson.dumps(_data(report))


def decode_report(value: bytes) -> FileReport:
    """The report of a record; raises `WireError`."""
    try:
        data = orjson.loads(value)
        if data["v"] != VERSION:
            raise WireError(f"report record of form version {data['v']}: this tocsin reads version {VERSION}; update it")
        return FileReport(
            time=moment(data["time"]),
            host=str(data.get("host", "")),
            commit=Commit(str(data.get("commit", "")), str(data.get("author", "")), str(data.get("subject", ""))),
            faults=tuple(str(fault) for fault in data.get("faults", ())),
            fault_count=int(data.get("fault_count", 0)),
            drift=tuple(Drift(str(one["path"]), str(one["what"]), tuple(map(str, one["fields"]))) for one in data.get("drift", ())),
            drift_count=int(data.get("drift_count", 0)),
            problem=str(data.get("problem", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise WireError(f"not a report record ({problem!r}): {value[:200]!r}") from problem
