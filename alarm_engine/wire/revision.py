"""`revision:` records: where a sync from files begins and ends, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from alarm_engine.errors import WireError
from alarm_engine.model.times import Nanos
from alarm_engine.wire.json_text import moment

VERSION = 1


class RevisionState(StrEnum):
    """How far a revision has come."""

    BEGUN = "begun"
    """Its records are being written; none of them is in force."""
    CLOSED = "closed"
    """All of them are written, and in force."""
    DISCARDED = "discarded"
    """It never closed; the engine wrote back what is in force."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What the files of a tree come from."""

    id: str = ""
    """Commit of the version control, empty where there is none."""
    author: str = ""
    """Who made it."""
    subject: str = ""
    """First line of its message."""

    def __str__(self) -> str:
        short = f"commit {self.id[:12]}" if self.id else ""
        return ": ".join(part for part in (short, self.subject) if part)


@dataclass(frozen=True, slots=True)
class Revision:
    """One sync from files, as its newest record has it."""

    number: int
    """1, 2, ...: one writer at a time, so no two have the same."""
    state: RevisionState
    time: Nanos
    """When that record was made, by the clock of its writer."""
    commit: Commit = field(default_factory=Commit)
    user: str = ""
    """Who syncs: the user of its `config:` records."""
    host: str = ""
    config_end: int = 0
    """Offset after its last record on the configuration topic; 0: there is none. Of a closed one."""
    records: int = 0
    """Number of its `config:` records, deletions counted once. Of a closed one."""
    added: int = 0
    edited: int = 0
    removed: int = 0
    moved: int = 0
    """Alarms whose PV went on at another path; they are not among those added and removed."""
    abandoned: tuple[int, ...] = ()
    """Revisions before this one that never closed, and whose records may still be the newest of their keys."""


_COUNTS = ("config_end", "records", "added", "edited", "removed", "moved")


def encode_revision(revision: Revision) -> bytes:
    """The record's value; counts of 0 and empty texts are left out."""
    data: dict[str, Any] = {"v": VERSION, "number": revision.number, "state": revision.state.value, "time": revision.time}
    texts = {"commit": revision.commit.id, "author": revision.commit.author, "subject": revision.commit.subject}
    texts |= {"user": revision.user, "host": revision.host}
    data |= {name: text for name, text in texts.items() if text}
    data |= {name: value for name in _COUNTS if (value := getattr(revision, name))}
    if revision.abandoned:
        data["abandoned"] = list(revision.abandoned)
    return orjson.dumps(data)


def decode_revision(value: bytes) -> Revision:
    """The revision of a record; raises `WireError`."""
    try:
        data = orjson.loads(value)
        if data["v"] != VERSION:
            raise WireError(f"revision record of form version {data['v']}: this tocsin reads version {VERSION}; update it")
        return Revision(
            number=int(data["number"]),
            state=RevisionState(data["state"]),
            time=moment(data["time"]),
            commit=Commit(str(data.get("commit", "")), str(data.get("author", "")), str(data.get("subject", ""))),
            user=str(data.get("user", "")),
            host=str(data.get("host", "")),
            abandoned=tuple(int(number) for number in data.get("abandoned", ())),
            **{name: int(data.get(name, 0)) for name in _COUNTS},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise WireError(f"not a revision record ({problem!r}): {value[:200]!r}") from problem


def revision_number(text: str | None) -> int | None:
    """The number in the header of a `config:` record; None for a record that belongs to no revision."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
