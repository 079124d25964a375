"""Alarm trees in files, and the configurations of a site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import structlog

from alarm_engine.config.load import LoadResult, load_tree
from alarm_engine.config.memory import Memory
from alarm_engine.config.tree import ConfigTree, arrange
from alarm_engine.config.unsupported import unsupported
from alarm_engine.errors import ConfigError, SettingsError
from alarm_engine.wire.topics import Topics
from tocsin.file_stamps import Stamps, look
from tocsin.settings_sections import ConfigurationSettings

log = structlog.get_logger()

_REPORTED = 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tree as its files have it."""

    settings: ConfigurationSettings
    tree: ConfigTree
    left_out: tuple[str, ...]
    faults: int
    """Number of errors in its files."""
    stamps: Stamps
    """What is compared to see a change."""
    memory: Memory = field(default_factory=Memory, compare=False, repr=False)
    """What makes reading them again cheap."""


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


def load(settings: ConfigurationSettings, memory: Memory | None = None) -> tuple[Loaded | None, LoadResult]:
    """The tree of a configuration that has files; None if nothing can be made of them. Faults are in the result, valid parts survive.

    `memory`: that of the last load.
    """
    assert settings.tree is not None
    memory = memory or Memory()
    result = load_tree(settings.tree, memory=memory)
    if result.tree is None:
        return None, result
    tree = replace(result.tree, time_zone=settings.time_zone or result.tree.time_zone)
    files = result.files or (str(settings.tree),)
    return Loaded(settings, tree, result.left_out, len(result.errors), look(settings.tree, files), memory), result


def load_patiently(configurations: Sequence[ConfigurationSettings]) -> list[Loaded]:
    """As `load_all`, but a tree of which nothing can be made is an empty one with faults where the settings name the configuration.

    For whoever waits for better files rather than end.
    """
    loaded: list[Loaded] = []
    for settings in configurations:
        if settings.tree is None:
            continue
        one, result = load(settings)
        if settings.name is not None and (one is None or one.tree.name != settings.name):
            report(result)
            blank = arrange(settings.name, settings.time_zone or "UTC", {}, {})
            files = result.files or (str(settings.tree),)
            loaded.append(Loaded(settings, blank, (blank.root,), max(1, len(result.errors)), look(settings.tree, files)))
        else:
            loaded += load_all([settings])
    return loaded


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
