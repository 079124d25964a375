"""A revision that has closed, as steps for the evaluator.

First alarms go that leave for good, then those move whose PV comes to another path, then components go, then what is new or edited comes.
Each step is small: many of them are taken over several rounds, with nothing else of the journal between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import partial

from alarm_engine.errors import WireError
from alarm_engine.evaluator import Cause, Evaluator
from alarm_engine.evaluator.configuration import configure, known_settings, merged, remove
from alarm_engine.evaluator.moving import move
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.event import EventKind
from alarm_engine.model.path import canonical, name
from alarm_engine.model.settings import AlarmSettings, Settings
from alarm_engine.model.times import Moment
from alarm_engine.revisions import Closed, Staged, moves
from alarm_engine.wire.config import decode_config
from alarm_engine.wire.keys import parse_key
from alarm_engine.wire.revision import Revision

Step = Callable[[Moment], None]
"""Raises `WireError` for what cannot be applied."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a revision is applied to."""

    evaluator: Evaluator
    zone: tzinfo
    """Zone of dates without one."""
    is_outstanding: Callable[[str], bool]
    """We have written a record for that path that has not come back yet: an operator has chosen, and the revision does not know."""


class Release:
    """The steps of one revision; `steps` is to be used up."""

    def __init__(self, closed: Closed, target: Target) -> None:
        self._mark = closed.revision
        self._target = target
        self._evaluator = target.evaluator
        self._cause = cause_of(closed.revision)
        self._staged = closed.staged
        self._moved: set[str] = set()

    def steps(self) -> Iterator[Step]:
        """One after the other; each is made when the one before has been taken."""
        tree = self._evaluator.tree
        gone = {self._path(one): one for one in self._staged if one.record.value is None or one.anew}
        leaving = [path for path, one in gone.items() if path in tree.leaves and not one.anew]
        new = self._arriving({name(path) for path in leaving})
        moving = moves(leaving, new)
        for path, one in gone.items():
            if path in tree.leaves and path not in moving:
                yield partial(self._remove, path, one)
        for old, path in moving.items():
            yield partial(self._move, gone[old], path, new[path])
        for path, one in gone.items():
            if path in tree.nodes:
                yield partial(self._remove, path, one)
        for one in self._staged:
            if one.record.value is not None:
                yield partial(self._write, one)
        yield self._tell

    def _arriving(self, pvs: set[str]) -> dict[str, Staged]:
        """New paths of these PVs."""
        tree, found = self._evaluator.tree, {}
        for one in self._staged if pvs else ():
            path = self._path(one)
            if one.record.value is not None and name(path) in pvs and path not in tree.leaves and path not in tree.nodes:
                found[path] = one
        return found

    def _path(self, one: Staged) -> str:
        return canonical(parse_key(one.record.key)[1])

    def _remove(self, path: str, one: Staged, now: Moment) -> None:
        remove(self._evaluator, path, self._cause, now)
        if one.record.value is None and (one.overtaken or self._target.is_outstanding(path)):
            self._evaluator.emitter.rewrite(path, None, self._cause)

    def _move(self, gone: Staged, to: str, arriving: Staged, now: Moment) -> None:
        old = self._evaluator.tree.leaves.get(self._path(gone))
        if old is None:
            return
        settings = self._decode(arriving.record, to)
        if not isinstance(settings, AlarmSettings):
            return
        chosen = gone.overtaken or self._target.is_outstanding(old.path)
        if chosen:
            settings = replace(settings, enabled=old.settings.enabled, enabled_at=old.settings.enabled_at)
        if not move(self._evaluator, old, to, settings, self._cause, now):
            self._remove(old.path, gone, now)
            return
        self._moved.add(to)
        if chosen:
            self._evaluator.emitter.rewrite(old.path, None, self._cause)
            self._evaluator.emitter.config(self._evaluator.tree.leaves[to], self._cause)

    def _write(self, one: Staged, now: Moment) -> None:
        path = self._path(one)
        settings = self._decode(one.record, path)
        if settings is None or path in self._moved:
            return
        chosen = one.overtaken or self._target.is_outstanding(path)
        if chosen:
            # An operator has chosen since it was written: its other fields are good, `enabled` is his.
            settings = merged(self._evaluator, path, settings)
        refusal = configure(self._evaluator, path, settings, self._cause, now)
        if refusal:
            raise WireError(refusal)
        leaf = self._evaluator.tree.leaves.get(path)
        if chosen and leaf is not None:
            self._evaluator.emitter.config(leaf, self._cause)

    def _decode(self, record: StoredRecord, path: str) -> Settings | None:
        return decode_config(record.value or b"", self._target.zone, known_settings(self._evaluator, path)).settings

    def _tell(self, now: Moment) -> None:
        if self._mark.records:
            root = self._evaluator.tree.root.path
            self._evaluator.emitter.event(EventKind.CONFIGURED, root, now, self._cause.because(summary(self._mark)))


def cause_of(revision: Revision) -> Cause:
    """Who changed the files; where nobody knows, who brought them into force."""
    return Cause(revision.commit.author or revision.user, revision.host, str(revision.commit))


def summary(revision: Revision) -> str:
    """What a revision did, in words."""
    counts = [f"{n} {what}" for what in ("added", "edited", "removed", "moved") if (n := getattr(revision, what))]
    return f"revision {revision.number}: {', '.join(counts) or 'nothing that concerns alarms'}"
