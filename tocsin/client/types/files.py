"""Where the alarm trees come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tocsin.client.types.answer import Answer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Drift(Answer):
    """Something in force that is not what the files say.

    >>> [(one.path, one.what) for one in client.files()[0].drift]
    []
    """

    path: str
    what: str
    """What another client than the sync did: `edited`, `removed`, `added`."""
    fields: tuple[str, ...]
    """Fields that were edited."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Revision(Answer):
    """What a sync changed, at once.

    >>> revision = client.files()[0].revision
    >>> "of no files" if revision is None else revision.commit
    'of no files'
    """

    number: int
    state: str
    """`closed`: in force; `begun`; `discarded`: its writer died, nothing of it is in force."""
    time: datetime
    commit: str
    """Empty where the files are of no commit."""
    author: str
    subject: str
    """First line of the message of the commit."""
    host: str
    """Where the sync ran."""
    added: int
    edited: int
    removed: int
    moved: int
    """Alarms whose PV went on at another path; not among those added and removed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TreeFiles(Answer):
    """The files of one configuration.

    >>> [(one.config, one.state, one.faults) for one in client.files()]
    [('Acc', 'unknown', ())]
    """

    config: str
    state: str
    """Of the newest files: `in force`, `waiting` (see `problem`), `refused` (they have errors, what was there stays), `unknown`."""
    time: datetime | None
    """When a sync process said so; None: none ever did."""
    host: str
    commit: str
    """Of the newest files, refused or not."""
    author: str
    subject: str
    problem: str
    """Why good files are not in force yet."""
    faults: tuple[str, ...]
    """Errors with file and line; the first of them."""
    fault_count: int
    drift: tuple[Drift, ...]
    """The first of them."""
    drift_count: int
    revision: Revision | None
    """The newest one; None: the tree never came from files."""
