"""Bringing a tree from files into the journal, by difference.

The difference is three-way: what the last sync wrote, what the topic has now, what the files say. Engineers own the tree, so files win;
operators own `enabled` (shelving, out of service), so the topic wins there unless the files changed their mind. What somebody else added
to the topic is left alone and reported.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from alarm_engine.config.tree import ConfigTree
from alarm_engine.errors import WireError
from alarm_engine.journal.port import Journal, Record, StoredRecord
from alarm_engine.journal.reading import read_to_end
from alarm_engine.model.path import ancestors, canonical, is_below, split
from alarm_engine.model.settings import AlarmSettings, NodeSettings, Settings
from alarm_engine.wire.config import decode_config, encode_config, encode_delete_note
from alarm_engine.wire.headers import SYNC, headers
from alarm_engine.wire.keys import RecordType, key, parse_key
from alarm_engine.wire.topics import Topics


@dataclass(slots=True)
class SyncPlan:
    """What a sync is about to write."""

    added: list[str] = field(default_factory=list)
    """Paths that the topic does not have, parents first."""
    edited: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    """Paths that are gone from the files, children first."""
    foreign: list[str] = field(default_factory=list)
    """Paths that only the topic has and no sync ever wrote: left alone."""
    write: dict[str, Settings] = field(default_factory=dict)
    """New value of each added or edited path."""
    synced: dict[str, Settings] = field(default_factory=dict)
    """What files say now, where that is not what the last sync wrote."""

    @property
    def is_empty(self) -> bool:
        """The topic is as the files are."""
        return not (self.write or self.removed or self.synced)


@dataclass(frozen=True, slots=True)
class Author:
    """Who syncs."""

    user: str
    host: str


def plan(tree: ConfigTree, topic: Mapping[str, Settings], synced: Mapping[str, Settings], left_out: Sequence[str] = ()) -> SyncPlan:
    """The difference between files, topic and the last sync.

    `left_out`: paths at or below which the files have faults; what is missing there is not taken for removed.
    """
    result = SyncPlan()
    wanted: dict[str, Settings] = {**tree.nodes, **tree.alarms}
    # What stands at a path keeps its kind until it is deleted: an alarm does not become a component by being written as one.
    retyped = {path for path, settings in wanted.items() if path in topic and type(topic[path]) is not type(settings)}
    for path in sorted(wanted, key=lambda p: len(split(p))):
        settings = wanted[path]
        there, last = (None if path in retyped else topic.get(path)), synced.get(path)
        if last != settings:
            result.synced[path] = settings
        target = _with_operators_choice(settings, there, last)
        if there is None and isinstance(target, NodeSettings) and path == f"/{tree.name}" and target == NodeSettings():
            continue  # Phoebus writes no record for a root that has nothing to say
        if there is None:
            result.added.append(path)
        elif there != target:
            result.edited.append(path)
        else:
            continue
        result.write[path] = target
    _plan_removals(result, [path for path in topic if path not in wanted and path != f"/{tree.name}"], synced, retyped, left_out)
    return result


def _plan_removals(result: SyncPlan, gone: list[str], synced: Mapping[str, Settings], retyped: set[str], left_out: Sequence[str]) -> None:
    """What only the topic has, children first. A component goes only if all below goes: its deletion takes everything with it."""
    needed: set[str] = set()
    for path in sorted([*gone, *retyped], key=lambda p: len(split(p)), reverse=True):
        if path in retyped or any(above in retyped for above in ancestors(path)):
            result.removed.append(path)
        elif any(is_below(path, faulty) for faulty in left_out):
            needed.update(ancestors(path))
        elif path in synced and path not in needed:
            result.removed.append(path)
        else:
            result.foreign.append(path)
            needed.update(ancestors(path))


def _with_operators_choice(settings: Settings, there: Settings | None, last: Settings | None) -> Settings:
    if not isinstance(settings, AlarmSettings) or not isinstance(there, AlarmSettings):
        return settings
    changed_its_mind = isinstance(last, AlarmSettings) and _enablement(last) != _enablement(settings)
    return settings if changed_its_mind else replace(settings, enabled=there.enabled, enabled_at=there.enabled_at)


def _enablement(settings: AlarmSettings) -> tuple[bool, int | None]:
    return settings.enabled, settings.enabled_at


def records(tree: ConfigTree, difference: SyncPlan, author: Author, mark: str = "") -> list[Record]:
    """The records of a plan as Phoebus clients write them: deletions first, children before parents, then parents before children."""
    topics, zone = Topics(tree.name), ZoneInfo(tree.time_zone)
    user, host = author.user, author.host
    written: list[Record] = []
    for path in difference.removed:
        config_key = key(RecordType.CONFIG, path)
        written.append(Record(topics.config, config_key, encode_delete_note(user, host)))
        written.append(Record(topics.config, config_key, None))
        written.append(Record(topics.settings, key(RecordType.SYNCED, path), None))
    for path, settings in difference.write.items():
        value = encode_config(settings, user, host, zone)
        written.append(Record(topics.config, key(RecordType.CONFIG, path), value, headers(sync=mark)))
    for path, settings in difference.synced.items():
        written.append(Record(topics.settings, key(RecordType.SYNCED, path), encode_config(settings, user, host, zone)))
    return written


@dataclass(frozen=True, slots=True)
class InForce:
    """What the topics of a configuration say."""

    topic: dict[str, Settings]
    """By path, as the engine sees it."""
    synced: dict[str, Settings]
    """What the last sync from files wrote."""
    read_to: int
    """Offset after the last record of the configuration topic."""


async def in_force(journal: Journal, tree: ConfigTree) -> InForce:
    """Read what is in force for the configuration of that name. Raises `JournalError`."""
    topics, zone = Topics(tree.name), ZoneInfo(tree.time_zone)
    current: dict[RecordType, dict[str, Settings]] = {RecordType.CONFIG: {}, RecordType.SYNCED: {}}
    read_to = 0
    async for record in read_to_end(journal, [topics.config, topics.settings]):
        _read(record, zone, current)
        if record.topic == topics.config:
            read_to = record.offset + 1
    return InForce(current[RecordType.CONFIG], current[RecordType.SYNCED], read_to)


async def sync(journal: Journal, tree: ConfigTree, author: Author, left_out: Sequence[str] = ()) -> SyncPlan:
    """Bring the topics of a tree to what the files say; returns what was written. Raises `JournalError`.

    Where somebody else wrote between our reading and our writing, what operators own in his record is written once more.
    """
    await journal.ensure_topics(Topics(tree.name).specs())
    current = await in_force(journal, tree)
    read_to = current.read_to
    difference = plan(tree, current.topic, current.synced, left_out)
    pending = difference
    while not pending.is_empty:
        mark = uuid.uuid4().hex
        await journal.append(records(tree, pending, author, mark))
        overtaken, read_to = await _overtaken(journal, tree, pending.write, mark, read_to)
        pending = SyncPlan(write=overtaken)
    return difference


async def _overtaken(
    journal: Journal, tree: ConfigTree, written: Mapping[str, Settings], mark: str, read_to: int
) -> tuple[dict[str, Settings], int]:
    """Alarms whose `enabled` somebody set between our reading and our record: as we wrote them, with his choice."""
    topics, zone = Topics(tree.name), ZoneInfo(tree.time_zone)
    chosen: dict[str, Settings] = {}
    own: set[str] = set()
    async for record in read_to_end(journal, [topics.config], {topics.config: read_to}):
        read_to = record.offset + 1
        found: dict[RecordType, dict[str, Settings]] = {RecordType.CONFIG: {}}
        _read(record, zone, found)
        for path, settings in found[RecordType.CONFIG].items():
            ours = written.get(path)
            if record.header(SYNC) == mark:
                own.add(path)
            elif path not in own and isinstance(ours, AlarmSettings) and isinstance(settings, AlarmSettings):
                chosen[path] = replace(ours, enabled=settings.enabled, enabled_at=settings.enabled_at)
    return {path: settings for path, settings in chosen.items() if settings != written[path]}, read_to


def _read(record: StoredRecord, zone: ZoneInfo, current: dict[RecordType, dict[str, Settings]]) -> None:
    try:
        kind, raw_path = parse_key(record.key)
        if kind not in current:
            return
        path = canonical(raw_path)
        if record.value is None:
            current[kind].pop(path, None)
            return
        decoded = decode_config(record.value, zone, current[kind].get(path) if kind is RecordType.CONFIG else None)
        if decoded.settings is not None:
            current[kind][path] = decoded.settings
    except WireError:
        return  # the engine reports it; a good record for that path will be written
