"""Identities of components from files to the journal. They are engineers' alone: nobody else can edit them, so the files win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alarm_engine.config.tree import ConfigTree
from alarm_engine.journal.port import Record, StoredRecord
from alarm_engine.model.path import canonical, is_below
from alarm_engine.wire.component import decode_component, encode_component
from alarm_engine.wire.keys import RecordType, key, parse_key
from alarm_engine.wire.topics import Topics

PREFIX = key(RecordType.COMPONENT, "")
"""Of the keys of their records."""


def take(ids: dict[str, str], record: StoredRecord) -> None:
    """Work a `component:` record into the identities by path; raises `WireError` for one that cannot be understood."""
    path = canonical(parse_key(record.key)[1])
    identity = "" if record.value is None else decode_component(record.value)
    if identity:
        ids[path] = identity
    else:
        ids.pop(path, None)


def changes(tree: ConfigTree, ids: Mapping[str, str], left_out: Sequence[str] = ()) -> dict[str, str | None]:
    """What brings `ids`, those in force, to those of the files: new identity by path, None for one that goes.

    What is missing at or below `left_out`, where the files have faults, stays unless another component has it now.
    """
    taken = {one.casefold() for one in tree.ids.values()}
    gone = {
        path: None
        for path, identity in ids.items()
        if path not in tree.ids and (identity.casefold() in taken or not any(is_below(path, faulty) for faulty in left_out))
    }
    return {**gone, **{path: identity for path, identity in tree.ids.items() if ids.get(path) != identity}}


def records(config: str, changed: Mapping[str, str | None]) -> list[Record]:
    """The records of changes."""
    topic = Topics(config).settings
    return [
        Record(topic, key(RecordType.COMPONENT, path), None if identity is None else encode_component(identity))
        for path, identity in changed.items()
    ]
