"""Alarm trees in files: loaded at the start, and again whenever a file changes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import CollectorRegistry, Gauge

from alarm_engine.config.load import LoadResult, load_tree
from alarm_engine.config.sync import Author, SyncPlan, sync
from alarm_engine.config.tree import ConfigTree
from alarm_engine.config.unsupported import unsupported
from alarm_engine.errors import ConfigError, JournalCorrupt, JournalUnavailable, SettingsError
from alarm_engine.journal.port import Journal
from alarm_engine.wire.topics import Topics
from tocsin.settings_sections import ConfigurationSettings

log = structlog.get_logger()

_LOOK_EVERY_S = 2.0
_REPORTED = 20
AUTHOR = Author("tocsin", socket.gethostname())


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tree as its files have it."""

    settings: ConfigurationSettings
    tree: ConfigTree
    left_out: tuple[str, ...]
    faults: int
    """Number of errors in its files."""
    stamps: tuple[tuple[str, int, int], ...]
    """Name, time of change and size of every file: what is compared to see a change."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration of the settings, with or without files."""

    name: str
    zone: ZoneInfo
    """Zone of dates without one."""
    phoebus: bool = False
    """A Phoebus server owns it."""


def configurations(settings: Sequence[ConfigurationSettings], loaded: Sequence[Loaded]) -> list[Configuration]:
    """What the settings name, in their order. Raises `ConfigError` for two of one name, or that would share a topic."""
    trees = {one.settings: one.tree for one in loaded}
    found: list[Configuration] = []
    for one in settings:
        tree = trees.get(one)
        name = tree.name if tree is not None else one.name or ""
        if any(other.name == name for other in found):
            raise ConfigError(f"two configurations are named {name}: each needs a name, and topics, of its own")
        zone = ZoneInfo(one.time_zone or (tree.time_zone if tree is not None else "UTC"))
        found.append(Configuration(name, zone, one.owner == "phoebus"))
    _refuse_shared_topics([one.name for one in found])
    return found


def chosen_configurations(settings: Sequence[ConfigurationSettings], wanted: str | None) -> list[Configuration]:
    """All configurations of the settings, or the one of a name, for a short visit; only files without a `name` are read.

    Raises `SettingsError` for a name that is not there.
    """
    found = configurations(settings, load_all([one for one in settings if one.name is None]))
    if wanted is None:
        return found
    chosen = [one for one in found if one.name == wanted]
    if not chosen:
        raise SettingsError(f"there is no configuration {wanted!r} in the settings, only {', '.join(one.name for one in found)}")
    return chosen


def load(settings: ConfigurationSettings) -> tuple[Loaded | None, LoadResult]:
    """The tree of a configuration that has files; None if nothing can be made of them. Faults are in the result, valid parts survive."""
    assert settings.tree is not None
    result = load_tree(settings.tree)
    if result.tree is None:
        return None, result
    tree = replace(result.tree, time_zone=settings.time_zone or result.tree.time_zone)
    files = result.files or (str(settings.tree),)
    return Loaded(settings, tree, result.left_out, len(result.errors), stamps(files)), result


def load_all(configurations: Sequence[ConfigurationSettings]) -> list[Loaded]:
    """All trees that are in files, faults logged; raises `ConfigError` for one that cannot be used at all, and for two of the same name."""
    loaded: list[Loaded] = []
    for settings in configurations:
        if settings.tree is None:
            continue
        one, result = load(settings)
        if one is None:
            faults = "\n  ".join(str(fault) for fault in result.errors[:_REPORTED])
            raise ConfigError(f"{settings.tree}: no alarm tree can be made of it\n  {faults}")
        refuse_another_name(settings, one.tree)
        report(result)
        for note in unsupported(one.tree):
            log.warning("alarm tree", config=one.tree.name, note=note)
        twin = next((other for other in loaded if other.tree.name == one.tree.name), None)
        if twin is not None:
            raise ConfigError(f"{settings.tree} and {twin.settings.tree} are both named {one.tree.name}: give one another `config` name")
        loaded.append(one)
    return loaded


def refuse_another_name(settings: ConfigurationSettings, tree: ConfigTree) -> None:
    """Raise `ConfigError` for a tree that is not named as the settings say: engines would serve that name, and find no alarm there."""
    if settings.name not in (None, tree.name):
        raise ConfigError(f"{settings.tree}: is named {tree.name} (`config`), and the settings expect {settings.name}")


def _refuse_shared_topics(names: Sequence[str]) -> None:
    """Two configurations as `X` and `XEvents` would write into one topic."""
    owners: dict[str, str] = {}
    for name in names:
        for spec in Topics(name).specs():
            other = owners.setdefault(spec.name, name)
            if other != name:
                raise ConfigError(f"the configurations {other} and {name} would share the topic {spec.name}: rename one of them")


def report(result: LoadResult) -> None:
    """Log what is wrong with files."""
    for fault in result.errors[:_REPORTED]:
        log.error("alarm tree", fault=str(fault))
    for fault in result.warnings[:_REPORTED]:
        log.warning("alarm tree", fault=str(fault))
    more = max(0, len(result.errors) - _REPORTED) + max(0, len(result.warnings) - _REPORTED)
    if more:
        log.warning("alarm tree: more faults, see `tocsin config check`", number=more)


def stamps(files: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """What tells whether files have changed; one that is gone has -1."""

    def stamp(name: str) -> tuple[str, int, int]:
        try:
            found = Path(name).stat()
        except OSError:
            return name, -1, -1
        return name, found.st_mtime_ns, found.st_size

    return tuple(stamp(name) for name in files)


class TreeWatch:
    """Keeps the journal at what the files say. A reload with errors keeps what was there, and says so in a gauge."""

    def __init__(
        self,
        journal: Journal,
        loaded: Sequence[Loaded],
        changed: Callable[[Sequence[ConfigTree]], None],
        period_s: float = _LOOK_EVERY_S,
    ) -> None:
        """`changed` is called with all trees after one of them changed; files are looked at every `period_s`."""
        self._journal = journal
        self._loaded = list(loaded)
        self._changed = changed
        self._period_s = period_s
        self._task: asyncio.Task[None] | None = None
        self._late: set[int] = set()
        """Trees that could not be brought into force yet: tried again."""
        self._said: dict[int, str] = {}
        self.faulty = 0
        """Configurations whose files have errors and are not in force."""

    def export(self, registry: CollectorRegistry) -> None:
        """Publish the gauge."""
        gauge = Gauge("tocsin_tree_files_faulty", "Alarm trees whose files have errors and are not in force", registry=registry)
        gauge.set_function(lambda: self.faulty)

    async def start(self) -> None:
        """Bring the journal to the files, then look for changes. A tree whose topics cannot be used is no reason to keep others waiting."""
        self._late = {index for index, loaded in enumerate(self._loaded) if not await self._bring(index, loaded)}
        self._task = asyncio.create_task(self._watch(), name="tree files")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def failure(self) -> BaseException | None:
        """What ended the looking, which must not end; None while it goes on."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    async def _watch(self) -> None:
        seen = [loaded.stamps for loaded in self._loaded]
        last = list(seen)
        faulty: set[int] = set()
        while True:
            await asyncio.sleep(self._period_s)
            self._late = {index for index in self._late if not await self._bring(index, self._loaded[index])}
            for index, loaded in enumerate(self._loaded):
                names = [name for name, _, _ in seen[index]]
                now = await asyncio.to_thread(stamps, names)
                # Half a file may be a good tree with half of the alarms: they would be removed, and their acknowledgements with them.
                settled, last[index] = now == last[index], now
                if now == seen[index] or not settled:
                    continue
                again, result = await asyncio.to_thread(load, loaded.settings)
                last[index] = await asyncio.to_thread(stamps, names)
                if last[index] != now:
                    continue  # written to while it was read
                report(result)
                seen[index] = stamps(result.files) if result.files else now
                if again is None or result.errors or again.tree.name != loaded.tree.name:
                    faulty.add(index)
                    log.error("alarm tree not reloaded: what was there stays in force", file=str(loaded.settings.tree))
                elif await self._apply(index, again):
                    faulty.discard(index)
                else:
                    seen[index] = tuple((name, -2, -2) for name, _, _ in seen[index])  # try again
                self.faulty = len(faulty)

    async def _apply(self, index: int, loaded: Loaded) -> bool:
        if not await self._bring(index, loaded):
            return False
        self._loaded[index] = loaded
        self._late.discard(index)
        self._changed([one.tree for one in self._loaded])
        return True

    async def _bring(self, index: int, loaded: Loaded) -> bool:
        """Into force; False, and said once, if that is not possible now."""
        try:
            difference = await sync(self._journal, loaded.tree, AUTHOR, loaded.left_out)
        except (JournalUnavailable, JournalCorrupt) as problem:
            if self._said.get(index) != str(problem):
                log.error("alarm tree not in force yet: the journal cannot be used", config=loaded.tree.name, problem=str(problem))
            self._said[index] = str(problem)
            return False
        self._said.pop(index, None)
        _tell(loaded, difference)
        return True


def _tell(loaded: Loaded, difference: SyncPlan) -> None:
    log.info(
        "alarm tree in force",
        config=loaded.tree.name,
        alarms=len(loaded.tree.alarms),
        added=len(difference.added),
        edited=len(difference.edited),
        removed=len(difference.removed),
        only_in_topic=len(difference.foreign),
    )
